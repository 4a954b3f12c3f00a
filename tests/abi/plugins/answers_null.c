/* SPDX-License-Identifier: Apache-2.0 */
/* A backend that does not want this host. */
#include "stub_device.h"

#include <stddef.h>

const cw_backend* causeway_backend_entry(uint32_t host_version) {
  (void)host_version;
  return NULL;
}
