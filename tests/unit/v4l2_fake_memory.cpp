// SPDX-License-Identifier: Apache-2.0
// The part of the fake camera that has memory of its own: V4L2_MEMORY_MMAP and VIDIOC_EXPBUF.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "unit/v4l2_fake.hpp"

namespace causeway::test {
namespace {

constexpr std::uint32_t kPage = 4096;

}  // namespace

std::uint32_t FakeCamera::memory_planes() const {
  return std::ranges::find(formats, fourcc_, &FakeCameraFormat::fourcc)->memory_planes;
}

void FakeCamera::add_own(std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& buffer = buffers_.emplace_back();
    for (std::uint32_t p = 0; p < memory_planes(); ++p) {
      const std::uint32_t bytes = exports_short ? kPage : (sizes_.at(p) + kPage - 1) / kPage * kPage;
      buffer.own.emplace_back(make_memory ? make_memory(bytes) : ::memfd_create("own", MFD_CLOEXEC));
      if (!buffer.own.back().valid() || (!make_memory && ::ftruncate(buffer.own.back().get(), bytes) != 0)) {
        ::abort();
      }
    }
  }
}

int FakeCamera::request_own(v4l2_requestbuffers& request) {
  if (request.count > 0) {
    request.count = std::min(std::max(request.count, least_own), buffers_granted);
    add_own(request.count);
  }
  return 0;
}

int FakeCamera::create_own(v4l2_create_buffers& create) {
  if (!has_create) {
    return -ENOTTY;
  }
  const auto& pix = create.format.fmt.pix;
  const auto& pix_mp = create.format.fmt.pix_mp;
  const bool multi = type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
  const std::uint32_t bytes = multi ? +pix_mp.plane_fmt[0].sizeimage : +pix.sizeimage;
  if (create.format.type != type_ || create.memory != V4L2_MEMORY_MMAP || bytes < sizes_[0] ||
      (!buffers_.empty() && !of_own_memory())) {
    return -EINVAL;
  }
  if (buffers_.size() >= buffers_granted) {
    return -ENOBUFS;
  }
  create.index = static_cast<std::uint32_t>(buffers_.size());
  add_own(create.count);
  return 0;
}

int FakeCamera::query_own(v4l2_buffer& raw) const {
  if (raw.type != type_ || raw.index >= buffers_.size()) {
    return -EINVAL;
  }
  if (type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) {
    for (std::uint32_t p = 0; p < memory_planes(); ++p) {
      raw.m.planes[p].length = sizes_.at(p);
    }
    raw.length = memory_planes();
  } else {
    raw.length = sizes_[0];
  }
  return 0;
}

int FakeCamera::export_own(v4l2_exportbuffer& request) {
  if (request.type != type_ || request.index >= buffers_.size() ||
      request.plane >= buffers_[request.index].own.size()) {
    return -EINVAL;
  }
  if (exports_left == 0) {
    return -EMFILE;
  }
  --exports_left;
  exported_flags.insert(request.flags);
  exported.push_back(request.index);
  request.fd = ::fcntl(buffers_[request.index].own[request.plane].get(), F_DUPFD_CLOEXEC, 0);
  return request.fd < 0 ? -errno : 0;
}

}  // namespace causeway::test
