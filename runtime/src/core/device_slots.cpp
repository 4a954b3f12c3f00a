// SPDX-License-Identifier: Apache-2.0
#include "core/device_slots.hpp"

#include <causeway/device.hpp>

#include <atomic>
#include <bit>

namespace causeway::core {
namespace {

static_assert(Device::kMaxDevices == 64, "one bit of the word for each device");
constinit std::atomic<std::uint64_t> taken{0};

}  // namespace

std::optional<std::uint32_t> take_device_slot() noexcept {
  std::uint64_t seen = taken.load(std::memory_order_relaxed);
  while (~seen != 0) {
    const auto slot = static_cast<std::uint32_t>(std::countr_one(seen));
    if (taken.compare_exchange_weak(seen, seen | (std::uint64_t{1} << slot), std::memory_order_acq_rel)) {
      return slot;
    }
  }
  return std::nullopt;
}

void give_device_slot(std::uint32_t slot) noexcept {
  taken.fetch_and(~(std::uint64_t{1} << slot), std::memory_order_acq_rel);
}

}  // namespace causeway::core
