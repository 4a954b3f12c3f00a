// SPDX-License-Identifier: Apache-2.0
#include "bars.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <string>

namespace causeway::fpga_vfio_backend {
namespace {

/// A register, which is read and written by one plain access of 32 bits: never by one that locks the bus,
/// which a card need not know.
std::atomic_ref<std::uint32_t> word(std::byte* memory, std::uint64_t offset) {
  return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(memory + offset));
}

}  // namespace

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
      return Error(errc_from_errno(failure), "mmap",
                   plugin::words("BAR ", i, " of ", device_.address(), ", ", region->size,
                                 " bytes, could not be mapped"),
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
    known += bars_.at(i).region.size > 0 ? plugin::words(" ", i) : std::string();
  }
  return Error(Errc::NotFound, "fpga_vfio",
               plugin::words("there is no BAR ", bar, "; ", device_.address(), " has",
                             known.empty() ? std::string(" none") : known));
}

Result<const Bars::Bar*> Bars::find(std::uint32_t bar, std::uint64_t offset) const {
  const auto bytes = size(bar);
  if (!bytes) {
    return bytes.error();
  }
  if (offset % 4 != 0 || *bytes < 4 || offset > *bytes - 4) {
    return Error(
        Errc::InvalidArgument, "fpga_vfio",
        plugin::words("the register at ", plugin::hex(offset), " of BAR ", bar, " of ", device_.address(),
                      " was asked for; its registers are at multiples of 4 below ", plugin::hex(*bytes)));
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
    // Acquire: what the card wrote to memory before it changed this register is read after it.
    value = word((*found)->memory, offset).load(std::memory_order_acquire);
  } else if (::pread(device_.fd(), &value, sizeof(value),
                     static_cast<off_t>((*found)->region.offset + offset)) != sizeof(value)) {
    return Error(Errc::Io, "pread",
                 plugin::words("the register at ", plugin::hex(offset), " of BAR ", bar, " of ",
                               device_.address(), " could not be read"),
                 errno);
  }
  return value;
}

Status Bars::write(std::uint32_t bar, std::uint64_t offset, std::uint32_t value) const {
  const auto found = find(bar, offset);
  if (!found) {
    return found.error();
  }
  if ((*found)->memory != nullptr) {
    // Release: what the CPU wrote to memory before is there when the card sees this register change.
    word((*found)->memory, offset).store(value, std::memory_order_release);
  } else if (::pwrite(device_.fd(), &value, sizeof(value),
                      static_cast<off_t>((*found)->region.offset + offset)) != sizeof(value)) {
    return Error(Errc::Io, "pwrite",
                 plugin::words("the register at ", plugin::hex(offset), " of BAR ", bar, " of ",
                               device_.address(), " could not be written"),
                 errno);
  }
  return {};
}

}  // namespace causeway::fpga_vfio_backend
