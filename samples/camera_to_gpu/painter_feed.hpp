// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <causeway/causeway.hpp>
#include <cstdint>
#include <memory>

#include "source.hpp"

namespace camera_to_gpu {

/// Rows to be written, wherever they lie: in a shared frame or in memory of the program's own.
struct Canvas {
  struct Plane {
    std::byte* rows = nullptr;
    std::uint32_t stride = 0;  ///< bytes
  };
  causeway::Format format;
  std::uint32_t width = 0;   ///< pixels
  std::uint32_t height = 0;  ///< pixels
  std::array<Plane, 2> planes;
};

/// A source whose pictures the CPU makes or reads.
class Painter {
public:
  virtual ~Painter() = default;
  /// Writes picture `number` straight to where it is wanted.
  [[nodiscard]] virtual causeway::Status paint(const Canvas& canvas, std::uint64_t number) = 0;
};

[[nodiscard]] std::unique_ptr<SharedFeed> shared_feed(std::shared_ptr<Painter> painter,
                                                      causeway::FramePool pool);
/// Errors: Unsupported (a format that Causeway does not know).
[[nodiscard]] causeway::Result<std::unique_ptr<PlainFeed>> plain_feed(std::shared_ptr<Painter> painter,
                                                                      const causeway::FrameDesc& desc);

}  // namespace camera_to_gpu
