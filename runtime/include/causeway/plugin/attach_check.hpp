// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a backend looks at before a driver sees a frame. The host has checked states, bounds and layouts; but
// drivers check little, and some take a descriptor that is not open, or a pipe.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

namespace causeway::plugin {

/// What a look at a memory object's descriptor found. Threads: reentrant (a value).
struct CheckedObject {
  bool is_dma_buf;
  bool writable;  ///< neither opened read-only nor sealed against writing
};

namespace detail {

/// What takes the place of memory in a request, in words.
inline const char* name_of(mode_t mode) noexcept {
  if (S_ISFIFO(mode)) {
    return "a pipe";
  }
  if (S_ISCHR(mode)) {
    return "a character device";
  }
  if (S_ISSOCK(mode)) {
    return "a socket";
  }
  return S_ISDIR(mode) ? "a directory" : "something without pages of its own";
}

}  // namespace detail

/// Whether there is memory of that size behind the descriptor. index: for the text.
/// Errors: InvalidArgument (not open, not memory, size 0 or larger than the file).
inline Result<CheckedObject> check_object(Host host, const cw_object& object, std::uint32_t index) {
  const auto refuse = [&](std::string_view why, int system_errno = 0) {
    return Error(Errc::InvalidArgument, "attach",
                 "object " + std::to_string(index) + " (descriptor " + std::to_string(object.fd) + ") " +
                     std::string(why),
                 system_errno);
  };
  const auto& calls = host.syscalls();
  if (object.size == 0) {
    return refuse("has size 0; a device cannot work on nothing");
  }
  struct stat status {};
  if (calls.fstat(calls.context, object.fd, &status) != 0) {
    const int why = errno;
    return refuse(why == EBADF ? "is not open" : "cannot be asked what it is", why);
  }
  CheckedObject checked{(object.flags & CW_OBJECT_IS_DMA_BUF) != 0,
                        (object.flags & CW_OBJECT_READ_ONLY) == 0};
  std::int64_t bytes = 0;
  if (checked.is_dma_buf) {
    // A dma-buf tells its size by lseek alone (Documentation/driver-api/dma-buf.rst, Userspace Interface
    // Notes).
    bytes = calls.lseek(calls.context, object.fd, 0, SEEK_END);
    if (bytes < 0) {
      return refuse("does not tell its size, as a dma-buf does", errno);
    }
  } else {
    // Not by lseek: the file's position may be shared with somebody who reads from it.
    if (!S_ISREG(status.st_mode)) {
      return refuse("is " + std::string(detail::name_of(status.st_mode)) +
                    "; memory to share is a dma-buf or a memfd");
    }
    bytes = status.st_size;
    const int seals = calls.fcntl(calls.context, object.fd, F_GET_SEALS, 0);
    if (seals >= 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) {
      checked.writable = false;
    }
  }
  if (static_cast<std::uint64_t>(bytes) < object.size) {
    return refuse("holds " + std::to_string(bytes) + " bytes, and " + std::to_string(object.size) +
                  " are to be attached");
  }
  return checked;
}

/// Whether there are objects and planes at all, and no more than arrays of CW_MAX_PLANES hold.
/// Errors: InvalidArgument.
inline Status check_counts(const cw_attach_info& info) {
  const auto text = [](std::uint32_t number) { return std::to_string(number); };
  if (info.object_count == 0 || info.object_count > CW_MAX_PLANES || info.plane_count > CW_MAX_PLANES) {
    return Error(Errc::InvalidArgument, "attach",
                 text(info.object_count) + " objects and " + text(info.plane_count) +
                     " planes were given; a frame has 1 to " + text(CW_MAX_PLANES) + " objects and at most " +
                     text(CW_MAX_PLANES) + " planes");
  }
  if (info.image.format != 0 && (info.image.width == 0 || info.image.height == 0 || info.plane_count == 0)) {
    return Error(Errc::InvalidArgument, "attach",
                 "an image of " + text(info.image.width) + " x " + text(info.image.height) + " pixels in " +
                     text(info.plane_count) + " planes holds nothing");
  }
  return {};
}

/// Whether each plane starts within an object. Errors: InvalidArgument.
inline Status check_planes(const cw_attach_info& info) {
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    const auto& plane = info.planes[p];
    if (plane.object >= info.object_count) {
      return Error(Errc::InvalidArgument, "attach",
                   "plane " + std::to_string(p) + " lies in object " + std::to_string(plane.object) +
                       ", and there are " + std::to_string(info.object_count) + " objects");
    }
    if (const auto size = info.objects[plane.object].size; plane.offset >= size) {
      return Error(Errc::InvalidArgument, "attach",
                   "plane " + std::to_string(p) + " starts at byte " + std::to_string(plane.offset) +
                       " of object " + std::to_string(plane.object) + ", which has " + std::to_string(size) +
                       " bytes");
    }
  }
  return {};
}

}  // namespace causeway::plugin
