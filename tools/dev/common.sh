# SPDX-License-Identifier: Apache-2.0
# Shared by the parts of ./dev; sourced, with the repository's root as working directory.
# shellcheck shell=bash

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$'\e[1m' PLAIN=$'\e[0m'
else
    BOLD='' PLAIN=''
fi

# One line for each step of long work.
step() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*"; }
note() { printf '    %s\n' "$*"; }
fail() {
    printf './dev: %s\n' "$*" >&2
    exit 1
}
usage_error() {
    printf './dev: %s See ./dev help.\n' "$*" >&2
    exit 2
}

# need PART FUNCTION [args…]: loads tools/dev/PART.sh once and calls its function.
need() {
    # shellcheck source=/dev/null
    declare -F "$2" >/dev/null || . "tools/dev/$1.sh"
    "${@:2}"
}

# Takes --preset from the arguments; leaves PRESET and the others in ARGS.
parse_preset() {
    PRESET=release ARGS=()
    while [ $# -gt 0 ]; do
        case $1 in
        --preset)
            [ $# -ge 2 ] || usage_error "--preset needs a name."
            PRESET=$2
            shift
            ;;
        --preset=*) PRESET=${1#*=} ;;
        *) ARGS+=("$1") ;;
        esac
        shift
    done
    case $PRESET in
    dev | release | asan-ubsan | tsan | tidy) ;;
    *) usage_error "there is no preset \"$PRESET\"." ;;
    esac
}

# run_logged LOG COMMAND…: quiet on success; on failure shows the end of the log.
run_logged() {
    local log=$1 status=0
    shift
    mkdir -p "$(dirname "$log")"
    "$@" >>"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 25 "$log" >&2
        printf './dev: "%s" failed (exit code %s). The whole log: %s\n' "$*" "$status" "$log" >&2
    fi
    return "$status"
}
