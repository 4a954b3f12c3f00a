// SPDX-License-Identifier: Apache-2.0
#pragma once

// Vulkan for users of Causeway: the only header that brings Vulkan's in, and it brings vulkan_core.h alone.
// Nothing of Vulkan is linked: the functions come from the caller's vkGetInstanceProcAddr, or from the
// machine's loader when open() makes the device.

#include <causeway/vulkan_abi.h>
#include <causeway/attachment.hpp>
#include <causeway/device.hpp>
#include <causeway/result.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace causeway {

class Runtime;

namespace vulkan {

/// The caller's device, queue and list of enabled extensions: what Vulkan cannot be asked for.
/// See cw_vulkan_adopt_v1 for who owns what and for how long. Threads: reentrant (a value).
struct AdoptInfo {
  PFN_vkGetInstanceProcAddr get_instance_proc_addr = nullptr;
  std::uint32_t api_version = 0;  ///< VkApplicationInfo::apiVersion of the instance; at least 1.1
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physical_device = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  std::uint32_t queue_family = 0;
  std::span<const char* const> enabled_extensions{};
  /// Both or neither, needed if others submit to the queue meanwhile: around each submission of ours. Those
  /// are the few of the alias proof; with submits also each frame's, with may_submit each sync_file's.
  void* lock_context = nullptr;
  void (*lock_queue)(void*) = nullptr;
  void (*unlock_queue)(void*) = nullptr;
  bool timeline_semaphore = false;        ///< the feature was enabled
  bool sampler_ycbcr_conversion = false;  ///< the feature was enabled
  /// turn() is asked for each access and what it says is submitted. Otherwise waits happen on the CPU before
  /// the access, and the work must be done when it ends.
  bool takes_turns = false;
  /// A sync_file that another driver needs may be made by a submission without commands, under the lock.
  bool may_submit = false;
  /// begin_access and end submit to the queue, under the lock, as on a device of ours; takes_turns is void.
  bool submits = false;
};

/// The handles of a device, own or adopted. Lent: they live as long as the Device.
/// Threads: reentrant (a value).
struct Handles {
  PFN_vkGetInstanceProcAddr get_instance_proc_addr;
  std::uint32_t api_version;  ///< the lower one of instance and device
  VkInstance instance;
  VkPhysicalDevice physical_device;
  VkDevice device;
  VkQueue queue;
  std::uint32_t queue_family;
  std::span<const char* const> enabled_extensions;
};

/// The steps of the ladder by which memory comes in. Threads: reentrant (a value).
enum class ImportStep : std::uint32_t {
  Any = CW_VULKAN_IMPORT_ANY,  ///< the first that goes
  DmaBuf = CW_VULKAN_IMPORT_DMA_BUF,
  OpaqueFd = CW_VULKAN_IMPORT_OPAQUE_FD,  ///< of another device of the same driver in this process
  HostPointer = CW_VULKAN_IMPORT_HOST_POINTER,
};
/// From now on memory is attached to the device by this step alone; where it does not go, the attach is
/// refused, and says why. Mapping::import_path() tells the step of a mapping. Images come in as dma-bufs, so
/// that with another step LINEAR frames are buffers. Errors: InvalidArgument (a device of another backend).
/// Threads: thread-safe.
[[nodiscard]] Status pin_import(const Device& device, ImportStep step);

/// A mapping, as Vulkan sees it; documented in vulkan_abi.h.
using View = cw_vulkan_view_v1;

/// Opens a device of the machine. id: an index, a part of its name, its node (/dev/dri/renderD128), or empty
/// for the best. Errors: NotFound (no loader, driver or such device), Unsupported, OutOfMemory. Threads:
/// thread-safe.
[[nodiscard]] Result<Device> open(Runtime& runtime, std::string_view id = {});

/// Takes up the caller's device; never destroys anything of it. Errors: InvalidArgument, Unsupported (names
/// the extensions that are missing; required_extensions() tells them beforehand). Threads: thread-safe.
[[nodiscard]] Result<Device> adopt(Runtime& runtime, const AdoptInfo& info);

/// Errors: InvalidArgument (a device of another backend). Threads: thread-safe.
[[nodiscard]] Result<Handles> handles(const Device& device);

/// The buffers and the image of a mapping; lives as long as the mapping. Errors: InvalidArgument (a mapping
/// of another backend, or none). Threads: thread-safe. Costs a comparison of two strings: ask once, not per
/// frame.
[[nodiscard]] Result<const View*> view(const Mapping& mapping);

/// How an image of NV12 and its like is sampled as RGB; documented in vulkan_abi.h.
using Conversion = cw_vulkan_conversion_v1;

/// By the colour that the frame says (FrameLayout::color): encoding and range, and the chroma's siting, which
/// has to be one that the driver has for this format. What is unspecified is assumed, and named in `assumed`.
/// Errors: InvalidArgument (no mapping of this backend, a format without shared chroma), Unsupported (the
/// feature samplerYcbcrConversion is off, the mapping is not one image, the driver has not the frame's
/// siting), OutOfMemory. Threads: thread-safe.
[[nodiscard]] Result<Conversion> conversion(const Mapping& mapping);

/// What the caller's submission for an access has to contain; documented in vulkan_abi.h.
using Turn = cw_vulkan_turn_v1;

/// Of the access on this mapping that began last, for a device that was adopted with takes_turns; threads
/// that read through one frame at once have an attachment each. Once it is asked for, the end of the access
/// counts on its signal: submit first, then end. If the submission fails, say so by drop_turn(), or the
/// device is never idle again: buffer and mapping would be lost with it. Errors: InvalidArgument (no mapping
/// of this backend), Unsupported (a device of ours, which submits by itself, or adopted without takes_turns),
/// WrongState (no access has begun). Threads: as begin_access.
[[nodiscard]] Result<Turn> turn(const Mapping& mapping);

/// The caller's word that what turn() asked for was not submitted, and will not be (vkQueueSubmit failed).
/// Then drop the Access, so that readers learn that nothing was written, or end it, if that is fine; for
/// another try begin anew. Of the access on this mapping that began last. Errors: InvalidArgument (no mapping
/// of this backend), Unsupported (a device that takes no turns), WrongState (no access has begun).
/// Threads: as begin_access.
[[nodiscard]] Status drop_turn(const Mapping& mapping);

/// Records the transfers of ownership from and to the other devices, for an adopted device; with
/// vkCmdPipelineBarrier, into a command buffer of the adopted queue's family. On a device of ours,
/// begin_access and end do it. Errors: InvalidArgument. Threads: as begin_access.
[[nodiscard]] Status record_acquire(const Mapping& mapping, VkCommandBuffer commands);
[[nodiscard]] Status record_release(const Mapping& mapping, VkCommandBuffer commands);

/// The caller's word that from the next end on nobody but this mapping touches the memory, until it is taken
/// back: transfers of ownership between its own accesses fall away. The next access after keep(false) gives
/// the memory back to the others: on a device of ours the one that ends next, on a caller's queue the one
/// whose turn is asked for next. Errors: InvalidArgument. Threads: as begin_access.
[[nodiscard]] Status keep(const Mapping& mapping, bool kept);

/// The queue of a device that we opened, for the caller's own submissions (vkQueueSubmit wants external
/// synchronization) while other threads use the device or its fences through Causeway. Not to be held across
/// a call of Causeway. Threads: thread-bound.
class QueueGuard {
public:
  /// Of the device of a mapping; of one that was adopted, the caller's lock.
  explicit QueueGuard(const View& view) noexcept : view_(view) { view_.sync->lock_queue(view_.device); }
  ~QueueGuard() { view_.sync->unlock_queue(view_.device); }
  QueueGuard(const QueueGuard&) = delete;
  QueueGuard& operator=(const QueueGuard&) = delete;

private:
  const View& view_;
};

// ---------------------------------------------------------------- before there is a device

/// The least that a device must have enabled to be adopted: without these nothing can be imported into it.
/// That is import by dma-buf where the driver offers it, else by host pointer. Literals, for
/// VkDeviceCreateInfo and AdoptInfo. Errors: InvalidArgument (null handles), Unsupported (the driver offers
/// neither, and the sentence names what it lacks; an instance of Vulkan 1.0), OutOfMemory. Threads:
/// reentrant.
[[nodiscard]] Result<std::vector<const char*>> required_extensions(PFN_vkGetInstanceProcAddr entry,
                                                                   VkInstance instance,
                                                                   VkPhysicalDevice physical_device);

/// The device extensions that Causeway makes use of and that this device offers, the required ones among
/// them: enable them in VkDeviceCreateInfo, and name them in AdoptInfo. Works before any device is made.
/// Errors: InvalidArgument (null handles), Unsupported (an instance of Vulkan 1.0), OutOfMemory. Threads:
/// reentrant.
[[nodiscard]] Result<std::vector<const char*>> wanted_extensions(PFN_vkGetInstanceProcAddr entry,
                                                                 VkInstance instance,
                                                                 VkPhysicalDevice physical_device);

/// Features to enable beside wanted_extensions(), where they are true: members of these names in
/// VkPhysicalDeviceVulkan11Features to 13Features, or in the struct of the extension. None is required;
/// without timelineSemaphore the CPU waits at the end of each access. Threads: reentrant (a value).
struct Features {
  bool timeline_semaphore = false;        ///< also AdoptInfo::timeline_semaphore
  bool synchronization2 = false;          ///< for the application's vkQueueSubmit2 and vkCmdPipelineBarrier2
  bool sampler_ycbcr_conversion = false;  ///< also AdoptInfo::sampler_ycbcr_conversion; for NV12 and its like
};
/// What the device has of them. Errors: as wanted_extensions. Threads: reentrant.
[[nodiscard]] Result<Features> wanted_features(PFN_vkGetInstanceProcAddr entry, VkInstance instance,
                                               VkPhysicalDevice physical_device);

/// The device nodes of a GPU, as stat(2) numbers them (VK_EXT_physical_device_drm): what /dev/dri/cardN and
/// /dev/dri/renderDN are. Threads: reentrant (a value).
struct DrmNodes {
  struct Number {
    std::int64_t major;
    std::int64_t minor;
    bool operator==(const Number&) const = default;
  };
  std::optional<Number> primary;
  std::optional<Number> render;
};
/// Errors: InvalidArgument, Unsupported (the driver does not say; no device of a kernel driver), OutOfMemory.
/// Threads: reentrant.
[[nodiscard]] Result<DrmNodes> drm_nodes(PFN_vkGetInstanceProcAddr entry, VkInstance instance,
                                         VkPhysicalDevice physical_device);
/// The device behind a node, by its path: "/dev/dri/renderD128". open() takes such a path, too.
/// Errors: InvalidArgument, NotFound (no such node, or none of the instance's devices is it: names them),
/// Unsupported, OutOfMemory. Threads: reentrant.
[[nodiscard]] Result<VkPhysicalDevice> find_physical_device(PFN_vkGetInstanceProcAddr entry,
                                                            VkInstance instance, std::string_view node);

}  // namespace vulkan
}  // namespace causeway
