# SPDX-License-Identifier: Apache-2.0
# ./dev demo: the sample camera_to_gpu on this machine's camera, or on the test pattern.
# shellcheck shell=bash

cmd_demo() {
    need build build release
    local source=pattern out=build/demo/frame.png argument camera given=()
    # What the caller says goes first.
    for argument in "$@"; do given+=("${argument%%=*}"); done
    local defaults=()
    if [[ " ${given[*]} " != *" --source "* ]]; then
        if camera=$(first_camera); then
            source=$camera
            step "Demo on the camera $camera"
        else
            step "Demo on the test pattern: this machine has no camera that this user may open"
        fi
        defaults+=(--source "$source")
    fi
    mkdir -p build/demo
    if [[ " ${given[*]} " != *" --out "* ]]; then
        defaults+=(--out "$out")
    else
        out=''
    fi
    build/release/samples/camera_to_gpu "${defaults[@]}" "$@"
    [ -z "$out" ] || [[ " ${given[*]} " == *" --help "* ]] || step "The picture is $CAUSEWAY_ROOT/$out"
}

# Prints the first device that captures video (a camera also has nodes for metadata, which do not).
first_camera() {
    local device
    for device in /dev/video*; do
        if ! [ -r "$device" ] || ! [ -w "$device" ]; then continue; fi
        if v4l2-ctl -d "$device" --info 2>/dev/null | sed -n '/Device Caps/,$p' | grep -q 'Video Capture'; then
            printf '%s\n' "$device"
            return 0
        fi
    done
    return 1
}
