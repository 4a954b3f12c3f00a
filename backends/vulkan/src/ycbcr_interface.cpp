// SPDX-License-Identifier: Apache-2.0
#include "ycbcr_interface.hpp"

#include <causeway/plugin/backend.hpp>

#include "device.hpp"

namespace causeway::vulkan_backend {
namespace {

const cw_vulkan_ycbcr_v1 kYcbcr{
    sizeof(cw_vulkan_ycbcr_v1), 0,
    [](cw_device* device, cw_attachment* attachment, cw_vulkan_conversion_v1* out, cw_error* error) {
      return plugin::detail::guarded(error, "vulkan::conversion", [&] {
        return reinterpret_cast<Device*>(device)->conversion(
            *reinterpret_cast<const Device::Attachment*>(attachment), *out);
      });
    }};

}  // namespace

const cw_vulkan_ycbcr_v1& ycbcr_interface() noexcept {
  return kYcbcr;
}

}  // namespace causeway::vulkan_backend
