// SPDX-License-Identifier: Apache-2.0
#include "source.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

namespace camera_to_gpu {

OpenedSource open_source(causeway::Runtime& runtime, const Options& options) {
  if (options.source == "pattern") {
    return open_pattern(options);
  }
  struct stat found {};
  const bool there = ::stat(options.source.c_str(), &found) == 0;
  const int reason = errno;
  if (options.source.starts_with("/dev/") || (there && S_ISCHR(found.st_mode))) {
    return open_camera(runtime, options);
  }
  if (there && S_ISREG(found.st_mode)) {
    return open_y4m(options);
  }
  return causeway::Error(there ? causeway::Errc::InvalidArgument : causeway::errc_from_errno(reason),
                         options.source,
                         "this is no source: possible are a camera (/dev/video0), a Y4M file, or \"pattern\"",
                         there ? 0 : reason);
}

}  // namespace camera_to_gpu
