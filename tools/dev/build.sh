# SPDX-License-Identifier: Apache-2.0
# ./dev build: configure when needed, then compile.
# shellcheck shell=bash

cmd_build() {
    parse_preset "$@"
    [ ${#ARGS[@]} -eq 0 ] || usage_error "build does not know \"${ARGS[0]}\"."
    # shellcheck disable=SC2153 # parse_preset sets it
    build "$PRESET"
}

# build PRESET: into build/PRESET; ninja knows what is out of date.
build() {
    local preset=$1 dir=build/$1
    need setup setup
    if [ ! -f "$dir/build.ninja" ] || [ CMakePresets.json -nt "$dir/.configured" ]; then
        step "Configuring $dir"
        run_logged "build/logs/configure-$preset.log" cmake --preset "$preset" || exit 1
        touch "$dir/.configured"
    fi
    step "Building $dir"
    cmake --build "$dir"
}
