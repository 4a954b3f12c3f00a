#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The suite with FramePool::acquire made slower: the table of instructions must notice.
#   counts_slowdown.sh SLOWED_SUITE COUNTS JSON
set -euo pipefail
suite=$1 counts=$2 json=$3

"$suite" --benchmark_filter='^Alloc/Pooled/(us|raw)' --benchmark_min_time=0.001 --benchmark_out="$json" \
    --benchmark_out_format=json >/dev/null 2>"$json.stderr" || {
    cat "$json.stderr"
    exit 1
}
status=0
/usr/bin/python3 "$counts" "$json" --rows Alloc/Pooled || status=$?
case $status in
1) echo "The slow path was noticed." ;;
0) echo "A path that was made a millisecond slower passed the check." && exit 1 ;;
*) exit "$status" ;;
esac
