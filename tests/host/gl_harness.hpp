// SPDX-License-Identifier: Apache-2.0
#pragma once

// An application of OpenGL ES over the whole library: it links EGL and OpenGL ES, as applications do, draws
// with shaders of its own, and looks at the pixels.

#include <causeway/causeway.hpp>
#include <causeway/gl.hpp>

#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <GLES2/gl2ext.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace causeway::test {

/// The device that every machine has: llvmpipe.
inline constexpr const char* kSoftware = "software";

template <class T>
T must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message());
  }
  if constexpr (!std::is_void_v<T>) {
    return std::move(*result);
  }
}

inline Deadline soon() {
  return Deadline::in(std::chrono::seconds(30));
}

/// Has a context current on this thread for as long as it lives.
class CurrentContext {
public:
  CurrentContext(EGLDisplay display, EGLContext context);
  explicit CurrentContext(const Device& device);
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;
  ~CurrentContext();

private:
  EGLDisplay display_;
};

/// A display and context of the application's own, as it would make them: on the software device.
class CallerContext {
public:
  explicit CallerContext(EGLenum api = EGL_OPENGL_ES_API);
  CallerContext(const CallerContext&) = delete;
  CallerContext& operator=(const CallerContext&) = delete;
  ~CallerContext();

  [[nodiscard]] EGLDisplay display() const { return display_; }
  [[nodiscard]] EGLContext context() const { return context_; }

private:
  EGLDisplay display_ = EGL_NO_DISPLAY;
  EGLContext context_ = EGL_NO_CONTEXT;
};

/// Four channels a pixel, rows without gaps, the first row first.
struct Pixels {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::uint8_t> bytes;

  [[nodiscard]] const std::uint8_t* at(std::uint32_t x, std::uint32_t y) const {
    return &bytes.at((std::size_t{y} * width + x) * 4);
  }
};

/// What both sides expect at a place: a picture without symmetry.
[[nodiscard]] std::uint8_t expected_byte(std::uint32_t x, std::uint32_t y, std::uint32_t channel);

/// Where a shader draws to: a texture of the application's, or one that was imported.
class Canvas {
public:
  Canvas(std::uint32_t width, std::uint32_t height);                  ///< one of its own
  Canvas(GLuint texture, std::uint32_t width, std::uint32_t height);  ///< lent
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;
  ~Canvas();

  /// Fills it by a fragment shader's "vec4 colour(vec2 at)", at being the pixel (its centre). head goes
  /// before: uniforms, extensions. Textures are bound to their units by the caller, as samplers t0 and t1.
  void draw(const std::string& body, const std::string& head = {}) const;
  [[nodiscard]] Pixels read() const;

private:
  GLuint own_ = 0;
  GLuint framebuffer_ = 0;
  std::uint32_t width_;
  std::uint32_t height_;
};

/// Binds a texture to a unit.
void bind(GLuint unit, GLenum target, GLuint texture);

/// The allocators to try here: shared memory, and what dma-bufs this kernel makes without a card.
[[nodiscard]] std::vector<std::string> allocators_here();

/// A pool of one frame of that allocator's, on the device.
class GlFrame {
public:
  GlFrame(Runtime& runtime, const Device& device, const std::string& allocator, const FrameDesc& desc,
          Usage usage);

  [[nodiscard]] const gl::View& view() const { return *view_; }
  [[nodiscard]] const Mapping& mapping() const { return pool_.frame(0).on(device_); }
  [[nodiscard]] const Frame& frame() const { return pool_.frame(0).frame(); }
  [[nodiscard]] const FramePool& pool() const { return pool_; }

private:
  Device device_;
  FramePool pool_;
  const gl::View* view_;
};

}  // namespace causeway::test
