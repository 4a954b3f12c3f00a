// SPDX-License-Identifier: Apache-2.0
// The functions of causeway/v4l2_abi.h: nothing but the crossing from C to C++ and back.

#include <algorithm>
#include <causeway/plugin/descriptor.hpp>
#include <causeway/plugin/text.hpp>
#include <chrono>
#include <optional>
#include <span>

#include "device.hpp"

namespace causeway::v4l2_backend {
namespace {

using plugin::detail::guarded;

Camera& camera(cw_device* device) noexcept {
  return *reinterpret_cast<Camera*>(device);
}

/// Writes up to *count entries, and sets *count to how many there are.
template <class From, class To, class Convert>
void hand_out(const std::vector<From>& from, To* to, std::uint32_t* count, Convert convert) {
  const std::size_t room = to != nullptr ? std::min<std::size_t>(*count, from.size()) : 0;
  for (std::size_t i = 0; i < room; ++i) {
    to[i] = convert(from[i]);
  }
  *count = static_cast<std::uint32_t>(from.size());
}

cw_v4l2_offer to_offer(const v4l2_fmtdesc& entry) {
  auto offer = plugin::sized<cw_v4l2_offer>();
  offer.fourcc = entry.pixelformat;
  if (const FormatRow* row = row_of_fourcc(entry.pixelformat); row != nullptr) {
    offer.drm_format = row->drm.fourcc;
    offer.memory_planes = row->memory_planes;
  }
  offer.flags = ((entry.flags & V4L2_FMT_FLAG_COMPRESSED) != 0 ? CW_V4L2_OFFER_COMPRESSED : 0U) |
                ((entry.flags & V4L2_FMT_FLAG_EMULATED) != 0 ? CW_V4L2_OFFER_EMULATED : 0U);
  const auto* text = reinterpret_cast<const char*>(entry.description);
  plugin::copy_text(offer.description, std::string_view(text, ::strnlen(text, sizeof(entry.description))));
  return offer;
}

cw_v4l2_size_range to_size(const v4l2_frmsizeenum& entry) {
  auto range = plugin::sized<cw_v4l2_size_range>();
  if (entry.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
    range.min_width = range.max_width = entry.discrete.width;
    range.min_height = range.max_height = entry.discrete.height;
    range.step_width = range.step_height = 1;
  } else {
    range.min_width = entry.stepwise.min_width;
    range.max_width = entry.stepwise.max_width;
    range.step_width = entry.stepwise.step_width;
    range.min_height = entry.stepwise.min_height;
    range.max_height = entry.stepwise.max_height;
    range.step_height = entry.stepwise.step_height;
  }
  return range;
}

cw_v4l2_interval_range to_interval(const v4l2_frmivalenum& entry) {
  auto range = plugin::sized<cw_v4l2_interval_range>();
  const bool one = entry.type == V4L2_FRMIVAL_TYPE_DISCRETE;
  const v4l2_fract& min = one ? entry.discrete : entry.stepwise.min;
  const v4l2_fract& max = one ? entry.discrete : entry.stepwise.max;
  range.min_numerator = min.numerator;
  range.min_denominator = min.denominator;
  range.max_numerator = max.numerator;
  range.max_denominator = max.denominator;
  return range;
}

cw_v4l2_format to_format(const PixelFormat& from) {
  auto format = plugin::sized<cw_v4l2_format>();
  format.fourcc = from.fourcc;
  const FormatRow* row = row_of_fourcc(from.fourcc);
  format.drm_format = row != nullptr ? row->drm.fourcc : 0;
  format.width = from.width;
  format.height = from.height;
  format.memory_planes = from.memory_planes;
  for (std::uint32_t p = 0; p < from.memory_planes; ++p) {
    format.stride[p] = from.planes.at(p).stride;
    format.size[p] = from.planes.at(p).size;
  }
  format.field = from.field;
  format.colorspace = from.colorspace;
  format.ycbcr_encoding = from.ycbcr_encoding;
  format.quantization = from.quantization;
  format.transfer_function = from.transfer_function;
  return format;
}

/// Which V4L2 name stands for what was wanted. Errors: InvalidArgument, Unsupported.
Result<PixelFormat> to_wanted(Camera& device, const cw_v4l2_format& from) {
  PixelFormat wanted{.fourcc = from.fourcc, .width = from.width, .height = from.height};
  if (from.field != V4L2_FIELD_ANY) {
    wanted.field = from.field;
  }
  if (wanted.fourcc == 0) {
    const auto offered = device.node().formats();
    if (!offered) {
      return offered.error();
    }
    const auto rows = format_rows();
    const auto found = std::ranges::find_if(rows, [&](const FormatRow& row) {
      return row.drm.fourcc == from.drm_format &&
             std::ranges::find(*offered, row.fourcc, &v4l2_fmtdesc::pixelformat) != offered->end();
    });
    if (found == rows.end()) {
      return Error(Errc::Unsupported, "set_format",
                   plugin::words("the camera ", device.node().path(), " does not offer ",
                                 Format{from.drm_format}.to_string()));
    }
    wanted.fourcc = found->fourcc;
  }
  const FormatRow* row = row_of_fourcc(wanted.fourcc);
  wanted.memory_planes = row != nullptr ? row->memory_planes : 1;
  for (std::uint32_t p = 0; p < wanted.memory_planes; ++p) {
    wanted.planes.at(p).stride = from.stride[p];
  }
  return wanted;
}

std::int32_t list_formats(cw_device* device, cw_v4l2_offer* offers, std::uint32_t* count, cw_error* error) {
  return guarded(error, "list_formats", [&]() -> Status {
    const auto found = camera(device).node().formats();
    if (!found) {
      return found.error();
    }
    hand_out(*found, offers, count, to_offer);
    return {};
  });
}

std::int32_t list_sizes(cw_device* device, std::uint32_t fourcc, cw_v4l2_size_range* sizes,
                        std::uint32_t* count, cw_error* error) {
  return guarded(error, "list_sizes", [&]() -> Status {
    const auto found = camera(device).node().sizes(fourcc);
    if (!found) {
      return found.error();
    }
    hand_out(*found, sizes, count, to_size);
    return {};
  });
}

std::int32_t list_intervals(cw_device* device, std::uint32_t fourcc, std::uint32_t width,
                            std::uint32_t height, cw_v4l2_interval_range* intervals, std::uint32_t* count,
                            cw_error* error) {
  return guarded(error, "list_intervals", [&]() -> Status {
    const auto found = camera(device).node().intervals(fourcc, width, height);
    if (!found) {
      return found.error();
    }
    hand_out(*found, intervals, count, to_interval);
    return {};
  });
}

std::int32_t get_format(cw_device* device, cw_v4l2_format* format, cw_error* error) {
  return guarded(error, "get_format", [&]() -> Status {
    const auto held = camera(device).node().get_format();
    if (!held) {
      return held.error();
    }
    *format = to_format(*held);
    return {};
  });
}

std::int32_t set_format(cw_device* device, const cw_v4l2_format* wanted, cw_v4l2_format* answer,
                        cw_error* error) {
  return guarded(error, "set_format", [&]() -> Status {
    const auto asked = to_wanted(camera(device), plugin::sized_copy(*wanted));
    if (!asked) {
      return asked.error();
    }
    const auto held = camera(device).choose_format(*asked);
    if (!held) {
      return held.error();
    }
    *answer = to_format(*held);
    return {};
  });
}

void hand_out(v4l2_fract from, cw_v4l2_interval_range& to) {
  to.min_numerator = to.max_numerator = from.numerator;
  to.min_denominator = to.max_denominator = from.denominator;
}

std::int32_t get_interval(cw_device* device, cw_v4l2_interval_range* interval, cw_error* error) {
  return guarded(error, "get_interval", [&]() -> Status {
    const auto held = camera(device).node().get_interval();
    if (!held) {
      return held.error();
    }
    hand_out(*held, *interval);
    return {};
  });
}

std::int32_t set_interval(cw_device* device, cw_v4l2_interval_range* interval, cw_error* error) {
  return guarded(error, "set_interval", [&]() -> Status {
    const auto held =
        camera(device).node().set_interval({interval->min_numerator, interval->min_denominator});
    if (!held) {
      return held.error();
    }
    hand_out(*held, *interval);
    return {};
  });
}

std::int32_t start(cw_device* device, const cw_v4l2_view* const* frames, std::uint32_t count,
                   cw_error* error) {
  return guarded(error, "start", [&] {
    std::vector<BufferQueue::Place> places;
    places.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      places.push_back({.index = frames[i]->index, .ticket = frames[i]->ticket});
    }
    return camera(device).buffers().start(places);
  });
}

std::int32_t stop(cw_device* device, cw_error* error) {
  return guarded(error, "stop", [&] { return camera(device).buffers().stop(); });
}

Status take(cw_device* device, std::optional<std::span<pollfd>> others, std::int64_t deadline_ns,
            cw_v4l2_captured* captured) {
  const Deadline deadline(Deadline::Clock::time_point{std::chrono::nanoseconds(deadline_ns)});
  std::uint64_t ticket = 0;
  const auto filled = camera(device).buffers().dequeue(deadline, ticket, others);
  if (!filled) {
    return filled.error();
  }
  auto out = plugin::sized<cw_v4l2_captured>();
  out.index = filled->index;
  out.ticket = ticket;
  out.sequence = filled->sequence;
  out.timestamp_ns = filled->timestamp_ns;
  out.flags = ((filled->flags & V4L2_BUF_FLAG_ERROR) != 0 ? CW_V4L2_CAPTURED_CORRUPT : 0U) |
              ((filled->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC
                   ? CW_V4L2_CAPTURED_MONOTONIC
                   : 0U);
  out.memory_planes = filled->memory_planes;
  std::ranges::copy(filled->bytes_used, out.bytes_used);
  *captured = out;
  return {};
}

std::int32_t dequeue(cw_device* device, std::int64_t deadline_ns, cw_v4l2_captured* captured,
                     cw_error* error) {
  return guarded(error, "dequeue", [&] { return take(device, std::nullopt, deadline_ns, captured); });
}

std::int32_t dequeue_or(cw_device* device, struct pollfd* others, std::uint32_t count,
                        std::int64_t deadline_ns, cw_v4l2_captured* captured, cw_error* error) {
  return guarded(error, "dequeue_or",
                 [&] { return take(device, std::span(others, count), deadline_ns, captured); });
}

void interrupt(cw_device* device) {
  camera(device).buffers().interrupt();
}

std::int32_t hold(cw_device* device, std::uint32_t index, std::uint64_t ticket, cw_error* error) {
  return guarded(error, "hold", [&] { return camera(device).buffers().hold(index, ticket); });
}

std::int32_t queue(cw_device* device, std::uint32_t index, std::uint64_t ticket, cw_error* error) {
  return guarded(error, "queue", [&] { return camera(device).buffers().give_back(index, ticket); });
}

std::int32_t is_held(cw_device* device, std::uint32_t index, std::uint64_t ticket) {
  return camera(device).buffers().is_held(index, ticket) ? 1 : 0;
}

std::int32_t poll_fd(cw_device* device) {
  return camera(device).node().fd();
}

std::int32_t dup_poll_fd(cw_device* device, std::int32_t* fd, cw_error* error) {
  return guarded(error, "dup_poll_fd", [&]() -> Status {
    *fd = -1;
    if (!camera(device).buffers().has_queued()) {
      return {};
    }
    const Node& node = camera(device).node();
    auto copy = plugin::duplicate(node.host(), node.fd(), node.path());
    if (!copy) {
      return std::move(copy.error());
    }
    *fd = copy->release();
    return {};
  });
}

}  // namespace

const cw_v4l2_stream& stream_table() noexcept {
  static constexpr cw_v4l2_stream kTable{
      .struct_size = sizeof(cw_v4l2_stream),
      .reserved = 0,
      .list_formats = &list_formats,
      .list_sizes = &list_sizes,
      .list_intervals = &list_intervals,
      .get_format = &get_format,
      .set_format = &set_format,
      .get_interval = &get_interval,
      .set_interval = &set_interval,
      .start = &start,
      .stop = &stop,
      .dequeue = &dequeue,
      .queue = &queue,
      .is_held = &is_held,
      .poll_fd = &poll_fd,
      .hold = &hold,
      .dequeue_or = &dequeue_or,
      .interrupt = &interrupt,
      .dup_poll_fd = &dup_poll_fd,
  };
  return kTable;
}

}  // namespace causeway::v4l2_backend
