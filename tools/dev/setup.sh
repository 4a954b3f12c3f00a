# SPDX-License-Identifier: Apache-2.0
# ./dev setup: the Debian packages that build and tests need. Silent when all are there.
# shellcheck shell=bash
. tools/dev/packages.sh

BACKPORTS_FILE=/etc/apt/sources.list.d/causeway-backports.sources

cmd_setup() {
    [ $# -eq 0 ] || usage_error "setup takes no arguments."
    setup
    note "All packages are installed."
}

# Asks dpkg once; ends here, silently, when nothing is missing.
setup() {
    [ -z "${SETUP_DONE:-}" ] || return 0
    SETUP_DONE=1
    local ID='' VERSION_ID='' VERSION_CODENAME=''
    # shellcheck source=/dev/null
    [ ! -r /etc/os-release ] || . /etc/os-release
    case $ID$VERSION_ID in
    debian12 | debian13) ;;
    *)
        [ -z "${CAUSEWAY_SKIP_SETUP:-}" ] || return 0
        printf '%s\n' "./dev installs packages on Debian 12 and 13 only; this is ${PRETTY_NAME:-an unknown system}." \
            "These are Debian's names of what is needed (Mesa 24, libdrm 2.4.120 and QEMU 8 at least):" >&2
        packages | awk -F'|' '{ printf "  %-24s %s\n", $1, $3 }' >&2
        fail "when you have installed them, set CAUSEWAY_SKIP_SETUP=1."
        ;;
    esac
    list_missing
    [ ${#MISSING_MAIN[@]} -gt 0 ] || [ ${#MISSING_NEWER[@]} -gt 0 ] || return 0
    install_missing
}

# Fills MISSING_MAIN and MISSING_NEWER.
list_missing() {
    local -A installed=()
    local package status version from why names
    mapfile -t names < <(packages | cut -d'|' -f1)
    MISSING_MAIN=() MISSING_NEWER=() MISSING_WHY=()
    while read -r package status version; do
        [ "$status" != installed ] || installed[$package]=$version
    done < <(dpkg-query -W -f '${Package} ${db:Status-Status} ${Version}\n' "${names[@]}" 2>/dev/null)
    while IFS='|' read -r package from why; do
        version=${installed[$package]:-}
        if [ "$from" = newer ] && [ "$VERSION_ID" = 12 ]; then
            # A version of backports says so; anything else newer than Debian 12's is somebody's choice.
            case $version in
            *~bpo12*) continue ;;
            '' | *deb12* | 22.3.* | 2.4.114* | 1:7.2*) MISSING_NEWER+=("$package") ;;
            *) continue ;;
            esac
        elif [ -z "$version" ]; then
            MISSING_MAIN+=("$package")
        else
            continue
        fi
        MISSING_WHY+=("$package|$why")
    done < <(packages)
}

install_missing() {
    local log=build/logs/setup.log
    local missing=("${MISSING_NEWER[@]}" "${MISSING_MAIN[@]}")
    AS_ROOT=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "these packages are missing, and this user is neither root nor has sudo:" \
            "${missing[*]}. As root, run: $CAUSEWAY_ROOT/dev setup"
        AS_ROOT=(sudo)
        [ "${CI:-}" != true ] || AS_ROOT=(sudo -n)
    fi
    step "Installing what is missing: ${#missing[@]} packages (log: $log)"
    printf '%s\n' "${MISSING_WHY[@]}" | awk -F'|' '{ printf "    %-24s %s\n", $1, $2 }'

    step "Reading the package lists"
    # Somebody's third-party source that fails need not stop us.
    run_logged "$log" "${AS_ROOT[@]}" apt-get -q update || note "Not all lists could be read; going on with what there is."
    if [ ${#MISSING_NEWER[@]} -gt 0 ]; then
        local release=()
        if [ "$VERSION_ID" = 12 ]; then
            enable_backports "$log"
            release=(-t bookworm-backports)
            mapfile -t -O ${#MISSING_NEWER[@]} MISSING_NEWER < <(mesa_parts_to_upgrade)
        fi
        step "Installing from ${release[1]:-$VERSION_CODENAME}"
        apt_install "$log" "${release[@]}" "${MISSING_NEWER[@]}"
    fi
    if [ ${#MISSING_MAIN[@]} -gt 0 ]; then
        step "Installing from $VERSION_CODENAME"
        apt_install "$log" "${MISSING_MAIN[@]}"
    fi
    list_missing
    [ ${#MISSING_WHY[@]} -eq 0 ] || fail "apt reported success, yet these are missing or too old: ${MISSING_NEWER[*]} ${MISSING_MAIN[*]}"
}

apt_install() {
    local log=$1
    shift
    run_logged "$log" "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@" || exit 1
}

# The URI comes from apt itself, which has read this machine's sources, old format or new.
enable_backports() {
    apt_indexes bookworm-backports | grep -q . && return 0
    local uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    uri=$(apt_indexes bookworm | head -n 1)
    [ -n "$uri" ] || fail "apt has no source for bookworm's component main, so the address of bookworm-backports is unknown." \
        "Please add bookworm-backports to apt's sources."
    step "Enabling bookworm-backports in $BACKPORTS_FILE"
    note "Debian 12's own Mesa, libdrm and QEMU are too old. Delete the file to undo this."
    {
        printf '%s\n' "# Written by Causeway's ./dev setup, for Mesa, libdrm, QEMU and the kernel of the test guest." \
            "Types: deb" "URIs: $uri" "Suites: bookworm-backports" "Components: main"
        [ ! -r $keyring ] || printf 'Signed-By: %s\n' $keyring
    } | "${AS_ROOT[@]}" tee "$BACKPORTS_FILE" >/dev/null
    if ! run_logged "$1" "${AS_ROOT[@]}" apt-get -q update || ! apt_indexes bookworm-backports | grep -q .; then
        "${AS_ROOT[@]}" rm -f "$BACKPORTS_FILE"
        fail "$uri offers no bookworm-backports; $BACKPORTS_FILE is removed again."
    fi
}

apt_indexes() {
    # shellcheck disable=SC2016 # apt's own variable
    apt-get indextargets "Codename: $1" 'Component: main' 'Created-By: Packages' --format '$(REPO_URI)'
}

# Mesa's and libdrm's packages must all be of one version: those already here go along.
mesa_parts_to_upgrade() {
    local package
    dpkg-query -W -f '${db:Status-Status} ${source:Package} ${Version} ${Package}\n' |
        awk '$1 == "installed" && ($2 == "mesa" || $2 == "libdrm") && $3 !~ /bpo12/ { print $4 }' | sort -u |
        while read -r package; do
            apt-cache madison "$package" | grep -q 'bookworm-backports' && printf '%s\n' "$package"
        done
    return 0
}
