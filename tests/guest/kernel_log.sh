# SPDX-License-Identifier: Apache-2.0
# What in a kernel log fails a run. Sourced by run.sh and selftest.sh.
# shellcheck shell=bash

KERNEL_COMPLAINTS='WARNING:|BUG:|Oops|KASAN|KCSAN|UBSAN|kernel BUG at|Kernel panic|[Gg]eneral protection|Call Trace:|refcount_t:'
KERNEL_COMPLAINTS+='|unable to handle|possible .*(deadlock|recursive locking)|blocked for more than|detected stalls|page allocation failure'

# Lines that are allowed all the same: an extended regular expression and, behind it, the reason.
kernel_log_allowed() {
    sed 's/ *# .*//' <<'TABLE'
TABLE
}

# kernel_log_complaints FILE: prints the lines that fail the run; succeeds if there are any.
kernel_log_complaints() {
    grep -E "$KERNEL_COMPLAINTS" "$1" | grep -v -E -f <(kernel_log_allowed)
}
