/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a card behind VFIO has beside the interface of every card (causeway/fpga_card_abi.h), in C; C++
 * programs use causeway/fpga_vfio.hpp. The rules of plugin/backend_abi.h hold.
 *
 * Threads: any thread may call any of these functions at any time.
 */
#ifndef CAUSEWAY_FPGA_VFIO_ABI_H
#define CAUSEWAY_FPGA_VFIO_ABI_H

#include <causeway/fpga_card_abi.h>
#include <causeway/plugin/backend_abi.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CW_FPGA_VFIO_CONFIG_INTERFACE \
  "causeway.fpga_vfio.config.v1"                       /* cw_open_info.adopt: cw_fpga_vfio_config */
#define CW_FPGA_VFIO_INTERFACE "causeway.fpga_vfio.v1" /* get_interface(): cw_fpga_vfio */

/* What VFIO cannot know of a card. 0 in a member stands for its default. */
typedef struct cw_fpga_vfio_config {
  uint32_t struct_size;
  uint32_t address_bits; /* of the addresses that the card can drive, 13 to 64; default 64 */
  uint32_t alignment;    /* bytes: of strides and of planes' offsets, a power of two; default 1 */
  uint32_t reserved;
  uint64_t max_segment; /* bytes of the longest entry of an SgTable, whole pages; default: no limit */
  uint64_t max_object;  /* bytes of the largest memory object; default: as much as fits into the addresses */
} cw_fpga_vfio_config;

typedef struct cw_fpga_vfio_info {
  uint32_t struct_size;
  uint32_t vendor; /* PCI IDs */
  uint32_t device;
  uint32_t can_reset;     /* 1: the card has a reset that VFIO can use */
  uint32_t group;         /* of the IOMMU */
  uint32_t bar_mask;      /* bit n: there is a BAR n */
  uint64_t first_address; /* of the device addresses that are given out */
  uint64_t last_address;
  uint64_t mapped_bytes; /* now, pages of all mappings */
} cw_fpga_vfio_info;

typedef struct cw_fpga_vfio {
  uint32_t struct_size;
  uint32_t reserved;

  /* Says that work is about to start whose end is interrupt n: call it before the register that starts the
   * card. Turns (begin_access) that end from now on, until the interrupt came, end with its fence. Interrupts
   * that came before are forgotten. CW_BUSY: that interrupt is expected already; CW_NOT_FOUND. */
  int32_t (*expect)(cw_device* device, uint32_t n, cw_error* error);
  /* Waits for the interrupt that was expected last. Past the deadline (CLOCK_MONOTONIC; INT64_MAX: never) the
   * card is reset, its fence fails with ETIMEDOUT, and CW_TIMED_OUT is answered. CW_WRONG_STATE: none was
   * ever expected; CW_IO: the card was reset meanwhile. */
  int32_t (*wait)(cw_device* device, uint32_t n, int64_t deadline_ns, cw_error* error);
  void (*info)(cw_device* device, cw_fpga_vfio_info* info);
} cw_fpga_vfio;

#ifdef __cplusplus
}
#endif
#endif
