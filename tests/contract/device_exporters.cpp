// SPDX-License-Identifier: Apache-2.0
#include "contract/device_exporters.hpp"

#include <causeway/v4l2.hpp>
#include <causeway/vulkan.hpp>

#include "host/vulkan_fake_driver.hpp"

namespace causeway::test {

FakeDevices::FakeDevices(FakeKernel& kernel) : card_(kernel, "/dev/dri/card0") {
  camera_.make_memory = [&kernel](std::uint64_t bytes) {
    return kernel.make_dma_buf({.size = bytes, .exporter = "videobuf2"});
  };
  kernel.add_device("/dev/video0",
                    {.ioctl = [this](int fd, unsigned long request,
                                     void* argument) { return camera_.ioctl(fd, request, argument); },
                     .poll = [this](short asked) { return camera_.poll(asked); }});
  FakeDriver::reset();
  FakeDriver::instance().exports = true;
  FakeDriver::instance().export_memory = [&kernel](VkDeviceSize bytes) {
    return kernel.make_dma_buf({.size = bytes, .exporter = "gpu"});
  };
}

FakeDevices::~FakeDevices() {
  FakeDriver::reset();
}

Result<Device> open_exporting_device(Runtime& runtime, const std::string& kind, bool fake) {
  if (kind == kCamera) {
    return v4l2::open(runtime, "/dev/video0");
  }
  if (!fake) {
    return vulkan::open(runtime);
  }
  const auto words = FakeDriver::words();
  return runtime.open_device(kGpu, {.adopt_interface = CW_VULKAN_ADOPT_V1, .adopt = &words});
}

Result<DmaBuf> allocate_on(Runtime& runtime, const Device& device, std::uint64_t size,
                           const std::string& name) {
  const bool camera = device.backend() == kCamera;
  const FrameDesc desc = camera ? FrameDesc{.format = formats::kYUYV, .width = 640, .height = 480}
                                : FrameDesc::bytes(static_cast<std::uint32_t>(size));
  auto frame = runtime.allocate_on(device, desc, camera ? Usage::Capture : Usage::ReadWrite, name);
  if (!frame) {
    return std::move(frame.error());
  }
  return frame->objects()[0];
}

}  // namespace causeway::test
