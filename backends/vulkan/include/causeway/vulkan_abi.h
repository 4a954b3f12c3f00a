/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structs that cross the plugin edge of the Vulkan backend, in C. C++ programs use causeway/vulkan.hpp.
 *
 * They grow as those of backend_abi.h do: at their end only, and whoever fills one writes its size into
 * struct_size.
 */
#ifndef CAUSEWAY_VULKAN_ABI_H
#define CAUSEWAY_VULKAN_ABI_H

#include <causeway/plugin/backend_abi.h>
#include <vulkan/vulkan_core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------- a caller's device */

#define CW_VULKAN_ADOPT_V1 "causeway.vulkan.adopt.v1"

/* What cw_open_info.adopt points to. The struct and its lists are borrowed for the call; the handles stay the
 * caller's, are never destroyed here, and must outlive the opened device.
 *
 * The queue is used only while memory is attached and proved, never for a frame, unless flags permits more.
 * Vulkan wants its use externally synchronized (Threading Behavior, vkQueueSubmit): whoever submits from
 * another thread meanwhile sets lock_queue and unlock_queue. */
typedef struct cw_vulkan_adopt_v1 {
  uint32_t struct_size;
  uint32_t api_version; /* VkApplicationInfo::apiVersion that the instance was made with; at least 1.1 */
  PFN_vkGetInstanceProcAddr get_instance_proc_addr;
  VkInstance instance;
  VkPhysicalDevice physical_device;
  VkDevice device;
  VkQueue queue; /* of a family that can do transfers: graphics, compute or transfer */
  uint32_t queue_family;
  /* The device extensions that were enabled, which Vulkan cannot be asked; one that is not listed is not
   * used, whatever vkGetDeviceProcAddr returns for its functions. */
  uint32_t extension_count;
  const char* const* extensions;
  void* lock_context;
  void (*lock_queue)(void* lock_context);   /* null: nobody else submits meanwhile */
  void (*unlock_queue)(void* lock_context); /* null exactly if lock_queue is */
  uint32_t flags;                           /* CW_VULKAN_ADOPT_ bits */
  uint32_t reserved;
} cw_vulkan_adopt_v1;

/* The feature timelineSemaphore was enabled, which Vulkan cannot be asked either. */
#define CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE 0x1u
/* The application takes the turn of each access (cw_vulkan_sync_v1) and submits what it says. Without this
 * bit the host waits on the CPU before an access begins, and the work must be done when it ends. */
#define CW_VULKAN_ADOPT_TAKES_TURNS 0x2u
/* A batch without commands may be put on the queue when another driver needs a sync_file of work that was
 * submitted, from the thread that needs it. Without this bit, that thread waits on the CPU. */
#define CW_VULKAN_ADOPT_MAY_SUBMIT 0x4u
/* The queue is used as that of a device that we open: begin_access and end_access submit to it, and there are
 * no turns to take. Includes MAY_SUBMIT. */
#define CW_VULKAN_ADOPT_SUBMITS 0x8u
/* The feature samplerYcbcrConversion was enabled. Without this bit frames that are sampled through a
 * conversion come in as planes or bytes. */
#define CW_VULKAN_ADOPT_SAMPLER_YCBCR_CONVERSION 0x10u

/* ------------------------------------------------------- the device's handles */

#define CW_VULKAN_DEVICE_V1 "causeway.vulkan.device.v1"

/* Lent: they live as long as the opened device. */
typedef struct cw_vulkan_handles_v1 {
  uint32_t struct_size;
  uint32_t api_version; /* the lower one of instance and device: what may be called as core */
  PFN_vkGetInstanceProcAddr get_instance_proc_addr;
  VkInstance instance;
  VkPhysicalDevice physical_device;
  VkDevice device;
  VkQueue queue;
  uint32_t queue_family;
  uint32_t extension_count;
  const char* const* extensions; /* enabled, and known to be */
} cw_vulkan_handles_v1;

/* By which step memory is imported: the first that goes, in this order, or one alone. */
#define CW_VULKAN_IMPORT_ANY 0u
#define CW_VULKAN_IMPORT_DMA_BUF 1u      /* "dma-buf": VK_EXT_external_memory_dma_buf */
#define CW_VULKAN_IMPORT_OPAQUE_FD 2u    /* "opaque-fd": bytes that another device of the same driver, in */
                                         /* this process and by this backend, allocated and exported */
#define CW_VULKAN_IMPORT_HOST_POINTER 3u /* "host-pointer": VK_EXT_external_memory_host */

/* What get_interface(CW_VULKAN_DEVICE_V1) returns. */
typedef struct cw_vulkan_device_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  void (*handles)(cw_device* device, cw_vulkan_handles_v1* out); /* out->struct_size is set by the caller */
  /* Attachments that are made from now on come in by this step alone: CW_VULKAN_IMPORT_. An unknown one is
   * taken for ANY. For any thread. */
  void (*pin_import)(cw_device* device, uint32_t step);
} cw_vulkan_device_v1;

/* ------------------------------------------------------- turns */

#define CW_VULKAN_SYNC_V1 "causeway.vulkan.sync.v1"

/* Whose queue the work goes to decides who keeps the order.
 *
 * A device that we opened, or that was adopted with CW_VULKAN_ADOPT_SUBMITS: begin_access submits to its
 * queue what the waits need and the acquire from others, the application then submits its work to that queue,
 * and end_access submits the release and a signal. The application records no transfers of ownership and
 * waits for nothing.
 *
 * An adopted device (CW_VULKAN_ADOPT_TAKES_TURNS): nothing is submitted. Between begin_access and its own
 * submission the application asks for the turn; the submission waits for the turn's waits, begins with its
 * acquire barriers, ends with its release barriers and signals its signal. end_access takes it as submitted.
 * Of one attachment, turns are submitted in the order in which they began. A turn that was asked for is
 * waited for until it is submitted: where that fails, drop_turn says so. */
typedef struct cw_vulkan_turn_v1 {
  uint32_t struct_size;
  uint32_t wait_count;
  /* For VkSubmitInfo2, or taken apart for VkSubmitInfo and VkTimelineSemaphoreSubmitInfo. Lent until the end
   * of the access. */
  const VkSemaphoreSubmitInfo* waits;
  /* A point of a timeline semaphore; where those are not enabled, a binary one (value 0). Null: neither is
   * there, and the work must be done before the access ends. */
  VkSemaphoreSubmitInfo signal;
  uint32_t buffer_count;
  uint32_t image_count;
  /* For vkCmdPipelineBarrier2; record_acquire and record_release record the same. None where this access has
   * nothing to take over (another turn has it already) or to give back (another still goes on). */
  const VkBufferMemoryBarrier2* acquire_buffers;
  const VkImageMemoryBarrier2* acquire_images;
  const VkBufferMemoryBarrier2* release_buffers;
  const VkImageMemoryBarrier2* release_images;
} cw_vulkan_turn_v1;

/* The functions behind a mapping's view; attachment is view->attachment. An error is filled as
 * plugin/backend_abi.h says. Threads: as begin_access, but for lock_queue and unlock_queue, which are for any
 * thread. */
typedef struct cw_vulkan_sync_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Of the access that began last. CW_UNSUPPORTED: the device is not adopted, or without TAKES_TURNS.
   * CW_WRONG_STATE: no access has begun. */
  int32_t (*take_turn)(cw_device* device, cw_attachment* attachment, cw_vulkan_turn_v1* turn,
                       cw_error* error);
  /* Records the transfer of ownership of everything in the mapping, from the others and back to them, with
   * vkCmdPipelineBarrier. For a command buffer that is recorded once and submitted for each frame. */
  void (*record_acquire)(cw_device* device, cw_attachment* attachment, VkCommandBuffer commands);
  void (*record_release)(cw_device* device, cw_attachment* attachment, VkCommandBuffer commands);
  /* keep != 0: until it is called with 0, nobody but this attachment touches the memory, so that ownership
   * stays with the device from one access to the next. The access that ends after it was called with 0
   * gives it back; where turns are taken, the access whose turn is asked for after that. */
  void (*keep)(cw_device* device, cw_attachment* attachment, uint32_t keep);
  /* Around the application's own submissions to a queue that we submit to, if other threads begin or end
   * accesses, or need its fences, meanwhile. Never held across a call of Causeway. */
  void (*lock_queue)(cw_device* device);
  void (*unlock_queue)(cw_device* device);
  /* The submission of the access that began last did not happen, and will not (vkQueueSubmit failed): nothing
   * waits for its signal, and nothing was done. The access is then ended or dropped; it has no other turn.
   * CW_WRONG_STATE: no access has begun. CW_UNSUPPORTED: as take_turn. */
  int32_t (*drop_turn)(cw_device* device, cw_attachment* attachment, cw_error* error);
} cw_vulkan_sync_v1;

/* ------------------------------------------------------- colours */

/* How an image of NV12 and its like is sampled as RGB. The conversion is lent: it lives as long as the
 * device, and is the same for all frames whose info is equal, so that a pipeline can be built with it before
 * the next frame comes. It belongs into the VkSampler (an immutable one, unnormalized coordinates and
 * anisotropy off, clamped to the edge, its filters equal to info.chromaFilter unless the format can do with
 * others) and into the VkImageView (VkSamplerYcbcrConversionInfo). Results are not clamped by every driver.
 */
typedef struct cw_vulkan_conversion_v1 {
  uint32_t struct_size;
  uint32_t assumed; /* CW_VULKAN_ASSUMED_ bits: what the frame left unsaid */
  VkSamplerYcbcrConversion conversion;
  VkSamplerYcbcrConversionCreateInfo info; /* what it was made with */
  /* Descriptors of a pool that one combined image sampler takes
   * (VkSamplerYcbcrConversionImageFormatProperties). */
  uint32_t descriptor_count;
  uint32_t reserved;
} cw_vulkan_conversion_v1;

#define CW_VULKAN_ASSUMED_ENCODING 0x1u /* BT.601 */
#define CW_VULKAN_ASSUMED_RANGE 0x2u    /* limited */
#define CW_VULKAN_ASSUMED_SITING_X 0x4u /* cosited, where the driver has it */
#define CW_VULKAN_ASSUMED_SITING_Y 0x8u /* midpoint, where the driver has it */

/* The function behind a mapping's view; attachment is view->attachment. CW_INVALID_ARGUMENT: a format without
 * shared chroma. CW_UNSUPPORTED: the feature is off, the view's kind is not IMAGE, or the driver has not the
 * frame's siting. For any thread. */
typedef struct cw_vulkan_ycbcr_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  int32_t (*conversion)(cw_device* device, cw_attachment* attachment, cw_vulkan_conversion_v1* out,
                        cw_error* error);
} cw_vulkan_ycbcr_v1;

/* ------------------------------------------------------- a mapping */

#define CW_VULKAN_VIEW_V1 "causeway.vulkan.view.v1"

typedef enum cw_vulkan_kind {
  CW_VULKAN_BUFFER = 0, /* buffers alone */
  CW_VULKAN_IMAGE = 1,  /* image, and beside it a buffer on the same object */
  CW_VULKAN_PLANES = 2  /* plane_images, one of each plane, and buffers */
} cw_vulkan_kind;

/* What cw_mapping.native points to. Each object of the frame is there as a buffer over the whole object.
 *
 * Everything is in sharing mode exclusive. Between two devices the memory belongs to acquire_from, a queue
 * family index: VK_QUEUE_FAMILY_FOREIGN_EXT where the extension is enabled, else VK_QUEUE_FAMILY_EXTERNAL. So
 * an access begins with an acquire from it and ends with a release to it (Queue Family Ownership Transfer);
 * cw_vulkan_turn_v1 says whose task they are. An image crosses in VK_IMAGE_LAYOUT_GENERAL: that is the
 * oldLayout of the acquire and the newLayout of the release, from the first time on, since imported memory
 * may have content from the start. Only where the host knows that it has none (CW_ACCESS_NO_CONTENT: nobody
 * has written to it since it was allocated) is the oldLayout of the acquire VK_IMAGE_LAYOUT_UNDEFINED. */
typedef struct cw_vulkan_view_v1 {
  uint32_t struct_size;
  uint32_t kind; /* cw_vulkan_kind */
  uint32_t object_count;
  uint32_t acquire_from;
  VkBuffer buffers[CW_MAX_PLANES];
  VkDeviceSize sizes[CW_MAX_PLANES]; /* bytes */
  VkDeviceMemory memories[CW_MAX_PLANES];
  VkBufferUsageFlags buffer_usage;
  uint32_t plane_count;
  VkDeviceSize plane_offsets[CW_MAX_PLANES]; /* bytes from the start of plane_objects[i] */
  uint32_t plane_strides[CW_MAX_PLANES];     /* bytes */
  uint32_t plane_objects[CW_MAX_PLANES];
  uint32_t width;
  uint32_t height;
  VkFormat format; /* of the frame; VK_FORMAT_UNDEFINED where Vulkan has none */
  VkImageUsageFlags image_usage;
  VkImage image; /* in kind IMAGE alone; image_usage and image_memory in kind PLANES as well */
  VkDeviceMemory image_memory;
  uint64_t modifier;
  cw_device* device; /* with attachment, what the functions of sync are about */
  cw_attachment* attachment;
  const cw_vulkan_sync_v1* sync;   /* never null */
  const cw_vulkan_ycbcr_v1* ycbcr; /* never null */
  /* Why the frame is in none of the forms that would have come first: one image by its modifier, one image in
   * VK_IMAGE_TILING_LINEAR, an image a plane, a buffer. Empty where none of those was wanted. */
  const char* why_not;
  uint32_t image_tiling; /* VkImageTiling, of image or of plane_images[0] */
  uint32_t image_flags;  /* VkImageCreateFlags, likewise */
  /* 1: the images are bound to the memories of the buffers, so that what the alias proof saw of those holds
   * for them. 0: the driver wants memory of its own for each image, and the same objects were imported again.
   */
  uint32_t images_in_buffers;
  uint32_t reserved;
  VkImage plane_images[CW_MAX_PLANES];   /* in kind PLANES; usage and ownership as image */
  VkFormat plane_formats[CW_MAX_PLANES]; /* what each plane is, or would be, as an image of its own */
  uint32_t plane_widths[CW_MAX_PLANES];  /* texels of plane_formats[i] */
  uint32_t plane_heights[CW_MAX_PLANES];
} cw_vulkan_view_v1;

#ifdef __cplusplus
}
#endif
#endif
