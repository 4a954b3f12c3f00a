/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated card's own functions, in C; C++ programs use causeway/fpga_sim.hpp. What it shares with other
 * cards (registers, interrupts, device addresses) is in causeway/fpga_card_abi.h. The rules of
 * plugin/backend_abi.h hold.
 *
 * Threads: any thread may call any of these functions at any time, but for one job: one thread at a time.
 */
#ifndef CAUSEWAY_FPGA_SIM_ABI_H
#define CAUSEWAY_FPGA_SIM_ABI_H

#include <causeway/fpga_card_abi.h>
#include <causeway/plugin/backend_abi.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CW_FPGA_SIM_CONFIG_INTERFACE \
  "causeway.fpga_sim.config.v1" /* cw_open_info.adopt: cw_fpga_sim_config */
#define CW_FPGA_SIM_ENGINE_INTERFACE "causeway.fpga_sim.engine.v1" /* get_interface(): cw_fpga_sim_engine */

typedef struct cw_fpga_sim_config {
  uint32_t struct_size;
  uint32_t data_bits; /* 64 or 512 */
  uint64_t max_run;   /* bytes of the longest run of device addresses, whole pages; 0: no limit */
} cw_fpga_sim_config;

typedef enum cw_fpga_sim_kernel {
  CW_FPGA_SIM_PASS =
      0, /* the bytes as they are: plain bytes, or images of one plane alike in format and size */
  CW_FPGA_SIM_SOBEL = 1, /* the first plane, 8 bits of luma: |gx| + |gy|, at most 255; 0 on the border */
  CW_FPGA_SIM_GREY = 2   /* 4 bytes of RGB a pixel: (77 R + 150 G + 29 B + 128) / 256 into the first plane */
} cw_fpga_sim_kernel;

/* The backend's own: descriptors for a source, a destination and a kernel, written once. */
typedef struct cw_fpga_sim_job cw_fpga_sim_job;

/* What the IOMMU stopped. */
typedef struct cw_fpga_sim_fault {
  uint32_t struct_size;
  uint32_t write;   /* 1: the card wrote; 0: it read */
  uint64_t address; /* the device address */
  uint32_t mapped;  /* 1: mapped, but not for writing; 0: not mapped at all */
  uint32_t reserved;
  uint64_t count; /* faults since the device was opened */
} cw_fpga_sim_fault;

typedef struct cw_fpga_sim_counters {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t clocks;              /* of the simulated engine */
  uint64_t bytes_read;          /* by MM2S, descriptors not counted */
  uint64_t bytes_written;       /* by S2MM */
  uint64_t descriptors_written; /* by the driver */
  uint64_t register_writes;     /* by the driver */
  uint64_t submissions;
  uint64_t resets;
} cw_fpga_sim_counters;

typedef struct cw_fpga_sim_engine {
  uint32_t struct_size;
  uint32_t reserved;

  /* Checks formats and sizes, and writes the descriptors. The views must be of this device; the job does not
   * keep them. */
  int32_t (*prepare)(cw_device* device, const cw_fpga_view* source, const cw_fpga_view* destination,
                     uint32_t kernel, cw_fpga_sim_job** job, cw_error* error);
  /* Ends the job if it runs (by a reset), and frees it. */
  void (*discard)(cw_device* device, cw_fpga_sim_job* job);
  /* Has it start when what its turns wait for has signalled and the card is free; jobs that share memory keep
   * their order. completion: a CW_FENCE_HOST_EVENT, lent until the job is submitted again or discarded. The
   * card must have its turns on both mappings. CW_BUSY while the job has not ended; CW_WRONG_STATE without
   * turns, or if a mapping is gone. */
  int32_t (*submit)(cw_device* device, cw_fpga_sim_job* job, cw_fence* completion, cw_error* error);
  /* Waits until it has ended, and says how. Past the deadline the engine is reset, or the job taken back if
   * it has not started, and CW_TIMED_OUT answered. deadline_ns is on CLOCK_MONOTONIC; INT64_MAX waits for
   * ever. */
  int32_t (*wait)(cw_device* device, cw_fpga_sim_job* job, int64_t deadline_ns, cw_error* error);
  /* The last fault; 0 if there was none since the device was opened. */
  int32_t (*fault)(cw_device* device, cw_fpga_sim_fault* fault);
  void (*counters)(cw_device* device, cw_fpga_sim_counters* counters);
} cw_fpga_sim_engine;

#ifdef __cplusplus
}
#endif
#endif
