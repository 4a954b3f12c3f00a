// SPDX-License-Identifier: Apache-2.0
#include "node.hpp"

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <chrono>
#include <limits>

namespace causeway::v4l2_backend {
namespace {

/// A v4l2_buffer together with the planes that it points to.
struct Buffer {
  explicit Buffer(std::uint32_t type) {
    raw.type = type;
    raw.memory = V4L2_MEMORY_DMABUF;
    if (type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) {
      raw.m.planes = planes.data();
      raw.length = static_cast<std::uint32_t>(planes.size());
    }
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  v4l2_buffer raw{};
  std::array<v4l2_plane, VIDEO_MAX_PLANES> planes{};
};

}  // namespace

Error Node::failure(int system_errno, const char* operation, const std::string& what) const {
  if (system_errno == ENODEV) {
    return Error(Errc::DeviceLost, operation,
                 plugin::words("the camera ", path_, " is gone: it was unplugged or its driver was unbound"),
                 ENODEV);
  }
  return Error(errc_from_errno(system_errno), operation, plugin::words("the camera ", path_, " ", what),
               system_errno);
}

Result<v4l2_capability> Node::identify() {
  v4l2_capability capability{};
  if (const int result = host_.ioctl(fd_.get(), VIDIOC_QUERYCAP, &capability); result < 0) {
    if (result == -ENOTTY || result == -EINVAL) {
      return Error(Errc::Unsupported, "VIDIOC_QUERYCAP",
                   plugin::words(path_, " is no V4L2 device: it does not answer VIDIOC_QUERYCAP"), -result);
    }
    return failure(-result, "VIDIOC_QUERYCAP", "does not say what it is");
  }
  // Without DEVICE_CAPS (drivers before 3.4) the physical device's bits are all there is.
  if ((capability.capabilities & V4L2_CAP_DEVICE_CAPS) == 0) {
    capability.device_caps = capability.capabilities;
  }
  const std::uint32_t caps = capability.device_caps;
  if ((caps & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE)) == 0) {
    return Error(Errc::Unsupported, "VIDIOC_QUERYCAP",
                 plugin::words(path_, " is a V4L2 device, but does not capture video: its device_caps are 0x",
                               std::hex, caps));
  }
  if ((caps & V4L2_CAP_STREAMING) == 0) {
    return Error(
        Errc::Unsupported, "VIDIOC_QUERYCAP",
        plugin::words(path_,
                      " captures video, but does not stream: without streaming I/O it cannot take dma-bufs"));
  }
  type_ = (caps & V4L2_CAP_VIDEO_CAPTURE_MPLANE) != 0 ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
                                                      : V4L2_BUF_TYPE_VIDEO_CAPTURE;
  return capability;
}

Result<std::uint32_t> Node::request_buffers(std::uint32_t count, v4l2_memory memory) const {
  v4l2_requestbuffers request{};
  request.count = count;
  request.type = type_;
  request.memory = memory;
  if (const int result = host_.ioctl(fd_.get(), VIDIOC_REQBUFS, &request); result < 0) {
    if (result == -EINVAL && memory == V4L2_MEMORY_MMAP) {
      return Error(Errc::Unsupported, "VIDIOC_REQBUFS",
                   plugin::words("the camera ", path_,
                                 " has no memory of its own: its driver refuses V4L2_MEMORY_MMAP"),
                   EINVAL);
    }
    if (result == -EINVAL) {
      return Error(Errc::Unsupported, "VIDIOC_REQBUFS",
                   plugin::words("the camera ", path_,
                                 " does not take dma-bufs: its driver refuses V4L2_MEMORY_DMABUF"),
                   EINVAL);
    }
    if (result == -EBUSY) {
      return Error(Errc::Busy, "VIDIOC_REQBUFS",
                   plugin::words("the camera ", path_, " is in use by another program"), EBUSY);
    }
    return failure(-result, "VIDIOC_REQBUFS", plugin::words("does not make room for ", count, " buffers"));
  }
  return request.count;
}

Status Node::hand_over(unsigned long request, const char* operation, std::uint32_t index,
                       std::span<const PlaneMemory> memory) const {
  Buffer buffer(type_);
  buffer.raw.index = index;
  if (multi_planar()) {
    buffer.raw.length = static_cast<std::uint32_t>(memory.size());
    for (std::size_t p = 0; p < memory.size(); ++p) {
      buffer.planes.at(p).m.fd = memory[p].fd;
      buffer.planes.at(p).length = memory[p].length;
    }
  } else {
    buffer.raw.m.fd = memory[0].fd;
    buffer.raw.length = memory[0].length;
  }
  if (const int result = host_.ioctl(fd_.get(), request, &buffer.raw); result < 0) {
    if (result == -EIO) {
      return Error(Errc::Io, operation,
                   plugin::words("the camera ", path_,
                                 " takes no more buffers: its driver reported a fatal error; stop the",
                                 " stream and start it again"),
                   EIO);
    }
    return failure(-result, operation, plugin::words("refuses buffer ", index));
  }
  return {};
}

Status Node::prepare(std::uint32_t index, std::span<const PlaneMemory> memory) const {
  return hand_over(VIDIOC_PREPARE_BUF, "VIDIOC_PREPARE_BUF", index, memory);
}

Status Node::queue(std::uint32_t index, std::span<const PlaneMemory> memory) const {
  return hand_over(VIDIOC_QBUF, "VIDIOC_QBUF", index, memory);
}

Result<std::optional<Filled>> Node::dequeue() const {
  Buffer buffer(type_);
  int result = 0;
  do {  // EAGAIN is an answer here: no frame yet
    result = host_.ioctl_once(fd_.get(), VIDIOC_DQBUF, &buffer.raw);
  } while (result == -EINTR);
  if (result == -EAGAIN) {
    return std::optional<Filled>{};
  }
  if (result == -EIO) {
    return Error(Errc::Io, "VIDIOC_DQBUF",
                 plugin::words("the camera ", path_,
                               " stopped delivering: its driver reported a fatal error; stop the stream",
                               " and start it again"),
                 EIO);
  }
  if (result < 0) {
    return failure(-result, "VIDIOC_DQBUF", "gives no frame back");
  }
  const v4l2_buffer& raw = buffer.raw;
  Filled filled{.index = raw.index,
                .sequence = raw.sequence,
                .flags = raw.flags,
                .timestamp_ns = std::int64_t{raw.timestamp.tv_sec} * 1'000'000'000 +
                                std::int64_t{raw.timestamp.tv_usec} * 1'000,
                .memory_planes = multi_planar() ? std::min<std::uint32_t>(raw.length, CW_MAX_PLANES) : 1,
                .bytes_used = {}};
  if (multi_planar()) {
    for (std::uint32_t p = 0; p < filled.memory_planes; ++p) {
      filled.bytes_used.at(p) = buffer.planes.at(p).bytesused;
    }
  } else {
    filled.bytes_used[0] = raw.bytesused;
  }
  return std::optional<Filled>(filled);
}

Status Node::stream_on() const {
  auto type = static_cast<int>(type_);
  if (const int result = host_.ioctl(fd_.get(), VIDIOC_STREAMON, &type); result < 0) {
    if (result == -ENOSPC) {
      return Error(Errc::Busy, "VIDIOC_STREAMON",
                   plugin::words("the camera ", path_,
                                 " does not start: its bus has no bandwidth left for this format; stop",
                                 " another device there, or take a smaller or compressed format"),
                   ENOSPC);
    }
    if (result == -EPIPE || result == -ENOLINK) {
      return Error(Errc::Unsupported, "VIDIOC_STREAMON",
                   plugin::words("the camera ", path_,
                                 " does not start: the links or formats of its media pipeline do not fit",
                                 " together; set them with media-ctl"),
                   -result);
    }
    return failure(-result, "VIDIOC_STREAMON", "does not start");
  }
  return {};
}

Status Node::stream_off() const {
  auto type = static_cast<int>(type_);
  if (const int result = host_.ioctl(fd_.get(), VIDIOC_STREAMOFF, &type); result < 0) {
    return failure(-result, "VIDIOC_STREAMOFF", "does not stop");
  }
  return {};
}

Result<bool> Node::wait(std::span<pollfd> entries, Deadline deadline) const {
  const auto& calls = host_.syscalls();
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.left()).count();
    const timespec timeout{.tv_sec = static_cast<time_t>(left / 1'000'000'000),
                           .tv_nsec = static_cast<long>(left % 1'000'000'000)};
    const int ready =
        calls.ppoll(calls.context, entries.data(), entries.size(), deadline.is_never() ? nullptr : &timeout);
    if (ready >= 0) {
      return ready > 0;
    }
    if (errno != EINTR && errno != EAGAIN) {
      return failure(errno, "ppoll", "cannot be waited for");
    }
  }
}

std::string Node::input_trouble() const {
  int current = 0;
  v4l2_input input{};
  if (host_.ioctl(fd_.get(), VIDIOC_G_INPUT, &current) < 0) {
    return {};
  }
  input.index = static_cast<std::uint32_t>(current);
  if (host_.ioctl(fd_.get(), VIDIOC_ENUMINPUT, &input) < 0) {
    return {};
  }
  if ((input.status & V4L2_IN_ST_NO_POWER) != 0) {
    return "no power";
  }
  if ((input.status & V4L2_IN_ST_NO_SIGNAL) != 0) {
    return "no signal";
  }
  if ((input.status & (V4L2_IN_ST_NO_H_LOCK | V4L2_IN_ST_NO_SYNC)) != 0) {
    return "a signal that it cannot lock on to";
  }
  return {};
}

}  // namespace causeway::v4l2_backend
