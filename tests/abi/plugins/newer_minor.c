/* SPDX-License-Identifier: Apache-2.0 */
/* A backend of a later minor version, whose table has grown by two operations that this host has never heard
 * of. */
#include "stub_device.h"

#include <stdlib.h>

typedef struct grown_backend {
  cw_backend known;
  int32_t (*later_operation)(cw_device* device);
  void (*still_later_operation)(cw_device* device);
} grown_backend;

static int32_t later_operation(cw_device* device) {
  (void)device;
  abort(); /* nobody can know of it */
}

static void still_later_operation(cw_device* device) {
  (void)device;
  abort();
}

const cw_backend* causeway_backend_entry(uint32_t host_version) {
  static grown_backend table;
  (void)host_version;
  table.known = stub_table("newer_minor");
  table.known.struct_size = sizeof table;
  table.known.abi_version = (CW_ABI_MAJOR << 16) | (CW_ABI_MINOR + 7);
  table.later_operation = later_operation;
  table.still_later_operation = still_later_operation;
  return &table.known;
}
