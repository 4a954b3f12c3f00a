// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "stages.hpp"

namespace camera_to_gpu {

/// One live line on stderr, if that is a terminal; nothing otherwise. It leaves no trace.
class Progress {
public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Called for each frame; draws at most ten times a second.
  void tell(const char* path, std::uint32_t done, std::uint32_t due);

private:
  bool live_;
  bool drawn_ = false;
  Clock::time_point last_{};
  std::uint32_t last_done_ = 0;
  const char* last_path_ = nullptr;
};

}  // namespace camera_to_gpu
