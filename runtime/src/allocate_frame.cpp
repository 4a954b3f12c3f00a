// SPDX-License-Identifier: Apache-2.0
//
// Runtime::allocate_frame and allocate_on: images in layouts that their allocator or device chose.
#include <causeway/runtime.hpp>

#include <fmt/format.h>

#include <utility>

#include "core/allocation.hpp"
#include "core/buffer_state.hpp"
#include "core/device_memory.hpp"
#include "core/layout.hpp"
#include "core/runtime_state.hpp"
#include "uapi/dma_buf.hpp"

namespace causeway {
namespace {

Result<Frame> adopt_image(const std::shared_ptr<core::RuntimeState>& runtime, core::ImageStorage image,
                          const std::string& exporter, const std::string& name, CallSite where) {
  std::vector<DmaBuf> objects;
  for (auto& storage : image.objects) {
    auto buffer = core::BufferState::adopt(runtime, std::move(storage), exporter, name, where);
    if (!buffer) {
      return std::move(buffer.error());
    }
    // A device of the kernel made it, and may touch it by ways of its own.
    (*buffer)->mark_shared_pages();
    objects.emplace_back(std::move(*buffer));
  }
  return Frame::create(std::move(image.layout), std::move(objects));
}

}  // namespace

Result<Frame> Runtime::allocate_on(const Device& device, const FrameDesc& desc, Usage usage,
                                   std::string_view name, CallSite where) {
  if (auto here = state_->check_process("Runtime::allocate_on"); !here) {
    return std::move(here.error());
  }
  if (device.state() == nullptr || device.state()->runtime() != state_) {
    return Error(Errc::InvalidArgument, "Runtime::allocate_on",
                 device.state() == nullptr
                     ? "there is no device in the object that was given; it was moved away"
                     : device.name() + " was opened by another runtime; open it with this one");
  }
  if (auto sound = core::check_image(desc.format, desc.width, desc.height); !sound) {
    return std::move(sound.error());
  }
  auto image = core::allocate_device_memory(device.state(), desc, usage);
  if (!image) {
    return std::move(image.error());
  }
  image->layout.color = desc.color;
  for (const auto& object : image->objects) {
    if (object.is_dma_buf) {
      uapi::set_name(state_->kernel(), object.fd.borrow(), std::string(name));
    }
  }
  return adopt_image(state_, std::move(*image), device.backend(), std::string(name), where);
}

Result<Frame> Runtime::allocate_frame(const FrameDesc& desc, Usage usage, std::string_view exporter,
                                      std::string_view name, CallSite where) {
  if (auto here = state_->check_process("Runtime::allocate_frame"); !here) {
    return std::move(here.error());
  }
  if (exporter.empty()) {
    return Error(Errc::InvalidArgument, "Runtime::allocate_frame",
                 "no exporter was named; name one that knows layouts, as \"gbm\", or negotiate the frame");
  }
  if (auto sound = core::check_image(desc.format, desc.width, desc.height); !sound) {
    return std::move(sound.error());
  }
  auto chosen = core::select_allocators(*state_, exporter);
  if (!chosen) {
    return std::move(chosen.error());
  }
  std::string reasons;
  Errc code = Errc::Unsupported;
  for (const core::Allocator* allocator : *chosen) {
    auto image = allocator->allocate_image(desc, usage, std::string(name));
    if (image) {
      image->layout.color = desc.color;
      return adopt_image(state_, std::move(*image), allocator->name(), std::string(name), where);
    }
    code = image.error().code();
    reasons +=
        fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", allocator->name(), image.error().message());
  }
  return Error(code, "Runtime::allocate_frame",
               fmt::format("an image of {}x{} pixels in {} could not be had: {}", desc.width, desc.height,
                           desc.format.to_string(), reasons));
}

}  // namespace causeway
