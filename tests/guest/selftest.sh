#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests of the guest runner itself: selftest.sh [--junit FILE]. Three small guests run side by side.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
GUEST_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "$GUEST_DIR/kernel_log.sh"
JUNIT=/dev/null
[ "${1:-}" != --junit ] || JUNIT=$2
WORK=$(mktemp -d "${TMPDIR:-/tmp}/causeway selftest.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
export CAUSEWAY_GUEST_MODULES='' CAUSEWAY_GUEST_MEMORY=1024
FAILURES=0

# case_ NAME WHY COMMAND…: a test passes if COMMAND does.
case_() {
    local name=guest_runner.$1 why=$2
    shift 2
    if "$@"; then
        printf '  passed  %s\n' "$name"
        printf '<testcase name="%s" status="run"/>\n' "$name" >>"$WORK/cases"
    else
        printf '  FAILED  %s: %s\n' "$name" "$why"
        printf '<testcase name="%s" status="fail"><failure message="%s"/></testcase>\n' "$name" "$why" >>"$WORK/cases"
        FAILURES=$((FAILURES + 1))
    fi
}
equal() { [ "$1" = "$2" ]; }
says() { grep -q -F -- "$2" "$WORK/$1.err"; }

# guest NAME [options] -- COMMAND…: leaves NAME.out, NAME.err and NAME.status.
guest() {
    local name=$1 status=0
    shift
    "$GUEST_DIR/run.sh" --log "$WORK/$name.log" "$@" >"$WORK/$name.out" 2>"$WORK/$name.err" </dev/null || status=$?
    printf '%s\n' "$status" >"$WORK/$name.status"
}

find_complaints() {
    local line
    while read -r line; do
        printf '[    1.0] %s\n' "$line" >"$WORK/sample"
        kernel_log_complaints "$WORK/sample" >/dev/null || return 1
    done <<'LOG'
WARNING: CPU: 0 PID: 1 at drivers/dma-buf/dma-buf.c:1 dma_buf_put+0x1
BUG: unable to handle page fault for address: 0000000000000008
Oops: 0000 [#1] PREEMPT SMP
BUG: KASAN: slab-use-after-free in dma_buf_release
Oops: general protection fault, probably for non-canonical address
Call Trace:
LOG
    printf '[    1.0] usb 1-1: new device, debugging is off, no warnings\n' >"$WORK/sample"
    ! kernel_log_complaints "$WORK/sample"
}

mkdir "$WORK/results"
cd "$WORK"
# The first guest may have to fetch the kernel and try KVM; the others wait for its lock.
# shellcheck disable=SC2016 # meant for the guest's shell
guest exit --results "$WORK/results" -- bash -c \
    'printf "%s|" "$PWD" "$@"; echo to-stderr >&2; echo kept >results/file; echo lost >elsewhere; exit 42' - 'two words' '$HOME' &
guest warning -- sh -c 'echo "WARNING: planted by the self-test" >/dev/kmsg' &
guest timeout --timeout 10 -- sh -c 'echo begun; echo "<6>last words" >/dev/kmsg; sleep 1000' &
CAUSEWAY_GUEST_QEMU_ARGS='-device no-such-device' guest refused -- true &
wait

case_ exit_code "the command's exit code is not handed through" equal "$(cat exit.status)" 42
case_ output "stdout, arguments or working folder are not the command's" equal "$(cat exit.out)" "$WORK|two words|\$HOME|"
case_ stderr "stderr does not come out as stderr" says exit to-stderr
case_ results "a file in the results folder does not come back" equal "$(cat results/file 2>&1)" kept
case_ read_only "the guest could write outside the results folder" test ! -e elsewhere
case_ log_check "the check of the kernel log misses a complaint or sees one too many" find_complaints
case_ kernel_warning "a WARNING in the kernel log does not fail the run" equal "$(cat warning.status)" 123
case_ kernel_warning_shown "a WARNING in the kernel log is not shown" says warning 'planted by the self-test'
case_ timeout "a command that hangs is not stopped" equal "$(cat timeout.status)" 124
case_ timeout_said "a timeout has no clear message" says timeout 'stopped after 10 seconds: the command was still running: sh -c'
case_ timeout_output "output before the timeout is lost" equal "$(cat timeout.out)" begun
case_ timeout_log "the kernel's last words before the timeout are lost" grep -q 'last words' timeout.log
case_ qemu_refused "a QEMU that does not start is not told apart" equal "$(cat refused.status)" 125
case_ qemu_said "QEMU's own message is not shown" says refused no-such-device

if [ "$FAILURES" -ne 0 ]; then
    tail -n 20 ./*.err
fi
{
    printf '<testsuite name="guest_runner">\n'
    cat cases
    printf '</testsuite>\n'
} >"$JUNIT"
[ "$FAILURES" -eq 0 ]
