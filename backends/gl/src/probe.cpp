// SPDX-License-Identifier: Apache-2.0
#include "probe.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "egl_error.hpp"
#include "timeline.hpp"

namespace causeway::gl_backend {
namespace {

constexpr std::uint32_t kPixel = 4;
constexpr std::uint32_t kPage = 4096;
constexpr std::uint32_t kShortRow = 256;  // a page is 16 of them, whole raster blocks of llvmpipe
constexpr std::uint32_t kRasterBlock = 4;

/// A framebuffer over a texture, for as long as it lives.
class Target {
public:
  Target(const Context& context, GLuint texture) : gl_(context.api.gl) {
    gl_.GenFramebuffers(1, &framebuffer_);
    gl_.BindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
    gl_.FramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  ~Target() {
    gl_.BindFramebuffer(GL_FRAMEBUFFER, 0);
    gl_.DeleteFramebuffers(1, &framebuffer_);
  }
  [[nodiscard]] bool complete() const {
    return gl_.CheckFramebufferStatus(GL_FRAMEBUFFER) == GL_FRAMEBUFFER_COMPLETE;
  }

private:
  const decltype(Api::gl)& gl_;
  GLuint framebuffer_ = 0;
};

Error no_window(const Context& context, const cw_probe& probe) {
  return Error(Errc::Unsupported, "probe",
               fmt::format("{} has no image over bytes {} to {} of object {} that it can draw into, so what "
                           "it sees of them cannot be asked",
                           context.name(), probe.offset, probe.offset + probe.size, probe.object));
}

Status no_errors(const Context& context, std::string_view command, std::string_view attempt) {
  const GLenum code = context.api.gl.GetError();
  return code == GL_NO_ERROR ? Status() : gl_error(code, command, attempt);
}

}  // namespace

void ProbeImages::add(const Context& context, int fd, std::uint64_t offset, std::uint32_t stride,
                      std::uint32_t rows) {
  const PlaneMemory plane{fd, offset, stride};
  auto image = import_image(context, {.format = formats::kABGR8888,
                                      .modifier = Modifier::kLinear,
                                      .width = stride / kPixel,
                                      .height = rows,
                                      .planes = {&plane, 1}});
  if (image) {
    windows_.push_back({std::move(*image), offset, stride, rows});
  } else {
    context.host.log(CW_LOG_DEBUG,
                     fmt::format("no image to prove the memory by: {}", image.error().detail()));
  }
}

ProbeImages ProbeImages::over(const Context& context, int fd, std::uint64_t size) {
  ProbeImages made;
  if (size < kPage) {
    return made;
  }
  // Rows as short as the number of them allows, from the first byte on; what is left is in the last page.
  std::uint64_t stride = kShortRow;
  while (size / stride > context.max_texture) {
    stride *= 2;
  }
  const std::uint64_t rows = size / stride / kRasterBlock * kRasterBlock;
  if (rows > 0 && stride / kPixel <= context.max_texture) {
    made.add(context, fd, 0, static_cast<std::uint32_t>(stride), static_cast<std::uint32_t>(rows));
  }
  const std::uint64_t last_page = (size - kPage) / kPage * kPage;
  if (rows * stride < size && size % kPage == 0) {
    made.add(context, fd, last_page, kShortRow, kPage / kShortRow);
  }
  return made;
}

const ProbeImages::Window* ProbeImages::find(const cw_probe& probe) const noexcept {
  for (const auto& window : windows_) {
    const std::uint64_t end = window.offset + std::uint64_t{window.stride} * window.rows;
    if (probe.offset < window.offset || probe.offset + probe.size > end) {
      continue;
    }
    // Within one row: probes are aligned and short.
    const std::uint64_t within = (probe.offset - window.offset) % window.stride;
    if (within + probe.size <= window.stride) {
      return &window;
    }
  }
  return nullptr;
}

Status ProbeImages::write(const Context& context, const cw_probe& probe) const {
  const Window* window = find(probe);
  if (window == nullptr) {
    return no_window(context, probe);
  }
  const Target target(context, window->image.texture());
  if (!target.complete()) {
    return no_window(context, probe);
  }
  const auto& gl = context.api.gl;
  const std::uint64_t at = probe.offset - window->offset;
  const auto x = static_cast<GLint>(at % window->stride / kPixel);
  const auto y = static_cast<GLint>(at / window->stride);
  gl.Enable(GL_SCISSOR_TEST);
  const auto* bytes = static_cast<const std::byte*>(probe.data);
  for (std::uint64_t i = 0; i < probe.size / kPixel; ++i) {
    std::array<std::uint8_t, kPixel> pixel{};
    std::memcpy(pixel.data(), bytes + i * kPixel, kPixel);
    const auto channel = [&](std::size_t c) { return static_cast<GLfloat>(pixel.at(c)) / 255.0F; };
    gl.Scissor(x + static_cast<GLint>(i), y, 1, 1);
    gl.ClearColor(channel(0), channel(1), channel(2), channel(3));
    gl.Clear(GL_COLOR_BUFFER_BIT);
  }
  if (auto status = no_errors(context, "glClear", "writing a probe"); !status) {
    return status;
  }
  return finish_by(context, probe.deadline_ns);
}

Status ProbeImages::read(const Context& context, cw_probe& probe) const {
  const Window* window = find(probe);
  if (window == nullptr) {
    return no_window(context, probe);
  }
  const Target target(context, window->image.texture());
  if (!target.complete()) {
    return no_window(context, probe);
  }
  if (auto status = finish_by(context, probe.deadline_ns); !status) {
    return status;
  }
  const std::uint64_t at = probe.offset - window->offset;
  context.api.gl.ReadPixels(
      static_cast<GLint>(at % window->stride / kPixel), static_cast<GLint>(at / window->stride),
      static_cast<GLsizei>(probe.size / kPixel), 1, GL_RGBA, GL_UNSIGNED_BYTE, probe.data);
  return no_errors(context, "glReadPixels", "reading a probe");
}

}  // namespace causeway::gl_backend
