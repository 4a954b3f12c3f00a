#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A path that is slow must be reported: slowdown.sh SUITE SLOWED_SUITE REPORT FOLDER. The same row, once as it is and
# once a millisecond slower, judged by a target that lies far from both, so that a busy machine changes nothing.
set -euo pipefail
suite=$1 slowed=$2 report=$3 folder=$4

printf '{"rows": [{"row": "Alloc/Pooled", "max_ratio": 2000}]}\n' >"$folder/far_target.json"
: >"$folder/no_exceptions.md"

# judge SUITE NAME: the judge's exit code.
judge() {
    local json=$folder/slowdown_$2.json status=0
    "$1" --benchmark_filter='^Alloc/Pooled/' --benchmark_min_time=0.001 --benchmark_repetitions=7 \
        --benchmark_out="$json" --benchmark_out_format=json >/dev/null 2>&1 || return 3
    /usr/bin/python3 "$report" --targets "$folder/far_target.json" --exceptions "$folder/no_exceptions.md" "$json" \
        >"$json.txt" || status=$?
    cat "$json.txt"
    return "$status"
}

judge "$suite" as_it_is
status=0
judge "$slowed" slowed || status=$?
if [ "$status" -ne 1 ] || ! grep -q '^Alloc/Pooled .*NOT MET$' "$folder/slowdown_slowed.json.txt"; then
    printf 'A row that was made a millisecond slower was not reported (exit code %s).\n' "$status"
    exit 1
fi
