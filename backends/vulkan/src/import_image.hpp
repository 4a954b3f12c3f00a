// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "context.hpp"
#include "image_support.hpp"
#include "import_buffer.hpp"
#include "import_memory.hpp"

namespace causeway::vulkan_backend {

/// A frame, or a plane of it, as a VkImage in its own layout. Threads: thread-bound.
class ImportedImage {
public:
  ImportedImage(const Context& context, VkImage image, const ImageTiling& how,
                const ImageAnswer& answer) noexcept
      : context_(&context), image_(image), how_(how), answer_(answer) {}
  ImportedImage(ImportedImage&& other) noexcept
      : context_(other.context_),
        image_(std::exchange(other.image_, VK_NULL_HANDLE)),
        how_(other.how_),
        answer_(other.answer_),
        memories_(std::move(other.memories_)),
        first_(other.first_) {}
  ImportedImage(const ImportedImage&) = delete;
  ImportedImage& operator=(const ImportedImage&) = delete;
  ImportedImage& operator=(ImportedImage&&) = delete;
  ~ImportedImage() {
    if (image_ != VK_NULL_HANDLE) {
      context_->api.DestroyImage(context_->device, image_, nullptr);
    }  // the memories, freed after it, are bound to nothing any more
  }

  [[nodiscard]] VkImage image() const noexcept { return image_; }
  [[nodiscard]] const ImageTiling& how() const noexcept { return how_; }
  [[nodiscard]] const ImageAnswer& answer() const noexcept { return answer_; }
  /// What its first plane is bound to.
  [[nodiscard]] VkDeviceMemory memory() const noexcept { return first_; }
  /// Whether it lies in the memory of the buffers over the same objects, and has imported none for itself.
  [[nodiscard]] bool in_buffers_memory() const noexcept { return memories_.empty(); }

  /// Memory that it is to be bound to, and that it keeps if it is not a buffer's.
  void keep(Memory memory) { memories_.push_back(std::move(memory)); }
  void note_first(VkDeviceMemory memory) noexcept { first_ = memory; }

private:
  const Context* context_;
  VkImage image_;
  ImageTiling how_;
  ImageAnswer answer_;
  std::vector<Memory> memories_;
  VkDeviceMemory first_ = VK_NULL_HANDLE;
};

/// A plane in memory: an object that has been checked and is a buffer already, and where the plane lies in
/// it.
struct PlaneSource {
  const cw_object* object;
  const ImportedBuffer* buffer;
  std::uint64_t offset;
  std::uint32_t stride;
  std::uint64_t end;  ///< the byte behind its last one; 0 where only the driver knows
};

/// What is to become one image.
struct ImageSource {
  ImageWish wish;
  std::uint64_t modifier;
  std::span<const PlaneSource> planes;
};

/// As an image with an explicit layout (VkImageDrmFormatModifierExplicitCreateInfoEXT). Planes over several
/// objects are bound one by one (VK_IMAGE_CREATE_DISJOINT_BIT).
/// Errors: Unsupported (layout or modifier; says what would do), OutOfMemory, OutOfFds, DeviceLost.
[[nodiscard]] Result<ImportedImage> import_by_modifier(const Context& context, const ImageSource& source);

/// An image of VK_IMAGE_TILING_LINEAR for dma-bufs, without memory yet. With several planes each is to be
/// bound by itself: where a driver puts them in one piece is its own affair (lavapipe tells it wrongly).
/// Errors: as above.
[[nodiscard]] Result<ImportedImage> make_linear(const Context& context, const ImageWish& wish,
                                                std::uint32_t plane_count);
/// How such an image names its plane p in queries.
[[nodiscard]] VkImageAspectFlagBits linear_aspect(std::size_t plane_count, std::uint32_t p) noexcept;

/// As an image of VK_IMAGE_TILING_LINEAR, whose strides are the driver's: the frame has to have the same.
/// Several planes are bound one by one. Errors: as above.
[[nodiscard]] Result<ImportedImage> import_linear(const Context& context, const ImageSource& source);

}  // namespace causeway::vulkan_backend
