# SPDX-License-Identifier: Apache-2.0
# ./dev check: what a change must pass besides its tests. Runs every part, then says which failed.
# shellcheck shell=bash

cmd_check() {
    [ $# -eq 0 ] || usage_error "check takes no arguments."
    need setup setup
    local failed=() part status
    for part in format shell tidy asan-ubsan tsan; do
        step "Check: $part"
        # In a subshell, so that one part's end is not the others'. Not before a ||, where bash ignores set -e.
        set +e
        (set -e; check_part "$part")
        status=$?
        set -e
        [ "$status" -eq 0 ] || failed+=("$part")
    done
    [ ${#failed[@]} -eq 0 ] || fail "these checks failed: ${failed[*]}."
    step "All checks passed"
}

check_part() {
    case $1 in
    format) check_format ;;
    shell) check_shell ;;
    tidy) need build build tidy ;;
    *) check_unit_tests "$1" ;;
    esac
}

# Tracked files, and new ones that git does not ignore.
our_files() { git ls-files --cached --others --exclude-standard --deduplicate -- "$@" | while read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done; }

check_format() {
    local files
    mapfile -t files < <(our_files '*.cpp' '*.hpp' '*.c' '*.h')
    if ! clang-format --version | grep -q 'version 14\.'; then
        note "Skipped: version 14 (Debian 12's) decides on the format, and others differ; here is $(clang-format --version)"
        return 0
    fi
    [ ${#files[@]} -eq 0 ] || clang-format --dry-run -Werror "${files[@]}"
}

check_shell() {
    local files
    mapfile -t files < <(our_files '*.sh' dev .ci/run)
    shellcheck -x "${files[@]}"
}

check_unit_tests() {
    local preset=$1 results=$CAUSEWAY_ROOT/build/$1/results
    need build build "$preset"
    rm -rf "${results:?}/unit"
    mkdir -p "$results/unit"
    need test test_here "build/$preset" unit "$results/unit"
    /usr/bin/python3 tools/dev/summary.py "$results" unit
}
