// SPDX-License-Identifier: Apache-2.0
#include "suite.hpp"

#include <causeway/opencl.hpp>
#include <causeway/vulkan.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace causeway::bench {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      return line.substr(line.find(':') + 2);
    }
  }
  return "unknown";
}

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? std::string(name.sysname) + " " + name.release + " " + name.machine
                             : "unknown";
}

std::string in_words(const Device& device) {
  return device.name() + ", driver " + device.driver() + " " + device.driver_version();
}

/// Runs the loop; what it throws becomes the row's error.
void run(const Suite::Loop& loop, benchmark::State& state) {
  try {
    loop(state);
  } catch (const tl::bad_expected_access<Error>& failure) {
    state.SkipWithError(failure.error().message().c_str());
  } catch (const std::exception& failure) {
    state.SkipWithError(failure.what());
  }
}

}  // namespace

Suite::Suite(int repetitions) : repetitions_(repetitions), runtime_(Runtime::create().value()) {
  null_ = runtime_->open_device("null").value();
  if (auto device = vulkan::open(*runtime_)) {
    vulkan_ = std::move(*device);
  } else {
    no_vulkan_ = device.error().message();
  }
  if (auto device = opencl::open(*runtime_)) {
    opencl_ = std::move(*device);
  } else {
    no_opencl_ = device.error().message();
  }
  for (const auto& exporter : runtime_->exporters()) {
    const bool makes_dma_bufs = exporter.name == "udmabuf" || exporter.name.starts_with("dma_heap:");
    if (exporter.available && makes_dma_bufs) {
      dma_buf_exporter_ = exporter.name;
      break;
    }
  }
}

Suite::~Suite() = default;

std::string Suite::no_dma_buf() const {
  return "No exporter makes dma-bufs on this machine: neither /dev/udmabuf nor a heap can be opened.";
}

void Suite::add(const std::string& row, const std::string& side, Loop loop, int threads) {
  auto* registered = benchmark::RegisterBenchmark(
      (row + "/" + side).c_str(), [loop = std::move(loop)](benchmark::State& state) { run(loop, state); });
  registered->UseRealTime();
  if (threads > 1) {
    registered->Threads(threads);
  }
}

void Suite::add_handing_over(const std::string& row, const std::string& side, Loop loop) {
  constexpr int kMore = 4;
  benchmark::RegisterBenchmark((row + "/" + side).c_str(),
                               [loop = std::move(loop)](benchmark::State& state) { run(loop, state); })
      ->UseRealTime()
      ->Repetitions(repetitions_ > 1 ? kMore * repetitions_ : 1);
}

void Suite::add_timed(const std::string& row, const std::string& side, Loop loop, std::int64_t iterations) {
  auto* registered = benchmark::RegisterBenchmark(
      (row + "/" + side).c_str(), [loop = std::move(loop)](benchmark::State& state) { run(loop, state); });
  registered->UseManualTime();
  if (iterations != 0) {
    registered->Iterations(iterations);
  }
}

void Suite::skip(const std::string& row, const std::string& reason) {
  skipped_.emplace(row, reason);
}

void Suite::describe() const {
  benchmark::AddCustomContext("kernel", kernel_release());
  benchmark::AddCustomContext("cpu", cpu_model());
  benchmark::AddCustomContext("compiler", __VERSION__);
  benchmark::AddCustomContext("vulkan device", vulkan_ ? in_words(*vulkan_) : "none: " + no_vulkan_);
  benchmark::AddCustomContext("opencl device", opencl_ ? in_words(*opencl_) : "none: " + no_opencl_);
  benchmark::AddCustomContext("dma-buf exporter", dma_buf_exporter_.empty() ? "none" : dma_buf_exporter_);
  benchmark::AddCustomContext("page size", std::to_string(::sysconf(_SC_PAGESIZE)));
  benchmark::AddCustomContext("shmem huge pages",
                              first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
  const char* tier = std::getenv("CAUSEWAY_TEST_TIER");
  benchmark::AddCustomContext("tier", tier != nullptr ? tier : "host");
  for (const auto& [row, reason] : skipped_) {
    benchmark::AddCustomContext("skipped " + row, reason);
  }
}

std::string by_size(std::uint64_t bytes) {
  return "bytes:" + std::to_string(bytes);
}

FramePool aliased_pool(Runtime& runtime, std::uint64_t bytes, const std::vector<Device>& devices) {
  auto negotiation = runtime.negotiate(FrameDesc::bytes(static_cast<std::uint32_t>(bytes)));
  for (const auto& device : devices) {
    negotiation.with(device, Usage::StorageRead | Usage::StorageWrite | Usage::TransferRead |
                                 Usage::TransferWrite | Usage::AsBuffer);
  }
  auto pool = negotiation.allocate(1).value();
  for (const auto& import : pool.report().imports) {
    if (import.verdict != AliasVerdict::Aliased) {
      throw std::runtime_error("this is no zero-copy: the memory that " + import.device + " imported by " +
                               import.import_path + " was seen to be " + to_string(import.verdict));
    }
  }
  return pool;
}

UniqueFd raw_memfd(std::uint64_t bytes) {
  UniqueFd fd(::memfd_create("causeway-bench", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid() || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    throw std::system_error(errno, std::generic_category(), "making a memfd");
  }
  return fd;
}

RawMapping::RawMapping(BorrowedFd fd, std::uint64_t bytes, int flags, std::uint64_t alignment,
                       std::uint64_t offset)
    : address_(nullptr), bytes_(bytes) {
  void* wish = nullptr;
  if (alignment > 4096) {
    // Room for an aligned start inside; what lies around it is given back at once.
    const auto room = bytes + alignment;
    void* reserved = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) {
      throw std::system_error(errno, std::generic_category(), "reserving address space");
    }
    auto space = static_cast<std::size_t>(room);
    wish = reserved;
    std::align(static_cast<std::size_t>(alignment), static_cast<std::size_t>(bytes), wish, space);
    ::munmap(reserved, room);
  }
  // No other thread maps while a row is set up; a wish that is not granted costs time, not correctness.
  void* mapped =
      ::mmap(wish, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd.get(), static_cast<off_t>(offset));
  if (mapped == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "mapping a memfd");
  }
  address_ = static_cast<std::byte*>(mapped);
}

RawMapping::~RawMapping() {
  ::munmap(address_, bytes_);
}

void require(bool good, const char* what) {
  if (!good) {
    throw std::runtime_error(what);
  }
}

void touch_pages(std::byte* data, std::uint64_t bytes) noexcept {
  for (std::uint64_t at = 0; at < bytes; at += 4096) {
    *static_cast<volatile std::byte*>(data + at) = std::byte{1};
  }
}

}  // namespace causeway::bench
