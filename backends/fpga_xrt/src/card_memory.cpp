// SPDX-License-Identifier: Apache-2.0
//
// Memory of a card: what it imports, what it allocates itself, and which bytes of it a frame covers.
#include <algorithm>
#include <causeway/format.hpp>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <span>
#include <string>
#include <utility>

#include "card.hpp"

namespace causeway::fpga_xrt_backend {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kRowAlign = 64;  // a beat of 512 bits, the widest data path of these cards

std::uint64_t round_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

bool is_linear(std::uint64_t modifier) {
  return modifier == Modifier::kLinear.value || modifier == Modifier::kInvalid.value;
}

/// The bytes of an object that the planes in it cover; all of it where the format is not known.
std::pair<std::uint64_t, std::uint64_t> covered(const cw_attach_info& info, std::uint32_t object) {
  const std::uint64_t size = info.objects[object].size;
  const auto format = info_of(Format{info.image.format});
  if (info.image.format == 0 || !format || format->plane_count != info.plane_count) {
    return {0, size};
  }
  std::uint64_t begin = size;
  std::uint64_t end = 0;
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    const auto& plane = info.planes[p];
    if (plane.object == object) {
      begin = std::min(begin, plane.offset);
      end = std::max(end, plane.offset + (format->rows(p, info.image.height) - 1) * plane.stride +
                              format->min_stride(p, info.image.width));
    }
  }
  return end > begin ? std::pair(begin, end) : std::pair(std::uint64_t{0}, size);
}

}  // namespace

Result<std::unique_ptr<Card::Attachment>> Card::attach(const cw_attach_info& info) {
  if (info.image.format != 0 && info.image.modifier != 0) {
    return Error(Errc::Unsupported, "attach",
                 plugin::words("a picture with the modifier ", plugin::hex(info.image.modifier),
                               " was given; the XRT card ", id_, " is given rows of pixels (LINEAR)"));
  }
  auto made = std::make_unique<Attachment>(*this);
  cw_fpga_view& view = made->view_;
  for (std::uint32_t i = 0; i < info.object_count; ++i) {
    auto buffer = buffers_.import(info.objects[i]);
    if (!buffer) {
      return std::move(buffer.error());
    }
    const auto [begin, end] = covered(info, i);
    view.sizes[i] = info.objects[i].size;
    view.sg_first[i] = i;
    view.sg_count[i] = 1;
    made->entries_.push_back({.address = (*buffer)->address(), .length = view.sizes[i]});
    made->objects_.push_back({.buffer = std::move(*buffer),
                              .begin = begin,
                              .end = end,
                              .read_only = (info.objects[i].flags & CW_OBJECT_READ_ONLY) != 0});
  }
  view.sg = made->entries_.data();
  view.object_count = info.object_count;
  view.plane_count = info.plane_count;
  std::copy_n(info.planes, info.plane_count, view.planes);
  view.format = info.image.format;
  view.width = info.image.width;
  view.height = info.image.height;
  return made;
}

Status Card::map(Attachment& attachment, cw_direction direction, cw_mapping& out) {
  cw_fpga_view& view = attachment.view_;
  const bool writes = direction != CW_DIRECTION_TO_DEVICE;
  for (const auto& object : attachment.objects_) {
    if (writes && object.read_only) {
      return Error(
          Errc::Permission, "map",
          plugin::words("the XRT card ", id_,
                        " was to write to a buffer whose descriptor permits reading alone; map it with "
                        "Direction::ToDevice"));
    }
  }
  view.writable = writes ? 1 : 0;
  out.native_interface = CW_FPGA_VIEW_INTERFACE;
  out.native = &view;
  out.import_path = "dma-buf";
  out.sg = view.sg;
  out.sg_count = static_cast<std::uint32_t>(attachment.entries_.size());
  const std::lock_guard lock(mutex_);
  view.ticket = next_ticket_++;
  mapped_.emplace(view.ticket, &attachment);
  return {};
}

void Card::unmap(Attachment& attachment) {
  const std::lock_guard lock(mutex_);
  mapped_.erase(std::exchange(attachment.view_.ticket, 0));
}

// ---------------------------------------------------------------- the card's own

Status Card::allocate(const cw_allocate_info& info, cw_allocation& out) {
  const std::span modifiers(info.modifiers, info.modifier_count);
  if (!modifiers.empty() && std::none_of(modifiers.begin(), modifiers.end(), is_linear)) {
    return Error(Errc::Unsupported, "allocate",
                 plugin::words("the memory of the XRT card ", id_, " is LINEAR, and ",
                               Modifier{modifiers.front()}.to_string(), " was asked for"));
  }
  const auto format = info_of(Format{info.image.format});
  if (info.image.format != 0 && !format) {
    return Error(Errc::Unsupported, "allocate",
                 plugin::words("the format ", Format{info.image.format}.to_string(),
                               " is not known, so the XRT card ", id_, " cannot lay it out"));
  }
  const std::uint64_t align = std::max<std::uint64_t>(config_.alignment, kRowAlign);
  std::uint64_t size = info.image.width;  // plain bytes
  out.plane_count = 1;
  out.planes[0] = {.object = 0, .stride = info.image.width, .offset = 0};
  if (info.image.format != 0) {
    size = 0;
    out.plane_count = format->plane_count;
    for (std::uint32_t p = 0; p < format->plane_count; ++p) {
      const std::uint64_t stride = round_up(format->min_stride(p, info.image.width), align);
      out.planes[p] = {.object = 0, .stride = static_cast<std::uint32_t>(stride), .offset = size};
      size += stride * format->rows(p, info.image.height);
    }
  }
  UniqueFd exported;
  auto buffer =
      buffers_.allocate(round_up(size, kPage), config_.buffer_flags, config_.memory_group, exported);
  if (!buffer) {
    return std::move(buffer.error());
  }
  out.token = (*buffer)->handle();
  out.object_count = 1;
  out.modifier = Modifier::kLinear.value;
  out.sizes[0] = (*buffer)->size();
  allocated_.emplace(out.token, std::move(*buffer));
  out.fds[0] = exported.release();
  return {};
}

void Card::release(void* token) {
  allocated_.erase(token);
}

// ---------------------------------------------------------------- by the interface

Result<std::shared_ptr<Buffer>> Card::mapped(const cw_fpga_view& view, std::uint32_t object) {
  const std::lock_guard lock(mutex_);
  const auto found = mapped_.find(view.ticket);
  if (found == mapped_.end() || &found->second->view_ != &view) {
    return Error(Errc::InvalidArgument, "fpga_xrt",
                 plugin::words("a mapping of another device than the XRT card ", id_,
                               " was given; negotiate or attach the memory with this card"));
  }
  const auto& objects = found->second->objects_;
  if (object >= objects.size()) {
    return Error(Errc::InvalidArgument, "fpga_xrt",
                 plugin::words("object ", object, " was asked for, and the mapping has ", objects.size()));
  }
  return objects[object].buffer;
}

Result<BufferHandle> Card::buffer_handle(const cw_fpga_view& view, std::uint32_t object) {
  const auto buffer = mapped(view, object);
  if (!buffer) {
    return buffer.error();
  }
  return (*buffer)->handle();
}

Status Card::sync(const cw_fpga_view& view, std::uint32_t object, std::int32_t direction,
                  std::uint64_t offset, std::uint64_t size) {
  const auto buffer = mapped(view, object);
  if (!buffer) {
    return buffer.error();
  }
  if (direction != kToDevice && direction != kFromDevice) {
    return Error(Errc::InvalidArgument, "fpga_xrt sync",
                 plugin::words("the direction ", direction, " was given; 0 is to the device, 1 from it"));
  }
  if (direction == kFromDevice && view.writable == 0) {
    return Error(Errc::InvalidArgument, "fpga_xrt sync",
                 "the card's bytes were to be taken over into a mapping for reading alone; negotiate or map "
                 "it for writing");
  }
  const std::uint64_t whole = view.sizes[object];
  if (size == 0 || offset > whole || size > whole - offset) {
    return Error(
        Errc::InvalidArgument, "fpga_xrt sync",
        plugin::words(size, " bytes from byte ", offset, " were to be synced, and the object has ", whole));
  }
  return (*buffer)->sync(direction, offset, size);
}

}  // namespace causeway::fpga_xrt_backend
