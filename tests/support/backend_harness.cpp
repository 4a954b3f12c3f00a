// SPDX-License-Identifier: Apache-2.0
#include "support/backend_harness.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>

namespace causeway::test {
namespace {

UniqueFd make_memfd(std::size_t size, int seals) {
  UniqueFd fd(::memfd_create("causeway-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_TRUE(fd.valid());
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  if (seals != 0) {
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  }
  return fd;
}

}  // namespace

TestMemory::TestMemory(UniqueFd fd, std::size_t size, std::uint32_t flags)
    : fd_(std::move(fd)), flags_(flags) {
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (address != MAP_FAILED) {
    bytes_ = {static_cast<std::byte*>(address), size};
  }
}

TestMemory::TestMemory(TestMemory&& other) noexcept
    : fd_(std::move(other.fd_)), bytes_(std::exchange(other.bytes_, {})), flags_(other.flags_) {}

TestMemory::~TestMemory() {
  if (!bytes_.empty()) {
    ::munmap(bytes_.data(), bytes_.size());
  }
}

TestMemory TestMemory::memfd(std::size_t size, int seals) {
  return TestMemory(make_memfd(size, seals), size, 0);
}

TestMemory TestMemory::udmabuf(std::size_t size) {
  const UniqueFd device(::open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
  if (!device.valid()) {
    return TestMemory(UniqueFd(), 0, 0);
  }
  const UniqueFd memfd = make_memfd(size, F_SEAL_SHRINK);
  udmabuf_create create{};
  create.memfd = static_cast<std::uint32_t>(memfd.get());
  create.flags = UDMABUF_FLAGS_CLOEXEC;
  create.size = size;
  UniqueFd made(::ioctl(device.get(), UDMABUF_CREATE, &create));
  EXPECT_TRUE(made.valid());
  return TestMemory(std::move(made), size, CW_OBJECT_IS_DMA_BUF);
}

cw_object TestMemory::object() const {
  auto object = plugin::sized<cw_object>();
  object.flags = flags_;
  object.fd = fd_.get();
  object.pinnable_fd = -1;
  object.size = bytes_.size();
  object.ref = reinterpret_cast<cw_object_ref*>(bytes_.data());
  return object;
}

AttachWords::AttachWords(const cw_object& object, std::uint32_t usage) : objects{object}, planes{{0, 0, 0}} {
  info.usage = usage;
  info.image = plugin::sized<cw_image_desc>();
  info.image.width = static_cast<std::uint32_t>(object.size);
  info.image.height = 1;
  info.plane_count = 1;
  info.object_count = 1;
  info.planes = planes.data();
  info.objects = objects.data();
}

AttachWords::AttachWords(const cw_object& object, Format format, std::uint32_t width, std::uint32_t height,
                         std::uint32_t stride, std::uint32_t usage)
    : AttachWords(object, usage) {
  info.image.format = format.fourcc;
  info.image.width = width;
  info.image.height = height;
  planes[0].stride = stride;
}

std::map<int, std::string> open_descriptors() {
  std::map<int, std::string> found;
  DIR* directory = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.') {
      continue;
    }
    const int fd = std::atoi(entry->d_name);
    if (fd == ::dirfd(directory)) {
      continue;
    }
    std::array<char, 256> target{};
    if (::readlinkat(::dirfd(directory), entry->d_name, target.data(), target.size() - 1) >= 0) {
      found.emplace(fd, target.data());
    }
  }
  ::closedir(directory);
  return found;
}

std::vector<std::byte> pattern(std::size_t size, unsigned seed) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((i * 37 + std::size_t{seed} * 101 + 11) & 0xffU);
  }
  return bytes;
}

std::int64_t soon_ns() {
  const auto when = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  return std::chrono::nanoseconds(when.time_since_epoch()).count();
}

}  // namespace causeway::test
