// SPDX-License-Identifier: Apache-2.0
#include "core/device_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/layout.hpp"
#include "core/runtime_state.hpp"
#include "uapi/dma_buf.hpp"

namespace causeway::core {
namespace {

/// Gives the allocation back to its backend when the last object over it is gone.
class DeviceAllocation {
public:
  DeviceAllocation(std::shared_ptr<DeviceState> device, void* token) noexcept
      : device_(std::move(device)), token_(token) {}
  DeviceAllocation(const DeviceAllocation&) = delete;
  DeviceAllocation& operator=(const DeviceAllocation&) = delete;
  ~DeviceAllocation() {
    if (!device_->runtime()->in_own_process()) {
      return;
    }
    const auto released = device_->call([&](const cw_backend& table, cw_device* self, cw_error*) {
      table.release(self, token_);
      return std::int32_t{CW_OK};
    });
    static_cast<void>(released);  // release has no failure
  }

private:
  std::shared_ptr<DeviceState> device_;
  void* token_;
};

/// The descriptors are owned from here on, whatever else is wrong with the answer.
std::vector<UniqueFd> take_fds(const cw_allocation& allocation) {
  std::vector<UniqueFd> fds;
  for (std::uint32_t i = 0; i < std::min(allocation.object_count, CW_MAX_PLANES); ++i) {
    fds.emplace_back(allocation.fds[i]);
  }
  return fds;
}

}  // namespace

Result<ImageStorage> allocate_device_memory(const std::shared_ptr<DeviceState>& device, const FrameDesc& desc,
                                            Usage usage) {
  if (device->table().allocate == nullptr) {
    return Error(
        Errc::Unsupported, "allocate_on",
        fmt::format("{} exports no memory of its own; negotiate a frame, and attach it to the device",
                    device->info().name));
  }
  std::vector<std::uint64_t> modifiers;
  for (const Modifier modifier : desc.modifiers) {
    modifiers.push_back(modifier.value);
  }
  if (modifiers.empty()) {
    modifiers.push_back(Modifier::kLinear.value);
  }
  auto info = plugin::sized<cw_allocate_info>();
  info.usage = bits(usage);
  info.image = plugin::sized<cw_image_desc>();
  info.image.format = desc.format.fourcc;
  info.image.width = desc.width;
  info.image.height = desc.height;
  info.modifier_count = static_cast<std::uint32_t>(modifiers.size());
  info.modifiers = modifiers.data();
  auto made = plugin::sized<cw_allocation>();
  auto allocated = device->call([&](const cw_backend& table, cw_device* self, cw_error* error) {
    return table.allocate(self, &info, &made, error);
  });
  if (!allocated) {
    return std::move(allocated.error());
  }
  const auto keeper = std::make_shared<DeviceAllocation>(device, made.token);
  auto fds = take_fds(made);
  const auto& kernel = device->runtime()->kernel();
  ImageStorage image;
  for (auto& fd : fds) {
    auto size = kernel.size(fd.borrow());
    if (!size) {
      return std::move(size.error()).within(device->info().name + " exported no memory");
    }
    auto dma_buf = uapi::is_dma_buf(kernel, fd.borrow());
    if (!dma_buf) {
      return std::move(dma_buf.error());
    }
    image.objects.push_back(
        {.fd = std::move(fd), .size = *size, .is_dma_buf = *dma_buf, .pinnable = {}, .keeps = keeper});
  }
  image.layout = {.format = desc.format,
                  .modifier = Modifier{made.modifier},
                  .width = desc.width,
                  .height = desc.height,
                  .planes = {}};
  for (std::uint32_t i = 0; i < std::min(made.plane_count, CW_MAX_PLANES); ++i) {
    const auto& plane = made.planes[i];
    image.layout.planes.push_back({.object = plane.object, .stride = plane.stride, .offset = plane.offset});
  }
  return image;
}

}  // namespace causeway::core
