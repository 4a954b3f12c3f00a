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
 * The queue is used only while memory is attached and proved, never for a frame. Vulkan wants its use
 * externally synchronized (Threading Behavior, vkQueueSubmit): whoever submits from another thread meanwhile
 * sets lock_queue and unlock_queue. */
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
} cw_vulkan_adopt_v1;

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

/* What get_interface(CW_VULKAN_DEVICE_V1) returns. */
typedef struct cw_vulkan_device_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  void (*handles)(cw_device* device, cw_vulkan_handles_v1* out); /* out->struct_size is set by the caller */
} cw_vulkan_device_v1;

/* ------------------------------------------------------- a mapping */

#define CW_VULKAN_VIEW_V1 "causeway.vulkan.view.v1"

typedef enum cw_vulkan_kind {
  CW_VULKAN_BUFFER = 0, /* buffers alone */
  CW_VULKAN_IMAGE = 1   /* image, and beside it a buffer on the same object */
} cw_vulkan_kind;

/* What cw_mapping.native points to. Each object of the frame is there as a buffer over the whole object.
 *
 * Everything is in sharing mode exclusive. Between two devices the memory belongs to acquire_from, a queue
 * family index: VK_QUEUE_FAMILY_FOREIGN_EXT where the extension is enabled, else VK_QUEUE_FAMILY_EXTERNAL. So
 * the first barrier of an access acquires from it, and the last one releases to it (Queue Family Ownership
 * Transfer). An image crosses in VK_IMAGE_LAYOUT_GENERAL: that is the oldLayout of the acquire and the
 * newLayout of the release, from the first time on. */
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
  VkImage image; /* null in kind BUFFER, as is image_memory; image_usage is 0 then */
  VkDeviceMemory image_memory;
  uint64_t modifier;
} cw_vulkan_view_v1;

#ifdef __cplusplus
}
#endif
#endif
