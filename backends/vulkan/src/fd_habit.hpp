// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <utility>
#include <vector>

namespace causeway::vulkan_backend {

struct Context;

/// Whether a driver closes the descriptor of an import that failed. Of memory and of semaphores each its own.
///
/// The specification says no: "A successful import transfers ownership of the fd" (VK_KHR_external_memory_fd,
/// VkImportMemoryFdInfoKHR), so a failed one does not. lavapipe closes it all the same on some of its paths.
/// To look afterwards whether the number still means our descriptor is no way out in general: another thread
/// may have been given the number meanwhile, for the very same dma-buf. With a file that nobody else knows
/// there is no such doubt. So lavapipe is made to fail with private files once, when the device is opened,
/// and what it did on each path is remembered by the VkResult that the path ends in. Other drivers are taken
/// by the specification: such files are no dma-bufs and no sync_files, which it forbids to import as such.
///
/// Threads: immutable once learnt.
class FdHabit {
public:
  /// Of a driver that keeps to the specification.
  FdHabit() noexcept = default;
  [[nodiscard]] static FdHabit learn(const Context& context);
  /// The same for VkImportSemaphoreFdInfoKHR, with a private file that is no sync_file.
  [[nodiscard]] static FdHabit learn_of_semaphores(const Context& context);

  enum class Answer { Leaves, Closes, Unknown };
  /// Of an import that failed with result. A result never met: as the specification says if the driver was
  /// never seen to close, Unknown otherwise. Also Unknown where paths with one result differ.
  [[nodiscard]] Answer after(VkResult result) const noexcept;
  /// Of a kind of handle that it was not learnt with: what a driver does with one kind says nothing of
  /// another.
  [[nodiscard]] Answer after_other_kind() const noexcept {
    return learnt_ ? Answer::Unknown : Answer::Leaves;
  }

  /// For learn(), and for tests.
  void note(VkResult result, bool closed);

private:
  bool learnt_ = false;
  std::vector<std::pair<VkResult, Answer>> seen_;
};

/// Imports a private memfd as DMA_BUF: lavapipe takes any file that can be mapped.
[[nodiscard]] bool takes_memfd(const Context& context);

}  // namespace causeway::vulkan_backend
