// SPDX-License-Identifier: Apache-2.0
#include "core/allocation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/attachment_state.hpp"
#include "core/buffer_state.hpp"
#include "core/pool_state.hpp"

namespace causeway::core {
namespace {

Direction direction_of(Usage usage) noexcept {
  if (reads(usage) && writes(usage)) {
    return Direction::Bidirectional;
  }
  return writes(usage) ? Direction::FromDevice : Direction::ToDevice;
}

/// One rung: all frames from one exporter, or why not. Huge pages beneath a dma-buf are kept only if every
/// device was seen to find its bytes there; some kernels' mappings of them are wrong (udmabuf.cpp).
class Rung {
public:
  Rung(const std::shared_ptr<RuntimeState>& runtime, const Allocator& exporter, const AllocationPlan& plan,
       const AllocationRequest& request)
      : runtime_(runtime), exporter_(exporter), plan_(plan), request_(request) {}

  Status climb() {
    if (request_.devices.empty()) {
      return try_on(Pages::Ordinary);  // nobody proves anything, and anybody may come later
    }
    auto climbed = try_on(Pages::Huge);
    if (climbed || !slab_is_huge_) {
      return climbed;
    }
    runtime_->log(LogLevel::Debug,
                  fmt::format("the frames of \"{}\" from {} are made again, on ordinary pages: {}",
                              request_.name, exporter_.name(), climbed.error().message()));
    imports_.clear();
    members_.clear();
    return try_on(Pages::Ordinary);
  }

  std::vector<PoolState::Member> take_members() { return std::move(members_); }
  std::vector<AllocationReport::Import> take_imports() { return std::move(imports_); }

private:
  Status try_on(Pages pages) {
    auto slab = take_slab(pages);
    if (!slab) {
      return std::move(slab.error());
    }
    for (std::uint32_t i = 0; i < request_.count; ++i) {
      auto frame = make_frame(*slab);
      if (!frame) {
        return std::move(frame.error());
      }
      members_.push_back({.frame = std::move(*frame), .mappings = {}});
    }
    for (std::size_t d = 0; d < request_.devices.size(); ++d) {
      if (auto mapped = map_all_on(request_.devices[d], request_.usages[d]); !mapped) {
        return mapped;
      }
    }
    return {};
  }

  /// The memory of all frames at once, last one first, where the exporter makes it so; empty otherwise. For a
  /// single buffer there is no second way.
  Result<std::vector<Storage>> take_slab(Pages pages) {
    std::vector<std::uint64_t> sizes;
    for (std::uint32_t i = 0; i < request_.count; ++i) {
      sizes.insert(sizes.end(), plan_.object_sizes.begin(), plan_.object_sizes.end());
    }
    auto slab = exporter_.allocate_together(sizes, pages, request_.name);
    if (!slab && sizes.size() == 1) {
      return slab;
    }
    if (!slab) {
      runtime_->log(LogLevel::Debug, fmt::format("the frames of \"{}\" are allocated one by one: {}",
                                                 request_.name, slab.error().message()));
      return std::vector<Storage>();
    }
    slab_is_huge_ = std::any_of(slab->begin(), slab->end(),
                                [](const Storage& storage) { return storage.huge_bytes != 0; });
    std::reverse(slab->begin(), slab->end());
    return slab;
  }

  Result<Storage> make_object(std::uint64_t size, std::vector<Storage>& slab) {
    if (slab.empty()) {
      return exporter_.allocate(size, request_.name);
    }
    auto storage = std::move(slab.back());
    slab.pop_back();
    return storage;
  }

  Result<Frame> make_frame(std::vector<Storage>& slab) {
    std::vector<DmaBuf> objects;
    for (const std::uint64_t size : plan_.object_sizes) {
      auto storage = make_object(size, slab);
      if (!storage) {
        return std::move(storage.error());
      }
      if (plan_.needs_pinnable && !storage->pinnable.valid()) {
        return Error(
            Errc::Unsupported, "allocate",
            fmt::format("a device needs a memfd beneath the memory, and {} has none", exporter_.name()));
      }
      auto buffer =
          BufferState::adopt(runtime_, std::move(*storage), exporter_.name(), request_.name, request_.where);
      if (!buffer) {
        return std::move(buffer.error());
      }
      objects.emplace_back(std::move(*buffer));
    }
    return Frame::create(plan_.layout, std::move(objects));
  }

  /// All frames are attached before the first is mapped: a camera wants its whole queue before it can be
  /// proved.
  Status map_all_on(const Device& device, Usage usage) {
    std::vector<std::shared_ptr<AttachmentState>> attachments;
    for (auto& member : members_) {
      auto attachment =
          AttachmentState::attach(device.state(), member.frame.state(), usage, ImplicitSync::Auto);
      if (!attachment) {
        return std::move(attachment.error());
      }
      attachments.push_back(std::move(*attachment));
    }
    AllocationReport::Import import{.device = device.name(),
                                    .backend = device.backend(),
                                    .import_path = {},
                                    .verdict = AliasVerdict::Aliased,
                                    .imported_as = ImportedAs::Bytes};
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (auto mapped = attachments[i]->map(direction_of(usage), request_.allow_copy); !mapped) {
        return mapped;
      }
      Mapping mapping(std::move(attachments[i]));
      if (slab_is_huge_ && mapping.verdict() != AliasVerdict::Aliased) {
        return Error(Errc::Unsupported, "allocate",
                     fmt::format("{} was not seen to find its bytes on huge pages", device.name()));
      }
      import.import_path = mapping.import_path();
      import.imported_as = mapping.imported_as();
      import.verdict = weaker(import.verdict, mapping.verdict());
      members_[i].mappings.push_back(std::move(mapping));
    }
    imports_.push_back(std::move(import));
    return {};
  }

  static AliasVerdict weaker(AliasVerdict a, AliasVerdict b) noexcept {
    if (a == AliasVerdict::Copied || b == AliasVerdict::Copied) {
      return AliasVerdict::Copied;
    }
    return a == AliasVerdict::Unknown ? a : b;
  }

  const std::shared_ptr<RuntimeState>& runtime_;
  const Allocator& exporter_;
  const AllocationPlan& plan_;
  const AllocationRequest& request_;
  std::vector<PoolState::Member> members_;
  std::vector<AllocationReport::Import> imports_;
  bool slab_is_huge_ = false;
};

/// A value that this library does not know says nothing to it.
template <class Enum>
Enum known_or_unspecified(std::uint32_t value, Enum last) noexcept {
  return value <= static_cast<std::uint32_t>(last) ? static_cast<Enum>(value) : Enum::Unspecified;
}

Constraints constraints_from(const cw_constraints& given) {
  Constraints needs;
  needs.stride_align = std::max(1U, given.stride_align);
  needs.offset_align = std::max(1U, given.offset_align);
  needs.object_size_align = std::max(1U, given.object_size_align);
  std::copy_n(std::begin(given.exact_stride), needs.exact_stride.size(), needs.exact_stride.begin());
  std::copy_n(std::begin(given.min_object_size), needs.min_object_size.size(), needs.min_object_size.begin());
  needs.max_object_size = given.max_object_size;
  needs.objects = given.objects;
  needs.max_frames = given.max_frames;
  needs.needs_pinnable = given.needs_pinnable != 0;
  if (given.modifier_count != 0) {
    needs.modifiers.clear();
    const auto count = std::min<std::uint32_t>(given.modifier_count, CW_MAX_MODIFIERS);
    for (std::uint32_t i = 0; i < count; ++i) {
      needs.modifiers.push_back(Modifier{given.modifiers[i]});
    }
  }
  needs.color = {.encoding = known_or_unspecified(given.color_encoding, ColorEncoding::Bt2020),
                 .range = known_or_unspecified(given.color_range, ColorRange::Full),
                 .siting_x = known_or_unspecified(given.chroma_siting_x, ChromaSiting::Midpoint),
                 .siting_y = known_or_unspecified(given.chroma_siting_y, ChromaSiting::Midpoint)};
  return needs;
}

}  // namespace

Result<Constraints> ask_constraints(DeviceState& device, const FrameDesc& desc, Usage usage) {
  auto image = plugin::sized<cw_image_desc>();
  image.format = desc.format.fourcc;
  image.modifier = desc.modifiers.empty() ? Modifier::kLinear.value : desc.modifiers.front().value;
  image.width = desc.width;
  image.height = desc.height;
  auto given = plugin::sized<cw_constraints>();
  given.stride_align = 1;
  given.offset_align = 1;
  given.object_size_align = 1;
  auto asked = device.call([&](const cw_backend& table, cw_device* self, cw_error* error) {
    return table.query_constraints(self, &image, bits(usage), &given, error);
  });
  if (!asked) {
    return std::move(asked.error());
  }
  auto needs = constraints_from(given);
  needs.needs_pinnable = needs.needs_pinnable || device.has(Capability::NeedsPinnable);
  return needs;
}

Result<std::vector<const Allocator*>> select_allocators(const RuntimeState& runtime, std::string_view name) {
  std::vector<const Allocator*> chosen;
  std::string known;
  for (const auto& exporter : runtime.allocators()) {
    const std::string_view own = exporter->name();
    if (name.empty() ? exporter->on_ladder() : own == name || own.substr(0, own.find(':')) == name) {
      chosen.push_back(exporter.get());
    }
    known += (known.empty() ? "" : ", ") + exporter->name();
  }
  if (chosen.empty()) {
    return Error(Errc::NotFound, "allocate",
                 fmt::format("there is no exporter \"{}\" on this machine; there are {}", name, known));
  }
  return chosen;
}

Result<FramePool> allocate_pool(const std::shared_ptr<RuntimeState>& runtime, AllocationPlan plan,
                                const AllocationRequest& request) {
  if (auto here = runtime->check_process("allocate"); !here) {
    return std::move(here.error());
  }
  if (request.count == 0) {
    return Error(Errc::InvalidArgument, "allocate", "0 frames were asked for; a pool has at least one");
  }
  if (plan.max_frames != 0 && request.count > plan.max_frames) {
    return Error(Errc::InvalidArgument, "allocate",
                 fmt::format("{} frames were asked for, and a device of this negotiation takes at most {}",
                             request.count, plan.max_frames));
  }
  if (plan.layout.modifier != Modifier::kLinear) {
    return Error(
        Errc::Unsupported, "allocate",
        fmt::format("the devices agreed on modifier {}, whose layout only its driver knows; allocate such "
                    "frames by Runtime::allocate_frame or allocate_on, or accept LINEAR",
                    plan.layout.modifier.to_string()));
  }
  for (std::size_t i = 0; i < request.devices.size(); ++i) {
    if (std::find(request.devices.begin(), request.devices.begin() + static_cast<std::ptrdiff_t>(i),
                  request.devices[i]) != request.devices.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Error(Errc::InvalidArgument, "allocate",
                   fmt::format("{} is named twice in this negotiation; name it once, with all that it does",
                               request.devices[i].name()));
    }
  }
  auto ladder = select_allocators(*runtime, request.exporter);
  if (!ladder) {
    return std::move(ladder.error());
  }
  AllocationReport report;
  std::string reasons;
  std::optional<Error> last;
  bool alike = true;
  for (const Allocator* exporter : *ladder) {
    Rung rung(runtime, *exporter, plan, request);
    if (auto climbed = rung.climb(); !climbed) {
      auto reason = climbed.error().message();
      reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", exporter->name(), reason);
      report.refused.push_back({.exporter = exporter->name(), .reason = std::move(reason)});
      alike = alike && (!last || last->code() == climbed.error().code());
      last = std::move(climbed.error());
      continue;
    }
    report.exporter = exporter->name();
    report.imports = rung.take_imports();
    return FramePool(
        PoolState::make(std::move(plan), std::move(report), rung.take_members(), request.devices));
  }
  if (ladder->size() == 1) {
    return std::move(*last).within(fmt::format("{} was the only exporter to ask", ladder->front()->name()));
  }
  return Error(
      alike ? last->code() : Errc::Unsupported, "allocate",
      fmt::format("no exporter could make {} frame(s) that suit all devices: {}", request.count, reasons));
}

}  // namespace causeway::core
