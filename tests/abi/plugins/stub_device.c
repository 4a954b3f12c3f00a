/* SPDX-License-Identifier: Apache-2.0 */
#include "stub_device.h"

#include <stdlib.h>
#include <string.h>

struct cw_device {
  const cw_host* host;
};

struct cw_attachment {
  uint32_t object_count;
  unsigned char* objects[CW_MAX_PLANES];
  uint32_t usage; /* of the access that is going on */
};

static void describe(cw_device_info* info) {
  memset(info, 0, sizeof *info);
  info->struct_size = sizeof *info;
  info->capabilities = CW_CAP_ACCESSES_VIA_CPU | CW_CAP_IMPORTS_MEMFD | CW_CAP_IMPORTS_DMA_BUF;
  strcpy(info->id, "0");
  strcpy(info->name, "stub device");
  strcpy(info->driver, "stub");
}

static int32_t enumerate(const cw_host* host, cw_device_info* devices, uint32_t* count, cw_error* error) {
  (void)host;
  (void)error;
  if (*count > 0) {
    describe(&devices[0]);
  }
  *count = 1;
  return CW_OK;
}

static int32_t open_device(const cw_host* host, const cw_open_info* info, cw_device** device,
                           cw_error* error) {
  (void)info;
  *device = malloc(sizeof **device);
  if (*device == NULL) {
    strcpy(error->text, "the stub has no memory for its device");
    return CW_OUT_OF_MEMORY;
  }
  (*device)->host = host;
  return CW_OK;
}

static void close_device(cw_device* device) {
  free(device);
}

static int32_t device_info(cw_device* device, cw_device_info* info, cw_error* error) {
  (void)device;
  (void)error;
  describe(info);
  return CW_OK;
}

static int32_t query_constraints(cw_device* device, const cw_image_desc* image, uint32_t usage,
                                 cw_constraints* constraints, cw_error* error) {
  (void)device;
  (void)image;
  (void)usage;
  (void)constraints;
  (void)error;
  return CW_OK;
}

static int32_t attach(cw_device* device, const cw_attach_info* info, cw_attachment** attachment,
                      cw_error* error) {
  const cw_host* host = device->host;
  cw_attachment* made = calloc(1, sizeof *made);
  if (made == NULL) {
    strcpy(error->text, "the stub has no memory for its attachment");
    return CW_OUT_OF_MEMORY;
  }
  for (uint32_t i = 0; i < info->object_count; ++i) {
    void* address = NULL;
    const int32_t status = host->map_object(host->context, info->objects[i].ref, &address, error);
    if (status != CW_OK) {
      free(made);
      return status;
    }
    made->objects[i] = address;
  }
  made->object_count = info->object_count;
  *attachment = made;
  return CW_OK;
}

static void detach(cw_device* device, cw_attachment* attachment) {
  (void)device;
  free(attachment);
}

static int32_t map(cw_device* device, cw_attachment* attachment, int32_t direction, cw_mapping* mapping,
                   cw_error* error) {
  (void)device;
  (void)attachment;
  (void)direction;
  (void)error;
  mapping->import_path = "host-pointer";
  return CW_OK;
}

static void unmap(cw_device* device, cw_attachment* attachment) {
  (void)device;
  (void)attachment;
}

static int32_t begin_access(cw_device* device, cw_attachment* attachment, const cw_access_begin* begin,
                            cw_error* error) {
  (void)device;
  (void)error;
  attachment->usage = begin->usage;
  return CW_OK;
}

static int32_t end_access(cw_device* device, cw_attachment* attachment, cw_access_end* end, cw_error* error) {
  (void)device;
  (void)error;
  if ((attachment->usage & CW_USAGE_WRITE) != 0) {
    for (uint32_t i = 0; i < attachment->object_count; ++i) {
      attachment->objects[i][0] = STUB_MARK;
    }
  }
  end->signal_count = 0;
  return CW_OK;
}

static const void* get_interface(cw_device* device, const char* interface_name) {
  (void)device;
  (void)interface_name;
  return NULL;
}

static int32_t probe_write(cw_device* device, cw_attachment* attachment, const cw_probe* probe,
                           cw_error* error) {
  (void)device;
  (void)error;
  memcpy(attachment->objects[probe->object] + probe->offset, probe->data, probe->size);
  return CW_OK;
}

static int32_t probe_read(cw_device* device, cw_attachment* attachment, cw_probe* probe, cw_error* error) {
  (void)device;
  (void)error;
  memcpy(probe->data, attachment->objects[probe->object] + probe->offset, probe->size);
  return CW_OK;
}

cw_backend stub_table(const char* name) {
  const cw_backend table = {
      .struct_size = sizeof(cw_backend),
      .abi_version = CW_ABI_VERSION,
      .name = name,
      .description = "A stub for tests",
      .enumerate = enumerate,
      .open = open_device,
      .close = close_device,
      .device_info = device_info,
      .query_constraints = query_constraints,
      .attach = attach,
      .detach = detach,
      .map = map,
      .unmap = unmap,
      .begin_access = begin_access,
      .end_access = end_access,
      .get_interface = get_interface,
      .probe_write = probe_write,
      .probe_read = probe_read,
  };
  return table;
}
