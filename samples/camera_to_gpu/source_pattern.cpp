// SPDX-License-Identifier: Apache-2.0
//
// Colour bars that move to the left, and below them a white block on black that moves to the right. The CPU
// writes them directly into the shared frame.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "painter_feed.hpp"
#include "picture_format.hpp"

namespace camera_to_gpu {
namespace {

using causeway::Errc;
using causeway::Error;
using causeway::Status;

struct Colour {
  std::uint8_t y, cb, cr;
};

// The 75 % bars of BT.601 in limited range: grey, yellow, cyan, green, magenta, red, blue, black.
constexpr std::array<Colour, 8> kBars{{{180, 128, 128},
                                       {162, 44, 142},
                                       {131, 156, 44},
                                       {112, 72, 58},
                                       {84, 184, 198},
                                       {65, 100, 212},
                                       {35, 212, 114},
                                       {16, 128, 128}}};
constexpr Colour kBlack{16, 128, 128};
constexpr Colour kWhite{235, 128, 128};

std::array<std::uint8_t, 3> to_rgb(Colour colour) {
  const int c = 298 * (colour.y - 16) + 128;
  const int d = colour.cb - 128;
  const int e = colour.cr - 128;
  const auto channel = [](int value) { return static_cast<std::uint8_t>(std::clamp(value >> 8, 0, 255)); };
  return {channel(c + 409 * e), channel(c - 100 * d - 208 * e), channel(c + 516 * d)};
}

class Pattern final : public Painter {
public:
  Status paint(const Canvas& canvas, std::uint64_t number) override {
    const auto& format = *find_picture_format(canvas.format);
    // Even, so that two pixels that share chroma share the colour, too.
    const std::uint32_t bar = std::max(2U, canvas.width / 8U & ~1U);
    const std::uint32_t block_at = static_cast<std::uint32_t>(number * 8 % canvas.width) & ~1U;
    const std::uint32_t split = canvas.height * 3 / 4 & ~1U;
    line_.resize(canvas.width);
    for (std::uint32_t x = 0; x < canvas.width; ++x) {
      line_[x] = kBars[(x + 2 * number) / bar % kBars.size()];
    }
    paint_rows(canvas, format, 0, split);
    for (std::uint32_t x = 0; x < canvas.width; ++x) {
      line_[x] = x >= block_at && x < block_at + bar ? kWhite : kBlack;
    }
    paint_rows(canvas, format, split, canvas.height);
    return {};
  }

private:
  // All rows from first to last look like line_.
  void paint_rows(const Canvas& canvas, const PictureFormat& format, std::uint32_t first,
                  std::uint32_t last) {
    row_.clear();
    switch (format.kind) {
      case Kind::Nv12:
        for (const auto& pixel : line_) {
          row_.push_back(pixel.y);
        }
        repeat(canvas.planes[0], first, last);
        row_.clear();
        for (std::size_t x = 0; x < line_.size(); x += 2) {
          row_.insert(row_.end(), {line_[x].cb, line_[x].cr});
        }
        repeat(canvas.planes[1], first / 2, last / 2);
        return;
      case Kind::Yuyv:
        for (std::size_t x = 0; x < line_.size(); x += 2) {
          row_.insert(row_.end(), {line_[x].y, line_[x].cb, line_[x + 1].y, line_[x].cr});
        }
        break;
      case Kind::Uyvy:
        for (std::size_t x = 0; x < line_.size(); x += 2) {
          row_.insert(row_.end(), {line_[x].cb, line_[x].y, line_[x].cr, line_[x + 1].y});
        }
        break;
      case Kind::Rgb32:
        for (const auto& pixel : line_) {
          std::array<std::uint8_t, 4> bytes{255, 255, 255, 255};
          const auto rgb = to_rgb(pixel);
          for (std::size_t channel = 0; channel < 3; ++channel) {
            bytes.at(format.rgb.at(channel)) = rgb.at(channel);
          }
          row_.insert(row_.end(), bytes.begin(), bytes.end());
        }
        break;
    }
    repeat(canvas.planes[0], first, last);
  }

  void repeat(const Canvas::Plane& plane, std::uint32_t first, std::uint32_t last) const {
    for (std::uint32_t y = first; y < last; ++y) {
      std::memcpy(plane.rows + std::size_t{y} * plane.stride, row_.data(), row_.size());
    }
  }

  // Kept from frame to frame, so that painting allocates nothing.
  std::vector<Colour> line_;
  std::vector<std::uint8_t> row_;
};

class PatternSource final : public Source {
public:
  explicit PatternSource(causeway::FrameDesc desc) : desc_(std::move(desc)) {}

  const std::string& name() const override { return name_; }
  const causeway::FrameDesc& desc() const override { return desc_; }
  const causeway::Device* device() const override { return nullptr; }
  std::uint32_t frames() const override { return kDefaultFrames; }
  bool repeatable() const override { return true; }
  const char* usual_way() const override { return "painted into plain memory"; }
  causeway::Result<std::unique_ptr<SharedFeed>> share(causeway::FramePool pool) override {
    return shared_feed(std::make_shared<Pattern>(), std::move(pool));
  }
  causeway::Result<std::unique_ptr<PlainFeed>> plain() override {
    return plain_feed(std::make_shared<Pattern>(), desc_);
  }

private:
  std::string name_ = "pattern";
  causeway::FrameDesc desc_;
};

}  // namespace

OpenedSource open_pattern(const Options& options) {
  const auto size = options.size.value_or(Size{1280, 720});
  auto named = formats_named(options.format.empty() ? "NV12" : options.format);
  if (!named) {
    return std::move(named.error());
  }
  const auto format = named->front();
  const auto info = causeway::info_of(format);
  if (!info) {
    return Error(Errc::Unsupported, "pattern",
                 fmt::format("the layout of {} is not known", format.to_string()));
  }
  if (!info->takes_size(size.width, size.height)) {
    return Error(Errc::InvalidArgument, "pattern",
                 fmt::format("{} cannot have {}x{} pixels: {}", format.to_string(), size.width, size.height,
                             format == causeway::formats::kNV12 ? "both sides must be even"
                                                                : "the width must be even"));
  }
  return std::make_unique<PatternSource>(
      causeway::FrameDesc{.format = format, .width = size.width, .height = size.height});
}

}  // namespace camera_to_gpu
