/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cards of AMD (Xilinx) behind their runtime, XRT, in C; C++ programs use causeway/fpga_xrt.hpp. XRT's own
 * headers are not needed: its handles (xrtDeviceHandle, xrtBufferHandle) are pointers. The rules of
 * plugin/backend_abi.h hold. Mappings have the native view of every card, cw_fpga_view of
 * causeway/fpga_card_abi.h: one entry an object, with the address that the card's kernels use.
 *
 * Threads: any thread may call any of these functions at any time.
 */
#ifndef CAUSEWAY_FPGA_XRT_ABI_H
#define CAUSEWAY_FPGA_XRT_ABI_H

#include <causeway/fpga_card_abi.h>
#include <causeway/plugin/backend_abi.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CW_FPGA_XRT_CONFIG_INTERFACE \
  "causeway.fpga_xrt.config.v1"                      /* cw_open_info.adopt: cw_fpga_xrt_config */
#define CW_FPGA_XRT_INTERFACE "causeway.fpga_xrt.v1" /* get_interface(): cw_fpga_xrt */

/* 0 in a member stands for its default. */
typedef struct cw_fpga_xrt_config {
  uint32_t struct_size;
  uint32_t memory_group;  /* xrtMemoryGroup of what is allocated on the card; default: group 0 */
  const char* library;    /* what dlopen(3) takes; default "libxrt_coreutil.so.2" */
  void* device;           /* an xrtDeviceHandle of the same library, which stays its owner's and must outlive
                           * the device; default: the id is opened */
  uint64_t buffer_flags;  /* xrtBufferFlags of what is allocated: XRT_BO_FLAGS_HOST_ONLY, say */
  uint32_t alignment;     /* bytes: of strides and of planes' offsets, a power of two; default 1 */
  uint32_t explicit_sync; /* 1: turns do not sync; whoever drives the card calls sync() */
} cw_fpga_xrt_config;

/* xclBOSyncDirection. */
typedef enum cw_fpga_xrt_direction {
  CW_FPGA_XRT_TO_DEVICE = 0,
  CW_FPGA_XRT_FROM_DEVICE = 1
} cw_fpga_xrt_direction;

typedef struct cw_fpga_xrt {
  uint32_t struct_size;
  uint32_t reserved;

  /* The xrtDeviceHandle; lent, lives as long as the device. */
  int32_t (*device_handle)(cw_device* device, void** handle, cw_error* error);
  /* The xrtBufferHandle of a mapped object; lent, lives as long as its attachment. CW_INVALID_ARGUMENT: a
   * view of another device, no such object. */
  int32_t (*buffer_handle)(cw_device* device, const cw_fpga_view* view, uint32_t object, void** handle,
                           cw_error* error);
  /* xrtBOSync over size bytes from offset of a mapped object. CW_INVALID_ARGUMENT: outside of the object,
   * another direction, a view of another device, or what only reads is to be synced from the device. */
  int32_t (*sync)(cw_device* device, const cw_fpga_view* view, uint32_t object, int32_t direction,
                  uint64_t offset, uint64_t size, cw_error* error);
  /* Says that no kernel of the card is at work: buffers whose turns were dropped without an end are free
   * again. */
  void (*idle)(cw_device* device);
} cw_fpga_xrt;

#ifdef __cplusplus
}
#endif
#endif
