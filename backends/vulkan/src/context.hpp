// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend.hpp>
#include <memory>
#include <mutex>

#include "dispatch.hpp"
#include "extensions.hpp"
#include "fd_habit.hpp"
#include "physical_device.hpp"

namespace causeway::vulkan_backend {

/// A Vulkan device to work on, made by us or adopted, with all that is known of it. What was made by us is
/// destroyed with it, what was adopted is not touched.
///
/// Threads: as rule 6 of backend_abi.h; immutable once open() has returned.
struct Context {
  explicit Context(plugin::Host services) : host(services) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  Context(Context&&) = delete;
  Context& operator=(Context&&) = delete;
  ~Context();

  plugin::Host host;
  InstanceApi instance_api{};
  DeviceApi api{};
  VkInstance instance = VK_NULL_HANDLE;
  PhysicalDevice physical;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  std::uint32_t queue_family = 0;
  ExtensionSet extensions{{}};
  bool adopted = false;
  void* lock_context = nullptr;
  void (*lock_queue)(void*) = nullptr;
  void (*unlock_queue)(void*) = nullptr;
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;  ///< ours, with CAUSEWAY_VULKAN_VALIDATION

  bool timeline = false;     ///< timeline semaphores are enabled
  bool ycbcr = false;        ///< samplerYcbcrConversion is enabled
  bool submits = true;       ///< begin_access and end_access use the queue
  bool takes_turns = false;  ///< otherwise: the application asks for the turn of each access
  bool may_submit = true;    ///< batches without commands may go to the queue at any time
  /// The queue of a device that we opened is ours to lock; of an adopted one it is the caller's.
  mutable std::mutex own_queue;

  FdHabit fd_habit;              ///< who closes a descriptor when an import of it fails
  FdHabit semaphore_habit;       ///< the same for imports of semaphores
  bool imports_sync_fd = false;  ///< SYNC_FD, into binary semaphores
  bool exports_sync_fd = false;
  /// Timeline semaphores go to other devices of the same driver, and come from them, as OPAQUE_FD.
  bool shares_timelines = false;
  bool imports_memfd = false;  ///< a plain memfd was imported as DMA_BUF when the device was opened

  /// Shown in errors: "llvmpipe (LLVM 15.0.6, 256 bits)".
  [[nodiscard]] const char* name() const noexcept { return physical.properties.deviceName; }
};

/// Holds the queue for one submission (Vulkan, Threading Behavior: queue is externally synchronized).
class QueueLock {
public:
  explicit QueueLock(const Context& context) : context_(context) { lock(context_); }
  ~QueueLock() { unlock(context_); }
  QueueLock(const QueueLock&) = delete;
  QueueLock& operator=(const QueueLock&) = delete;

  static void lock(const Context& context) {
    if (!context.adopted) {
      context.own_queue.lock();
    } else if (context.lock_queue != nullptr) {
      context.lock_queue(context.lock_context);
    }
  }
  static void unlock(const Context& context) {
    if (!context.adopted) {
      context.own_queue.unlock();
    } else if (context.unlock_queue != nullptr) {
      context.unlock_queue(context.lock_context);
    }
  }

private:
  const Context& context_;
};

/// The functions that this device has, by its extensions and features.
[[nodiscard]] EnabledParts enabled_parts(const Context& context) noexcept;

/// What the device does with semaphores of others; and of lavapipe tries out what no query answers: when it
/// closes descriptors, and whether it takes a memfd. The last step of opening a device, own or adopted.
void learn_habits(Context& context);

}  // namespace causeway::vulkan_backend
