// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "import_image.hpp"

namespace causeway::gl_backend {

/// The device's side of the alias proof. OpenGL ES imports no plain bytes, so each object is imported once
/// more, as LINEAR images of 4-byte pixels over its bytes, which are drawn into and read back. They come in
/// before the proof, as the frame does: a driver that takes a copy takes it then.
///
/// Threads: as rule 6 of backend_abi.h.
class ProbeImages {
public:
  /// The worker is current. Empty where the driver imports no such image: nothing can be proved then.
  static ProbeImages over(const Context& context, int fd, std::uint64_t size);

  /// probe.offset and size are multiples of 4. The worker is current.
  /// Errors: Unsupported (no image covers it, or it cannot be drawn into), TimedOut, DeviceLost.
  [[nodiscard]] Status write(const Context& context, const cw_probe& probe) const;
  [[nodiscard]] Status read(const Context& context, cw_probe& probe) const;

private:
  struct Window {
    ImportedImage image;
    std::uint64_t offset;
    std::uint32_t stride;
    std::uint32_t rows;
  };
  void add(const Context& context, int fd, std::uint64_t offset, std::uint32_t stride, std::uint32_t rows);
  [[nodiscard]] const Window* find(const cw_probe& probe) const noexcept;

  std::vector<Window> windows_;
};

}  // namespace causeway::gl_backend
