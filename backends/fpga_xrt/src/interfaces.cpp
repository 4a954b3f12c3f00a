// SPDX-License-Identifier: Apache-2.0
#include "card.hpp"

namespace causeway::fpga_xrt_backend {
namespace {

using plugin::detail::guarded;

Card& card_of(cw_device* device) {
  return *reinterpret_cast<Card*>(device);
}

}  // namespace

const cw_fpga_xrt& xrt_functions() {
  static const cw_fpga_xrt table = [] {
    auto made = plugin::sized<cw_fpga_xrt>();
    made.device_handle = [](cw_device* device, void** handle, cw_error* /*error*/) -> std::int32_t {
      *handle = card_of(device).device_handle();
      return CW_OK;
    };
    made.buffer_handle = [](cw_device* device, const cw_fpga_view* view, std::uint32_t object, void** handle,
                            cw_error* error) {
      return guarded(error, "buffer_handle", [&]() -> Status {
        auto found = card_of(device).buffer_handle(*view, object);
        if (!found) {
          return std::move(found.error());
        }
        *handle = *found;
        return {};
      });
    };
    made.sync = [](cw_device* device, const cw_fpga_view* view, std::uint32_t object, std::int32_t direction,
                   std::uint64_t offset, std::uint64_t size, cw_error* error) {
      return guarded(error, "sync",
                     [&] { return card_of(device).sync(*view, object, direction, offset, size); });
    };
    made.idle = [](cw_device* device) { card_of(device).settle(); };
    return made;
  }();
  return table;
}

}  // namespace causeway::fpga_xrt_backend
