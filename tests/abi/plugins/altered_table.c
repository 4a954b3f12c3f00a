/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stub whose table is altered in one place. CMake builds it once for each
 * alteration, and passes that as a definition: ALTERATION is a statement on `table`.
 */
#include "stub_device.h"

#include <stdlib.h>
#include <string.h>

const cw_backend* causeway_backend_entry(uint32_t host_version) {
  static cw_backend table;
  static char long_name[4096];
  (void)host_version;
  memset(long_name, 'x', sizeof long_name - 1);
  table = stub_table(STUB_NAME);
  ALTERATION;
  return &table;
}
