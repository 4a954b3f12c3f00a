// SPDX-License-Identifier: Apache-2.0
#include "buffers.hpp"

#include <sys/stat.h>

#include <causeway/plugin/descriptor.hpp>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <climits>
#include <iterator>

namespace causeway::fpga_xrt_backend {

Buffer::~Buffer() {
  errno = 0;
  if (api_.BOFree(handle_) != 0) {
    host_.log(CW_LOG_WARNING,
              failure_of("xrtBOFree", plugin::words("a buffer of ", size_, " bytes was not freed by XRT"))
                  .message());
  }
}

Status Buffer::look() {
  errno = 0;
  size_ = api_.BOSize(handle_);
  if (size_ == SIZE_MAX) {
    size_ = 0;
    return failure_of("xrtBOSize", "XRT does not tell how large a buffer is");
  }
  errno = 0;
  address_ = api_.BOAddress(handle_);
  if (address_ == UINT64_MAX || address_ == LLONG_MAX) {
    return failure_of("xrtBOAddress",
                      plugin::words("XRT has no device address for a buffer of ", size_, " bytes"));
  }
  return {};
}

Status Buffer::sync(int direction, std::uint64_t offset, std::uint64_t size) const {
  errno = 0;
  if (api_.BOSync(handle_, direction, size, offset) != 0) {
    return failure_of("xrtBOSync",
                      plugin::words("bytes ", offset, " to ", offset + size, " of a buffer of ", size_,
                                    direction == kToDevice ? " were not made visible to the card"
                                                           : " as the card left them were not made visible"));
  }
  return {};
}

Result<UniqueFd> Buffer::dup_fd() const {
  errno = 0;
  const int lent = api_.BOExport(handle_);
  if (lent < 0) {
    return failure_of("xrtBOExport", plugin::words("a buffer of ", size_, " bytes was not exported by XRT"));
  }
  return plugin::duplicate(host_, lent, "a buffer that XRT exported");
}

Result<std::shared_ptr<Buffer>> Buffers::import(const cw_object& object) {
  const Identity identity{object.device_number, object.inode};
  if (const auto found = known_.find(identity); found != known_.end()) {
    if (auto buffer = found->second.lock()) {
      return buffer;
    }
  }
  errno = 0;
  const auto handle = api_.BOImport(device_, object.fd);
  if (handle == nullptr) {
    return failure_of("xrtBOImport",
                      plugin::words("a dma-buf of ", object.size,
                                    " bytes was not imported by XRT; memory of the card's own comes from "
                                    "Runtime::allocate_on"));
  }
  auto buffer = std::make_shared<Buffer>(host_, api_, handle);
  if (auto looked = buffer->look(); !looked) {
    return std::move(looked.error());
  }
  if (buffer->size() < object.size) {
    return Error(Errc::Unsupported, "xrtBOImport",
                 plugin::words("a dma-buf of ", object.size, " bytes was imported, and XRT sees ",
                               buffer->size(), " of them"));
  }
  remember(identity, buffer);
  return buffer;
}

Result<std::shared_ptr<Buffer>> Buffers::allocate(std::uint64_t size, std::uint64_t flags,
                                                  std::uint32_t group, UniqueFd& exported) {
  errno = 0;
  const auto handle = api_.BOAlloc(device_, size, flags, group);
  if (handle == nullptr) {
    return failure_of(
        "xrtBOAlloc",
        plugin::words(size, " bytes with the flags ", plugin::hex(flags), " in the memory group ", group,
                      " were not allocated by XRT; a card has memory groups once an xclbin is loaded"));
  }
  auto buffer = std::make_shared<Buffer>(host_, api_, handle);
  if (auto looked = buffer->look(); !looked) {
    return std::move(looked.error());
  }
  auto fd = buffer->dup_fd();
  if (!fd) {
    return std::move(fd.error());
  }
  struct stat status {};
  const auto& calls = host_.syscalls();
  if (calls.fstat(calls.context, fd->get(), &status) != 0) {
    const int reason = errno;
    return Error(errc_from_errno(reason), "fstat", "what XRT exported could not be looked at", reason);
  }
  remember({status.st_dev, status.st_ino}, buffer);
  exported = std::move(*fd);
  return buffer;
}

void Buffers::remember(Identity identity, const std::shared_ptr<Buffer>& buffer) {
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  known_.insert_or_assign(identity, buffer);
}

}  // namespace causeway::fpga_xrt_backend
