// SPDX-License-Identifier: Apache-2.0
#include <causeway/constraints.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>

#include "core/layout.hpp"
#include "uapi/kernel.hpp"

namespace causeway {
namespace {

using uapi::align_up;

Error conflict(std::string text) {
  return Error(Errc::Unsupported, "negotiate", std::move(text));
}

/// No memory object is larger: more than an x86-64 process can map, and small enough that sums of a few such
/// numbers do not overflow 64 bits.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 48;

/// Alignments are powers of two in practice; the least common multiple is right for any. field: what is to be
/// aligned, for the error.
template <class Get>
Result<std::uint64_t> common_alignment(std::span<const Participant> participants, std::string_view field,
                                       Get&& get) {
  std::uint64_t all = 1;
  std::string needs;
  for (const auto& participant : participants) {
    const auto alignment = std::max<std::uint64_t>(1, get(participant.constraints));
    if (alignment > 1) {
      needs +=
          fmt::format("{}{} needs multiples of {}", needs.empty() ? "" : ", ", participant.name, alignment);
    }
    const std::uint64_t factor = alignment / std::gcd(all, alignment);
    if (factor > kMostBytes / all) {
      return conflict(fmt::format("no {} below {} bytes suits all: {}", field, kMostBytes, needs));
    }
    all *= factor;
  }
  return all;
}

Result<Modifier> choose_modifier(const FrameDesc& desc, std::span<const Participant> participants) {
  const std::vector<Modifier> wanted =
      desc.modifiers.empty() ? std::vector{Modifier::kLinear} : desc.modifiers;
  std::string refusals;
  for (const Modifier modifier : wanted) {
    const auto refuser =
        std::find_if(participants.begin(), participants.end(), [&](const Participant& participant) {
          const auto& offered = participant.constraints.modifiers;
          return std::find(offered.begin(), offered.end(), modifier) == offered.end();
        });
    if (refuser == participants.end()) {
      return modifier;
    }
    refusals += fmt::format("{}{} is not offered by {}", refusals.empty() ? "" : ", ", modifier.to_string(),
                            refuser->name);
  }
  return conflict(fmt::format("no modifier of {} suits all: {}", desc.format.to_string(), refusals));
}

/// How many memory objects a frame has: what the one who insists says, else one.
Result<std::uint32_t> choose_objects(std::span<const Participant> participants, std::uint32_t plane_count) {
  const Participant* insists = nullptr;
  for (const auto& participant : participants) {
    const std::uint32_t objects = participant.constraints.objects;
    if (objects == 0) {
      continue;
    }
    if (insists != nullptr && insists->constraints.objects != objects) {
      return conflict(fmt::format("{} needs {} memory object(s) a frame, {} needs {}", insists->name,
                                  insists->constraints.objects, participant.name, objects));
    }
    if (objects != 1 && objects != plane_count) {
      return conflict(
          fmt::format("{} needs {} memory objects for {} plane(s); Causeway lays planes out in one "
                      "object, or each in its own",
                      participant.name, objects, plane_count));
    }
    insists = &participant;
  }
  return insists == nullptr ? 1 : insists->constraints.objects;
}

Result<std::uint32_t> choose_stride(const FrameDesc& desc, const FormatInfo& info, std::uint32_t p,
                                    std::span<const Participant> participants) {
  const std::uint64_t needed = info.min_stride(p, desc.width);
  std::uint64_t alignment = 1;
  if (desc.format != formats::kBytes) {
    auto common =
        common_alignment(participants, "stride", [](const Constraints& c) { return c.stride_align; });
    if (!common) {
      return std::move(common.error());
    }
    alignment = *common;
  }
  const Participant* exact = nullptr;
  for (const auto& participant : participants) {
    const std::uint32_t stride = participant.constraints.exact_stride.at(p);
    if (stride == 0) {
      continue;
    }
    if (exact != nullptr && exact->constraints.exact_stride.at(p) != stride) {
      return conflict(fmt::format("plane {}: {} needs a stride of {} bytes, {} needs {}", p, exact->name,
                                  exact->constraints.exact_stride.at(p), participant.name, stride));
    }
    exact = &participant;
  }
  if (exact == nullptr) {
    const std::uint64_t stride = align_up(needed, alignment);
    if (stride > std::numeric_limits<std::uint32_t>::max()) {
      return conflict(
          fmt::format("plane {} would need a stride of {} bytes, more than 32 bits can say", p, stride));
    }
    return static_cast<std::uint32_t>(stride);
  }
  const std::uint32_t stride = exact->constraints.exact_stride.at(p);
  if (stride < needed) {
    return conflict(fmt::format("plane {}: {} insists on a stride of {} bytes, and a row needs {}", p,
                                exact->name, stride, needed));
  }
  for (const auto& participant : participants) {
    if (stride % std::max(1U, participant.constraints.stride_align) != 0) {
      return conflict(
          fmt::format("plane {}: {} insists on a stride of {} bytes, and {} needs a multiple of {}", p,
                      exact->name, stride, participant.name, participant.constraints.stride_align));
    }
  }
  return stride;
}

/// Places the planes one behind the other, and says what each object needs.
Result<std::vector<std::uint64_t>> place_planes(FrameLayout& layout, const FormatInfo& info,
                                                std::span<const Participant> participants) {
  const auto alignment =
      common_alignment(participants, "offset", [](const Constraints& c) { return c.offset_align; });
  if (!alignment) {
    return alignment.error();
  }
  const auto exact = std::find_if(participants.begin(), participants.end(),
                                  [](const Participant& p) { return p.constraints.exact_stride[0] != 0; });
  std::vector<std::uint64_t> ends;
  for (std::uint32_t p = 0; p < layout.planes.size(); ++p) {
    auto& plane = layout.planes[p];
    ends.resize(std::max<std::size_t>(ends.size(), plane.object + 1));
    const std::uint64_t behind = ends[plane.object];
    plane.offset = align_up(behind, *alignment);
    // Who dictates strides (a camera) writes the next plane right behind the last one.
    if (exact != participants.end() && plane.offset != behind) {
      const auto other =
          std::find_if(participants.begin(), participants.end(), [&](const Participant& needs) {
            return behind % std::max(1U, needs.constraints.offset_align) != 0;
          });
      return conflict(fmt::format("plane {}: {} writes it at offset {}, and {} needs a multiple of {}", p,
                                  exact->name, behind, other->name, other->constraints.offset_align));
    }
    ends[plane.object] = plane.offset + std::uint64_t{plane.stride} * info.rows(p, layout.height);
  }
  return ends;
}

/// What the description leaves open, from who says it; open still, if two say different things.
template <class Word>
Word choose_color(Word Color::*word, const FrameDesc& desc, std::span<const Participant> participants) {
  Word chosen = desc.color.*word;
  if (chosen != Word::Unspecified) {
    return chosen;
  }
  for (const auto& participant : participants) {
    const Word said = participant.constraints.color.*word;
    if (said == Word::Unspecified || said == chosen) {
      continue;
    }
    if (chosen != Word::Unspecified) {
      return Word::Unspecified;
    }
    chosen = said;
  }
  return chosen;
}

Result<std::vector<std::uint64_t>> choose_sizes(std::vector<std::uint64_t> sizes,
                                                std::span<const Participant> participants) {
  const auto common =
      common_alignment(participants, "object size", [](const Constraints& c) { return c.object_size_align; });
  if (!common) {
    return common.error();
  }
  const std::uint64_t alignment = std::lcm(uapi::kPageSize, *common);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const Participant* largest = nullptr;  // who needs more than the layout
    for (const auto& participant : participants) {
      if (participant.constraints.min_object_size.at(i) > sizes[i]) {
        sizes[i] = participant.constraints.min_object_size.at(i);
        largest = &participant;
      }
    }
    const std::string whose = largest == nullptr ? std::string() : fmt::format(" for {}", largest->name);
    if (sizes[i] > kMostBytes) {
      return conflict(fmt::format("object {} needs {} bytes{}, and no object has more than {}", i, sizes[i],
                                  whose, kMostBytes));
    }
    sizes[i] = align_up(sizes[i], alignment);
    for (const auto& participant : participants) {
      const std::uint64_t limit = participant.constraints.max_object_size;
      if (limit != 0 && sizes[i] > limit) {
        return conflict(fmt::format("object {} needs {} bytes{}, and {} takes at most {}", i, sizes[i], whose,
                                    participant.name, limit));
      }
    }
  }
  return sizes;
}

}  // namespace

Result<AllocationPlan> negotiate(const FrameDesc& desc, std::span<const Participant> participants) {
  if (auto sound = core::check_image(desc.format, desc.width, desc.height); !sound) {
    return std::move(sound.error());
  }
  const auto info = *info_of(desc.format);
  auto modifier = choose_modifier(desc, participants);
  if (!modifier) {
    return std::move(modifier.error());
  }
  auto objects = choose_objects(participants, info.plane_count);
  if (!objects) {
    return std::move(objects.error());
  }
  AllocationPlan plan;
  plan.layout = {.format = desc.format,
                 .modifier = *modifier,
                 .width = desc.width,
                 .height = desc.height,
                 .planes = std::vector<PlaneLayout>(info.plane_count),
                 .color = desc.color};
  if (info.is_ycbcr()) {
    plan.layout.color = {.encoding = choose_color(&Color::encoding, desc, participants),
                         .range = choose_color(&Color::range, desc, participants),
                         .siting_x = choose_color(&Color::siting_x, desc, participants),
                         .siting_y = choose_color(&Color::siting_y, desc, participants)};
  }
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    auto stride = choose_stride(desc, info, p, participants);
    if (!stride) {
      return std::move(stride.error());
    }
    plan.layout.planes[p].stride = *stride;
    plan.layout.planes[p].object = *objects == 1 ? 0 : p;
  }
  auto ends = place_planes(plan.layout, info, participants);
  if (!ends) {
    return std::move(ends.error());
  }
  auto sizes = choose_sizes(std::move(*ends), participants);
  if (!sizes) {
    return std::move(sizes.error());
  }
  plan.object_sizes = std::move(*sizes);
  for (const auto& participant : participants) {
    const std::uint32_t limit = participant.constraints.max_frames;
    if (limit != 0) {
      plan.max_frames = plan.max_frames == 0 ? limit : std::min(plan.max_frames, limit);
    }
    plan.needs_pinnable = plan.needs_pinnable || participant.constraints.needs_pinnable;
  }
  return plan;
}

}  // namespace causeway
