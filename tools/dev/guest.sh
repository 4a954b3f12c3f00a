# SPDX-License-Identifier: Apache-2.0
# ./dev guest: a command, or a shell, in the test guest. Nothing is built for it.
# shellcheck shell=bash

cmd_guest() {
    case ${1:-} in
    -h | --help) exec tests/guest/run.sh --help ;;
    --) shift ;;
    esac
    need setup setup
    [ $# -gt 0 ] || set -- bash
    exec tests/guest/run.sh -- "$@"
}
