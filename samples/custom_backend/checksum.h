/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checksum backend offers beside the operations that every backend has: its public header. Programs
 * reach the functions by Device::interface(CHECKSUM_INTERFACE), and a mapping's view by
 * Mapping::native(CHECKSUM_VIEW).
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number at the end is the version: a struct that must change gets a new name, and the old one stays. */
#define CHECKSUM_INTERFACE "sample.checksum.v1"
#define CHECKSUM_VIEW "sample.checksum.view.v1"

/* A frame as this device sees it; lives as long as the mapping. */
typedef struct checksum_view checksum_view;

typedef struct checksum_functions { /* NOLINT(readability-identifier-naming): named as in C */
  uint32_t struct_size;
  uint32_t reserved;
  /* The CRC-32 (ISO 3309, as in zip and PNG) of the frame's pixels; the ends of rows do not count.
   * Answers 0, or CW_WRONG_STATE outside an access: between begin_access and end, nobody changes the frame.
   * Threads: any, but one at a time on one view. */
  int32_t (*crc32)(const checksum_view* view, uint32_t* crc);
} checksum_functions;

#ifdef __cplusplus
}
#endif
#endif
