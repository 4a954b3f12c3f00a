# SPDX-License-Identifier: Apache-2.0
# The guest's process 1 once the host's files are its root: loads drivers, runs the command, leaves its exit code in
# /run/causeway (shared with the host) and powers off.
# shellcheck shell=bash
control=/run/causeway
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

power_off() {
    dmesg >$control/dmesg
    sync
    echo o >/proc/sysrq-trigger
    sleep 60
}
give_up() {
    printf '%s\n' "$1" >$control/problem
    power_off
}

# GUEST_MODULES MODULES RESULTS WORKING_DIRECTORY INTERACTIVE ROWS COLUMNS, and the array COMMAND
# shellcheck source=/dev/null
. $control/settings

mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t debugfs debugfs /sys/kernel/debug
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
for name in 0:stdin 1:stdout 2:stderr; do
    [ -e "/dev/${name#*:}" ] || ln -s "/proc/self/fd/${name%:*}" "/dev/${name#*:}"
done
hostname causeway-guest 2>/dev/null || echo causeway-guest >/proc/sys/kernel/hostname
ip link set lo up 2>/dev/null || busybox ip link set lo up
# A pool of huge pages, 32 MiB, for the exporter hugetlb.
[ ! -e /proc/sys/vm/nr_hugepages ] || echo 16 >/proc/sys/vm/nr_hugepages

mkdir -p /lib/modules
mount --bind "$MODULES/lib/modules" /lib/modules
mkdir -p /etc/modprobe.d
# One single-planar camera, /dev/video0, and one multi-planar, /dev/video1, with nothing but capture.
echo "options vivid n_devs=2 node_types=0x1,0x1 multiplanar=1,2 vid_cap_nr=0,1" >/etc/modprobe.d/causeway-vivid.conf
for module in $GUEST_MODULES; do
    modprobe "$module" 2>$control/modprobe || give_up "modprobe $module failed: $(cat $control/modprobe)"
done

if [ -n "$RESULTS" ]; then
    mkdir -p "$RESULTS"
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 results "$RESULTS" || give_up "the results share cannot be mounted"
fi
# shellcheck source=/dev/null
. $control/environment
[ -d "${HOME:-}" ] || export HOME=/tmp
unset XDG_RUNTIME_DIR
cd "$WORKING_DIRECTORY" || give_up "the folder $WORKING_DIRECTORY cannot be read inside the guest"
# From here on the serial line, which outlives a crash, has every message of the kernel.
dmesg -n debug
: >$control/ready

if [ -n "$INTERACTIVE" ]; then
    stty -F /dev/hvc0 rows "$ROWS" cols "$COLUMNS"
    setsid -w -c "${COMMAND[@]}" <>/dev/hvc0 >&0 2>&0
    status=$?
else
    for port in /sys/class/virtio-ports/*; do
        case $(cat "$port/name") in
        causeway.out) out=/dev/${port##*/} ;;
        causeway.err) err=/dev/${port##*/} ;;
        esac
    done
    # A port opens once only, so the command gets pipes: it may then open /dev/stdout as often as it likes.
    mkfifo /run/out /run/err
    cat /run/out >"$out" &
    readers=$!
    cat /run/err >"$err" &
    readers+=" $!"
    setsid -w "${COMMAND[@]}" </dev/null >/run/out 2>/run/err
    status=$?
    # A process that the command left behind may hold a pipe open: do not wait for that one for ever.
    for ((i = 0; i < 20; i++)); do
        # shellcheck disable=SC2086
        kill -0 $readers 2>/dev/null || break
        sleep 0.1
    done
fi
printf '%s\n' "$status" >$control/exit
power_off
