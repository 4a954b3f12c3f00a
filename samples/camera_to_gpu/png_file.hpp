// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <cstddef>
#include <cstdint>
#include <span>

#include "atomic_file.hpp"

namespace camera_to_gpu {

/// Writes rows of R G B A bytes as PNG and gives the file its name. The rows are read where they are.
/// stride: bytes from one row to the next. Errors: Io.
[[nodiscard]] causeway::Status write_png(AtomicFile& file, std::span<const std::byte> rows,
                                         std::uint32_t width, std::uint32_t height, std::uint32_t stride);

}  // namespace camera_to_gpu
