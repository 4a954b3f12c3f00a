// SPDX-License-Identifier: Apache-2.0
#include "bars.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "text.hpp"

namespace causeway::fpga_vfio_backend {

Bars::~Bars() {
  const auto& calls = host_.syscalls();
  for (const Bar& bar : bars_) {
    if (bar.memory != nullptr) {
      calls.munmap(calls.context, bar.memory, bar.region.size);
    }
  }
}

Status Bars::map() {
  const auto& calls = host_.syscalls();
  for (std::uint32_t i = 0; i < kMost; ++i) {
    const auto region = device_.region(i);
    if (!region) {
      return region.error();
    }
    Bar& bar = bars_.at(i);
    bar.region = *region;
    if (region->size == 0 || !region->mappable) {
      continue;
    }
    void* mapped = calls.mmap(calls.context, nullptr, region->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                              device_.fd(), static_cast<std::int64_t>(region->offset));
    if (mapped == MAP_FAILED) {
      const int failure = errno;
      return Error(
          errc_from_errno(failure), "mmap",
          words("BAR ", i, " of ", device_.address(), ", ", region->size, " bytes, could not be mapped"),
          failure);
    }
    bar.memory = static_cast<std::byte*>(mapped);
  }
  return {};
}

std::uint32_t Bars::mask() const {
  std::uint32_t mask = 0;
  for (std::uint32_t i = 0; i < kMost; ++i) {
    mask |= bars_.at(i).region.size > 0 ? 1U << i : 0U;
  }
  return mask;
}

Result<std::uint64_t> Bars::size(std::uint32_t bar) const {
  if (bar < kMost && bars_.at(bar).region.size > 0) {
    return bars_.at(bar).region.size;
  }
  std::string known;
  for (std::uint32_t i = 0; i < kMost; ++i) {
    known += bars_.at(i).region.size > 0 ? words(" ", i) : std::string();
  }
  return Error(Errc::NotFound, "fpga_vfio",
               words("there is no BAR ", bar, "; ", device_.address(), " has",
                     known.empty() ? std::string(" none") : known));
}

Result<const Bars::Bar*> Bars::find(std::uint32_t bar, std::uint64_t offset) const {
  const auto bytes = size(bar);
  if (!bytes) {
    return bytes.error();
  }
  if (offset % 4 != 0 || *bytes < 4 || offset > *bytes - 4) {
    return Error(Errc::InvalidArgument, "fpga_vfio",
                 words("the register at ", hex(offset), " of BAR ", bar, " of ", device_.address(),
                       " was asked for; its registers are at multiples of 4 below ", hex(*bytes)));
  }
  return &bars_.at(bar);
}

Result<std::uint32_t> Bars::read(std::uint32_t bar, std::uint64_t offset) const {
  const auto found = find(bar, offset);
  if (!found) {
    return found.error();
  }
  std::uint32_t value = 0;
  if ((*found)->memory != nullptr) {
    value = *reinterpret_cast<const volatile std::uint32_t*>((*found)->memory + offset);
    // What the card wrote to memory before it changed this register is read after it.
    std::atomic_thread_fence(std::memory_order_seq_cst);
  } else if (::pread(device_.fd(), &value, sizeof(value),
                     static_cast<off_t>((*found)->region.offset + offset)) != sizeof(value)) {
    return Error(Errc::Io, "pread",
                 words("the register at ", hex(offset), " of BAR ", bar, " of ", device_.address(),
                       " could not be read"),
                 errno);
  }
  return value;
}

Status Bars::write(std::uint32_t bar, std::uint64_t offset, std::uint32_t value) const {
  const auto found = find(bar, offset);
  if (!found) {
    return found.error();
  }
  // What the CPU wrote to memory before is there when the card sees this register change.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if ((*found)->memory != nullptr) {
    *reinterpret_cast<volatile std::uint32_t*>((*found)->memory + offset) = value;
  } else if (::pwrite(device_.fd(), &value, sizeof(value),
                      static_cast<off_t>((*found)->region.offset + offset)) != sizeof(value)) {
    return Error(Errc::Io, "pwrite",
                 words("the register at ", hex(offset), " of BAR ", bar, " of ", device_.address(),
                       " could not be written"),
                 errno);
  }
  return {};
}

}  // namespace causeway::fpga_vfio_backend
