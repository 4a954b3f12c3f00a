// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_harness.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include "host/vulkan_caller.hpp"
#include "uapi/real_syscalls.hpp"

namespace causeway::test {
namespace {

std::int64_t soon() {
  const auto when = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  return std::chrono::nanoseconds(when.time_since_epoch()).count();
}

UniqueFd make_memfd(std::size_t size, int seals) {
  UniqueFd fd(::memfd_create("vulkan-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_TRUE(fd.valid());
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  if (seals != 0) {
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  }
  return fd;
}

}  // namespace

VulkanHost::VulkanHost() {
  static_cast<void>(validation_wanted());
  table_.abi_version = CW_ABI_VERSION;
  table_.context = this;
  table_.syscalls = &uapi::real_syscalls();
  table_.log = [](void* context, std::int32_t, const char* text) {
    auto& self = *static_cast<VulkanHost*>(context);
    const std::lock_guard lock(self.mutex_);
    self.messages_.emplace_back(text);
  };
  table_.count = [](void*, std::int32_t, std::uint64_t) {};
  table_.map_object = [](void*, cw_object_ref* object, void** address, cw_error* error) -> std::int32_t {
    if (object == nullptr) {
      return plugin::report(Error(Errc::Unsupported, "map_object", "the test gave no mapping"), error);
    }
    *address = object;  // see TestMemory::object
    return CW_OK;
  };
}

std::vector<std::string> VulkanHost::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

std::vector<std::string> VulkanHost::complaints() const {
  auto found = messages();
  std::erase_if(found, [](const auto& text) { return text.find("Vulkan validation") == std::string::npos; });
  return found;
}

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

OpenedDevice::OpenedDevice(const VulkanHost& host, const char* id) {
  auto info = plugin::sized<cw_open_info>();
  info.id = id;
  open(host, info);
}

OpenedDevice::OpenedDevice(const VulkanHost& host, const cw_vulkan_adopt_v1& adopt) {
  auto info = plugin::sized<cw_open_info>();
  info.adopt_interface = CW_VULKAN_ADOPT_V1;
  info.adopt = &adopt;
  open(host, info);
}

void OpenedDevice::open(const VulkanHost& host, const cw_open_info& info) {
  opened_ = attempt([&](cw_error* error) { return vulkan_table().open(host.raw(), &info, &device_, error); });
}

void OpenedDevice::close() {
  if (device_ != nullptr) {
    vulkan_table().close(std::exchange(device_, nullptr));
  }
}

std::uint32_t OpenedDevice::capabilities() const {
  auto info = plugin::sized<cw_device_info>();
  EXPECT_EQ(vulkan_table().device_info(device_, &info, nullptr), CW_OK);
  return info.capabilities;
}

cw_vulkan_handles_v1 OpenedDevice::handles() const {
  const auto* table =
      static_cast<const cw_vulkan_device_v1*>(vulkan_table().get_interface(device_, CW_VULKAN_DEVICE_V1));
  auto handles = plugin::sized<cw_vulkan_handles_v1>();
  table->handles(device_, &handles);
  return handles;
}

Outcome OpenedDevice::attach(const AttachWords& words, cw_attachment** attachment) const {
  return attempt(
      [&](cw_error* error) { return vulkan_table().attach(device_, &words.info, attachment, error); });
}

Outcome OpenedDevice::attach_once(const AttachWords& words) const {
  cw_attachment* attachment = nullptr;
  auto outcome = attach(words, &attachment);
  if (outcome) {
    vulkan_table().detach(device_, attachment);
  }
  return outcome;
}

Attached::Attached(const OpenedDevice& device, const AttachWords& words) : device_(device) {
  outcome_ = device.attach(words, &attachment_);
  if (outcome_) {
    outcome_ = attempt([&](cw_error* error) {
      return vulkan_table().map(device.raw(), attachment_, CW_DIRECTION_BIDIRECTIONAL, &mapping_, error);
    });
  }
}

Attached::~Attached() {
  if (attachment_ != nullptr) {
    vulkan_table().unmap(device_.raw(), attachment_);
    vulkan_table().detach(device_.raw(), attachment_);
  }
}

Outcome Attached::write(std::uint64_t offset, std::span<const std::byte> bytes) const {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  auto probe = plugin::sized<cw_probe>();
  probe.offset = offset;
  probe.size = copy.size();
  probe.data = copy.data();
  probe.deadline_ns = soon();
  return attempt(
      [&](cw_error* error) { return vulkan_table().probe_write(device_.raw(), attachment_, &probe, error); });
}

Outcome Attached::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  auto probe = plugin::sized<cw_probe>();
  probe.offset = offset;
  probe.size = bytes.size();
  probe.data = bytes.data();
  probe.deadline_ns = soon();
  return attempt(
      [&](cw_error* error) { return vulkan_table().probe_read(device_.raw(), attachment_, &probe, error); });
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

void expect_shared(const Attached& attached, std::span<std::byte> bytes) {
  unsigned seed = 1;
  const std::size_t last = bytes.size() - 64;
  for (const std::size_t offset : {std::size_t{0}, last / 2 / 64 * 64, last}) {
    const auto from_device = pattern(64, seed++);
    const auto written = attached.write(offset, from_device);
    ASSERT_TRUE(written) << written;
    EXPECT_TRUE(std::equal(from_device.begin(), from_device.end(), &bytes[offset])) << "at " << offset;

    const auto from_cpu = pattern(64, seed++);
    std::copy(from_cpu.begin(), from_cpu.end(), &bytes[offset]);
    std::vector<std::byte> seen(64);
    const auto read = attached.read(offset, seen);
    ASSERT_TRUE(read) << read;
    EXPECT_EQ(seen, from_cpu) << "at " << offset;
  }
}

}  // namespace causeway::test
