// SPDX-License-Identifier: Apache-2.0
#include "constraints.hpp"

#include <algorithm>
#include <numeric>

#include "format_table.hpp"

namespace causeway::opencl_backend {
namespace {

// Kernels on plain bytes address whole words.
constexpr std::uint64_t kWord = 4;
// Both kinds of dma-buf import want whole pages (cl_arm_import_memory, "a whole number of pages").
constexpr std::uint64_t kPage = 4096;

void align(std::uint32_t& field, std::uint64_t to) noexcept {
  field =
      std::lcm(std::max(field, 1U), static_cast<std::uint32_t>(std::clamp<std::uint64_t>(to, 1, 1U << 30U)));
}

}  // namespace

void constrain(const Context& context, const cw_image_desc& image, std::uint32_t usage, cw_constraints& out) {
  const auto& facts = context.facts;
  align(out.object_size_align, kPage);
  if (out.max_object_size == 0 || out.max_object_size > facts.max_allocation) {
    out.max_object_size = facts.max_allocation;
  }
  align(out.stride_align, kWord);
  align(out.offset_align, kWord);
  // OpenCL knows no modifiers.
  out.modifier_count = 1;
  out.modifiers[0] = 0;
  if (!facts.images || image.format == 0 || (usage & CW_USAGE_AS_BUFFER) != 0) {
    return;
  }
  for (std::uint32_t p = 0; p < CW_MAX_PLANES; ++p) {
    const auto plane = plane_image(Format{image.format}, p, image.width, image.height);
    if (!plane) {
      break;
    }
    align(out.stride_align, std::uint64_t{std::max(facts.image_pitch_align, 1U)} * plane->element_bytes);
    align(out.offset_align, std::uint64_t{std::max(facts.image_base_align, 1U)} * plane->element_bytes);
  }
  align(out.offset_align, facts.base_align);
}

}  // namespace causeway::opencl_backend
