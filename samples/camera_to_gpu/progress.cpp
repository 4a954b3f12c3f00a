// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace camera_to_gpu {

Progress::Progress() : live_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (drawn_) {
    std::fputs("\r\x1b[K", stderr);
  }
}

void Progress::tell(const char* path, std::uint32_t done, std::uint32_t due) {
  const auto now = Clock::now();
  if (!live_ || now - last_ < std::chrono::milliseconds(100)) {
    return;
  }
  // Frames per second since the last line, on the same path; the first line of a path has none.
  const bool going_on = path == last_path_ && done > last_done_;
  const auto seconds = std::chrono::duration<double>(now - last_).count();
  const auto rate = going_on ? fmt::format(", {:.1f} frames a second", (done - last_done_) / seconds) : "";
  fmt::print(stderr, "\r\x1b[K{}: frame {} of {}{}", path, done, due, rate);
  std::fflush(stderr);
  drawn_ = true;
  last_ = now;
  last_done_ = done;
  last_path_ = path;
}

}  // namespace camera_to_gpu
