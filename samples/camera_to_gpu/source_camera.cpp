// SPDX-License-Identifier: Apache-2.0
//
// A camera writes its pictures into shared frames by DMA: no CPU touches them on the way to the GPU.
#include <fmt/format.h>

#include <algorithm>

#include "mmap_camera.hpp"
#include "picture_format.hpp"
#include "source.hpp"

namespace camera_to_gpu {
namespace {

using causeway::Deadline;
using causeway::Errc;
using causeway::Error;
using causeway::Result;
namespace v4l2 = causeway::v4l2;

class CameraFrames final : public SharedFeed {
public:
  explicit CameraFrames(v4l2::Stream stream) : stream_(std::move(stream)) {}

  Result<Filled> next(Deadline deadline) override {
    auto captured = stream_.next(deadline);
    if (!captured) {
      return std::move(captured.error());
    }
    const auto frame = captured->frame();
    const bool corrupt = captured->corrupt();
    return Filled{.at = Clock::now(), .frame = frame, .hold = std::move(*captured), .corrupt = corrupt};
  }

private:
  v4l2::Stream stream_;
};

class CameraSource final : public Source {
public:
  CameraSource(causeway::Device camera, causeway::FrameDesc desc)
      : camera_(std::move(camera)),
        name_(camera_.id() + " (" + camera_.name() + ")"),
        desc_(std::move(desc)) {}

  const std::string& name() const override { return name_; }
  const causeway::FrameDesc& desc() const override { return desc_; }
  const causeway::Device* device() const override { return &camera_; }
  std::uint32_t frames() const override { return kDefaultFrames; }
  bool repeatable() const override { return false; }
  const char* usual_way() const override { return "the camera's own buffers, mapped"; }

  Result<std::unique_ptr<SharedFeed>> share(causeway::FramePool pool) override {
    auto stream = v4l2::Stream::start(camera_, pool);
    if (!stream) {
      return std::move(stream.error());
    }
    return std::make_unique<CameraFrames>(std::move(*stream));
  }
  Result<std::unique_ptr<PlainFeed>> plain() override { return mmap_camera(camera_); }

private:
  causeway::Device camera_;
  std::string name_;
  causeway::FrameDesc desc_;
};

// The first format that the camera offers, was asked for (if anything was), and the shader takes.
Result<causeway::Format> choose_format(const causeway::Device& camera, const std::string& asked) {
  std::vector<causeway::Format> wanted;
  if (!asked.empty()) {
    auto named = formats_named(asked);
    if (!named) {
      return std::move(named.error());
    }
    wanted = std::move(*named);
  }
  const auto offers = v4l2::formats(camera);
  if (!offers) {
    return offers.error();
  }
  std::vector<std::string> possible;
  for (const auto& offer : *offers) {
    if (offer.compressed || find_picture_format(offer.format) == nullptr) {
      continue;
    }
    if (wanted.empty() || std::ranges::count(wanted, offer.format) != 0) {
      return offer.format;
    }
    if (const auto name = offer.format.to_string(); std::ranges::count(possible, name) == 0) {
      possible.push_back(name);
    }
  }
  if (possible.empty()) {
    return Error(
        Errc::Unsupported, camera.id(),
        fmt::format("the camera offers no format that this program takes; it takes {}", format_names()));
  }
  return Error(Errc::Unsupported, camera.id(),
               fmt::format("the camera does not offer {}; it offers {}", asked, fmt::join(possible, ", ")));
}

}  // namespace

OpenedSource open_camera(causeway::Runtime& runtime, const Options& options) {
  auto camera = v4l2::open(runtime, options.source);
  if (!camera) {
    return std::move(camera.error());
  }
  const auto format = choose_format(*camera, options.format);
  if (!format) {
    return format.error();
  }
  auto size = options.size;
  if (!size) {
    const auto current = v4l2::current_format(*camera);
    if (!current) {
      return current.error();
    }
    size = Size{current->width, current->height};
  }
  return std::make_unique<CameraSource>(
      std::move(*camera),
      causeway::FrameDesc{.format = *format, .width = size->width, .height = size->height});
}

}  // namespace camera_to_gpu
