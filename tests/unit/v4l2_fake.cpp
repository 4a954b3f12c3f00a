// SPDX-License-Identifier: Apache-2.0
#include "unit/v4l2_fake.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

namespace causeway::test {
namespace {

std::uint32_t align_up(std::uint32_t value, std::uint32_t to) {
  return (value + to - 1) / to * to;
}

FakeV4l2Host& self(void* context) {
  return *static_cast<FakeV4l2Host*>(context);
}

int answer(int result) {
  if (result >= 0) {
    return result;
  }
  errno = -result;
  return -1;
}

}  // namespace

FakeCamera::FakeCamera(bool multi_planar)
    : capabilities((multi_planar ? V4L2_CAP_VIDEO_CAPTURE_MPLANE : V4L2_CAP_VIDEO_CAPTURE) |
                   V4L2_CAP_STREAMING),
      formats{{V4L2_PIX_FMT_YUYV, 1, 2, 2},
              {V4L2_PIX_FMT_NV12, 1, 1, 3},
              {V4L2_PIX_FMT_XBGR32, 1, 4, 2},
              {V4L2_PIX_FMT_MJPEG, 1, 0, 2}},
      type_(multi_planar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE),
      fourcc_(V4L2_PIX_FMT_YUYV) {
  if (multi_planar) {
    formats.push_back({V4L2_PIX_FMT_NV12M, 2, 1, 3});
  }
}

int FakeCamera::enumerate_format(v4l2_fmtdesc& entry) const {
  if (entry.type != type_ || entry.index >= formats.size()) {
    return -EINVAL;
  }
  entry.pixelformat = formats[entry.index].fourcc;
  entry.flags = entry.pixelformat == V4L2_PIX_FMT_MJPEG ? V4L2_FMT_FLAG_COMPRESSED : 0;
  std::strcpy(reinterpret_cast<char*>(entry.description), "a format");
  return 0;
}

int FakeCamera::enumerate_size(v4l2_frmsizeenum& entry) const {
  if (entry.index >= sizes.size()) {
    return -EINVAL;
  }
  entry.type = V4L2_FRMSIZE_TYPE_DISCRETE;
  entry.discrete = {sizes[entry.index].first, sizes[entry.index].second};
  return 0;
}

int FakeCamera::exchange_format(v4l2_format& format, bool keep) {
  if (format.type != type_) {
    return -EINVAL;
  }
  if (keep && !buffers_.empty()) {
    return -EBUSY;
  }
  const bool multi = type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
  auto& pix = format.fmt.pix;
  auto& pix_mp = format.fmt.pix_mp;
  std::uint32_t fourcc = multi ? +pix_mp.pixelformat : +pix.pixelformat;
  auto known = std::ranges::find(formats, fourcc, &FakeCameraFormat::fourcc);
  if (known == formats.end()) {
    known = formats.begin();  // as drivers do: the nearest they have
    fourcc = known->fourcc;
  }
  std::uint32_t width = multi ? +pix_mp.width : +pix.width;  // the one is packed: no reference to it
  std::uint32_t height = multi ? +pix_mp.height : +pix.height;
  if (std::ranges::find(sizes, std::pair(width, height)) == sizes.end()) {
    std::tie(width, height) = sizes.front();
  }
  const std::uint32_t stride = align_up(width * known->bytes_per_pixel, stride_align);
  std::array<std::uint32_t, 4> plane_sizes{};
  plane_sizes[0] = known->memory_planes == 1 ? stride * height * known->size_halves / 2 : stride * height;
  plane_sizes[1] = known->memory_planes == 1 ? 0 : stride * height / 2;
  if (multi) {
    pix_mp.width = width;
    pix_mp.height = height;
    pix_mp.pixelformat = fourcc;
    pix_mp.num_planes = static_cast<std::uint8_t>(known->memory_planes);
    pix_mp.colorspace = colorspace;
    pix_mp.ycbcr_enc = static_cast<std::uint8_t>(ycbcr_encoding);
    pix_mp.quantization = static_cast<std::uint8_t>(quantization);
    for (std::uint32_t p = 0; p < known->memory_planes; ++p) {
      pix_mp.plane_fmt[p].bytesperline = stride;
      pix_mp.plane_fmt[p].sizeimage = plane_sizes.at(p);
    }
  } else {
    pix.width = width;
    pix.height = height;
    pix.pixelformat = fourcc;
    pix.bytesperline = stride;
    pix.sizeimage = plane_sizes[0];
    pix.colorspace = colorspace;
    pix.ycbcr_enc = ycbcr_encoding;
    pix.quantization = quantization;
  }
  if (keep) {
    fourcc_ = fourcc;
    width_ = width;
    height_ = height;
    sizes_ = plane_sizes;
  }
  return 0;
}

int FakeCamera::request_buffers(v4l2_requestbuffers& request) {
  if (request.type != type_ || (request.memory == V4L2_MEMORY_DMABUF && !takes_dma_bufs)) {
    return -EINVAL;
  }
  stop();
  buffers_.clear();
  if (request.memory == V4L2_MEMORY_MMAP) {
    return request_own(request);
  }
  request.count = std::min(request.count, buffers_granted);
  buffers_.resize(request.count);
  return 0;
}

int FakeCamera::take(v4l2_buffer& raw, bool queue) {
  if (raw.type != type_ || raw.memory != V4L2_MEMORY_DMABUF || raw.index >= buffers_.size() ||
      of_own_memory()) {
    return -EINVAL;
  }
  auto& buffer = buffers_[raw.index];
  if (fatal) {
    return -EIO;
  }
  if (buffer.state == State::Queued || (buffer.state == State::Prepared && !queue)) {
    return -EINVAL;
  }
  if (memory_errno != 0) {
    return -memory_errno;
  }
  std::vector<int> fds;
  if (type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) {
    const auto known = std::ranges::find(formats, fourcc_, &FakeCameraFormat::fourcc);
    if (raw.length < known->memory_planes) {
      return -EINVAL;
    }
    for (std::uint32_t p = 0; p < known->memory_planes; ++p) {
      if (raw.m.planes[p].length < sizes_.at(p)) {
        return -EINVAL;
      }
      fds.push_back(raw.m.planes[p].m.fd);
    }
  } else {
    if (raw.length < sizes_[0]) {
      return -EINVAL;
    }
    fds.push_back(raw.m.fd);
  }
  if (std::ranges::any_of(fds, [](int fd) { return ::fcntl(fd, F_GETFD) < 0; })) {
    return -EBADF;
  }
  buffer.fds = std::move(fds);
  buffer.state = queue ? State::Queued : State::Prepared;
  if (queue) {
    queued.push_back(raw.index);
  }
  return 0;
}

bool FakeCamera::runs() const {
  return streaming_ && !silent && started_ && !queued.empty();
}

int FakeCamera::give(v4l2_buffer& raw) {
  if (!streaming_) {
    return -EINVAL;
  }
  if (fatal) {
    return -EIO;
  }
  started_ = started_ || queued.size() >= buffers_needed;
  if (!runs()) {
    return -EAGAIN;
  }
  const std::uint32_t index = queued.front();
  queued.erase(queued.begin());
  buffers_[index].state = State::Dequeued;
  sequence_ += std::exchange(skip_sequence, 0);
  painting_ = buffers_[index].fds;
  raw.index = lies_about_index ? 31 : index;
  raw.sequence = sequence_++;
  raw.flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  if (corrupt_frames > 0) {
    --corrupt_frames;
    raw.flags |= V4L2_BUF_FLAG_ERROR;
  }
  raw.timestamp = {.tv_sec = 12, .tv_usec = 345'678};
  if (type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) {
    raw.length = static_cast<std::uint32_t>(buffers_[index].fds.size());
    for (std::uint32_t p = 0; p < raw.length; ++p) {
      raw.m.planes[p].bytesused = sizes_.at(p);
    }
  } else {
    raw.bytesused = sizes_[0];
  }
  return 0;
}

void FakeCamera::stop() {
  for (auto& buffer : buffers_) {
    buffer.state = State::Dequeued;
  }
  queued.clear();
  streaming_ = started_ = fatal = false;
  sequence_ = 0;
}

int FakeCamera::ioctl(int /*fd*/, unsigned long request, void* argument) {
  std::unique_lock lock(mutex_);
  painting_.clear();
  const int result = answer_ioctl(request, argument);
  // Not with the lock held: the test's function may call a fake kernel, which asks poll() with its own lock
  // held.
  if (const auto fds = std::exchange(painting_, {}); paint && !fds.empty()) {
    const std::uint32_t sequence = static_cast<v4l2_buffer*>(argument)->sequence;
    lock.unlock();
    paint(fds, sequence);
  }
  return result;
}

int FakeCamera::answer_ioctl(unsigned long request, void* argument) {
  ++calls[request];
  if (gone) {
    return -ENODEV;
  }
  if (const auto failing = fail_once.find(request); failing != fail_once.end()) {
    const int reason = failing->second;
    fail_once.erase(failing);
    return -reason;
  }
  switch (request) {
    case VIDIOC_QUERYCAP: {
      auto& capability = *static_cast<v4l2_capability*>(argument);
      std::strcpy(reinterpret_cast<char*>(capability.card), "Fake camera");
      std::strcpy(reinterpret_cast<char*>(capability.driver), "fake");
      capability.version = (6U << 16U) | (12U << 8U) | 5U;
      capability.capabilities = capabilities | V4L2_CAP_DEVICE_CAPS | V4L2_CAP_VIDEO_OUTPUT;
      capability.device_caps = capabilities;
      return 0;
    }
    case VIDIOC_ENUM_FMT: return enumerate_format(*static_cast<v4l2_fmtdesc*>(argument));
    case VIDIOC_ENUM_FRAMESIZES: return enumerate_size(*static_cast<v4l2_frmsizeenum*>(argument));
    case VIDIOC_ENUM_FRAMEINTERVALS: {
      auto& entry = *static_cast<v4l2_frmivalenum*>(argument);
      entry.type = V4L2_FRMIVAL_TYPE_DISCRETE;
      entry.discrete = {1, 30};
      return entry.index == 0 ? 0 : -EINVAL;
    }
    case VIDIOC_TRY_FMT: return exchange_format(*static_cast<v4l2_format*>(argument), false);
    case VIDIOC_S_FMT: return exchange_format(*static_cast<v4l2_format*>(argument), true);
    case VIDIOC_G_FMT: {
      auto& format = *static_cast<v4l2_format*>(argument);
      format.fmt.pix.pixelformat = fourcc_;
      format.fmt.pix.width = width_;
      format.fmt.pix.height = height_;
      return exchange_format(format, false);
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM:
      static_cast<v4l2_streamparm*>(argument)->parm.capture = {.capability = V4L2_CAP_TIMEPERFRAME,
                                                               .timeperframe = {1, 30}};
      return 0;
    case VIDIOC_REQBUFS: return request_buffers(*static_cast<v4l2_requestbuffers*>(argument));
    case VIDIOC_CREATE_BUFS: return create_own(*static_cast<v4l2_create_buffers*>(argument));
    case VIDIOC_QUERYBUF: return query_own(*static_cast<v4l2_buffer*>(argument));
    case VIDIOC_EXPBUF: return export_own(*static_cast<v4l2_exportbuffer*>(argument));
    case VIDIOC_PREPARE_BUF: return has_prepare ? take(*static_cast<v4l2_buffer*>(argument), false) : -ENOTTY;
    case VIDIOC_QBUF: return take(*static_cast<v4l2_buffer*>(argument), true);
    case VIDIOC_DQBUF: return give(*static_cast<v4l2_buffer*>(argument));
    case VIDIOC_STREAMON:
      if (buffers_.empty()) {
        return -EINVAL;
      }
      streaming_ = true;
      return 0;
    case VIDIOC_STREAMOFF: stop(); return 0;
    case VIDIOC_G_INPUT: *static_cast<int*>(argument) = 0; return 0;
    case VIDIOC_ENUMINPUT: static_cast<v4l2_input*>(argument)->status = input_status; return 0;
    default: return -ENOTTY;
  }
}

short FakeCamera::poll(short asked) {
  const std::lock_guard lock(mutex_);
  if (gone) {
    return POLLPRI | POLLERR | POLLHUP;
  }
  if (!streaming_ || fatal) {
    return POLLERR;
  }
  started_ = started_ || queued.size() >= buffers_needed;
  return runs() ? static_cast<short>(asked & POLLIN) : short{0};
}

FakeV4l2Host::FakeV4l2Host() {
  calls_.struct_size = sizeof calls_;
  calls_.context = this;
  calls_.open = [](void* context, const char* path, int flags) -> int {
    auto& host = self(context);
    if (const auto failing = host.open_errno.find(path);
        failing != host.open_errno.end() && (flags & O_PATH) == 0) {
      errno = failing->second;
      return -1;
    }
    const auto node = host.nodes.find(path);
    if (node == host.nodes.end()) {
      errno = ENOENT;
      return -1;
    }
    const int fd = ::memfd_create(path, MFD_CLOEXEC);
    host.opened_[fd] = node->second;
    return fd;
  };
  calls_.list_directory = [](void* context, const char* path, void (*visit)(void*, const char*), void* user) {
    for (const auto& [node, camera] : self(context).nodes) {
      if (node.starts_with(std::string(path) + "/")) {
        visit(user, node.c_str() + std::strlen(path) + 1);
      }
    }
    visit(user, "videoXYZ");
    visit(user, "null");
    return 0;
  };
  calls_.ioctl = [](void* context, int fd, unsigned long request, void* argument) {
    return answer(self(context).opened_.at(fd)->ioctl(fd, request, argument));
  };
  calls_.fcntl = [](void* context, int fd, int command, long argument) {
    return self(context).duplicate_errno != 0 ? answer(-self(context).duplicate_errno)
                                              : ::fcntl(fd, command, argument);
  };
  calls_.fstat = [](void*, int fd, struct stat* out) { return ::fstat(fd, out); };
  calls_.lseek = [](void*, int fd, std::int64_t offset, int whence) -> std::int64_t {
    return ::lseek(fd, offset, whence);
  };
  // Time passes at once: nothing ready means that the deadline is over.
  calls_.ppoll = [](void* context, pollfd* fds, nfds_t count, const timespec*) {
    int ready = 0;
    for (nfds_t i = 0; i < count; ++i) {
      const auto camera = self(context).opened_.find(fds[i].fd);
      if (camera != self(context).opened_.end()) {
        fds[i].revents = camera->second->poll(fds[i].events);
      } else {
        ::poll(&fds[i], 1, 0);
      }
      ready += fds[i].revents != 0 ? 1 : 0;
    }
    return ready;
  };
  calls_.eventfd = [](void*, unsigned int initial, int flags) { return ::eventfd(initial, flags); };
  host_.struct_size = sizeof host_;
  host_.abi_version = CW_ABI_VERSION;
  host_.context = this;
  host_.syscalls = &calls_;
  host_.log = [](void* context, std::int32_t, const char* text) { self(context).log.emplace_back(text); };
  host_.count = [](void*, std::int32_t, std::uint64_t) {};
}

}  // namespace causeway::test
