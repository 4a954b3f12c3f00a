#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: Apache-2.0
# The guest's first process: puts a writable layer over the host's files and hands over to inside.sh, which runs from there.
/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /host /layer /root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev

power_off() {
    sync
    echo o >/proc/sysrq-trigger
    sleep 60
}
give_up() {
    echo "causeway: the guest cannot start: $1" >/dev/kmsg
    power_off
}

if grep -q causeway.probe /proc/cmdline; then
    # Only asked whether this machine boots at all under KVM.
    echo "causeway: user space runs" >/dev/ttyS0
    power_off
fi

while read -r module; do
    insmod "/modules/$module" || give_up "insmod $module failed"
done </modules/order

options=trans=virtio,version=9p2000.L,msize=524288
# Nobody else writes the host's files for the guest to see, so it may cache them.
mount -t 9p -o ro,cache=loose,$options host /host || give_up "the host's files cannot be mounted"
mount -t tmpfs -o mode=755,size=75% layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root ||
    give_up "no writable layer over the host's files"
mount -t tmpfs -o mode=755 run /root/run
mkdir /root/run/causeway
mount -t 9p -o $options control /root/run/causeway || give_up "the control share cannot be mounted"
mount --move /proc /root/proc
mount --move /sys /root/sys
mount --move /dev /root/dev
exec switch_root /root /bin/bash /run/causeway/inside.sh
