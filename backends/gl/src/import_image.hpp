// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "format_support.hpp"

namespace causeway::gl_backend {

/// An EGLImage over memory of others. It and its texture are given back at the end, with the worker current
/// if that can be. Threads: as rule 6 of backend_abi.h.
class ImportedImage {
public:
  ImportedImage() = default;
  ImportedImage(const Context& context, EGLImageKHR image) noexcept : context_(&context), image_(image) {}
  ImportedImage(ImportedImage&& other) noexcept
      : context_(other.context_),
        image_(std::exchange(other.image_, EGL_NO_IMAGE_KHR)),
        texture_(std::exchange(other.texture_, 0U)),
        target_(other.target_) {}
  ImportedImage& operator=(ImportedImage&& other) noexcept;
  ImportedImage(const ImportedImage&) = delete;
  ImportedImage& operator=(const ImportedImage&) = delete;
  ~ImportedImage() { reset(); }

  /// A texture over it. Errors: Unsupported (not with this target), OutOfMemory, DeviceLost.
  [[nodiscard]] Status bind(GLenum target);

  [[nodiscard]] EGLImageKHR image() const noexcept { return image_; }
  [[nodiscard]] GLuint texture() const noexcept { return texture_; }
  [[nodiscard]] GLenum target() const noexcept { return target_; }

private:
  void reset() noexcept;

  const Context* context_ = nullptr;
  EGLImageKHR image_ = EGL_NO_IMAGE_KHR;
  GLuint texture_ = 0;
  GLenum target_ = 0;
};

/// A plane of the memory that is imported: a descriptor, and where it lies there.
struct PlaneMemory {
  int fd;  ///< lent; the driver keeps none (EGL_EXT_image_dma_buf_import, "does not retain any reference")
  std::uint64_t offset;
  std::uint32_t stride;
};

/// What is imported, and as what.
struct ImageWish {
  Format format;
  Modifier modifier;
  std::uint32_t width;  ///< pixels
  std::uint32_t height;
  std::span<const PlaneMemory> planes;
  /// Whether GL_TEXTURE_EXTERNAL_OES will do, too.
  bool external = false;
  std::span<const EGLint> hints{};  ///< attributes in pairs
};

/// The hints of EGL_EXT_image_dma_buf_import to how the numbers of a frame are colours; of what is
/// unspecified none.
[[nodiscard]] std::vector<EGLint> color_hints(const cw_attach_info& info);

/// Imports an image and makes a texture of it, as GL_TEXTURE_2D, else as GL_TEXTURE_EXTERNAL_OES. The worker
/// is current. Errors: Unsupported (with what the driver imports), OutOfMemory, DeviceLost.
[[nodiscard]] Result<ImportedImage> import_image(const Context& context, const ImageWish& wish);

}  // namespace causeway::gl_backend
