# SPDX-License-Identifier: Apache-2.0
# The guest with a clock that counts instructions: what its programs call nanoseconds are instructions, the same from
# run to run and from host to host. Sourced; see docs/testing.md.
# shellcheck shell=bash
export CAUSEWAY_GUEST_ACCEL=tcg
export CAUSEWAY_GUEST_CPUS=1
export CAUSEWAY_GUEST_QEMU_ARGS="-icount shift=0,sleep=off"
