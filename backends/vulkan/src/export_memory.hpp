// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <memory>
#include <optional>

#include "context.hpp"
#include "import_memory.hpp"
#include "peer_memory.hpp"

namespace causeway::vulkan_backend {

/// Memory that Vulkan allocated and exported: what stands behind cw_allocation.token. The exported dma-buf
/// keeps the pages by itself; this keeps what Vulkan has of them. Threads: thread-bound.
class ExportedMemory {
public:
  explicit ExportedMemory(const Context& context) noexcept : context_(context) {}
  ExportedMemory(const ExportedMemory&) = delete;
  ExportedMemory& operator=(const ExportedMemory&) = delete;
  ~ExportedMemory() {
    if (known_) {
      PeerMemory::of_process().forget(*known_);
    }
    if (image_ != VK_NULL_HANDLE) {
      context_.api.DestroyImage(context_.device, image_, nullptr);
    }
    if (buffer_ != VK_NULL_HANDLE) {
      context_.api.DestroyBuffer(context_.device, buffer_, nullptr);
    }  // the memory, freed after them, is bound to nothing any more
  }

  /// Makes what the memory is for; one of the two, once.
  [[nodiscard]] Status make_buffer(VkDeviceSize size);
  [[nodiscard]] Status make_image(const VkImageCreateInfo& info);
  /// Allocates memory for it alone, and binds it.
  [[nodiscard]] Status back();
  /// A new descriptor of the memory, as a dma-buf.
  [[nodiscard]] Result<UniqueFd> descriptor() const;
  /// Lets other devices of the process find it: the dma-buf has this identity. Of a buffer.
  void make_known(ObjectId id);

  [[nodiscard]] VkImage image() const noexcept { return image_; }

private:
  [[nodiscard]] VkMemoryRequirements requirements() const;
  [[nodiscard]] Status bind() const;

  const Context& context_;
  VkBuffer buffer_ = VK_NULL_HANDLE;
  VkImage image_ = VK_NULL_HANDLE;
  Memory memory_;
  VkDeviceSize allocated_ = 0;
  std::uint32_t type_ = 0;
  bool opaque_ =
      false;  ///< exported as OPAQUE_FD, too: not alone for its buffer then, since importers make their own
  std::optional<ObjectId> known_;
};

/// Allocates what info describes: as an image in the best of the modifiers where the driver exports such
/// images, else, where LINEAR is among them, as bytes in a layout computed from the format. Fills out, all
/// but its token; the descriptor in it is the receiver's. Errors: Unsupported (says what the driver does not
/// export), InvalidArgument, OutOfMemory, OutOfFds, DeviceLost.
[[nodiscard]] Result<std::unique_ptr<ExportedMemory>> export_memory(const Context& context,
                                                                    const cw_allocate_info& info,
                                                                    cw_allocation& out);

}  // namespace causeway::vulkan_backend
