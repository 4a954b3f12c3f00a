// SPDX-License-Identifier: Apache-2.0
#include "import_image.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <vector>

#include "egl_error.hpp"

namespace causeway::gl_backend {
namespace {

/// The attributes of a plane (EGL_EXT_image_dma_buf_import, and _modifiers for the fourth and the modifiers).
struct PlaneWords {
  EGLint fd;
  EGLint offset;
  EGLint pitch;
  EGLint modifier_low;
  EGLint modifier_high;
};
constexpr auto kPlaneWords = std::to_array<PlaneWords>({
    {EGL_DMA_BUF_PLANE0_FD_EXT, EGL_DMA_BUF_PLANE0_OFFSET_EXT, EGL_DMA_BUF_PLANE0_PITCH_EXT,
     EGL_DMA_BUF_PLANE0_MODIFIER_LO_EXT, EGL_DMA_BUF_PLANE0_MODIFIER_HI_EXT},
    {EGL_DMA_BUF_PLANE1_FD_EXT, EGL_DMA_BUF_PLANE1_OFFSET_EXT, EGL_DMA_BUF_PLANE1_PITCH_EXT,
     EGL_DMA_BUF_PLANE1_MODIFIER_LO_EXT, EGL_DMA_BUF_PLANE1_MODIFIER_HI_EXT},
    {EGL_DMA_BUF_PLANE2_FD_EXT, EGL_DMA_BUF_PLANE2_OFFSET_EXT, EGL_DMA_BUF_PLANE2_PITCH_EXT,
     EGL_DMA_BUF_PLANE2_MODIFIER_LO_EXT, EGL_DMA_BUF_PLANE2_MODIFIER_HI_EXT},
    {EGL_DMA_BUF_PLANE3_FD_EXT, EGL_DMA_BUF_PLANE3_OFFSET_EXT, EGL_DMA_BUF_PLANE3_PITCH_EXT,
     EGL_DMA_BUF_PLANE3_MODIFIER_LO_EXT, EGL_DMA_BUF_PLANE3_MODIFIER_HI_EXT},
});

/// What the extension means by its errors; drivers answer with all of them to memory that they cannot take.
const char* meaning(EGLint code) noexcept {
  switch (code) {
    case EGL_BAD_MATCH: return "format, modifier, planes or target are not supported together";
    case EGL_BAD_ACCESS: return "stride or offset do not suit it";
    case EGL_BAD_PARAMETER: return "an attribute is missing or wrong";
    case EGL_BAD_ATTRIBUTE: return "it does not know an attribute";
    case EGL_BAD_ALLOC: return "it ran out of memory, or the driver cannot take this memory";
    default: return "of no meaning that is written down";
  }
}

std::vector<EGLint> attributes_of(const Context& context, const ImageWish& wish) {
  std::vector<EGLint> words{EGL_WIDTH,
                            static_cast<EGLint>(wish.width),
                            EGL_HEIGHT,
                            static_cast<EGLint>(wish.height),
                            EGL_LINUX_DRM_FOURCC_EXT,
                            static_cast<EGLint>(wish.format.fourcc)};
  for (std::size_t p = 0; p < wish.planes.size(); ++p) {
    const auto& names = kPlaneWords.at(p);
    const auto& plane = wish.planes[p];
    words.insert(words.end(), {names.fd, plane.fd, names.offset, static_cast<EGLint>(plane.offset),
                               names.pitch, static_cast<EGLint>(plane.stride)});
    if (context.modifiers && wish.modifier != Modifier::kInvalid) {
      words.insert(words.end(), {names.modifier_low, static_cast<EGLint>(wish.modifier.value & 0xffff'ffffU),
                                 names.modifier_high, static_cast<EGLint>(wish.modifier.value >> 32U)});
    }
  }
  words.insert(words.end(), wish.hints.begin(), wish.hints.end());
  words.push_back(EGL_NONE);
  return words;
}

Status check(const Context& context, const ImageWish& wish) {
  const auto offered = importable_modifiers(context, wish.format);
  if (offered.empty()) {
    return Error(Errc::Unsupported, "eglQueryDmaBufModifiersEXT",
                 fmt::format("{} imports no images in {}", context.name(), wish.format.to_string()));
  }
  if (wish.modifier != Modifier::kInvalid &&
      std::find(offered.begin(), offered.end(), wish.modifier) == offered.end()) {
    return Error(Errc::Unsupported, "eglQueryDmaBufModifiersEXT",
                 fmt::format("{} imports no {} with modifier {}; it imports: {}", context.name(),
                             wish.format.to_string(), wish.modifier.to_string(), list_of(offered)));
  }
  // Attributes are 32 bits wide, and signed.
  for (const auto& plane : wish.planes) {
    constexpr std::uint64_t kMost = std::numeric_limits<EGLint>::max();
    if (plane.offset > kMost || plane.stride > kMost) {
      return Error(Errc::Unsupported, "attach",
                   fmt::format("a plane starts at byte {} with a stride of {}; EGL takes at most {}",
                               plane.offset, plane.stride, kMost));
    }
  }
  return {};
}

/// Packed YUV, or several planes as one: only an external texture converts them.
bool is_converted(const ImageWish& wish) {
  const auto info = info_of(wish.format);
  return wish.planes.size() > 1 || (info && info->planes[0].block_width > 1);
}

}  // namespace

ImportedImage& ImportedImage::operator=(ImportedImage&& other) noexcept {
  if (this != &other) {
    reset();
    context_ = other.context_;
    image_ = std::exchange(other.image_, EGL_NO_IMAGE_KHR);
    texture_ = std::exchange(other.texture_, 0U);
    target_ = other.target_;
  }
  return *this;
}

void ImportedImage::reset() noexcept {
  if (texture_ != 0) {
    context_->drop_texture(std::exchange(texture_, 0U));
  }
  if (image_ != EGL_NO_IMAGE_KHR) {
    context_->api.egl.DestroyImage(context_->display, std::exchange(image_, EGL_NO_IMAGE_KHR));
  }
}

Status ImportedImage::bind(GLenum target) {
  const auto& gl = context_->api.gl;
  while (gl.GetError() != GL_NO_ERROR) {  // somebody's earlier one
  }
  GLuint texture = 0;
  gl.GenTextures(1, &texture);
  gl.BindTexture(target, texture);
  gl.EGLImageTargetTexture2D(target, image_);
  // Imported images have one level, and the default filter wants more.
  gl.TexParameteri(target, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
  gl.TexParameteri(target, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
  gl.TexParameteri(target, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
  gl.TexParameteri(target, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
  const GLenum code = gl.GetError();
  gl.BindTexture(target, 0);
  if (code != GL_NO_ERROR) {
    gl.DeleteTextures(1, &texture);
    return gl_error(code, "glEGLImageTargetTexture2DOES",
                    target == GL_TEXTURE_2D ? "making a GL_TEXTURE_2D of the memory"
                                            : "making a GL_TEXTURE_EXTERNAL_OES of the memory");
  }
  texture_ = texture;
  target_ = target;
  return {};
}

std::vector<EGLint> color_hints(const cw_attach_info& info) {
  std::vector<EGLint> words;
  const auto add = [&words](EGLint name, std::uint32_t value, std::initializer_list<EGLint> values) {
    if (value > 0 && value <= values.size()) {
      words.insert(words.end(), {name, *(values.begin() + value - 1)});
    }
  };
  add(EGL_YUV_COLOR_SPACE_HINT_EXT, info.color_encoding,
      {EGL_ITU_REC601_EXT, EGL_ITU_REC709_EXT, EGL_ITU_REC2020_EXT});
  add(EGL_SAMPLE_RANGE_HINT_EXT, info.color_range, {EGL_YUV_NARROW_RANGE_EXT, EGL_YUV_FULL_RANGE_EXT});
  add(EGL_YUV_CHROMA_HORIZONTAL_SITING_HINT_EXT, info.chroma_siting_x,
      {EGL_YUV_CHROMA_SITING_0_EXT, EGL_YUV_CHROMA_SITING_0_5_EXT});
  add(EGL_YUV_CHROMA_VERTICAL_SITING_HINT_EXT, info.chroma_siting_y,
      {EGL_YUV_CHROMA_SITING_0_EXT, EGL_YUV_CHROMA_SITING_0_5_EXT});
  return words;
}

Result<ImportedImage> import_image(const Context& context, const ImageWish& wish) {
  if (auto status = check(context, wish); !status) {
    return std::move(status.error());
  }
  const auto words = attributes_of(context, wish);
  const auto& egl = context.api.egl;
  EGLImageKHR image =
      egl.CreateImage(context.display, EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, nullptr, words.data());
  if (image == EGL_NO_IMAGE_KHR) {
    const EGLint code = egl.GetError();
    if (code == EGL_CONTEXT_LOST) {
      return egl_error(code, "eglCreateImageKHR", "importing an image");
    }
    return Error(
        Errc::Unsupported, "eglCreateImageKHR",
        fmt::format("{} does not import {} x {} pixels of {} in {} plane(s), the first with stride {} "
                    "from byte {} on: {} ({})",
                    context.name(), wish.width, wish.height, wish.format.to_string(), wish.planes.size(),
                    wish.planes[0].stride, wish.planes[0].offset, egl_name(code), meaning(code)));
  }
  ImportedImage made(context, image);
  Status bound = is_converted(wish)
                     ? Error(Errc::Unsupported, "attach",
                             fmt::format("{} lacks GL_OES_EGL_image_external, which converts {}",
                                         context.name(), wish.format.to_string()))
                     : made.bind(GL_TEXTURE_2D);
  if (!bound && bound.error().code() == Errc::Unsupported && wish.external && context.external_textures) {
    bound = made.bind(GL_TEXTURE_EXTERNAL_OES);
  }
  if (!bound) {
    return std::move(bound.error());
  }
  return made;
}

}  // namespace causeway::gl_backend
