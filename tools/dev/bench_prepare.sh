# SPDX-License-Identifier: Apache-2.0
# ./dev bench --prepare: the only thing here that changes settings of the system, and puts them back.
# shellcheck shell=bash

# Where the kernel's settings are; another folder in the test of this file.
SYSTEM_SETTINGS=${CAUSEWAY_SYSTEM_SETTINGS:-/sys}
CHANGED_SETTINGS=()

# setting_now FILE: what is set. Where the kernel lists the choices, the one in brackets.
setting_now() {
    local text
    text=$(<"$1")
    [[ $text =~ \[([^]]+)\] ]] && text=${BASH_REMATCH[1]}
    printf '%s' "$text"
}

# change_setting FILE VALUE: notes what was there. One that is missing, or that this user may not write, is named.
change_setting() {
    local file=$1 value=$2 before
    if [ ! -e "$file" ]; then
        note "There is no $file here; nothing to prepare there"
        return 0
    fi
    before=$(setting_now "$file")
    [ "$before" != "$value" ] || return 0
    # Noted first: a signal between the two then restores what was not changed yet, which does no harm.
    CHANGED_SETTINGS+=("$file=$before")
    if ! { printf '%s' "$value" >"$file"; } 2>/dev/null; then
        unset 'CHANGED_SETTINGS[-1]'
        note "$file stays \"$before\": writing it takes root"
        return 0
    fi
    note "$file: \"$before\" is \"$value\" until the end"
}

restore_settings() {
    local entry
    for entry in "${CHANGED_SETTINGS[@]}"; do
        printf '%s' "${entry#*=}" >"${entry%%=*}" || printf './dev: %s could not be set back to "%s".\n' \
            "${entry%%=*}" "${entry#*=}" >&2
    done
    CHANGED_SETTINGS=()
}

# Until the shell ends, by itself, by ctrl-C or by being told to. After kill -9 the lines above tell what was there.
prepare_system() {
    local governor
    step "Preparing the system"
    trap restore_settings EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    # Huge pages on the first touch, for who asks by MADV_HUGEPAGE.
    change_setting "$SYSTEM_SETTINGS/kernel/mm/transparent_hugepage/shmem_enabled" advise
    for governor in "$SYSTEM_SETTINGS"/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; do
        change_setting "$governor" performance
    done
}
