/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The edge between the Causeway runtime (the host) and a backend (a plugin).
 *
 * A backend drives one kind of device: Vulkan, OpenCL, V4L2, an FPGA. It
 * exports one table of operations, cw_backend, through one C symbol. The same
 * table serves the backends that are built in.
 *
 * Rules of the edge
 *  1. Structs only grow, and only at their end. Whoever fills a struct writes
 *     its own sizeof into struct_size; the reader never looks beyond it, and
 *     takes members that are not there as 0 or null. Structs that stand in arrays or inside
 *     others (cw_fence, cw_device_info, cw_object, cw_image_desc, cw_plane_layout, cw_sg_entry)
 *     are frozen within a major version: both sides step by their own sizeof.
 *  2. The version in force is the lower one of host and backend. A different
 *     major version is refused.
 *  3. A descriptor passed in is lent for the call: whoever wants to keep it
 *     duplicates it. A descriptor passed out belongs to the receiver.
 *  4. No C++ type, no exception and no errno crosses. An operation returns a
 *     cw_status and, unless that is CW_OK, fills the cw_error it was handed
 *     with a whole sentence.
 *  5. The host has checked handles, states, bounds, flags, sizes and layout
 *     before it calls; a backend checks only what its own API demands.
 *  6. The host calls operations on one device from one thread at a time;
 *     operations on different devices may run at the same time. enumerate and
 *     open may be called from any thread.
 *  7. Operations marked optional may be null. All others must be there.
 *  8. The host never unloads a backend.
 *
 * The model is the kernel's: struct dma_buf_ops, dma_buf_attachment and
 * dma_buf_map_attachment() of include/linux/dma-buf.h.
 */
#ifndef CAUSEWAY_PLUGIN_BACKEND_ABI_H
#define CAUSEWAY_PLUGIN_BACKEND_ABI_H

#include <stddef.h>
#include <stdint.h>

#include <causeway/plugin/syscalls.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CW_ABI_MAJOR 1u
#define CW_ABI_MINOR 3u
#define CW_ABI_VERSION ((CW_ABI_MAJOR << 16) | CW_ABI_MINOR)

/* The frozen symbol that a shared object exports: a cw_backend_entry. */
#define CW_BACKEND_SYMBOL "causeway_backend_entry"

#define CW_MAX_PLANES 4u
#define CW_MAX_MODIFIERS 64u

/* ---------------------------------------------------------------- errors */

/* Mirrors causeway::Errc value for value. */
typedef enum cw_status {
  CW_OK = 0,
  CW_INVALID_ARGUMENT = 1, /* the request itself is wrong */
  CW_UNSUPPORTED = 2,      /* sound, but this device or system cannot do it */
  CW_NOT_FOUND = 3,        /* no such device, file or object */
  CW_PERMISSION = 4,       /* the system refuses this user */
  CW_OUT_OF_MEMORY = 5,    /* memory or address space ran out */
  CW_OUT_OF_FDS = 6,       /* the descriptor table is full */
  CW_BUSY = 7,             /* in use; may work later */
  CW_TIMED_OUT = 8,        /* the deadline passed */
  CW_DEVICE_LOST = 9,      /* the device vanished or was reset */
  CW_WOULD_COPY = 10,      /* only by copying, which was not allowed */
  CW_WRONG_STATE = 11,     /* not now: ended, detached, streaming already */
  CW_IO = 12,              /* the device reported a failure */
  CW_INCOMPATIBLE = 13,    /* versions that cannot work together */
  CW_INTERNAL = 14         /* a defect of the backend or the runtime */
} cw_status;

/* Filled by the callee on failure. Text is UTF-8, one sentence, ends in NUL. */
typedef struct cw_error {
  uint32_t struct_size;
  int32_t system_errno; /* 0 where no system call was at fault */
  char operation[64];   /* what failed: "VIDIOC_S_FMT", "vkAllocateMemory" */
  char text[512];       /* what was asked, what was given, what would work */
} cw_error;

/* ---------------------------------------------------------------- fences */

typedef enum cw_fence_kind {
  CW_FENCE_NONE = 0,
  CW_FENCE_SYNC_FILE = 1,     /* fd: a kernel sync_file */
  CW_FENCE_SYNCOBJ_POINT = 2, /* fd: DRM node, handle: syncobj, value: point (0: binary) */
  CW_FENCE_HOST_EVENT = 3,    /* fd: readable or hung up once signalled, handle: the host's event */
  CW_FENCE_DEVICE = 4         /* since 1.1; of the device that gave it alone: handle and value are its own */
} cw_fence_kind;

/* One thing to wait for. Descriptors follow rule 3. A syncobj stays its giver's: the host's for the call, a
 * backend's until the device is closed. A handle means something only with that very fd, or a duplicate. */
typedef struct cw_fence {
  uint32_t struct_size;
  uint32_t kind; /* cw_fence_kind */
  int32_t fd;    /* -1 where the kind has none */
  uint32_t reserved;
  uint64_t handle;
  uint64_t value;
} cw_fence;

/* ---------------------------------------------------------------- images */

/* Usage bits; mirrors causeway::Usage. READ and WRITE say what the device does to the memory, the
 * others how. A device that is asked for none of the others chooses what its API finds natural. */
#define CW_USAGE_READ 0x0001u
#define CW_USAGE_WRITE 0x0002u
#define CW_USAGE_CAPTURE 0x0010u   /* filled by a camera or decoder */
#define CW_USAGE_SAMPLED 0x0020u   /* a GPU's texture */
#define CW_USAGE_STORAGE 0x0040u   /* a GPU's storage buffer or image */
#define CW_USAGE_RENDER 0x0080u    /* a GPU's colour attachment */
#define CW_USAGE_TRANSFER 0x0100u  /* source or target of a GPU's copy commands */
#define CW_USAGE_SCANOUT 0x0200u   /* shown on a display */
#define CW_USAGE_AS_BUFFER 0x0400u /* as linear bytes, never as an image */
#define CW_USAGE_AS_PLANES 0x0800u /* since 1.2: each plane as an image of its own, or not at all */
#define CW_USAGE_AS_IMAGE 0x1000u  /* since 1.2: as one image, or not at all */

/* Since 1.2: how the numbers of an image are to be seen as colours; mirrors causeway::Color. 0 is unspecified
 * in each of the three. */
#define CW_COLOR_ENCODING_BT601 1u
#define CW_COLOR_ENCODING_BT709 2u
#define CW_COLOR_ENCODING_BT2020 3u
#define CW_COLOR_RANGE_LIMITED 1u
#define CW_COLOR_RANGE_FULL 2u
#define CW_CHROMA_SITING_COSITED 1u  /* on the first of the pixels that share the sample */
#define CW_CHROMA_SITING_MIDPOINT 2u /* in their midst */

typedef struct cw_plane_layout {
  uint32_t object; /* index into the objects of the frame */
  uint32_t stride; /* bytes from one row to the next; the width in a pure buffer */
  uint64_t offset; /* bytes from the start of the object */
} cw_plane_layout;

/* What is being laid out. format 0 means plain bytes: width is the size and height is 1. */
typedef struct cw_image_desc {
  uint32_t struct_size;
  uint32_t format; /* DRM fourcc */
  uint64_t modifier;
  uint32_t width;  /* pixels */
  uint32_t height; /* pixels */
} cw_image_desc;

/* ---------------------------------------------------------------- devices */

#define CW_CAP_ACCESSES_VIA_CPU 0x01u /* works through a CPU mapping: bracket it with SYNC */
#define CW_CAP_COHERENT 0x02u         /* I/O-coherent, known by evidence named in cw_device_info */
#define CW_CAP_IMPLICIT_FENCES 0x04u  /* its driver attaches fences to the dma-bufs it uses */
#define CW_CAP_NEEDS_PINNABLE 0x08u   /* pins user pages; asks for a memfd view */
#define CW_CAP_IMPORTS_DMA_BUF 0x10u  /* takes a dma-buf's fd */
#define CW_CAP_IMPORTS_MEMFD 0x20u    /* takes a plain memfd, too */
#define CW_CAP_IMPORTS_HOST_POINTER 0x40u
#define CW_CAP_PRODUCES_ONLY 0x80u /* a source: writes what it likes (a camera) */
/* Since 1.1: the kinds of fences that begin_access takes. For the others the host waits on the CPU, counted,
 * before it calls. Fences of CW_FENCE_DEVICE go back only to the device that gave them. */
#define CW_CAP_WAITS_SYNC_FILE 0x100u
#define CW_CAP_WAITS_SYNCOBJ 0x200u
#define CW_CAP_WAITS_HOST_EVENT 0x400u

typedef struct cw_device_info {
  uint32_t struct_size;
  uint32_t capabilities; /* CW_CAP_ bits */
  char id[128];          /* what open() takes: "/dev/video0", "0" */
  char name[128];        /* for people */
  char driver[64];
  char driver_version[64];
  char evidence[128]; /* why COHERENT is claimed; empty otherwise */
} cw_device_info;

/* How to open. id is one of enumerate()'s, or another that the backend knows, or empty for the best.
 * adopt, if not null, points to a struct that the backend's public header documents under
 * adopt_interface (for example "causeway.vulkan.adopt.v1"); it is borrowed for the call. */
typedef struct cw_open_info {
  uint32_t struct_size;
  uint32_t reserved;
  const char* id;
  const char* adopt_interface;
  const void* adopt;
} cw_open_info;

/* ---------------------------------------------------------------- constraints */

/* What a device needs of an allocation: device_dma_parameters and more.
 * The host initialises it to "anything goes"; a backend narrows it. All alignments are in bytes and
 * at least 1. */
typedef struct cw_constraints {
  uint32_t struct_size;
  uint32_t stride_align;
  uint32_t offset_align;
  uint32_t object_size_align;
  uint32_t exact_stride[CW_MAX_PLANES];    /* 0: any aligned stride; else this one alone */
  uint64_t min_object_size[CW_MAX_PLANES]; /* per object; 0: what the layout needs */
  uint64_t max_object_size;                /* 0: no limit */
  uint32_t objects;                        /* 0: any; else exactly so many objects a frame */
  uint32_t max_frames;                     /* 0: no limit */
  uint32_t needs_pinnable;                 /* 1: a memfd view must be there */
  uint32_t modifier_count;                 /* 0: LINEAR only */
  uint64_t modifiers[CW_MAX_MODIFIERS];
  /* Since 1.3, not a need, but what a source says of its pictures, in cw_attach_info's words; 0: nothing. */
  uint32_t color_encoding;
  uint32_t color_range;
  uint32_t chroma_siting_x;
  uint32_t chroma_siting_y;
} cw_constraints;

/* ---------------------------------------------------------------- attachments */

typedef struct cw_device cw_device;         /* the backend's own */
typedef struct cw_attachment cw_attachment; /* the backend's own */
typedef struct cw_object_ref cw_object_ref; /* the host's own: one memory object */

#define CW_OBJECT_IS_DMA_BUF 0x1u /* a kernel dma-buf; otherwise shared memory (a memfd) */
#define CW_OBJECT_READ_ONLY 0x2u  /* the descriptor permits no writing */

typedef struct cw_object {
  uint32_t struct_size;
  uint32_t flags;      /* CW_OBJECT_ bits */
  int32_t fd;          /* lent for the call */
  int32_t pinnable_fd; /* lent; -1, or the memfd beneath, if the device has CW_CAP_NEEDS_PINNABLE */
  uint64_t pinnable_offset;
  uint64_t size;
  uint64_t device_number; /* st_dev and st_ino: what the object is, whatever its fd */
  uint64_t inode;
  cw_object_ref* ref; /* for host->map_object */
} cw_object;

typedef struct cw_attach_info {
  uint32_t struct_size;
  uint32_t usage; /* CW_USAGE_ bits */
  cw_image_desc image;
  uint32_t plane_count;
  uint32_t object_count;
  const cw_plane_layout* planes;
  const cw_object* objects;
  uint32_t color_encoding;  /* since 1.2, as the next three; CW_COLOR_ENCODING_ */
  uint32_t color_range;     /* CW_COLOR_RANGE_ */
  uint32_t chroma_siting_x; /* CW_CHROMA_SITING_, across */
  uint32_t chroma_siting_y; /* CW_CHROMA_SITING_, down */
} cw_attach_info;

typedef enum cw_direction {
  CW_DIRECTION_BIDIRECTIONAL = 0, /* enum dma_data_direction's values */
  CW_DIRECTION_TO_DEVICE = 1,
  CW_DIRECTION_FROM_DEVICE = 2
} cw_direction;

/* One run of device addresses: an entry of the kernel's sg_table. */
typedef struct cw_sg_entry {
  uint64_t address;
  uint64_t length;
} cw_sg_entry;

/* Since 1.3, what of the memory the device works on. BYTES: buffers, or whatever it has. IMAGES: each plane
 * is an image in the very import that probes go through. APART: images that were imported once more, so that
 * probes speak for the import beside them. */
#define CW_IMPORTED_AS_BYTES 0u
#define CW_IMPORTED_AS_IMAGES 1u
#define CW_IMPORTED_AS_IMAGES_APART 2u

/* What map() gives. native points to the struct that native_interface names ("causeway.vulkan.view.v1",
 * documented in the backend's public header) and lives until unmap. import_path says in a word how the
 * memory came in: "dma-buf", "host-pointer", "pinned". sg is null unless device addresses are real. */
typedef struct cw_mapping {
  uint32_t struct_size;
  uint32_t sg_count;
  const char* native_interface;
  const void* native;
  const char* import_path;
  const cw_sg_entry* sg;
  uint32_t imported_as; /* since 1.3; CW_IMPORTED_AS_ */
  uint32_t reserved;
} cw_mapping;

/* Since 1.3. Nobody has written to the memory since it was allocated, and nobody outside knows of it: what it
 * holds counts for nothing, and need not be kept (an image may come from VK_IMAGE_LAYOUT_UNDEFINED). */
#define CW_ACCESS_NO_CONTENT 0x1u

/* waits: what the device's work must wait for, all of it still pending when the host looked. */
typedef struct cw_access_begin {
  uint32_t struct_size;
  uint32_t usage; /* CW_USAGE_READ | CW_USAGE_WRITE */
  const cw_fence* waits;
  uint32_t wait_count;
  uint32_t reserved;
  int64_t deadline_ns; /* since 1.1; CLOCK_MONOTONIC: when a wait on the CPU gives up */
  uint32_t flags;      /* since 1.3; CW_ACCESS_ bits */
  uint32_t reserved2;
  /* Since 1.3; a number of the host's, of no other access to this mapping, which the end of this one has,
   * too: readers' accesses overlap, and end in any order. 0 from a host of an earlier version. */
  uint64_t access;
} cw_access_begin;

#define CW_MAX_SIGNALS 4u

/* signals: room for signal_capacity fences (CW_MAX_SIGNALS); the backend writes signal_count: when they have
 * signalled, the device is done with the memory. No signals: it is done already. */
typedef struct cw_access_end {
  uint32_t struct_size;
  uint32_t signal_capacity;
  cw_fence* signals;
  uint32_t signal_count;
  uint32_t given_count;
  const cw_fence* given; /* what the caller's own submission signals */
  /* Since 1.3. The backend writes 1 if its signals come after what was given, too; else the host keeps both.
   * A host of an earlier version keeps the signals alone. */
  uint32_t given_included;
  uint32_t reserved;
  uint64_t access; /* since 1.3; of the access that ends, cw_access_begin.access */
} cw_access_end;

/* ---------------------------------------------------------------- allocation */

typedef struct cw_allocate_info {
  uint32_t struct_size;
  uint32_t usage;
  cw_image_desc image;
  uint32_t modifier_count; /* acceptable ones; image.modifier is ignored then */
  uint32_t reserved;
  const uint64_t* modifiers;
} cw_allocate_info;

/* What a device allocated: descriptors that pass to the host, and where the planes lie. */
typedef struct cw_allocation {
  uint32_t struct_size;
  uint32_t object_count;
  uint32_t plane_count;
  uint32_t reserved;
  uint64_t modifier;
  int32_t fds[CW_MAX_PLANES];
  uint64_t sizes[CW_MAX_PLANES];
  cw_plane_layout planes[CW_MAX_PLANES];
  void* token; /* handed back to release() */
} cw_allocation;

/* ---------------------------------------------------------------- alias proof */

#define CW_PROBE_MAY_COPY 0x1u    /* use also the API operations that may copy (map, unmap, sync) */
#define CW_PROBE_ANY_CONTENT 0x2u /* write: what you produce; data is null (a source device) */

typedef struct cw_probe {
  uint32_t struct_size;
  uint32_t flags;
  uint32_t object; /* index of the object in the attachment */
  uint32_t reserved;
  uint64_t offset;     /* bytes into the object */
  uint64_t size;       /* bytes, at most 64, offset and size multiples of 4 */
  void* data;          /* read: filled; write: the bytes */
  int64_t deadline_ns; /* CLOCK_MONOTONIC */
} cw_probe;

/* ---------------------------------------------------------------- host services */

typedef enum cw_log_level {
  CW_LOG_DEBUG = 0,
  CW_LOG_INFO = 1,
  CW_LOG_WARNING = 2,
  CW_LOG_ERROR = 3
} cw_log_level;

typedef enum cw_counter {
  CW_COUNT_COPIED_BYTES = 0, /* bytes that a CPU copied between two buffers */
  CW_COUNT_CPU_WAITS = 1     /* times that a CPU waited for a device */
} cw_counter;

/* What the host offers. Valid while the backend has an open device, and during enumerate and open; every
 * function may be called from any thread. */
typedef struct cw_host {
  uint32_t struct_size;
  uint32_t abi_version;
  void* context; /* first argument of each function below */
  const cw_syscalls* syscalls;

  void (*log)(void* context, int32_t level, const char* text);
  void (*count)(void* context, int32_t counter, uint64_t amount);
  /* A CPU address of the whole object, readable, and writable unless it is read-only. Kept by the host for as
   * long as the object lives; prefaulted once. For backends that import by host pointer. */
  int32_t (*map_object)(void* context, cw_object_ref* object, void** address, cw_error* error);
  /* A fence that a program signals. create fills *event; its fd stays the host's until destroy. */
  int32_t (*event_create)(void* context, cw_fence* event, cw_error* error);
  int32_t (*event_signal)(void* context, const cw_fence* event, int32_t system_errno);
  void (*event_destroy)(void* context, const cw_fence* event);

  /* Since 1.1. Waits on the CPU for a fence that begin_access was given, and counts it. CW_OK: signalled,
   * even if its work failed. CW_TIMED_OUT: the deadline passed. */
  int32_t (*fence_wait)(void* context, const cw_fence* fence, int64_t deadline_ns, cw_error* error);
  /* Since 1.1. Calls notify once when the host event signals, on the thread that signals it, with no lock
   * held; 0, or the errno of its failure. If it has signalled, *added is 0 and notify is not called.
   * CW_UNSUPPORTED for other kinds of fences. */
  int32_t (*fence_notify)(void* context, const cw_fence* event,
                          void (*notify)(void* user, int32_t system_errno), void* user, uint32_t* added,
                          cw_error* error);
} cw_host;

/* ---------------------------------------------------------------- the table */

typedef struct cw_backend {
  uint32_t struct_size;
  uint32_t abi_version; /* CW_ABI_VERSION of the header it was built with */
  const char* name;     /* "vulkan"; unique in a runtime; [a-z0-9_] */
  const char* description;

  /* Writes up to *count devices and sets *count to how many there are. None is no error. */
  int32_t (*enumerate)(const cw_host* host, cw_device_info* devices, uint32_t* count, cw_error* error);
  int32_t (*open)(const cw_host* host, const cw_open_info* info, cw_device** device, cw_error* error);
  /* All attachments have been detached. */
  void (*close)(cw_device* device);
  int32_t (*device_info)(cw_device* device, cw_device_info* info, cw_error* error);

  /* May talk to the hardware (a camera sets its format here, and answers its strides). */
  int32_t (*query_constraints)(cw_device* device, const cw_image_desc* image, uint32_t usage,
                               cw_constraints* constraints, cw_error* error);

  /* Imports the memory: everything that costs is done here or in map, never in an access. */
  int32_t (*attach)(cw_device* device, const cw_attach_info* info, cw_attachment** attachment,
                    cw_error* error);
  void (*detach)(cw_device* device, cw_attachment* attachment);
  int32_t (*map)(cw_device* device, cw_attachment* attachment, int32_t direction, cw_mapping* mapping,
                 cw_error* error);
  void (*unmap)(cw_device* device, cw_attachment* attachment);

  int32_t (*begin_access)(cw_device* device, cw_attachment* attachment, const cw_access_begin* begin,
                          cw_error* error);
  int32_t (*end_access)(cw_device* device, cw_attachment* attachment, cw_access_end* end, cw_error* error);

  /* A table of functions that the backend's public header documents under this name; null: not offered. May
   * be called from any thread at any time. */
  const void* (*get_interface)(cw_device* device, const char* interface_name);

  /* Optional: memory of the device's own, exported (V4L2 EXPBUF, Vulkan). */
  int32_t (*allocate)(cw_device* device, const cw_allocate_info* info, cw_allocation* allocation,
                      cw_error* error);
  void (*release)(cw_device* device, void* token);

  /* Optional: the device's side of the alias proof, on an attachment that is mapped. */
  int32_t (*probe_write)(cw_device* device, cw_attachment* attachment, const cw_probe* probe,
                         cw_error* error);
  int32_t (*probe_read)(cw_device* device, cw_attachment* attachment, cw_probe* probe, cw_error* error);

  /* Since 1.1. Optional, but the first and the third must be there if end_access gives fences of
   * CW_FENCE_DEVICE. Unlike other operations, these four may be called from any thread at any time.
   *
   * Waits until the fence has signalled: CW_OK; CW_TIMED_OUT at the deadline, which may be in the past;
   * another status if the work behind it failed, with system_errno in the error. Since 1.3, CW_OUT_OF_MEMORY
   * and CW_OUT_OF_FDS say that it could not be asked, and may be later. */
  int32_t (*fence_wait)(cw_device* device, const cw_fence* fence, int64_t deadline_ns, cw_error* error);
  /* Makes a fence of another kind (CW_FENCE_SYNC_FILE, say) that signals with it; called only when somebody
   * else needs one. CW_UNSUPPORTED: the host waits on the CPU instead. */
  int32_t (*fence_export)(cw_device* device, const cw_fence* fence, cw_fence* exported, cw_error* error);
  /* The host will not speak of this fence again; called once for each that end_access gave. */
  void (*fence_release)(cw_device* device, const cw_fence* fence);
  /* Waits until everything that was submitted is done. Asked for a device whose access was dropped without an
   * end, or whose end failed. CW_OK, CW_TIMED_OUT, or why it never will be; after CW_DEVICE_LOST it is taken
   * to touch no memory any more. Null: it works only between begin_access and end_access. */
  int32_t (*wait_idle)(cw_device* device, int64_t deadline_ns, cw_error* error);

  /* Since 1.3. Optional; from any thread at any time, too. Makes of a CW_FENCE_DEVICE that giver, another
   * open device of this backend, gave one of this device's own: begin_access takes it, fence_wait knows it,
   * and the host releases it here. CW_UNSUPPORTED: the host asks giver to export it instead. */
  int32_t (*fence_import)(cw_device* device, cw_device* giver, const cw_fence* fence, cw_fence* imported,
                          cw_error* error);
} cw_backend;

/* The type of the frozen symbol. host_version is the host's CW_ABI_VERSION; the backend answers its table,
 * or null if it cannot work with that host. The table is never freed. */
typedef const cw_backend* (*cw_backend_entry)(uint32_t host_version);

#ifdef __cplusplus
}
#endif
#endif
