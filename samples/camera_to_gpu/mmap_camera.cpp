// SPDX-License-Identifier: Apache-2.0
#include "mmap_camera.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <vector>

namespace camera_to_gpu {
namespace {

using causeway::Deadline;
using causeway::Errc;
using causeway::Error;
using causeway::FrameLayout;
using causeway::Result;
using causeway::Status;
using causeway::UniqueFd;

constexpr std::uint32_t kBuffers = 4;

class MmapCamera final : public PlainFeed {
public:
  MmapCamera(std::string path, FrameLayout layout, std::size_t bytes)
      : path_(std::move(path)), layout_(std::move(layout)), bytes_(bytes) {}
  ~MmapCamera() override {
    int type = static_cast<int>(type_);
    ::ioctl(fd_.get(), VIDIOC_STREAMOFF, &type);
    for (const auto& buffer : buffers_) {
      ::munmap(buffer.data(), buffer.size());
    }
    // Only this makes the camera free for others: closing does it too, but only with the last mapping gone.
    v4l2_requestbuffers none{.count = 0, .type = type_, .memory = V4L2_MEMORY_MMAP};
    ::ioctl(fd_.get(), VIDIOC_REQBUFS, &none);
  }
  MmapCamera(const MmapCamera&) = delete;
  MmapCamera& operator=(const MmapCamera&) = delete;

  Status start() {
    fd_.reset(::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    v4l2_capability can{};
    if (!fd_.valid() || ::ioctl(fd_.get(), VIDIOC_QUERYCAP, &can) != 0) {
      return failed("VIDIOC_QUERYCAP");
    }
    if ((can.device_caps & V4L2_CAP_VIDEO_CAPTURE_MPLANE) != 0) {
      type_ = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
    }
    v4l2_requestbuffers request{.count = kBuffers, .type = type_, .memory = V4L2_MEMORY_MMAP};
    if (call(VIDIOC_REQBUFS, &request) != 0) {
      return failed("VIDIOC_REQBUFS");
    }
    for (std::uint32_t i = 0; i < request.count; ++i) {
      if (auto status = map(i); !status) {
        return status;
      }
    }
    int type = static_cast<int>(type_);
    return call(VIDIOC_STREAMON, &type) == 0 ? Status{} : failed("VIDIOC_STREAMON");
  }

  const FrameLayout& layout() const override { return layout_; }

  Result<Picture> next(Deadline deadline) override {
    v4l2_plane plane{};
    held_ = description(plane);
    while (call(VIDIOC_DQBUF, &held_) != 0) {
      if (errno != EAGAIN) {
        return failed("VIDIOC_DQBUF");
      }
      pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline.left()).count();
      if (left == 0) {
        return Error(Errc::TimedOut, path_, "the camera delivered no frame within the deadline");
      }
      ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 1000)));
    }
    return Picture{.at = Clock::now(),
                   .bytes = buffers_.at(held_.index).first(bytes_),
                   .corrupt = (held_.flags & V4L2_BUF_FLAG_ERROR) != 0};
  }

  Status let_go() override { return queue(held_.index); }

private:
  int call(unsigned long request, void* argument) const {
    int result = 0;
    do {
      result = ::ioctl(fd_.get(), request, argument);
    } while (result != 0 && errno == EINTR);
    return result;
  }
  Error failed(const char* what) const {
    const int reason = errno;
    return Error(causeway::errc_from_errno(reason), what,
                 reason == ENODEV ? fmt::format("the camera {} is gone", path_)
                                  : fmt::format("the camera {} refused", path_),
                 reason);
  }
  // The multi-planar API keeps length and offset in a plane of its own.
  v4l2_buffer description(v4l2_plane& plane) const {
    v4l2_buffer buffer{};
    buffer.type = type_;
    buffer.memory = V4L2_MEMORY_MMAP;
    if (type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) {
      buffer.m.planes = &plane;
      buffer.length = 1;
    }
    return buffer;
  }
  Status map(std::uint32_t index) {
    v4l2_plane plane{};
    auto buffer = description(plane);
    buffer.index = index;
    if (call(VIDIOC_QUERYBUF, &buffer) != 0) {
      return failed("VIDIOC_QUERYBUF");
    }
    const bool multi = type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
    const std::size_t length = multi ? plane.length : buffer.length;
    if (length < bytes_) {
      return Error(Errc::Unsupported, path_,
                   fmt::format("a buffer of the camera has {} bytes; a picture takes {}", length, bytes_));
    }
    void* address = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(),
                           multi ? plane.m.mem_offset : buffer.m.offset);
    if (address == MAP_FAILED) {
      return failed("mmap");
    }
    buffers_.emplace_back(static_cast<std::byte*>(address), length);
    return queue(index);
  }
  Status queue(std::uint32_t index) {
    v4l2_plane plane{};
    auto buffer = description(plane);
    buffer.index = index;
    return call(VIDIOC_QBUF, &buffer) == 0 ? Status{} : failed("VIDIOC_QBUF");
  }

  std::string path_;
  FrameLayout layout_;
  std::size_t bytes_;
  UniqueFd fd_;
  std::uint32_t type_ = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  std::vector<std::span<std::byte>> buffers_;
  v4l2_buffer held_{};
};

}  // namespace

Result<std::unique_ptr<PlainFeed>> mmap_camera(const causeway::Device& camera) {
  const auto set = causeway::v4l2::current_format(camera);
  if (!set) {
    return set.error();
  }
  const auto info = causeway::info_of(set->format);
  if (!info || set->memory_planes > 1) {
    return Error(Errc::Unsupported, camera.id(),
                 fmt::format("the comparison reads one buffer a frame; {} has {}", set->format.to_string(),
                             set->memory_planes));
  }
  FrameLayout layout{.format = set->format, .width = set->width, .height = set->height};
  std::uint64_t bytes = 0;
  for (std::uint32_t p = 0; p < info->plane_count; ++p) {
    // V4L2 gives the stride of the first plane; that of NV12's chroma is the same (pixfmt-yuv-planar.rst).
    layout.planes.push_back({.stride = set->stride[0], .offset = bytes});
    bytes += set->stride[0] * info->rows(p, set->height);
  }
  auto feed = std::make_unique<MmapCamera>(camera.id(), std::move(layout), bytes);
  if (auto status = feed->start(); !status) {
    return std::move(status.error());
  }
  return feed;
}

}  // namespace camera_to_gpu
