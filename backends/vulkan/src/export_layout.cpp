// SPDX-License-Identifier: Apache-2.0
#include "export_layout.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <causeway/format.hpp>
#include <causeway/plugin/backend.hpp>
#include <limits>
#include <numeric>

#include "constraints.hpp"

namespace causeway::vulkan_backend {
namespace {

// A cache line: what the next device in the chain will hardly refuse.
constexpr std::uint32_t kStride = 64;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t align) noexcept {
  return (value + align - 1) / align * align;
}

}  // namespace

Result<ExportLayout> export_layout(const Context& context, const cw_image_desc& desc, std::uint32_t usage) {
  auto needs = plugin::sized<cw_constraints>();
  if (auto status = constrain(context, desc, usage, needs); !status) {
    return std::move(status.error());
  }
  const std::uint64_t page = std::lcm(std::uint64_t{std::max(needs.object_size_align, 1U)},
                                      static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  if (desc.width == 0 || desc.height == 0) {
    return Error(Errc::InvalidArgument, "allocate",
                 fmt::format("an image of {} x {} pixels holds nothing", desc.width, desc.height));
  }
  ExportLayout layout;
  if (desc.format == 0) {
    layout.planes[0] = {0, desc.width, 0};  // plain bytes are one row (cw_image_desc)
    layout.size = round_up(desc.width, page);
    return layout;
  }
  const Format format{desc.format};
  const auto info = info_of(format);
  if (!info) {
    return Error(Errc::Unsupported, "allocate",
                 fmt::format("the layout of {} in memory is not known", format.to_string()));
  }
  if (!info->takes_size(desc.width, desc.height)) {
    return Error(Errc::InvalidArgument, "allocate",
                 fmt::format("{} x {} pixels are no whole number of blocks of {}", desc.width, desc.height,
                             format.to_string()));
  }
  const std::uint64_t stride_align =
      std::lcm(std::uint64_t{std::max(needs.stride_align, 1U)}, std::uint64_t{kStride});
  std::uint64_t end = 0;
  layout.plane_count = info->plane_count;
  for (std::uint32_t p = 0; p < layout.plane_count; ++p) {
    const std::uint64_t stride = needs.exact_stride[p] != 0
                                     ? needs.exact_stride[p]
                                     : round_up(info->min_stride(p, desc.width), stride_align);
    if (stride > std::numeric_limits<std::uint32_t>::max()) {
      return Error(Errc::InvalidArgument, "allocate",
                   fmt::format("a row of {} pixels is longer than a stride can be", desc.width));
    }
    const std::uint64_t start = round_up(end, std::max(needs.offset_align, 1U));
    layout.planes.at(p) = {0, static_cast<std::uint32_t>(stride), start};
    end = start + stride * info->rows(p, desc.height);
  }
  layout.size = round_up(std::max(end, needs.min_object_size[0]), page);
  return layout;
}

}  // namespace causeway::vulkan_backend
