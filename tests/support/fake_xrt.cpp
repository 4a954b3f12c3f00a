// SPDX-License-Identifier: Apache-2.0
#include "support/fake_xrt.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>

namespace causeway::test {
namespace {

constexpr std::uint64_t kKnownFlags = 0xff000000ULL;  // XCL_BO_FLAGS_*: bits 24 to 31
constexpr std::uint64_t kFirstAddress = 0x4000000000ULL;
constexpr int kDirections = 2;

/// What the card's driver knows of a piece of memory: one for each dma-buf, however often it is imported.
struct Gem {
  std::vector<std::byte> card;
  std::uint64_t address = 0;
  bool open = true;
};

struct Bo {
  void* device;
  std::shared_ptr<Gem> gem;
  int fd;  ///< of its own: an import's reference on the dma-buf, an own buffer's one export
  std::size_t size;
};

FakeXrt controls;
std::mutex mutex;
std::map<void*, unsigned> devices;  // handle to index
std::map<void*, std::unique_ptr<Bo>> buffers;
std::map<std::tuple<void*, std::uint64_t, std::uint64_t>, std::weak_ptr<Gem>> gems;  // device, st_dev, st_ino
std::uint64_t next_address = kFirstAddress;

void violation(const std::string& text) {
  controls.violations.push_back(text);
}

/// Counts the call; true if this one is to fail.
bool fails(const char* entry_point) {
  ++controls.calls[entry_point];
  if (controls.failing != entry_point) {
    return false;
  }
  if (controls.skip > 0) {
    --controls.skip;
    return false;
  }
  controls.failing.clear();
  if (controls.failing_errno != 0) {
    errno = controls.failing_errno;
  }
  return true;
}

void* open_device(unsigned index) {
  if (index >= controls.cards) {
    std::fprintf(stderr, "[XRT] ERROR: No such device with index '%u'\n", index);
    errno = ENODEV;
    return nullptr;
  }
  auto* handle = new char;  // NOLINT: an address of its own
  devices.emplace(handle, index);
  controls.devices = static_cast<int>(devices.size());
  return handle;
}

bool known_device(void* device, const char* entry_point) {
  if (devices.contains(device)) {
    return true;
  }
  violation(std::string(entry_point) + " was given no open device");
  errno = EINVAL;
  return false;
}

Bo* known_buffer(void* buffer, const char* entry_point) {
  const auto found = buffers.find(buffer);
  if (found == buffers.end()) {
    violation(std::string(entry_point) + " was given no buffer");
    errno = EINVAL;
    return nullptr;
  }
  if (!found->second->gem->open) {
    violation(std::string(entry_point) + " was given a buffer whose GEM handle another one's free closed");
    errno = ENOENT;
    return nullptr;
  }
  return found->second.get();
}

/// Takes the descriptor.
void* add_buffer(void* device, int fd, std::size_t size) {
  struct stat status {};
  ::fstat(fd, &status);
  auto& known = gems[{device, status.st_dev, status.st_ino}];
  auto gem = known.lock();
  if (gem == nullptr || !gem->open) {
    gem = std::make_shared<Gem>();
    gem->card.assign(size, std::byte{0xcc});
    gem->address = next_address;
    next_address += size;
    known = gem;
  }
  auto made = std::make_unique<Bo>(Bo{.device = device, .gem = std::move(gem), .fd = fd, .size = size});
  void* handle = made.get();
  buffers.emplace(handle, std::move(made));
  controls.buffers = static_cast<int>(buffers.size());
  return handle;
}

std::vector<std::byte>* card_bytes(void* buffer) {
  const std::lock_guard lock(mutex);
  const auto found = buffers.find(buffer);
  return found == buffers.end() ? nullptr : &found->second->gem->card;
}

void reset() {
  const std::lock_guard lock(mutex);
  for (const auto& [handle, buffer] : buffers) {
    ::close(buffer->fd);
  }
  for (const auto& [handle, index] : devices) {
    delete static_cast<char*>(handle);  // NOLINT
  }
  buffers.clear();
  devices.clear();
  gems.clear();
  controls = FakeXrt{};
  controls.card_bytes = &card_bytes;
  controls.reset = &reset;
}

}  // namespace
}  // namespace causeway::test

using namespace causeway::test;  // NOLINT: the entry points below

extern "C" {

#pragma GCC visibility push(default)
FakeXrt* causeway_fake_xrt();
void* xrtDeviceOpen(unsigned int index);
void* xrtDeviceOpenByBDF(const char* bdf);
int xrtDeviceClose(void* device);
void* xrtBOAlloc(void* device, std::size_t size, std::uint64_t flags, std::uint32_t group);
void* xrtBOImport(void* device, std::int32_t fd);
std::int32_t xrtBOExport(void* buffer);
int xrtBOFree(void* buffer);
std::size_t xrtBOSize(void* buffer);
std::uint64_t xrtBOAddress(void* buffer);
int xrtBOSync(void* buffer, int direction, std::size_t size, std::size_t offset);
#pragma GCC visibility pop

FakeXrt* causeway_fake_xrt() {
  controls.card_bytes = &card_bytes;
  controls.reset = &reset;
  return &controls;
}

void* xrtDeviceOpen(unsigned int index) {
  const std::lock_guard lock(mutex);
  return fails("xrtDeviceOpen") ? nullptr : open_device(index);
}

void* xrtDeviceOpenByBDF(const char* bdf) {
  const std::lock_guard lock(mutex);
  if (fails("xrtDeviceOpenByBDF")) {
    return nullptr;
  }
  const std::string address(bdf);
  if (address.size() != 12 || address.compare(0, 11, "0000:65:00.") != 0) {
    errno = ENODEV;
    return nullptr;
  }
  return open_device(static_cast<unsigned>(address[11] - '0'));
}

int xrtDeviceClose(void* device) {
  const std::lock_guard lock(mutex);
  if (fails("xrtDeviceClose") || !known_device(device, "xrtDeviceClose")) {
    return -1;
  }
  for (const auto& [handle, buffer] : buffers) {
    if (buffer->device == device) {
      violation("xrtDeviceClose was called while buffers of the device are not freed");
    }
  }
  devices.erase(device);
  delete static_cast<char*>(device);  // NOLINT
  controls.devices = static_cast<int>(devices.size());
  return 0;
}

void* xrtBOAlloc(void* device, std::size_t size, std::uint64_t flags, std::uint32_t group) {
  const std::lock_guard lock(mutex);
  if (fails("xrtBOAlloc") || !known_device(device, "xrtBOAlloc")) {
    return nullptr;
  }
  if (size == 0 || (flags & ~kKnownFlags) != 0) {
    violation("xrtBOAlloc was asked for no bytes, or with flags that XRT does not know");
    errno = EINVAL;
    return nullptr;
  }
  if (group >= controls.memory_groups) {
    errno = EINVAL;
    return nullptr;
  }
  const int fd = controls.make_dma_buf(size);
  return fd < 0 ? nullptr : add_buffer(device, fd, size);
}

void* xrtBOImport(void* device, std::int32_t fd) {
  const std::lock_guard lock(mutex);
  if (fails("xrtBOImport") || !known_device(device, "xrtBOImport")) {
    return nullptr;
  }
  const std::size_t size = controls.size_of(fd);
  const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0 || size == 0) {
    violation("xrtBOImport was given a descriptor that is no dma-buf");
    errno = EBADF;
    return nullptr;
  }
  return add_buffer(device, own, size - controls.sees_less);
}

std::int32_t xrtBOExport(void* buffer) {
  const std::lock_guard lock(mutex);
  const Bo* bo = fails("xrtBOExport") ? nullptr : known_buffer(buffer, "xrtBOExport");
  return bo == nullptr ? -1 : bo->fd;
}

int xrtBOFree(void* buffer) {
  const std::lock_guard lock(mutex);
  const bool failed = fails("xrtBOFree");
  const Bo* bo = known_buffer(buffer, "xrtBOFree");
  if (bo == nullptr) {
    return -1;
  }
  if (failed) {
    const int reason = errno;
    ::close(bo->fd);  // a test's books: what XRT would not free is not the caller's leak
    buffers.erase(buffer);
    controls.buffers = static_cast<int>(buffers.size());
    errno = reason;
    return -1;
  }
  bo->gem->open = false;
  ::close(bo->fd);
  buffers.erase(buffer);
  controls.buffers = static_cast<int>(buffers.size());
  return 0;
}

std::size_t xrtBOSize(void* buffer) {
  const std::lock_guard lock(mutex);
  const Bo* bo = fails("xrtBOSize") ? nullptr : known_buffer(buffer, "xrtBOSize");
  return bo == nullptr ? SIZE_MAX : bo->size;
}

std::uint64_t xrtBOAddress(void* buffer) {
  const std::lock_guard lock(mutex);
  const Bo* bo = fails("xrtBOAddress") ? nullptr : known_buffer(buffer, "xrtBOAddress");
  return bo == nullptr ? UINT64_MAX : bo->gem->address;
}

int xrtBOSync(void* buffer, int direction, std::size_t size, std::size_t offset) {
  const std::lock_guard lock(mutex);
  const Bo* bo = fails("xrtBOSync") ? nullptr : known_buffer(buffer, "xrtBOSync");
  if (bo == nullptr) {
    return -1;
  }
  if (direction < 0 || direction >= kDirections || size == 0 || offset > bo->size ||
      size > bo->size - offset) {
    violation("xrtBOSync was given a range outside of its buffer, or no direction");
    errno = EINVAL;
    return -1;
  }
  const auto bytes = std::span(bo->gem->card).subspan(offset, size);
  const bool moved =
      direction == 0 ? controls.read(bo->fd, offset, bytes) : controls.write(bo->fd, offset, bytes);
  errno = moved ? errno : EFAULT;
  return moved ? 0 : -1;
}

}  // extern "C"
