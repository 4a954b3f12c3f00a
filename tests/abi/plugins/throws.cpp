// SPDX-License-Identifier: Apache-2.0
// An entry point that breaks rule 4 of the ABI. THROWN says what is thrown.
#include <causeway/plugin/backend_abi.h>

#include <stdexcept>

extern "C" __attribute__((visibility("default"))) const cw_backend* causeway_backend_entry(std::uint32_t) {
  throw THROWN;
}
