// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <array>
#include <causeway/result.hpp>
#include <cstdint>

#include "context.hpp"
#include "import_image.hpp"

namespace causeway::vulkan_backend {

/// Gives an image its memory: that of the buffer over the same object where it suits, so that what is proved
/// of the buffer holds for the image; else an import of its own. All parts are bound by one command.
///
/// Threads: thread-bound.
class ImageBinding {
public:
  /// dedicated_only: the driver's word (VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT).
  ImageBinding(const Context& context, ImportedImage& image, bool dedicated_only) noexcept
      : context_(context), image_(image), dedicated_only_(dedicated_only) {}
  ImageBinding(const ImageBinding&) = delete;
  ImageBinding& operator=(const ImageBinding&) = delete;
  ~ImageBinding() = default;

  /// The plane, or the whole image (VK_IMAGE_ASPECT_NONE), goes to byte at of the plane's object.
  /// Errors: Unsupported (the object is too small, at is no multiple of the alignment), OutOfMemory,
  /// OutOfFds.
  [[nodiscard]] Status add(const PlaneSource& plane, VkDeviceSize at, VkImageAspectFlagBits aspect);
  [[nodiscard]] Status bind();

private:
  struct Needs {
    VkMemoryRequirements memory;
    bool dedicated;
  };
  [[nodiscard]] Needs ask(VkImageAspectFlagBits aspect) const;
  [[nodiscard]] Result<VkDeviceMemory> memory_for(const PlaneSource& plane, VkDeviceSize at,
                                                  const Needs& needs);

  const Context& context_;
  ImportedImage& image_;
  bool dedicated_only_;
  std::uint32_t count_ = 0;
  std::array<VkBindImageMemoryInfo, CW_MAX_PLANES> parts_{};
  std::array<VkBindImagePlaneMemoryInfo, CW_MAX_PLANES> planes_{};
};

}  // namespace causeway::vulkan_backend
