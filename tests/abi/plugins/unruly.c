/* SPDX-License-Identifier: Apache-2.0 */
/* A backend with a sound table and rubbish answers: four milliards of devices, texts without an end, a status
 * that is none. */
#include "stub_device.h"

#include <string.h>

static int32_t enumerate(const cw_host* host, cw_device_info* devices, uint32_t* count, cw_error* error) {
  (void)host;
  (void)error;
  for (uint32_t i = 0; i < *count; ++i) {
    memset(&devices[i], 'x', sizeof devices[i]);
  }
  *count = 0xffffffffu;
  return CW_OK;
}

static int32_t open_device(const cw_host* host, const cw_open_info* info, cw_device** device,
                           cw_error* error) {
  (void)host;
  (void)info;
  (void)device;
  memset(error->operation, 'o', sizeof error->operation);
  memset(error->text, 't', sizeof error->text);
  return 4711;
}

const cw_backend* causeway_backend_entry(uint32_t host_version) {
  static cw_backend table;
  (void)host_version;
  table = stub_table("unruly");
  table.enumerate = enumerate;
  table.open = open_device;
  return &table;
}
