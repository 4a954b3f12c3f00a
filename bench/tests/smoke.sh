#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the rows that match once, as briefly as can be: smoke.sh SUITE REPORT JSON FILTER. A row that fails (a copy where
# zero-copy is claimed, an error) or that the judge cannot read fails the test; how long anything took does not matter.
set -euo pipefail
suite=$1 report=$2 json=$3 filter=$4

"$suite" --benchmark_filter="$filter" --benchmark_min_time=0.0001 --benchmark_out="$json" --benchmark_out_format=json >/dev/null 2>"$json.stderr" || {
    cat "$json.stderr"
    exit 1
}
/usr/bin/python3 "$report" --no-verdict --html "$json.html" "$json"
