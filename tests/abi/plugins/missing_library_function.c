/* SPDX-License-Identifier: Apache-2.0 */
/* A backend that calls a function which nobody has: it must be found out when it is loaded, not when it is
 * called. */
#include "stub_device.h"

const cw_backend* nobody_has_this_function(void);

const cw_backend* causeway_backend_entry(uint32_t host_version) {
  (void)host_version;
  return nobody_has_this_function();
}
