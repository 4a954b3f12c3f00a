// SPDX-License-Identifier: Apache-2.0
#pragma once

// A program that samples images, as a shader sees them.

#include <causeway/vulkan_abi.h>

#include <array>
#include <cstdint>
#include <vector>

namespace causeway::test {

/// What a shader reads at the centre of a texel: R, G, B, A, as floats.
using Texel = std::array<float, 4>;

/// An image to sample. conversion: null for formats without shared chroma.
struct Sampled {
  VkImage image = VK_NULL_HANDLE;
  VkFormat format = VK_FORMAT_UNDEFINED;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  const cw_vulkan_conversion_v1* conversion = nullptr;
};

/// Samples with a compute shader on the device's queue, between an acquire from the others and a release to
/// them. acquire_from: of the view; VK_QUEUE_FAMILY_IGNORED where somebody else records the transfers. Row by
/// row; empty, with a failure of the test, if anything went wrong.
[[nodiscard]] std::vector<Texel> sample(const cw_vulkan_handles_v1& device, const Sampled& what,
                                        std::uint32_t acquire_from);

/// The one image of a view, and plane p of a view of planes.
[[nodiscard]] Sampled whole(const cw_vulkan_view_v1& view,
                            const cw_vulkan_conversion_v1* conversion = nullptr);
[[nodiscard]] Sampled plane(const cw_vulkan_view_v1& view, std::uint32_t p);

}  // namespace causeway::test
