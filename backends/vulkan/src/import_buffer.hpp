// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/attach_check.hpp>
#include <causeway/result.hpp>

#include "context.hpp"
#include "import_memory.hpp"

namespace causeway::vulkan_backend {

/// How the memory came in.
enum class ImportPath { DmaBuf, OpaqueFd, HostPointer };
/// The word of cw_mapping.import_path.
[[nodiscard]] constexpr const char* to_string(ImportPath path) noexcept {
  switch (path) {
    case ImportPath::DmaBuf: return "dma-buf";
    case ImportPath::OpaqueFd: return "opaque-fd";
    case ImportPath::HostPointer: break;
  }
  return "host-pointer";
}

/// What each imported buffer may be used for.
inline constexpr VkBufferUsageFlags kBufferUsage =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
    VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT;

/// A memory object as a VkBuffer over the whole of it. Threads: thread-bound.
class ImportedBuffer {
public:
  ImportedBuffer(const Context& context, VkBuffer buffer) noexcept : context_(&context), buffer_(buffer) {}
  ImportedBuffer(ImportedBuffer&& other) noexcept
      : context_(other.context_),
        buffer_(std::exchange(other.buffer_, VK_NULL_HANDLE)),
        memory_(std::move(other.memory_)),
        path_(other.path_) {}
  ImportedBuffer(const ImportedBuffer&) = delete;
  ImportedBuffer& operator=(const ImportedBuffer&) = delete;
  ImportedBuffer& operator=(ImportedBuffer&&) = delete;
  ~ImportedBuffer() {
    if (buffer_ != VK_NULL_HANDLE) {
      context_->api.DestroyBuffer(context_->device, buffer_, nullptr);
    }  // the memory, freed after it, is bound to nothing any more
  }

  [[nodiscard]] VkBuffer buffer() const noexcept { return buffer_; }
  [[nodiscard]] VkDeviceMemory memory() const noexcept { return memory_.get(); }
  [[nodiscard]] const Memory& backing() const noexcept { return memory_; }
  [[nodiscard]] ImportPath path() const noexcept { return path_; }

  /// Binds what was imported for it, at offset 0.
  [[nodiscard]] Status bind(Memory memory, ImportPath path);

private:
  const Context* context_;
  VkBuffer buffer_;
  Memory memory_;
  ImportPath path_ = ImportPath::DmaBuf;
};

/// Imports one object: as dma-buf if that goes, else as OPAQUE_FD of another device of the same driver, else
/// by its CPU address; or by the one step that it was pinned to (CW_VULKAN_IMPORT_). A failure says why each
/// did not go. Errors: Unsupported, OutOfMemory, OutOfFds, DeviceLost.
[[nodiscard]] Result<ImportedBuffer> import_buffer(const Context& context, const cw_object& object,
                                                   const plugin::CheckedObject& checked,
                                                   std::uint32_t pinned);

}  // namespace causeway::vulkan_backend
