# SPDX-License-Identifier: Apache-2.0
# ./dev test: the tests by tier, with a sum at the end. See docs/testing.md.
# shellcheck shell=bash

TIERS=(unit host guest hardware)

cmd_test() {
    parse_preset "$@"
    local wanted=("${ARGS[@]}") tier
    [ ${#wanted[@]} -gt 0 ] || wanted=("${TIERS[@]}")
    for tier in "${wanted[@]}"; do
        [[ " ${TIERS[*]} " == *" $tier "* ]] || usage_error "there is no test tier \"$tier\" (there are: ${TIERS[*]})."
    done
    need build build "$PRESET"
    local results=$CAUSEWAY_ROOT/build/$PRESET/results
    for tier in "${wanted[@]}"; do
        rm -rf "${results:?}/$tier"
        mkdir -p "$results/$tier"
        step "Tests of the tier $tier"
        if [ "$tier" = guest ]; then
            test_in_guest "build/$PRESET" "$results/guest"
        else
            test_here "build/$PRESET" "$tier" "$results/$tier"
        fi
    done
    # The summary's last line is the last line of all.
    /usr/bin/python3 tools/dev/summary.py "$results" "${wanted[@]}"
}

# Whether tests failed is read from the results, which say more than ctest's exit code.
test_here() {
    local jobs=1 without_aslr=()
    # Cameras, GPUs and FPGAs are there once only.
    [ "$2" = hardware ] || jobs=$(nproc)
    # ThreadSanitizer of GCC 12 cannot live with the address randomisation of newer kernels.
    if [ "$1" = build/tsan ] && setarch -R true 2>/dev/null; then without_aslr=(setarch -R); fi
    [ "$2" != hardware ] || say_hardware >"$3/nothing_run"
    "${without_aslr[@]}" ctest --test-dir "$1" -L "^$2\$" -j "$jobs" --output-on-failure --output-junit "$3/ctest.junit" || true
}

test_in_guest() {
    local started=$SECONDS machine
    tests/guest/selftest.sh --junit "$2/selftest.junit" || true
    : >"$2/kernel_complaints"
    run_guest "$1" "$2" guest ''
    for machine in tests/guest/machines/*.sh; do
        machine=$(basename "$machine" .sh)
        run_guest "$1" "$2" "guest-$machine" "-$machine"
    done
    note "The guests ran for $((SECONDS - started)) s in all."
}

# run_guest BUILD RESULTS LABEL SUFFIX: one guest, for the tests of a label; SUFFIX parts its reports from others'.
run_guest() {
    local status=0 log=$2/kernel$4.log
    note "Starting the guest for the tests labelled $3"
    (
        # shellcheck source=/dev/null
        [ -z "$4" ] || . "tests/guest/machines/${4#-}.sh"
        # Without a terminal, so that output comes as it is and Ctrl-C ends it.
        exec tests/guest/run.sh --results "$2" --log "$log" -- \
            ctest --test-dir "$CAUSEWAY_ROOT/$1" -L "^$3\$" --output-on-failure --output-junit "$2/ctest$4.junit" </dev/null
    ) || status=$?
    note "Its kernel log: ${log#"$CAUSEWAY_ROOT"/}"
    case $status in
    124 | 125) printf 'The guest for the tests labelled %s did not run all of them (exit code %s); the reason is printed above.\n' \
        "$3" "$status" >>"$2/tier_failed" ;;
    esac
    . tests/guest/kernel_log.sh
    kernel_log_complaints "$log" >>"$2/kernel_complaints" 2>/dev/null || true
}

# Why the tier hardware may have run nothing.
say_hardware() {
    local found=() path
    for path in /dev/dri/renderD* /dev/video* /dev/nvidia[0-9]* /dev/dfl-port.* /dev/xfpga /dev/xdma*; do
        [ ! -e "$path" ] || found+=("$path")
    done
    if [ ${#found[@]} -eq 0 ]; then
        printf 'no GPU, camera or FPGA found on this machine\n'
    else
        printf 'no test is registered for what this machine has: %s\n' "${found[*]}"
    fi
}
