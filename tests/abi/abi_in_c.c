/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin headers are C11, and lie in memory as C++ says they do. */
#include <causeway/plugin/syscalls.h>

#include <causeway/plugin/backend_abi.h>

#include "frozen_v1.h"

uint32_t abi_version_in_c(void);
uint32_t abi_version_in_c(void) {
  return CW_ABI_VERSION;
}
