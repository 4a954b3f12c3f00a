/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structs that cross the plugin edge of the OpenCL backend, in C. C++ programs use causeway/opencl.hpp.
 *
 * They grow as those of backend_abi.h do: at their end only, and whoever fills one writes its size into
 * struct_size.
 */
#ifndef CAUSEWAY_OPENCL_ABI_H
#define CAUSEWAY_OPENCL_ABI_H

#include <causeway/plugin/backend_abi.h>

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 300 /* what cl_version.h takes, too, with a message */
#endif
#include <CL/cl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------- how memory comes in */

/* A step of the import ladder. ANY tries them in this order, as far as the device offers them. Naming one
 * takes that one alone, and refuses what it cannot do. */
typedef enum cw_opencl_path {
  CW_OPENCL_ANY = 0,
  CW_OPENCL_EXTERNAL_MEMORY = 1, /* cl_khr_external_memory: "khr-dma-buf" */
  CW_OPENCL_ARM_IMPORT = 2,      /* cl_arm_import_memory_dma_buf: "arm-dma-buf" */
  CW_OPENCL_HOST_POINTER = 3     /* CL_MEM_USE_HOST_PTR over a CPU mapping: "host-pointer" */
} cw_opencl_path;

/* ------------------------------------------------------- a device of the machine */

#define CW_OPENCL_OPEN_V1 "causeway.opencl.open.v1"

/* What cw_open_info.adopt may point to when the backend is to make context and queue by itself. */
typedef struct cw_opencl_open_v1 {
  uint32_t struct_size;
  uint32_t path; /* cw_opencl_path */
} cw_opencl_open_v1;

/* ------------------------------------------------------- a caller's device */

#define CW_OPENCL_ADOPT_V1 "causeway.opencl.adopt.v1"

/* What cw_open_info.adopt points to. The struct is borrowed for the call. The handles stay the caller's;
 * context and queue are retained while the device is open, so that the caller may release his references
 * early.
 *
 * They must come from libOpenCL.so.1, or from a driver behind it (cl_khr_icd). The queue is where accesses
 * wait, acquire, release and mark their end, and where memory is proved; whatever works on a mapping is
 * enqueued there between begin and end of an access. Only properties of its own let a queue run out of order:
 * that is taken into account. */
typedef struct cw_opencl_adopt_v1 {
  uint32_t struct_size;
  uint32_t path; /* cw_opencl_path */
  cl_platform_id platform;
  cl_device_id device;    /* of that platform */
  cl_context context;     /* with that device in it */
  cl_command_queue queue; /* of that context and device */
} cw_opencl_adopt_v1;

/* ------------------------------------------------------- the device's handles */

#define CW_OPENCL_DEVICE_V1 "causeway.opencl.device.v1"

/* Lent: they live as long as the opened device. */
typedef struct cw_opencl_handles_v1 {
  uint32_t struct_size;
  uint32_t path; /* as it was asked for */
  cl_platform_id platform;
  cl_device_id device;
  cl_context context;
  cl_command_queue queue;
} cw_opencl_handles_v1;

/* What get_interface(CW_OPENCL_DEVICE_V1) returns. */
typedef struct cw_opencl_device_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  void (*handles)(cw_device* device, cw_opencl_handles_v1* out); /* out->struct_size is set by the caller */
} cw_opencl_device_v1;

/* ------------------------------------------------------- a mapping */

#define CW_OPENCL_VIEW_V1 "causeway.opencl.view.v1"

/* Functions for accesses. Threads: as begin_access. */
typedef struct cw_opencl_sync_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* The access on this mapping that ends next enqueued nothing after the command whose event this is, so that
   * no marker is needed for its end. event: of a command on the device's queue. Retained. */
  int32_t (*end_with)(cw_device* device, cw_attachment* attachment, cl_event event, cw_error* error);
} cw_opencl_sync_v1;

/* What cw_mapping.native points to. Each object of the frame is there as a buffer over the whole object; each
 * plane is an image as well, where the device has its format and can work at its stride and offset.
 *
 * Kernels use them on queue, between begin and end of an access and at no other time: begin acquires them
 * from other devices where the API asks for that (clEnqueueAcquireExternalMemObjectsKHR), end releases them.
 * Images and buffers of one object are the same bytes; commands that touch both need an order of their own.
 * Map, read and write calls are not needed, and are not possible on all import paths. */
typedef struct cw_opencl_view_v1 {
  uint32_t struct_size;
  uint32_t object_count;
  cl_context context;
  cl_device_id device;
  cl_command_queue queue;
  cl_mem buffers[CW_MAX_PLANES];
  uint64_t sizes[CW_MAX_PLANES]; /* bytes */
  uint32_t plane_count;
  uint32_t format; /* DRM fourcc of the frame; 0: bytes */
  uint64_t modifier;
  uint32_t width; /* of the frame, pixels */
  uint32_t height;
  uint64_t plane_offsets[CW_MAX_PLANES]; /* bytes from the start of plane_objects[i] */
  uint32_t plane_strides[CW_MAX_PLANES]; /* bytes */
  uint32_t plane_objects[CW_MAX_PLANES];
  cl_mem images[CW_MAX_PLANES];                 /* null where a plane is no image */
  cl_image_format image_formats[CW_MAX_PLANES]; /* zero where OpenCL has none for the plane */
  uint32_t image_widths[CW_MAX_PLANES];         /* elements of image_formats[i] */
  uint32_t image_heights[CW_MAX_PLANES];
  cw_device* owner; /* the opened device that the mapping is of */
  cw_attachment* attachment;
  const cw_opencl_sync_v1* sync; /* never null */
} cw_opencl_view_v1;

#ifdef __cplusplus
}
#endif
#endif
