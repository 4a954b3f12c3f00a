// SPDX-License-Identifier: Apache-2.0
#pragma once

// Devices whose own memory is exported: a camera's by EXPBUF and a GPU's by vkGetMemoryFdKHR
// (Runtime::allocate_on), a graphics card's as dumb buffers. On the fake kernel they are fakes, too; on a
// real one they are the machine's.

#include <causeway/causeway.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include "support/fake_kernel.hpp"
#include "unit/exporters_card.hpp"
#include "unit/v4l2_fake.hpp"

namespace causeway::test {

inline constexpr const char* kCamera = "v4l2";
inline constexpr const char* kGpu = "vulkan";

/// A camera at /dev/video0, a Vulkan driver, and a card at /dev/dri/card0, whose memory is the fake kernel's.
/// Must outlive the runtimes over that kernel, and be gone before it.
class FakeDevices {
public:
  explicit FakeDevices(FakeKernel& kernel);
  ~FakeDevices();
  FakeDevices(const FakeDevices&) = delete;
  FakeDevices& operator=(const FakeDevices&) = delete;

private:
  FakeCamera camera_;
  FakeCard card_;
};

/// kind: kCamera or kGpu. fake: those of FakeDevices.
[[nodiscard]] Result<Device> open_exporting_device(Runtime& runtime, const std::string& kind, bool fake);

/// One buffer of the device's own memory. A camera's is as large as its format needs, whatever size says.
[[nodiscard]] Result<DmaBuf> allocate_on(Runtime& runtime, const Device& device, std::uint64_t size,
                                         const std::string& name);

}  // namespace causeway::test
