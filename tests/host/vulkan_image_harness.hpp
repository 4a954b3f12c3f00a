// SPDX-License-Identifier: Apache-2.0
#pragma once

// Frames of several planes in memory of the test, and what a device makes of them.

#include <gmock/gmock.h>

#include "host/vulkan_harness.hpp"
#include "support/vulkan_sampler.hpp"

namespace causeway::test {

/// A dma-buf where the machine makes them, else a memfd, which lavapipe imports just so.
inline TestMemory shared_memory(std::size_t size) {
  auto memory = TestMemory::udmabuf(size);
  return memory.valid() ? std::move(memory) : TestMemory::memfd(size);
}

/// Where a plane lies.
struct PlaneAt {
  const TestMemory* memory;
  std::uint64_t offset;
  std::uint32_t stride;
  [[nodiscard]] std::span<std::byte> bytes() const { return memory->bytes().subspan(offset); }
};

/// The words of an attach for planes wherever they are; each memory is one object.
inline std::unique_ptr<AttachWords> words_of(Format format, std::uint32_t width, std::uint32_t height,
                                             const std::vector<PlaneAt>& planes, std::uint32_t usage) {
  auto words = std::make_unique<AttachWords>(planes[0].memory->object(), format, width, height,
                                             planes[0].stride, usage);
  words->planes.clear();
  std::vector<const TestMemory*> memories{planes[0].memory};
  for (const auto& plane : planes) {
    auto found = std::find(memories.begin(), memories.end(), plane.memory);
    if (found == memories.end()) {
      words->objects.push_back(plane.memory->object());
      found = memories.insert(memories.end(), plane.memory);
    }
    words->planes.push_back(
        {static_cast<std::uint32_t>(found - memories.begin()), plane.stride, plane.offset});
  }
  words->info.object_count = static_cast<std::uint32_t>(words->objects.size());
  words->info.plane_count = static_cast<std::uint32_t>(words->planes.size());
  words->info.objects = words->objects.data();
  words->info.planes = words->planes.data();
  return words;
}

/// The conversion of an attachment.
inline Outcome convert(const Attached& attached, cw_vulkan_conversion_v1& out) {
  out = plugin::sized<cw_vulkan_conversion_v1>();
  const auto& view = attached.view();
  return attempt(
      [&](cw_error* error) { return view.ycbcr->conversion(view.device, view.attachment, &out, error); });
}

/// lavapipe, opened by the backend, with validation.
class VulkanImages : public ::testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(device_.opened()) << device_.opened(); }
  void TearDown() override { EXPECT_THAT(host_.complaints(), ::testing::IsEmpty()); }

  /// Whether this lavapipe has modifiers; it wants /dev/udmabuf for them.
  [[nodiscard]] bool modifiers() const {
    const auto handles = device_.handles();
    return std::any_of(
        handles.extensions, handles.extensions + handles.extension_count,
        [](std::string_view name) { return name == VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME; });
  }

  VulkanHost host_;
  OpenedDevice device_{host_, "llvmpipe"};
};

}  // namespace causeway::test
