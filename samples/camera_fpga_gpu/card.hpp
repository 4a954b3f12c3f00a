// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "stages.hpp"

namespace camera_fpga_gpu {

/// The FPGA: it makes of a picture's luma what the GPU lays over it.
class Card {
public:
  virtual ~Card() = default;
  [[nodiscard]] virtual const causeway::Device& device() const = 0;
  /// What it computes, in a word: "sobel", "copy".
  [[nodiscard]] virtual const char* kernel() const = 0;

  /// Sets up for one pair of frames, once; their number is that of the calls before. picture: NV12; edges:
  /// R8. Errors: Unsupported (layouts that the card cannot work on), and the backend's.
  [[nodiscard]] virtual causeway::Status prepare(const causeway::FrameRef& picture,
                                                 const causeway::FrameRef& edges) = 0;
  /// Starts it for a pair, within the card's turns on both. Turns that end now end with its fence.
  /// Errors: the backend's.
  [[nodiscard]] virtual causeway::Status start(std::uint32_t pair, causeway::Deadline deadline) = 0;
};

/// The simulated card; bits: of its data path. Errors: NotFound (built without Verilator).
[[nodiscard]] causeway::Result<std::unique_ptr<Card>> open_simulated(causeway::Runtime& runtime,
                                                                     unsigned bits);
/// QEMU's card edu behind VFIO, at that PCI address. It has no kernel but a copy, and moves 4096 bytes at a
/// time. Errors: those of fpga_vfio::open.
[[nodiscard]] causeway::Result<std::unique_ptr<Card>> open_edu(causeway::Runtime& runtime,
                                                               const std::string& address);

}  // namespace camera_fpga_gpu
