# SPDX-License-Identifier: Apache-2.0
# The guest's kernel: Debian's own package, unpacked into a cache and never installed. Sourced by run.sh.
# shellcheck shell=bash

# Sets KERNEL (the image), KERNEL_VERSION, MODULES (a folder with lib/modules/VERSION) and INITRAMFS.
prepare_kernel() {
    local dir=${CAUSEWAY_GUEST_KERNEL:-$CACHE/kernel} lock images
    [ "$(uname -m)" = x86_64 ] || die "the guest is an x86-64 machine; this one is $(uname -m)"
    # Of two runs that start at once, the second waits for the first one's download.
    exec {lock}>"$CACHE/lock"
    flock "$lock"
    [ -e "$dir/complete" ] || [ -n "${CAUSEWAY_GUEST_KERNEL:-}" ] || fetch_kernel "$dir"
    images=("$dir"/boot/vmlinuz-*)
    KERNEL=${images[0]} KERNEL_VERSION=${images[0]##*/vmlinuz-} MODULES=$dir
    if ! [ -f "$KERNEL" ] || ! [ -f "$MODULES/lib/modules/$KERNEL_VERSION/modules.dep" ]; then
        die "there is no unpacked kernel (boot/vmlinuz-*, lib/modules/*/modules.dep) in $dir"
    fi
    INITRAMFS=$CACHE/initramfs-$KERNEL_VERSION.cpio
    if ! [ "$INITRAMFS" -nt "$GUEST_DIR/init.sh" ] || ! [ "$INITRAMFS" -nt "$GUEST_DIR/kernel.sh" ]; then
        build_initramfs
    fi
    exec {lock}>&-
}

fetch_kernel() {
    local dir=$1 work=$CACHE/fetch package=linux-image-amd64 codename
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    # Debian 12's own kernel, 6.1, has neither udmabuf nor dma-heaps.
    [ "$codename" != bookworm ] || package+=/bookworm-backports
    rm -rf "$work"
    mkdir -p "$work/lists/partial" "$work/unpacked"
    say "Fetching the guest's kernel: about 100 MB, once, into $CACHE"
    APT_OPTIONS=()
    if ! download "$package" "$work" >"$work/log" 2>&1; then
        # The machine's package lists are missing or old, and may not be ours to update: read our own.
        APT_OPTIONS=(-o "Dir::State::Lists=$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
        if ! { apt-get "${APT_OPTIONS[@]}" -q update && download "$package" "$work"; } >>"$work/log" 2>&1; then
            tail -n 5 "$work/log" >&2
            die "apt cannot fetch the package $package; ./dev setup makes it known to apt"
        fi
    fi
    dpkg-deb -x "$work"/linux-image-*.deb "$work/unpacked"
    # Debian 13's package has its modules below usr/.
    [ -d "$work/unpacked/lib/modules" ] || ln -s usr/lib "$work/unpacked/lib"
    depmod -b "$work/unpacked" "$(basename "$work"/unpacked/lib/modules/*)" || die "depmod failed in $work/unpacked"
    touch "$work/unpacked/complete"
    rm -rf "$dir"
    mv "$work/unpacked" "$dir"
    rm -rf "$work"
}

# The named package only depends on the one with the current kernel in it: that is the one to take.
download() {
    local real
    real=$(apt-cache "${APT_OPTIONS[@]}" depends "$1" | sed -n 's/^ *Depends: \(linux-image-[0-9]\S*\)$/\1/p' | head -n 1)
    [ -n "$real" ] || return 1
    # apt reads it as root if its own user may not write here: then it warns, and that is all.
    (cd "$2" && apt-get "${APT_OPTIONS[@]}" -q download "$real")
}

# Busybox and just the modules that reach the host's files; all else is loaded from there.
build_initramfs() {
    local tree=$CACHE/initramfs module
    rm -rf "$tree"
    mkdir -p "$tree/bin" "$tree/modules"
    cp /bin/busybox "$tree/bin/"
    cp "$GUEST_DIR/init.sh" "$tree/init"
    chmod 755 "$tree/init"
    for module in 9p 9pnet_virtio overlay; do
        modprobe -d "$MODULES" -S "$KERNEL_VERSION" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
        while read -r module; do
            case $module in
            *.xz) xz -dc "$module" ;;
            *.zst) zstd -dcq "$module" ;;
            *) cat "$module" ;;
            esac >"$tree/modules/$(basename "$module" | sed 's/\.ko.*//').ko"
            basename "$module" | sed 's/\.ko.*/.ko/' >>"$tree/modules/order"
        done
    (cd "$tree" && find . | cpio --quiet -o -H newc -R 0:0) >"$INITRAMFS.new"
    mv "$INITRAMFS.new" "$INITRAMFS"
    rm -rf "$tree"
}
