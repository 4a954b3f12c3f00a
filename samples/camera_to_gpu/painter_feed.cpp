// SPDX-License-Identifier: Apache-2.0
#include "painter_feed.hpp"

#include <fmt/format.h>

#include <vector>

namespace camera_to_gpu {
namespace {

using causeway::Deadline;
using causeway::Errc;
using causeway::Error;
using causeway::FrameLayout;
using causeway::Result;
using causeway::Status;

class PaintedFrames final : public SharedFeed {
public:
  PaintedFrames(std::shared_ptr<Painter> painter, causeway::FramePool pool)
      : painter_(std::move(painter)), pool_(std::move(pool)) {}

  Result<Filled> next(Deadline deadline) override {
    auto lease = pool_.acquire(deadline);
    if (!lease) {
      return std::move(lease.error());
    }
    const auto frame = **lease;
    auto access = frame.frame().begin_cpu_access(causeway::Usage::Write, deadline);
    if (!access) {
      return std::move(access.error());
    }
    const auto& layout = frame.frame().layout();
    Canvas canvas{.format = layout.format, .width = layout.width, .height = layout.height};
    for (std::uint32_t p = 0; p < layout.planes.size(); ++p) {
      canvas.planes.at(p) = {access->plane(p).data(), access->stride(p)};
    }
    if (auto painted = painter_->paint(canvas, number_); !painted) {
      return std::move(painted.error());
    }
    const auto at = Clock::now();
    // From here on it is handing over: SYNC END, then the GPU's turn.
    if (auto ended = access->end(); !ended) {
      return std::move(ended.error());
    }
    ++number_;
    return Filled{.at = at, .frame = frame, .hold = std::move(*lease)};
  }

private:
  std::shared_ptr<Painter> painter_;
  causeway::FramePool pool_;
  std::uint64_t number_ = 0;
};

class PaintedMemory final : public PlainFeed {
public:
  PaintedMemory(std::shared_ptr<Painter> painter, FrameLayout layout, std::size_t size)
      : painter_(std::move(painter)), layout_(std::move(layout)), bytes_(size) {}

  const FrameLayout& layout() const override { return layout_; }

  Result<Picture> next(Deadline) override {
    Canvas canvas{.format = layout_.format, .width = layout_.width, .height = layout_.height};
    for (std::size_t p = 0; p < layout_.planes.size(); ++p) {
      canvas.planes.at(p) = {bytes_.data() + layout_.planes[p].offset, layout_.planes[p].stride};
    }
    if (auto painted = painter_->paint(canvas, number_); !painted) {
      return std::move(painted.error());
    }
    ++number_;
    return Picture{.at = Clock::now(), .bytes = bytes_};
  }

  Status let_go() override { return {}; }

private:
  std::shared_ptr<Painter> painter_;
  FrameLayout layout_;
  std::vector<std::byte> bytes_;
  std::uint64_t number_ = 0;
};

}  // namespace

std::unique_ptr<SharedFeed> shared_feed(std::shared_ptr<Painter> painter, causeway::FramePool pool) {
  return std::make_unique<PaintedFrames>(std::move(painter), std::move(pool));
}

Result<std::unique_ptr<PlainFeed>> plain_feed(std::shared_ptr<Painter> painter,
                                              const causeway::FrameDesc& desc) {
  const auto info = causeway::info_of(desc.format);
  if (!info) {
    return Error(Errc::Unsupported, "plain_feed",
                 fmt::format("the layout of {} is not known", desc.format.to_string()));
  }
  FrameLayout layout{.format = desc.format, .width = desc.width, .height = desc.height};
  std::uint64_t size = 0;
  for (std::uint32_t p = 0; p < info->plane_count; ++p) {
    const auto stride = info->min_stride(p, desc.width);
    layout.planes.push_back({.stride = static_cast<std::uint32_t>(stride), .offset = size});
    size += stride * info->rows(p, desc.height);
  }
  return std::make_unique<PaintedMemory>(std::move(painter), std::move(layout), size);
}

}  // namespace camera_to_gpu
