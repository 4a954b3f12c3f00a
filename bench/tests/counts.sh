#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# In the guest that counts instructions: runs the rows of kernel dma-bufs, then the command that reads them.
#   counts.sh SUITE JSON [COMMAND…]
# Import/Cold is not among them: what the kernel allocates costs by what was allocated before.
set -euo pipefail
suite=$1 json=$2
shift 2

# Ten million instructions of each: fewer, and those of the allocations in the kernel have not settled.
"$suite" --benchmark_filter='^(Import/Hit|Map/Hit|Sync|Access|Alloc/Pooled|Fence|Hop/V4L2).*/(us|raw)' \
    --benchmark_min_time=0.01 --benchmark_repetitions=5 --benchmark_out="$json" --benchmark_out_format=json \
    >/dev/null 2>"$json.stderr" || {
    cat "$json.stderr"
    exit 1
}
"$@"
