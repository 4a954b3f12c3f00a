// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/v4l2_abi.h>
#include <causeway/color.hpp>
#include <causeway/device.hpp>
#include <causeway/format.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <causeway/runtime.hpp>
#include <causeway/v4l2_color.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::v4l2 {

/// Opens a camera by its path; empty: the first that there is.
/// Errors: NotFound (naming the video nodes that there are), Permission (naming the group), Unsupported (no
/// camera, no streaming, no dma-bufs), Busy (another program streams), OutOfFds.
[[nodiscard]] inline Result<Device> open(Runtime& runtime, std::string_view path = {}) {
  return runtime.open_device("v4l2", OpenOptions{.id = std::string(path)});
}

namespace detail {

/// The camera's functions. Errors: InvalidArgument if the device is no camera; Incompatible if its backend is
/// older than this header.
[[nodiscard]] inline Result<const cw_v4l2_stream*> table_of(const Device& camera) {
  const auto* table = static_cast<const cw_v4l2_stream*>(camera.interface(CW_V4L2_STREAM_INTERFACE));
  if (table == nullptr) {
    return Error(
        Errc::InvalidArgument, "v4l2",
        "the device " + camera.name() + " of the backend " + camera.backend() + " is no V4L2 camera");
  }
  if (table->struct_size < sizeof(cw_v4l2_stream)) {
    return Error(Errc::Incompatible, "v4l2",
                 "the backend " + camera.backend() +
                     " is older than this program's <causeway/v4l2.hpp>: it has no fences; update it");
  }
  return table;
}

/// A call over the edge: body(error) returns a cw_status.
template <class Body>
[[nodiscard]] Status call(Body&& body) {
  auto failure = plugin::sized<cw_error>();
  if (const std::int32_t status = body(&failure); status != CW_OK) {
    return plugin::take_error(status, failure);
  }
  return {};
}

/// A list of the edge: body(entries, count, error), asked for its length first.
template <class Entry, class Body>
[[nodiscard]] Result<std::vector<Entry>> list(Body&& body) {
  std::uint32_t count = 0;
  if (auto status = call([&](cw_error* error) { return body(static_cast<Entry*>(nullptr), &count, error); });
      !status) {
    return std::move(status.error());
  }
  std::vector<Entry> entries(count);
  if (auto status = call([&](cw_error* error) { return body(entries.data(), &count, error); }); !status) {
    return std::move(status.error());
  }
  if (count < entries.size()) {
    entries.resize(count);
  }
  return entries;
}

}  // namespace detail

/// The time from one frame to the next: numerator / denominator seconds. Threads: reentrant (a value).
struct Interval {
  std::uint32_t numerator = 0;
  std::uint32_t denominator = 0;
  bool operator==(const Interval&) const = default;
  [[nodiscard]] double frames_per_second() const noexcept {
    return numerator != 0 ? static_cast<double>(denominator) / numerator : 0;
  }
};

/// A frame size that a camera offers, or a range of them, with the intervals of its largest size. Pixels.
/// Threads: reentrant (a value).
struct SizeOffer {
  struct Intervals {
    Interval shortest;
    Interval longest;  ///< equal to shortest: this one alone
  };
  std::uint32_t min_width = 0;
  std::uint32_t max_width = 0;
  std::uint32_t step_width = 1;
  std::uint32_t min_height = 0;
  std::uint32_t max_height = 0;
  std::uint32_t step_height = 1;
  std::vector<Intervals> intervals{};

  /// True if it is one size and not a range.
  [[nodiscard]] bool single() const noexcept { return min_width == max_width && min_height == max_height; }
};

/// A pixel format that a camera offers. Threads: reentrant (a value).
struct FormatOffer {
  std::uint32_t fourcc = 0;  ///< V4L2's
  Format format{};  ///< DRM's name for it; formats::kBytes if there is none: then frames cannot be negotiated
  std::uint32_t memory_planes = 0;  ///< dma-bufs a frame takes; 0: not known
  bool compressed = false;
  bool emulated = false;      ///< converted by software on the way
  std::string description{};  ///< the driver's words
  std::vector<SizeOffer> sizes{};
};

/// What a camera is set to. Threads: reentrant (a value).
struct CameraFormat {
  std::uint32_t fourcc = 0;  ///< V4L2's
  Format format{};           ///< DRM's; formats::kBytes if there is none
  std::uint32_t width = 0;   ///< pixels
  std::uint32_t height = 0;  ///< pixels
  std::uint32_t memory_planes = 0;
  std::array<std::uint32_t, 4> stride{};  ///< bytes, of each memory plane
  std::array<std::uint32_t, 4> size{};    ///< bytes, of each memory plane
  std::uint32_t colorspace = 0;           ///< these four: V4L2's values (videodev2.h), 0 for "default"
  std::uint32_t ycbcr_encoding = 0;
  std::uint32_t quantization = 0;
  std::uint32_t transfer_function = 0;
};

/// How the numbers of such pictures are colours. A negotiation with the camera fills this in where
/// FrameDesc::color says nothing; see v4l2_color.hpp for what the driver's "default" means.
[[nodiscard]] constexpr Color color_of(const CameraFormat& format) noexcept {
  return color_of(format.colorspace, format.ycbcr_encoding, format.quantization);
}

/// Everything that the camera offers now. Drivers may offer other things once another input or mode is
/// chosen. Errors: InvalidArgument (no camera), DeviceLost, Io.
[[nodiscard]] inline Result<std::vector<FormatOffer>> formats(const Device& camera) {
  const auto table = detail::table_of(camera);
  if (!table) {
    return table.error();
  }
  const cw_v4l2_stream& call = **table;
  cw_device* const self = camera.raw();
  const auto offers = detail::list<cw_v4l2_offer>(
      [&](auto* out, auto* count, auto* error) { return call.list_formats(self, out, count, error); });
  if (!offers) {
    return offers.error();
  }
  std::vector<FormatOffer> found;
  for (const auto& offer : *offers) {
    FormatOffer format{.fourcc = offer.fourcc,
                       .format = Format{offer.drm_format},
                       .memory_planes = offer.memory_planes,
                       .compressed = (offer.flags & CW_V4L2_OFFER_COMPRESSED) != 0,
                       .emulated = (offer.flags & CW_V4L2_OFFER_EMULATED) != 0,
                       .description = offer.description};
    const auto sizes = detail::list<cw_v4l2_size_range>([&](auto* out, auto* count, auto* error) {
      return call.list_sizes(self, offer.fourcc, out, count, error);
    });
    if (!sizes) {
      return sizes.error();
    }
    for (const auto& size : *sizes) {
      SizeOffer range{.min_width = size.min_width,
                      .max_width = size.max_width,
                      .step_width = size.step_width,
                      .min_height = size.min_height,
                      .max_height = size.max_height,
                      .step_height = size.step_height};
      const auto intervals = detail::list<cw_v4l2_interval_range>([&](auto* out, auto* count, auto* error) {
        return call.list_intervals(self, offer.fourcc, size.max_width, size.max_height, out, count, error);
      });
      if (!intervals) {
        return intervals.error();
      }
      for (const auto& interval : *intervals) {
        range.intervals.push_back({.shortest = {interval.min_numerator, interval.min_denominator},
                                   .longest = {interval.max_numerator, interval.max_denominator}});
      }
      format.sizes.push_back(std::move(range));
    }
    found.push_back(std::move(format));
  }
  return found;
}

namespace detail {

inline CameraFormat to_format(const cw_v4l2_format& from) {
  CameraFormat format{.fourcc = from.fourcc,
                      .format = Format{from.drm_format},
                      .width = from.width,
                      .height = from.height,
                      .memory_planes = from.memory_planes,
                      .colorspace = from.colorspace,
                      .ycbcr_encoding = from.ycbcr_encoding,
                      .quantization = from.quantization,
                      .transfer_function = from.transfer_function};
  for (std::size_t p = 0; p < format.stride.size(); ++p) {
    format.stride.at(p) = from.stride[p];
    format.size.at(p) = from.size[p];
  }
  return format;
}

}  // namespace detail

/// What the camera is set to. Errors: InvalidArgument (no camera), DeviceLost, Io.
[[nodiscard]] inline Result<CameraFormat> current_format(const Device& camera) {
  const auto table = detail::table_of(camera);
  if (!table) {
    return table.error();
  }
  auto held = plugin::sized<cw_v4l2_format>();
  if (auto status =
          detail::call([&](cw_error* error) { return (*table)->get_format(camera.raw(), &held, error); });
      !status) {
    return std::move(status.error());
  }
  return detail::to_format(held);
}

/// Asks the camera for a format; what it made of it, which may be another size or format, is returned.
/// Negotiating frames does this by itself: call it to see what a camera makes of a size, or to choose between
/// V4L2's names of one DRM format (NM12 rather than NV12), which negotiations then keep to. wanted: fourcc
/// (or, if that is 0, format), width and height count, and stride unless it is 0. Errors: Unsupported, Busy
/// (frames are attached, or another program uses the camera), DeviceLost.
[[nodiscard]] inline Result<CameraFormat> set_format(const Device& camera, const CameraFormat& wanted) {
  const auto table = detail::table_of(camera);
  if (!table) {
    return table.error();
  }
  auto asked = plugin::sized<cw_v4l2_format>();
  asked.fourcc = wanted.fourcc;
  asked.drm_format = wanted.format.fourcc;
  asked.width = wanted.width;
  asked.height = wanted.height;
  for (std::size_t p = 0; p < wanted.stride.size(); ++p) {
    asked.stride[p] = wanted.stride.at(p);
  }
  auto answer = plugin::sized<cw_v4l2_format>();
  if (auto status = detail::call(
          [&](cw_error* error) { return (*table)->set_format(camera.raw(), &asked, &answer, error); });
      !status) {
    return std::move(status.error());
  }
  return detail::to_format(answer);
}

/// The time from one frame to the next. Errors: Unsupported where the source decides (an HDMI input),
/// DeviceLost.
[[nodiscard]] inline Result<Interval> interval(const Device& camera) {
  const auto table = detail::table_of(camera);
  if (!table) {
    return table.error();
  }
  auto held = plugin::sized<cw_v4l2_interval_range>();
  auto status =
      detail::call([&](cw_error* error) { return (*table)->get_interval(camera.raw(), &held, error); });
  if (!status) {
    return std::move(status.error());
  }
  return Interval{held.min_numerator, held.min_denominator};
}

/// Asks for a time from one frame to the next; returns what the camera made of it, the nearest it can do. To
/// be called once the format is settled (frames are negotiated) and before the stream starts. Errors: as
/// interval(), Busy (streaming).
[[nodiscard]] inline Result<Interval> set_interval(const Device& camera, Interval wanted) {
  const auto table = detail::table_of(camera);
  if (!table) {
    return table.error();
  }
  auto asked = plugin::sized<cw_v4l2_interval_range>();
  asked.min_numerator = asked.max_numerator = wanted.numerator;
  asked.min_denominator = asked.max_denominator = wanted.denominator;
  auto status =
      detail::call([&](cw_error* error) { return (*table)->set_interval(camera.raw(), &asked, error); });
  if (!status) {
    return std::move(status.error());
  }
  return Interval{asked.min_numerator, asked.min_denominator};
}

}  // namespace causeway::v4l2
