#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command in a virtual machine that sees this machine's files, with real dma-buf drivers. See docs/testing.md.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
GUEST_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
ROOT=$(cd "$GUEST_DIR/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
. "$GUEST_DIR/kernel.sh"
. "$GUEST_DIR/kernel_log.sh"
. "$GUEST_DIR/accelerator.sh"

help() {
    cat <<'TEXT'
usage: tests/guest/run.sh [--results DIR] [--log FILE] [--timeout SECONDS] -- COMMAND…

COMMAND runs as root in the guest, in the current folder. The guest sees all files of this machine that the caller can
read; what it writes is gone afterwards, except in the folder DIR. The kernel's log goes to FILE.

Exit code: the command's; 123 if only the kernel's log has complaints; 124 after the timeout; 125 if the guest itself failed.

Environment:
  CAUSEWAY_GUEST_ACCEL        auto (default), kvm, tcg, or anything that QEMU's -accel takes
  CAUSEWAY_GUEST_MACHINE      what QEMU's -machine takes (default q35)
  CAUSEWAY_GUEST_MEMORY       in MiB (default 4096)
  CAUSEWAY_GUEST_CPUS         default 2
  CAUSEWAY_GUEST_QEMU_ARGS    more arguments for QEMU, e.g. "-device intel-iommu,intremap=on -device edu"
  CAUSEWAY_GUEST_KERNEL_ARGS  more arguments for the kernel, e.g. "intel_iommu=on"
  CAUSEWAY_GUEST_MODULES      modules to load (default "vgem virtio-gpu vivid"); one that starts with + adds to these
  CAUSEWAY_GUEST_KERNEL       a folder with another unpacked kernel (boot/vmlinuz-*, lib/modules/)
  CAUSEWAY_GUEST_TIMEOUT      seconds for the command (default 900; none when interactive)
TEXT
}
say() { printf 'guest: %s\n' "$*" >&2; }
die() {
    say "$*."
    exit 125
}

RESULTS='' LOG=$ROOT/build/guest/kernel.log TIMEOUT=${CAUSEWAY_GUEST_TIMEOUT:-}
while [ $# -gt 0 ]; do
    case $1 in
    --results) RESULTS=$2 && shift ;;
    --log) LOG=$2 && shift ;;
    --timeout) TIMEOUT=$2 && shift ;;
    -h | --help) help && exit 0 ;;
    --) shift && break ;;
    *) help >&2 && exit 2 ;;
    esac
    shift
done
[ $# -gt 0 ] || { help >&2 && exit 2; }
COMMAND=("$@")
INTERACTIVE='' TERMINAL=''
if [ -t 0 ] && [ -t 1 ]; then INTERACTIVE=1 TERMINAL=$(stty -g); fi
exec 3<&0
[ -n "$TIMEOUT" ] || [ -n "$INTERACTIVE" ] || TIMEOUT=900
BOOT_TIMEOUT=180

CACHE=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/causeway/guest
mkdir -p "$CACHE" 2>/dev/null && [ -w "$CACHE" ] || CACHE=$ROOT/build/guest/cache
mkdir -p "$CACHE" "$(dirname "$LOG")"
[ -z "$RESULTS" ] || { mkdir -p "$RESULTS" && RESULTS=$(cd "$RESULTS" && pwd); }
CONTROL=$(mktemp -d "${TMPDIR:-/tmp}/causeway-guest.XXXXXX")

QEMU='' READERS=()
stop_qemu() {
    [ -n "$QEMU" ] || return 0
    kill -KILL "$QEMU" 2>/dev/null || true
    wait "$QEMU" 2>/dev/null || true
    QEMU=''
}
# shellcheck disable=SC2317 # a trap calls it
clean_up() {
    stop_qemu
    # QEMU puts its terminal back itself, unless it was killed.
    [ -z "$TERMINAL" ] || stty "$TERMINAL" <&3 || true
    [ ${#READERS[@]} -eq 0 ] || kill "${READERS[@]}" 2>/dev/null || true
    rm -rf "$CONTROL"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What inside.sh reads: the settings, and those of the caller's variables that mean something to tests and tools.
write_settings() {
    local rows=24 columns=80 name
    [ -z "$INTERACTIVE" ] || read -r rows columns < <(stty size)
    GUEST_MODULES=${CAUSEWAY_GUEST_MODULES-vgem virtio-gpu vivid}
    [ "${GUEST_MODULES#+}" = "$GUEST_MODULES" ] || GUEST_MODULES="vgem virtio-gpu vivid ${GUEST_MODULES#+}"
    {
        printf 'WORKING_DIRECTORY=%q INTERACTIVE=%q ROWS=%q COLUMNS=%q\n' "$PWD" "$INTERACTIVE" "$rows" "$columns"
        printf 'RESULTS=%q MODULES=%q GUEST_MODULES=%q\nCOMMAND=(' "$RESULTS" "$MODULES" "$GUEST_MODULES"
        printf ' %q' "${COMMAND[@]}"
        printf ' )\n'
    } >"$CONTROL/settings"
    for name in $(compgen -e); do
        case $name in
        PATH | HOME | LANG | LC_* | TERM | TZ | CI | NO_COLOR | CAUSEWAY_* | GTEST_* | CTEST_* | BENCHMARK_* | *SAN_OPTIONS | \
            VK_* | MESA_* | LP_* | GALLIUM_* | POCL_* | OCL_*) printf 'export %s=%q\n' "$name" "${!name}" ;;
        esac
    done >"$CONTROL/environment"
    cp "$GUEST_DIR/inside.sh" "$CONTROL/"
}

share() { printf 'local,mount_tag=%s,path=%s,security_model=none,multidevs=remap%s' "$1" "${2//,/,,}" "${3:-}"; }

start_qemu() {
    local arguments extra name
    rm -f "$CONTROL"/{ready,exit,problem,dmesg}
    : >"$CONTROL/serial"
    # "quiet": drawing the boot messages on the serial line takes longer than the boot; dmesg brings them afterwards.
    # A slow host must not look like a stuck guest, hence the long watchdogs.
    local append="console=ttyS0 quiet panic=-1 mitigations=off log_buf_len=4M watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120"
    # Whether the timer interrupts is tested by counting instructions: on a busy machine an emulated one comes too late,
    # and the kernel gives up.
    append+=" no_timer_check"
    # shellcheck disable=SC2054 # the commas are QEMU's
    arguments=(
        -machine "${CAUSEWAY_GUEST_MACHINE:-q35}" -m "${CAUSEWAY_GUEST_MEMORY:-4096}" -smp "${CAUSEWAY_GUEST_CPUS:-2}"
        -nodefaults -no-user-config -display none -vga none -no-reboot -serial "file:$CONTROL/serial"
        -kernel "$KERNEL" -initrd "$INITRAMFS" -append "$append ${CAUSEWAY_GUEST_KERNEL_ARGS:-}"
        -virtfs "$(share host / ,readonly=on)" -virtfs "$(share control "$CONTROL")"
        -device virtio-gpu-pci -device virtio-serial-pci
    )
    [ -z "$RESULTS" ] || arguments+=(-virtfs "$(share results "$RESULTS")")
    read -r -a extra <<<"${CAUSEWAY_GUEST_QEMU_ARGS:-}"
    if [ -n "$INTERACTIVE" ]; then
        arguments+=(-chardev "stdio,id=console,signal=off" -device "virtconsole,chardev=console")
        launch "${arguments[@]}" "${extra[@]}" <&3 &
    else
        for name in out err; do
            rm -f "$CONTROL/$name"
            mkfifo "$CONTROL/$name"
            arguments+=(-chardev "file,id=$name,path=${CONTROL//,/,,}/$name"
                -device "virtserialport,chardev=$name,name=causeway.$name")
        done
        cat "$CONTROL/out" &
        READERS=($!)
        cat "$CONTROL/err" >&2 &
        READERS+=($!)
        launch "${arguments[@]}" "${extra[@]}" </dev/null &
    fi
    QEMU=$!
}

# Becomes QEMU, which then dies with this script, however that ends.
launch() {
    exec setpriv --pdeathsig KILL -- qemu-system-x86_64 "${ACCEL_ARGUMENTS[@]}" "$@" 2>"$CONTROL/qemu"
}

# Waits until QEMU has ended, and sets OUTCOME: ended, boot-timeout or timeout.
watch_qemu() {
    local started=$SECONDS ready=''
    OUTCOME=ended
    while kill -0 "$QEMU" 2>/dev/null; do
        if [ -z "$ready" ] && [ -e "$CONTROL/ready" ]; then
            ready=$SECONDS
        fi
        if [ -z "$ready" ] && ((SECONDS - started > BOOT_TIMEOUT)); then
            OUTCOME=boot-timeout
        elif [ -n "$ready" ] && [ -n "$TIMEOUT" ] && ! [ -e "$CONTROL/exit" ] && ((SECONDS - ready >= TIMEOUT)); then
            OUTCOME=timeout
        fi
        if [ "$OUTCOME" != ended ]; then
            stop_qemu
            break
        fi
        sleep 0.1
    done
    [ -z "$QEMU" ] || wait "$QEMU" || true
    QEMU=''
    if [ ${#READERS[@]} -gt 0 ]; then
        # If QEMU never opened the pipes, neither have their readers got past opening them.
        : <>"$CONTROL/out" <>"$CONTROL/err"
        wait "${READERS[@]}" || true
        READERS=()
    fi
}

# The complete log if the guest could still write it, else what came over the serial line.
keep_log() {
    if [ -s "$CONTROL/dmesg" ]; then
        cp "$CONTROL/dmesg" "$LOG"
    else
        tr -d '\r' <"$CONTROL/serial" >"$LOG"
    fi
}

prepare_kernel
choose_accelerator
write_settings
start_qemu
watch_qemu
if ! [ -e "$CONTROL/ready" ] && [ "$ACCEL" = kvm ] && [ "${CAUSEWAY_GUEST_ACCEL:-auto}" = auto ]; then
    say "The guest did not start under KVM, although its probe had passed; trying without"
    set_accelerator tcg
    start_qemu
    watch_qemu
    [ ! -e "$CONTROL/ready" ] || remember_accelerator tcg
fi
keep_log

[ ! -e "$CONTROL/problem" ] || die "$(cat "$CONTROL/problem")"
case $OUTCOME in
boot-timeout)
    tail -n 20 "$LOG" >&2
    die "the guest was not ready after $BOOT_TIMEOUT seconds; its kernel log is $LOG"
    ;;
timeout)
    tail -n 5 "$LOG" >&2
    say "stopped after $TIMEOUT seconds: the command was still running: ${COMMAND[*]}. The kernel log is $LOG."
    exit 124
    ;;
esac
complaints=$(kernel_log_complaints "$LOG" || true)
if [ -n "$complaints" ]; then
    printf '%s\n' "$complaints" >&2
    say "the kernel complained (above; all of it in $LOG)."
fi
if ! [ -e "$CONTROL/exit" ]; then
    tail -n 20 "$CONTROL/qemu" >&2
    grep -v '^$' "$LOG" | tail -n 20 >&2 || true
    die "QEMU ended before the command did; above are its last words and the kernel's, if any"
fi
status=$(cat "$CONTROL/exit")
[ "$status" -ne 0 ] || [ -z "$complaints" ] || status=123
exit "$status"
