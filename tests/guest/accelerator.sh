# SPDX-License-Identifier: Apache-2.0
# KVM where it works, else QEMU's own translation (TCG). Sourced by run.sh.
# shellcheck shell=bash disable=SC2034

# Sets ACCEL and ACCEL_ARGUMENTS.
choose_accelerator() {
    local wanted=${CAUSEWAY_GUEST_ACCEL:-auto}
    # A /dev/kvm that can be opened proves little (nested and emulated ones abort later), so a kernel is booted on it,
    # once for each machine, QEMU and guest kernel.
    ACCEL_ANSWER=$CACHE/accelerator-$(printf '%s\n' "$(uname -n -r)" "$(qemu-system-x86_64 --version)" "$KERNEL_VERSION" \
        "$(cat /etc/machine-id 2>/dev/null)" | cksum | cut -d' ' -f1)
    case $wanted in
    auto)
        if ! [ -r /dev/kvm ] || ! [ -w /dev/kvm ]; then
            set_accelerator tcg
        elif [ -s "$ACCEL_ANSWER" ]; then
            set_accelerator "$(cat "$ACCEL_ANSWER")"
        elif kvm_boots; then
            remember_accelerator kvm
        else
            remember_accelerator tcg
        fi
        ;;
    *) set_accelerator "$wanted" ;;
    esac
}

remember_accelerator() {
    printf '%s\n' "$1" >"$ACCEL_ANSWER"
    set_accelerator "$1"
}

set_accelerator() {
    ACCEL=$1
    case $ACCEL in
    kvm) ACCEL_ARGUMENTS=(-accel kvm -cpu host) ;;
    tcg)
        # Counting instructions needs one thread.
        local threads=multi
        [[ " ${CAUSEWAY_GUEST_QEMU_ARGS:-}" != *" -icount"* ]] || threads=single
        ACCEL_ARGUMENTS=(-accel "tcg,thread=$threads" -cpu max)
        ;;
    *) ACCEL_ARGUMENTS=(-accel "$ACCEL" -cpu max) ;;
    esac
}

kvm_boots() {
    say "Trying KVM once"
    # In a subshell, whose "Aborted" nobody sees.
    (timeout -k 1 20 qemu-system-x86_64 -accel kvm -cpu host -machine q35 -m 512 -smp 2 -nodefaults -no-user-config \
        -display none -vga none -no-reboot -serial stdio -kernel "$KERNEL" -initrd "$INITRAMFS" \
        -append "console=ttyS0 quiet panic=-1 causeway.probe" </dev/null >"$CONTROL/probe"; true) >"$CONTROL/probe.errors" 2>&1
    if grep -q 'causeway: user space runs' "$CONTROL/probe"; then
        say "KVM works"
    else
        say "KVM does not work here; the guest runs without it, which is slower"
        return 1
    fi
}
