// SPDX-License-Identifier: Apache-2.0
#pragma once

// A camera driver that plays videobuf2: it answers the ioctls as Linux 6.12 does, and does the mischief that
// a test orders. FakeCamera is the driver; FakeV4l2Host is a host for the backend's table with nothing but
// that driver in it.

#include <linux/videodev2.h>
#include <causeway/plugin/backend.hpp>

#include <array>
#include <causeway/fd.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace causeway::test {

struct FakeCameraFormat {
  std::uint32_t fourcc;
  std::uint32_t memory_planes;
  std::uint32_t bytes_per_pixel;  ///< of the first plane
  std::uint32_t size_halves;      ///< all planes together, in halves of the first: 3 for 4:2:0
};

class FakeCamera {
public:
  explicit FakeCamera(bool multi_planar = false);

  // ---- What kind of camera; set before use
  std::uint32_t capabilities;
  std::vector<FakeCameraFormat> formats;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sizes{{640, 480}, {1280, 720}};
  std::uint32_t stride_align = 1;
  std::uint32_t colorspace = 0;  ///< with the next two, V4L2's values
  std::uint32_t ycbcr_encoding = 0;
  std::uint32_t quantization = 0;
  std::uint32_t buffers_needed = 1;    ///< queued ones before frames come (min_queued_buffers)
  std::uint32_t buffers_granted = 32;  ///< at most, by REQBUFS
  bool takes_dma_bufs = true;
  bool has_prepare = true;
  bool has_create = true;              ///< VIDIOC_CREATE_BUFS
  std::uint32_t least_own = 1;         ///< so many buffers of its own memory REQBUFS makes at least
  std::uint32_t exports_left = 1'000;  ///< then EXPBUF says EMFILE
  bool exports_short = false;          ///< a page instead of the whole
  /// A descriptor of so many bytes for a buffer of its own memory; empty: of a memfd.
  std::function<int(std::uint64_t bytes)> make_memory;
  int memory_errno = 0;  ///< PREPARE_BUF and QBUF refuse the memory with it
  std::uint32_t input_status = 0;

  // ---- What happens while it runs
  bool silent = false;          ///< no frame comes
  bool gone = false;            ///< unplugged: ENODEV for ever
  bool fatal = false;           ///< vb2_queue_error(): EIO until STREAMOFF
  unsigned corrupt_frames = 0;  ///< so many frames come with the error flag
  bool lies_about_index = false;
  std::uint32_t skip_sequence = 0;  ///< frames dropped before the next
  /// The next call of the request fails with this errno, once.
  std::map<unsigned long, int> fail_once;
  /// Called when a frame is captured, with the descriptors of its memory planes.
  std::function<void(const std::vector<int>& planes, std::uint32_t sequence)> paint;

  // ---- What it saw
  std::map<unsigned long, unsigned> calls;
  std::vector<std::uint32_t> queued;    ///< indices, in the driver's order
  std::vector<std::uint32_t> exported;  ///< indices, once a memory plane
  std::set<std::uint32_t> exported_flags;
  [[nodiscard]] bool streaming() const { return streaming_; }
  [[nodiscard]] std::uint32_t granted() const { return static_cast<std::uint32_t>(buffers_.size()); }
  [[nodiscard]] std::uint32_t fourcc() const { return fourcc_; }

  /// As FakeDevice of the fake kernel wants them. Threads: thread-safe, as a driver is.
  int ioctl(int fd, unsigned long request, void* argument);
  short poll(short asked);

private:
  enum class State { Dequeued, Prepared, Queued };
  struct Buffer {
    State state = State::Dequeued;
    std::vector<int> fds{};
    std::vector<UniqueFd> own{};  ///< V4L2_MEMORY_MMAP
  };
  int enumerate_format(v4l2_fmtdesc& entry) const;
  int enumerate_size(v4l2_frmsizeenum& entry) const;
  int exchange_format(v4l2_format& format, bool keep);
  int request_buffers(v4l2_requestbuffers& request);
  // tests/unit/v4l2_fake_memory.cpp
  int request_own(v4l2_requestbuffers& request);
  int create_own(v4l2_create_buffers& create);
  int query_own(v4l2_buffer& raw) const;
  int export_own(v4l2_exportbuffer& request);
  void add_own(std::uint32_t count);
  [[nodiscard]] bool of_own_memory() const { return !buffers_.empty() && !buffers_.front().own.empty(); }
  [[nodiscard]] std::uint32_t memory_planes() const;
  int take(v4l2_buffer& raw, bool queue);
  int give(v4l2_buffer& raw);
  void stop();
  [[nodiscard]] bool runs() const;
  int answer_ioctl(unsigned long request, void* argument);

  std::mutex mutex_;
  std::uint32_t type_;
  std::uint32_t fourcc_;
  std::uint32_t width_ = 640;
  std::uint32_t height_ = 480;
  std::array<std::uint32_t, 4> sizes_{};
  bool started_ = false;
  bool streaming_ = false;
  std::uint32_t sequence_ = 0;
  std::vector<Buffer> buffers_;
  std::vector<int> painting_;  ///< the frame that DQBUF is about to give
};

/// The host's side of the backend's table. Nodes are /dev/video<N>; anything else does not exist.
class FakeV4l2Host {
public:
  FakeV4l2Host();
  FakeV4l2Host(const FakeV4l2Host&) = delete;
  FakeV4l2Host& operator=(const FakeV4l2Host&) = delete;

  std::map<std::string, FakeCamera*> nodes;
  std::map<std::string, int> open_errno;
  int duplicate_errno = 0;  ///< fcntl(F_DUPFD_CLOEXEC) fails with it
  std::vector<std::string> log;
  [[nodiscard]] const cw_host* host() const { return &host_; }

private:
  cw_syscalls calls_{};
  cw_host host_{};
  std::map<int, FakeCamera*> opened_;
};

}  // namespace causeway::test
