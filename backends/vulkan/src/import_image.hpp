// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>

#include "context.hpp"
#include "image_support.hpp"
#include "import_memory.hpp"

namespace causeway::vulkan_backend {

/// A single-object frame as a VkImage in its own layout. Threads: thread-bound.
class ImportedImage {
public:
  ImportedImage(const Context& context, VkImage image) noexcept : context_(&context), image_(image) {}
  ImportedImage(ImportedImage&& other) noexcept
      : context_(other.context_),
        image_(std::exchange(other.image_, VK_NULL_HANDLE)),
        memory_(std::move(other.memory_)) {}
  ImportedImage(const ImportedImage&) = delete;
  ImportedImage& operator=(const ImportedImage&) = delete;
  ImportedImage& operator=(ImportedImage&&) = delete;
  ~ImportedImage() {
    if (image_ != VK_NULL_HANDLE) {
      context_->api.DestroyImage(context_->device, image_, nullptr);
    }
  }

  [[nodiscard]] VkImage image() const noexcept { return image_; }
  [[nodiscard]] VkDeviceMemory memory() const noexcept { return memory_.get(); }

  [[nodiscard]] Status bind(Memory memory);

private:
  const Context* context_;
  VkImage image_;
  Memory memory_;
};

/// Imports info.objects[0], which has been checked, as the image that info describes.
/// Errors: Unsupported (layout or modifier; says what would do), OutOfMemory, OutOfFds, DeviceLost.
[[nodiscard]] Result<ImportedImage> import_image(const Context& context, const ImageWish& wish,
                                                 const cw_attach_info& info);

}  // namespace causeway::vulkan_backend
