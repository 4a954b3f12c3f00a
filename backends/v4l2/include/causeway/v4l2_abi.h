/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the V4L2 backend offers beyond the table of every backend: formats, streaming, and the view that a
 * mapping gives. In C, so that it holds across compilers; C++ programs use causeway/v4l2.hpp.
 *
 * The rules of causeway/plugin/backend_abi.h hold here too: structs grow only at their end, struct_size says
 * how far one goes, a function returns a cw_status and fills cw_error unless that is CW_OK.
 *
 * Threads: as rule 6 there says (one thread at a time for one device), but for queue(), which any thread may
 * call at any time: frames are let go wherever their consumers live.
 */
#ifndef CAUSEWAY_V4L2_ABI_H
#define CAUSEWAY_V4L2_ABI_H

#include <causeway/plugin/backend_abi.h>
#include <poll.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CW_V4L2_STREAM_INTERFACE "causeway.v4l2.stream.v1" /* get_interface(): cw_v4l2_stream */
#define CW_V4L2_VIEW_INTERFACE "causeway.v4l2.view.v1"     /* cw_mapping.native: cw_v4l2_view */

/* Which buffer of the camera a frame is: the two stay paired for as long as the frame is attached. */
typedef struct cw_v4l2_view {
  uint32_t struct_size;
  uint32_t index;  /* the buffer's index in the driver's queue */
  uint64_t ticket; /* tells this attachment from a later one with the same index */
  uint32_t fourcc; /* V4L2's, not DRM's */
  uint32_t memory_planes;
} cw_v4l2_view;

#define CW_V4L2_OFFER_COMPRESSED 0x1u /* V4L2_FMT_FLAG_COMPRESSED */
#define CW_V4L2_OFFER_EMULATED 0x2u   /* V4L2_FMT_FLAG_EMULATED: made by software on the way */

typedef struct cw_v4l2_offer {
  uint32_t struct_size;
  uint32_t fourcc;        /* V4L2's */
  uint32_t drm_format;    /* the same layout by DRM's name; 0: DRM has none, or Causeway does not know it */
  uint32_t memory_planes; /* descriptors a frame takes; 0 if not known */
  uint32_t flags;         /* CW_V4L2_OFFER_ bits */
  char description[32];
} cw_v4l2_offer;

/* Sizes from min to max in steps; a single size has min == max. In pixels. */
typedef struct cw_v4l2_size_range {
  uint32_t struct_size;
  uint32_t min_width, max_width, step_width;
  uint32_t min_height, max_height, step_height;
} cw_v4l2_size_range;

/* The time from one frame to the next, in seconds as a fraction; a single interval has min == max. */
typedef struct cw_v4l2_interval_range {
  uint32_t struct_size;
  uint32_t min_numerator, min_denominator;
  uint32_t max_numerator, max_denominator;
} cw_v4l2_interval_range;

/* A format as the driver holds it. The members from field on have V4L2's values (videodev2.h). */
typedef struct cw_v4l2_format {
  uint32_t struct_size;
  uint32_t fourcc;
  uint32_t drm_format;
  uint32_t width;
  uint32_t height;
  uint32_t memory_planes;
  uint32_t stride[CW_MAX_PLANES]; /* bytesperline of each memory plane */
  uint32_t size[CW_MAX_PLANES];   /* sizeimage of each memory plane */
  uint32_t field;
  uint32_t colorspace;
  uint32_t ycbcr_encoding;
  uint32_t quantization;
  uint32_t transfer_function;
} cw_v4l2_format;

#define CW_V4L2_CAPTURED_CORRUPT 0x1u   /* V4L2_BUF_FLAG_ERROR: the data may be damaged or incomplete */
#define CW_V4L2_CAPTURED_MONOTONIC 0x2u /* timestamp_ns is on CLOCK_MONOTONIC */

typedef struct cw_v4l2_captured {
  uint32_t struct_size;
  uint32_t index;
  uint64_t ticket;
  uint32_t flags;    /* CW_V4L2_CAPTURED_ bits */
  uint32_t sequence; /* the driver's count of frames: a gap is a frame that was dropped */
  int64_t timestamp_ns;
  uint32_t memory_planes;
  uint32_t bytes_used[CW_MAX_PLANES];
} cw_v4l2_captured;

typedef struct cw_v4l2_stream {
  uint32_t struct_size;
  uint32_t reserved;

  /* The list functions write up to *count entries and set *count to how many there are. */
  int32_t (*list_formats)(cw_device* device, cw_v4l2_offer* offers, uint32_t* count, cw_error* error);
  int32_t (*list_sizes)(cw_device* device, uint32_t fourcc, cw_v4l2_size_range* sizes, uint32_t* count,
                        cw_error* error);
  int32_t (*list_intervals)(cw_device* device, uint32_t fourcc, uint32_t width, uint32_t height,
                            cw_v4l2_interval_range* intervals, uint32_t* count, cw_error* error);

  int32_t (*get_format)(cw_device* device, cw_v4l2_format* format, cw_error* error);
  /* Asks for fourcc (or, where that is 0, drm_format), width and height, and a stride unless that is 0; fills
   * answer with what the driver made of it. query_constraints keeps to this fourcc as long as it suits the
   * DRM format it is asked for. */
  int32_t (*set_format)(cw_device* device, const cw_v4l2_format* wanted, cw_v4l2_format* answer,
                        cw_error* error);

  /* The time from one frame to the next; numerator and denominator of min and max alike. set writes what the
   * driver made of it; setting another format may change it. CW_UNSUPPORTED where the source decides. */
  int32_t (*get_interval)(cw_device* device, cw_v4l2_interval_range* interval, cw_error* error);
  int32_t (*set_interval)(cw_device* device, cw_v4l2_interval_range* interval, cw_error* error);

  /* Queues those of the frames that no consumer holds, and starts the camera. */
  int32_t (*start)(cw_device* device, const cw_v4l2_view* const* frames, uint32_t count, cw_error* error);
  /* Takes all buffers back from the driver. Not streaming is no error. */
  int32_t (*stop)(cw_device* device, cw_error* error);
  /* Waits for the next filled buffer, which then belongs to the caller until queue(). deadline_ns is on
   * CLOCK_MONOTONIC; INT64_MAX waits for ever, a time in the past takes what is there. */
  int32_t (*dequeue)(cw_device* device, int64_t deadline_ns, cw_v4l2_captured* captured, cw_error* error);
  /* Gives a buffer back. It goes to the camera if that streams with it, and is merely free otherwise. Nobody
   * may still read it: V4L2 waits for no fence, so its caller does (v4l2_stream_state.hpp). A ticket that is
   * not in force any more is ignored. */
  int32_t (*queue)(cw_device* device, uint32_t index, uint64_t ticket, cw_error* error);
  /* 1 while somebody who dequeued the buffer has not given it back; else 0. */
  int32_t (*is_held)(cw_device* device, uint32_t index, uint64_t ticket);
  /* For poll(): POLLIN when dequeue() would not wait. Lent; lives as long as the device. With every buffer
   * held by consumers it is in error (POLLERR) all the time. */
  int32_t (*poll_fd)(cw_device* device);

  /* Keeps a free buffer out of the next start(), as if somebody had dequeued it; queue() gives it back. For
   * memory whose readers have fences pending. */
  int32_t (*hold)(cw_device* device, uint32_t index, uint64_t ticket, cw_error* error);
  /* As dequeue, and comes back with CW_BUSY once one of count others shows its event (fd and events are
   * read, revents is written), or after interrupt(). */
  int32_t (*dequeue_or)(cw_device* device, struct pollfd* others, uint32_t count, int64_t deadline_ns,
                        cw_v4l2_captured* captured, cw_error* error);
  /* Makes the dequeue_or that waits, or else the next, come back. From any thread. */
  void (*interrupt)(cw_device* device);
  /* *fd: a duplicate of poll_fd for the caller, or -1 while the driver has no buffer to fill: there poll(2)
   * has nothing to wait for, and is in error all the time. */
  int32_t (*dup_poll_fd)(cw_device* device, int32_t* fd, cw_error* error);
} cw_v4l2_stream;

#ifdef __cplusplus
}
#endif
#endif
