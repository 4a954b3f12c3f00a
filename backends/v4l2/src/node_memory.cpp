// SPDX-License-Identifier: Apache-2.0
// The part of Node that deals with memory of the driver's own: V4L2_MEMORY_MMAP and its export.

#include <fcntl.h>

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <cerrno>

#include "node.hpp"

namespace causeway::v4l2_backend {

Result<Node::OwnBuffers> Node::make_own_buffer(bool first) const {
  v4l2_create_buffers create{};
  create.count = 1;
  create.memory = V4L2_MEMORY_MMAP;
  create.format.type = type_;
  // The format goes back as the driver said it: one that differs is none of the queue's.
  if (const int result = host_.ioctl(fd_.get(), VIDIOC_G_FMT, &create.format); result < 0) {
    return failure(-result, "VIDIOC_G_FMT", "does not say what format it is set to");
  }
  const int result = host_.ioctl(fd_.get(), VIDIOC_CREATE_BUFS, &create);
  if (result == -ENOTTY) {
    if (!first) {
      return Error(
          Errc::Busy, "VIDIOC_CREATE_BUFS",
          plugin::words("the camera ", path_, " has handed out every buffer that it made, and its driver can",
                        " add none to them: release them all, or do with what there is"),
          ENOTTY);
    }
    const auto granted = request_buffers(1, V4L2_MEMORY_MMAP);  // drivers make more if they need more to run
    if (!granted) {
      return granted.error();
    }
    create.index = 0;
    create.count = *granted;
  } else if (result == -ENOBUFS || (result == -EINVAL && !first)) {  // EINVAL before 6.6
    return Error(
        Errc::Busy, "VIDIOC_CREATE_BUFS",
        plugin::words("the camera ", path_, " makes no more buffers; indices of released ones are free",
                      " again when the last one is released"),
        -result);
  } else if (result == -EINVAL) {
    return Error(
        Errc::Unsupported, "VIDIOC_CREATE_BUFS",
        plugin::words("the camera ", path_, " has no memory of its own: its driver refuses V4L2_MEMORY_MMAP"),
        EINVAL);
  } else if (result == -EBUSY) {
    return Error(Errc::Busy, "VIDIOC_CREATE_BUFS",
                 plugin::words("the camera ", path_, " is in use by another program"), EBUSY);
  } else if (result < 0) {
    return failure(-result, "VIDIOC_CREATE_BUFS", "does not make a buffer of its own memory");
  }
  if (create.count == 0) {
    return Error(
        Errc::OutOfMemory, "VIDIOC_CREATE_BUFS",
        plugin::words("the camera ", path_, " makes no buffer of its own memory, and gives no reason"));
  }
  return OwnBuffers{.first = create.index, .count = std::min<std::uint32_t>(create.count, VIDEO_MAX_FRAME)};
}

Result<std::array<std::uint32_t, CW_MAX_PLANES>> Node::own_lengths(std::uint32_t index) const {
  std::array<v4l2_plane, VIDEO_MAX_PLANES> planes{};
  v4l2_buffer buffer{};
  buffer.index = index;
  buffer.type = type_;
  buffer.memory = V4L2_MEMORY_MMAP;
  if (multi_planar()) {
    buffer.m.planes = planes.data();
    buffer.length = static_cast<std::uint32_t>(planes.size());
  }
  if (const int result = host_.ioctl(fd_.get(), VIDIOC_QUERYBUF, &buffer); result < 0) {
    return failure(-result, "VIDIOC_QUERYBUF",
                   plugin::words("does not say how large its buffer ", index, " is"));
  }
  std::array<std::uint32_t, CW_MAX_PLANES> lengths{};
  if (multi_planar()) {
    for (std::uint32_t p = 0; p < lengths.size(); ++p) {
      lengths.at(p) = planes.at(p).length;
    }
  } else {
    lengths[0] = buffer.length;
  }
  return lengths;
}

Result<UniqueFd> Node::export_own(std::uint32_t index, std::uint32_t plane) const {
  v4l2_exportbuffer request{};
  request.type = type_;
  request.index = index;
  request.plane = plane;
  request.flags = O_RDWR | O_CLOEXEC;  // without O_RDWR it can only be read
  if (const int result = host_.ioctl(fd_.get(), VIDIOC_EXPBUF, &request); result < 0) {
    if (result == -ENOTTY || result == -EINVAL) {
      return Error(
          Errc::Unsupported, "VIDIOC_EXPBUF",
          plugin::words("the driver of the camera ", path_, " does not export its memory as a dma-buf"),
          -result);
    }
    return failure(
        -result, "VIDIOC_EXPBUF",
        plugin::words("does not export memory plane ", plane, " of its buffer ", index,
                      result == -EMFILE || result == -ENFILE ? ": there is no file descriptor left" : ""));
  }
  return UniqueFd(request.fd);
}

}  // namespace causeway::v4l2_backend
