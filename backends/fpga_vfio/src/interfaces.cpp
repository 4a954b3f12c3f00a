// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "card.hpp"

namespace causeway::fpga_vfio_backend {
namespace {

using plugin::detail::guarded;

Card& card_of(cw_device* device) {
  return *reinterpret_cast<Card*>(device);
}

/// The value, or the failure over the edge.
template <class From, class To>
Status put(Result<From> from, To* to) {
  if (!from) {
    return std::move(from.error());
  }
  *to = *from;
  return {};
}

}  // namespace

cw_fpga_card card_functions(std::uint32_t interrupts) {
  auto made = plugin::sized<cw_fpga_card>();
  made.bar_count = Bars::kMost;
  made.interrupt_count = interrupts;
  made.bar_size = [](cw_device* device, std::uint32_t bar, std::uint64_t* size, cw_error* error) {
    return guarded(error, "bar_size", [&] { return put(card_of(device).bars().size(bar), size); });
  };
  made.read32 = [](cw_device* device, std::uint32_t bar, std::uint64_t offset, std::uint32_t* value,
                   cw_error* error) {
    return guarded(error, "read32", [&] { return put(card_of(device).bars().read(bar, offset), value); });
  };
  made.write32 = [](cw_device* device, std::uint32_t bar, std::uint64_t offset, std::uint32_t value,
                    cw_error* error) {
    return guarded(error, "write32", [&] { return card_of(device).bars().write(bar, offset, value); });
  };
  made.interrupt = [](cw_device* device, std::uint32_t n, std::int32_t* fd, cw_error* error) {
    return guarded(error, "interrupt", [&] { return put(card_of(device).interrupts().fd(n), fd); });
  };
  made.reset = [](cw_device* device, cw_error* error) {
    return guarded(error, "reset", [&] { return card_of(device).reset(ECANCELED); });
  };
  return made;
}

const cw_fpga_vfio& vfio_functions() {
  static const cw_fpga_vfio table = [] {
    auto made = plugin::sized<cw_fpga_vfio>();
    made.expect = [](cw_device* device, std::uint32_t n, cw_error* error) {
      return guarded(error, "expect", [&] { return card_of(device).interrupts().expect(n); });
    };
    made.wait = [](cw_device* device, std::uint32_t n, std::int64_t deadline_ns, cw_error* error) {
      return guarded(error, "wait", [&] { return card_of(device).wait(n, deadline_ns); });
    };
    made.info = [](cw_device* device, cw_fpga_vfio_info* info) { card_of(device).tell(*info); };
    return made;
  }();
  return table;
}

}  // namespace causeway::fpga_vfio_backend
