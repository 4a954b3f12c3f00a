// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <utility>

#include "context.hpp"
#include "peer_memory.hpp"

namespace causeway::vulkan_backend {

/// A VkDeviceMemory that is freed with this object. Threads: thread-bound.
class Memory {
public:
  Memory() noexcept = default;
  /// What may be bound to it besides.
  struct Facts {
    VkDeviceSize size = 0;
    std::uint32_t type = 0;
    bool dedicated = true;  ///< for one resource alone
  };
  Memory(const Context& context, VkDeviceMemory handle) noexcept : context_(&context), handle_(handle) {}
  Memory(const Context& context, VkDeviceMemory handle, const Facts& facts) noexcept
      : context_(&context), handle_(handle), facts_(facts) {}
  Memory(Memory&& other) noexcept
      : context_(other.context_),
        handle_(std::exchange(other.handle_, VK_NULL_HANDLE)),
        facts_(other.facts_) {}
  Memory& operator=(Memory&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(handle_, other.handle_);
    std::swap(facts_, other.facts_);
    return *this;
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    if (handle_ != VK_NULL_HANDLE) {
      context_->api.FreeMemory(context_->device, handle_, nullptr);
    }
  }
  [[nodiscard]] VkDeviceMemory get() const noexcept { return handle_; }
  /// Of memory that an import of a dma-buf gave; of others, that nothing else may be bound to it.
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }

private:
  const Context* context_ = nullptr;
  VkDeviceMemory handle_ = VK_NULL_HANDLE;
  Facts facts_{};
};

/// What the memory is for. dedicated is handed to the driver if it is not null (section 11.2.3, Dedicated
/// Allocations); size is then the requirement's, exactly (VUID-VkMemoryDedicatedAllocateInfo-image-02964).
struct ImportRequest {
  VkDeviceSize size = 0;
  std::uint32_t type_bits = 0;  ///< memoryTypeBits of what will be bound
  const VkMemoryDedicatedAllocateInfo* dedicated = nullptr;
};

/// Imports the dma-buf (or memfd, for lavapipe) behind fd, which stays its owner's.
[[nodiscard]] Result<Memory> import_fd(const Context& context, BorrowedFd fd, const ImportRequest& request);

/// Imports what another device of the same driver shares; all that is to be known of it comes along.
/// type_bits: of what will be bound.
[[nodiscard]] Result<Memory> import_opaque(const Context& context, OpaqueMemory shared,
                                           std::uint32_t type_bits);

/// Imports CPU memory; the caller has checked that address and size suit host_pointer_align.
[[nodiscard]] Result<Memory> import_host_pointer(const Context& context, void* address,
                                                 const ImportRequest& request);

}  // namespace causeway::vulkan_backend
