/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every backend for FPGA cards offers, simulated or on a bus: registers, interrupts, and the device
 * addresses of what is mapped. In C; C++ programs use causeway/fpga_card.hpp. A driver that is written
 * against it works on any card whose backend has the interface.
 *
 * The rules of causeway/plugin/backend_abi.h hold here too: structs grow only at their end, struct_size says
 * how far one goes, a function returns a cw_status and fills cw_error unless that is CW_OK.
 *
 * Threads: any thread may call any of these functions at any time.
 */
#ifndef CAUSEWAY_FPGA_CARD_ABI_H
#define CAUSEWAY_FPGA_CARD_ABI_H

#include <causeway/plugin/backend_abi.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CW_FPGA_CARD_INTERFACE "causeway.fpga.card.v1" /* get_interface(): cw_fpga_card */
#define CW_FPGA_VIEW_INTERFACE "causeway.fpga.view.v1" /* cw_mapping.native: cw_fpga_view */

/* A mapping, as the card sees it. Entries are IOVAs, in the order of the object's bytes. */
typedef struct cw_fpga_view {
  uint32_t struct_size;
  uint32_t object_count;
  uint64_t ticket;       /* tells this mapping from every other one of the device, for good */
  const cw_sg_entry* sg; /* of all objects, one object after the other; cw_mapping.sg is the same */
  uint32_t sg_first[CW_MAX_PLANES];
  uint32_t sg_count[CW_MAX_PLANES];
  uint64_t sizes[CW_MAX_PLANES]; /* bytes of each object */
  uint32_t writable;             /* 1 if the card may write */
  uint32_t plane_count;
  cw_plane_layout planes[CW_MAX_PLANES];
  uint32_t format; /* DRM fourcc; 0: plain bytes */
  uint32_t width;  /* pixels */
  uint32_t height;
  uint32_t reserved;
} cw_fpga_view;

typedef struct cw_fpga_card {
  uint32_t struct_size;
  uint32_t bar_count;       /* register spaces */
  uint32_t interrupt_count; /* interrupts */
  uint32_t reserved;

  /* Bytes of a register space. */
  int32_t (*bar_size)(cw_device* device, uint32_t bar, uint64_t* size, cw_error* error);
  /* offset: bytes, a multiple of 4. CW_INVALID_ARGUMENT outside of the space. */
  int32_t (*read32)(cw_device* device, uint32_t bar, uint64_t offset, uint32_t* value, cw_error* error);
  int32_t (*write32)(cw_device* device, uint32_t bar, uint64_t offset, uint32_t value, cw_error* error);
  /* An eventfd(2) that counts the interrupt; lent, lives as long as the device. */
  int32_t (*interrupt)(cw_device* device, uint32_t index, int32_t* fd, cw_error* error);
  /* Ends what the card does, and brings it to the state that it had when it was opened. Mappings stay. */
  int32_t (*reset)(cw_device* device, cw_error* error);
} cw_fpga_card;

#ifdef __cplusplus
}
#endif
#endif
