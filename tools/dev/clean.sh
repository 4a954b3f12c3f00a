# SPDX-License-Identifier: Apache-2.0
# ./dev clean: deletes what was built. The guest's kernel stays in its cache: it costs a download.
# shellcheck shell=bash

cmd_clean() {
    [ $# -eq 0 ] || usage_error "clean takes no arguments."
    rm -rf build
    note "build/ is deleted. The guest's kernel stays in ${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/causeway."
}
