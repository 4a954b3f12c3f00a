// SPDX-License-Identifier: Apache-2.0
#include "object_check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace causeway::opencl_backend {

Result<CheckedObject> check_object(plugin::Host host, const cw_object& object, std::uint32_t index) {
  const auto refuse = [&](std::string_view why, int system_errno = 0) {
    return Error(Errc::InvalidArgument, "attach",
                 fmt::format("object {} (descriptor {}) {}", index, object.fd, why), system_errno);
  };
  const auto& calls = host.syscalls();
  if (object.size == 0) {
    return refuse("has size 0; a device cannot work on nothing");
  }
  CheckedObject checked{(object.flags & CW_OBJECT_IS_DMA_BUF) != 0,
                        (object.flags & CW_OBJECT_READ_ONLY) == 0};
  std::int64_t bytes = 0;
  if (checked.is_dma_buf) {
    // A dma-buf tells its size by lseek alone (Documentation/driver-api/dma-buf.rst, Userspace Interface
    // Notes).
    bytes = calls.lseek(calls.context, object.fd, 0, SEEK_END);
    if (bytes < 0) {
      const int why = errno;
      return refuse(why == EBADF ? "is not open" : "does not tell its size, as a dma-buf does", why);
    }
  } else {
    // Not by lseek: the file's position may be shared with somebody who reads from it.
    struct stat status {};
    if (calls.fstat(calls.context, object.fd, &status) != 0) {
      const int why = errno;
      return refuse(why == EBADF ? "is not open" : "cannot be asked what it is", why);
    }
    if (!S_ISREG(status.st_mode)) {
      return refuse("is neither a dma-buf nor a file with pages, such as a memfd");
    }
    bytes = status.st_size;
    const int seals = calls.fcntl(calls.context, object.fd, F_GET_SEALS, 0);
    if (seals >= 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) {
      checked.writable = false;
    }
  }
  if (static_cast<std::uint64_t>(bytes) < object.size) {
    return refuse(fmt::format("holds {} bytes, and {} are to be attached", bytes, object.size));
  }
  return checked;
}

}  // namespace causeway::opencl_backend
