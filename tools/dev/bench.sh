# SPDX-License-Identifier: Apache-2.0
# ./dev bench: the benchmark suite, and its judge. See docs/benchmarking.md.
# shellcheck shell=bash

cmd_bench() {
    local filter=. json='' repetitions=15 min_time=0.05 compare=() counts='' update=() prepare=no
    while [ $# -gt 0 ]; do
        case $1 in
        --filter | --json | --repetitions | --min-time)
            [ $# -ge 2 ] || usage_error "bench $1 needs a value."
            case $1 in
            --filter) filter=$2 ;;
            --json) json=$2 ;;
            --repetitions) repetitions=$2 ;;
            --min-time) min_time=$2 ;;
            esac
            shift
            ;;
        --prepare) prepare=yes ;;
        --compare)
            [ $# -eq 3 ] || usage_error "bench --compare needs two JSON files, the older one first, and nothing else."
            compare=("$2" "$3")
            shift 2
            ;;
        --counts) counts=1 ;;
        --update) update=(--update) ;;
        *) usage_error "bench does not know \"$1\"." ;;
        esac
        shift
    done
    [[ $repetitions =~ ^[1-9][0-9]*$ ]] || usage_error "bench --repetitions needs a number, and \"$repetitions\" is none."
    [ ${#update[@]} -eq 0 ] || [ -n "$counts" ] || usage_error "bench --update writes the table of --counts; it needs that."
    mkdir -p build/bench
    if [ ${#compare[@]} -gt 0 ]; then
        /usr/bin/python3 tools/dev/bench_report.py --compare "${compare[@]}" --html build/bench/comparison.html
        return
    fi
    need build build release
    if [ -n "$counts" ]; then
        bench_counts "${update[@]}"
        return
    fi
    json=${json:-build/bench/results.json}
    [ "$prepare" = no ] || need bench_prepare prepare_system
    bench_measure "$filter" "$json" "$repetitions" "$min_time"
    /usr/bin/python3 tools/dev/bench_report.py --html build/bench/report.html "$json"
}

# bench_counts [--update]: the instructions of the rows of kernel dma-bufs, in a guest whose clock counts them.
bench_counts() (
    step "Counting instructions in the guest"
    # shellcheck source=/dev/null
    . tests/guest/machines/counted.sh
    tests/guest/run.sh --results build/bench --log build/logs/bench-guest.log -- bench/tests/counts.sh \
        build/release/bench/causeway_bench build/bench/counts.json </dev/null || exit 1
    /usr/bin/python3 tools/dev/bench_counts.py build/bench/counts.json "$@"
)

# bench_measure FILTER JSON REPETITIONS MIN_TIME: the repetitions of all sides in random order, so that what disturbs
# this machine for a while disturbs all of them.
bench_measure() {
    local log=build/logs/bench.log
    step "Measuring ($3 repetitions of at least $4 s for each side; log: $log)"
    note "Load of this machine: $(cut -d' ' -f1-3 /proc/loadavg) on $(nproc) CPUs; quiet is better"
    rm -f "$log" "$2"
    mkdir -p "$(dirname "$2")"
    run_logged "$log" build/release/bench/causeway_bench --benchmark_filter="$1" --benchmark_repetitions="$3" \
        --benchmark_min_time="$4" --benchmark_enable_random_interleaving=true \
        --benchmark_out="$2" --benchmark_out_format=json || exit 1
    step "The figures: $2"
}
