// SPDX-License-Identifier: Apache-2.0
#include "support/device_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "support/fake_kernel.hpp"

namespace causeway::test {

namespace {

Error outside(const char* operation, std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return Error(Errc::InvalidArgument, operation,
               "the test device was to access " + std::to_string(length) + " bytes at " +
                   std::to_string(offset) + " of an object of " + std::to_string(size) + " bytes");
}

}  // namespace

Result<DeviceMemory> DeviceMemory::open(plugin::Host host, const cw_object& object, Reach reach) {
  DeviceMemory made(host);
  made.size_ = object.size;
  if (reach == Reach::ViaCpu) {
    auto address = host.map_object(object.ref);
    if (!address) {
      return std::move(address.error());
    }
    made.bytes_ = *address;
    return made;
  }
  if (reach == Reach::Pinned && object.pinnable_fd < 0) {
    return Error(Errc::Unsupported, "attach",
                 "the test device pins user pages, and the object has no memfd beneath");
  }
  const auto& kernel = host.syscalls();
  const int lent = reach == Reach::Pinned ? object.pinnable_fd : object.fd;
  made.offset_ = reach == Reach::Pinned ? object.pinnable_offset : 0;
  do {
    made.fd_ = UniqueFd(kernel.fcntl(kernel.context, lent, F_DUPFD_CLOEXEC, 0));
  } while (!made.fd_.valid() && errno == EINTR);
  if (!made.fd_.valid()) {
    return Error(errc_from_errno(errno), "fcntl(F_DUPFD_CLOEXEC)",
                 "the test device could not duplicate the object's descriptor", errno);
  }
  made.fake_ = FakeKernel::behind(&kernel);
  if (made.fake_ != nullptr) {
    return made;
  }
  const bool read_only = (object.flags & CW_OBJECT_READ_ONLY) != 0;
  void* mapped = kernel.mmap(kernel.context, nullptr, object.size, PROT_READ | (read_only ? 0 : PROT_WRITE),
                             MAP_SHARED, made.fd_.get(), static_cast<std::int64_t>(made.offset_));
  if (mapped == MAP_FAILED) {
    return Error(errc_from_errno(errno), "mmap", "the test device could not map the object", errno);
  }
  made.bytes_ = static_cast<std::byte*>(mapped);
  made.mapped_ = object.size;
  return made;
}

DeviceMemory::DeviceMemory(DeviceMemory&& other) noexcept
    : host_(other.host_),
      fake_(other.fake_),
      fd_(std::move(other.fd_)),
      offset_(other.offset_),
      size_(other.size_),
      bytes_(std::exchange(other.bytes_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)) {}

DeviceMemory::~DeviceMemory() {
  if (mapped_ != 0) {
    const auto& kernel = host_.syscalls();
    kernel.munmap(kernel.context, bytes_, mapped_);
  }
}

Status DeviceMemory::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset ||
      (fake_ != nullptr && !fake_->device_read(fd_.get(), offset_ + offset, out))) {
    return outside("read", offset, out.size(), size_);
  }
  if (fake_ == nullptr) {
    std::memcpy(out.data(), bytes_ + offset, out.size());
  }
  return {};
}

Status DeviceMemory::write(std::uint64_t offset, std::span<const std::byte> bytes) const {
  if (offset > size_ || bytes.size() > size_ - offset ||
      (fake_ != nullptr && !fake_->device_write(fd_.get(), offset_ + offset, bytes))) {
    return outside("write", offset, bytes.size(), size_);
  }
  if (fake_ == nullptr) {
    std::memcpy(bytes_ + offset, bytes.data(), bytes.size());
  }
  return {};
}

}  // namespace causeway::test
