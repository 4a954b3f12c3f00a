// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ioctls of a V4L2 capture node, typed: the only place of this backend that names one. Single- and
// multi-planar API look the same from here on.

#include <linux/videodev2.h>
#include <poll.h>

#include <array>
#include <causeway/deadline.hpp>
#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace causeway::v4l2_backend {

/// struct v4l2_pix_format and v4l2_pix_format_mplane in one.
struct PixelFormat {
  struct Plane {
    std::uint32_t stride = 0;  ///< bytesperline
    std::uint32_t size = 0;    ///< sizeimage
    bool operator==(const Plane&) const = default;
  };
  std::uint32_t fourcc = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t field = V4L2_FIELD_NONE;
  std::uint32_t colorspace = 0;
  std::uint32_t ycbcr_encoding = 0;
  std::uint32_t quantization = 0;
  std::uint32_t transfer_function = 0;
  std::uint32_t memory_planes = 1;
  std::array<Plane, CW_MAX_PLANES> planes{};
};

/// One memory plane of a buffer, to be queued.
struct PlaneMemory {
  int fd;                ///< a dma-buf
  std::uint32_t length;  ///< bytes
};

/// A buffer that came back from the driver.
struct Filled {
  std::uint32_t index;
  std::uint32_t sequence;
  std::uint32_t flags;  ///< V4L2_BUF_FLAG_
  std::int64_t timestamp_ns;
  std::uint32_t memory_planes;
  std::array<std::uint32_t, CW_MAX_PLANES> bytes_used;
};

/// An opened capture node. Every failure is a whole sentence that names the node; ENODEV is DeviceLost.
/// Threads: thread-safe (it holds no state but the descriptor; the kernel serialises).
class Node {
public:
  Node(plugin::Host host, UniqueFd fd, std::string path)
      : host_(host), fd_(std::move(fd)), path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] plugin::Host host() const noexcept { return host_; }
  [[nodiscard]] bool multi_planar() const noexcept { return type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE; }

  /// Also learns which of the two APIs the node speaks: to be called first.
  /// Errors: Unsupported if it is no V4L2 node, or one that does not capture video, or does not stream.
  [[nodiscard]] Result<v4l2_capability> identify();

  [[nodiscard]] Result<std::vector<v4l2_fmtdesc>> formats() const;
  /// Empty if the driver does not say.
  [[nodiscard]] Result<std::vector<v4l2_frmsizeenum>> sizes(std::uint32_t fourcc) const;
  [[nodiscard]] Result<std::vector<v4l2_frmivalenum>> intervals(std::uint32_t fourcc, std::uint32_t width,
                                                                std::uint32_t height) const;

  [[nodiscard]] Result<PixelFormat> get_format() const;
  [[nodiscard]] Result<PixelFormat> try_format(const PixelFormat& wanted) const;
  [[nodiscard]] Result<PixelFormat> set_format(const PixelFormat& wanted) const;

  /// The time from frame to frame. Errors: Unsupported if the driver has no say in it.
  [[nodiscard]] Result<v4l2_fract> get_interval() const;
  /// Returns what the driver made of it. Errors: as get_interval, Busy while streaming.
  [[nodiscard]] Result<v4l2_fract> set_interval(v4l2_fract wanted) const;

  /// VIDIOC_REQBUFS for dma-bufs, or for the driver's own memory (V4L2_MEMORY_MMAP); 0 gives them all back.
  /// Returns how many the driver granted.
  [[nodiscard]] Result<std::uint32_t> request_buffers(std::uint32_t count,
                                                      v4l2_memory memory = V4L2_MEMORY_DMABUF) const;
  [[nodiscard]] Status prepare(std::uint32_t index, std::span<const PlaneMemory> memory) const;
  [[nodiscard]] Status queue(std::uint32_t index, std::span<const PlaneMemory> memory) const;
  /// Empty if no buffer is ready.
  [[nodiscard]] Result<std::optional<Filled>> dequeue() const;
  [[nodiscard]] Status stream_on() const;
  [[nodiscard]] Status stream_off() const;

  struct OwnBuffers {
    std::uint32_t first;  ///< index
    std::uint32_t count;
  };
  /// One more buffer of the driver's own memory, in the format that the camera is set to; several where the
  /// driver insists. first: the queue has none yet. Errors: Unsupported, Busy, OutOfMemory, DeviceLost.
  [[nodiscard]] Result<OwnBuffers> make_own_buffer(bool first) const;
  /// Bytes of each memory plane; 0 beyond the last.
  [[nodiscard]] Result<std::array<std::uint32_t, CW_MAX_PLANES>> own_lengths(std::uint32_t index) const;
  /// A dma-buf of one memory plane, to be read and written.
  [[nodiscard]] Result<UniqueFd> export_own(std::uint32_t index, std::uint32_t plane) const;

  /// ppoll(2) of this node and others: true once an entry has revents, false if the deadline passed first.
  [[nodiscard]] Result<bool> wait(std::span<pollfd> entries, Deadline deadline) const;
  /// What the current input complains of ("no signal"); empty if of nothing, or if the driver does not say.
  [[nodiscard]] std::string input_trouble() const;

private:
  [[nodiscard]] Result<PixelFormat> exchange_format(unsigned long request, const char* operation,
                                                    const PixelFormat& wanted) const;
  [[nodiscard]] Result<v4l2_fract> exchange_interval(unsigned long request, const char* operation,
                                                     v4l2_fract wanted) const;
  [[nodiscard]] Status hand_over(unsigned long request, const char* operation, std::uint32_t index,
                                 std::span<const PlaneMemory> memory) const;
  [[nodiscard]] Error failure(int system_errno, const char* operation, const std::string& what) const;

  plugin::Host host_;
  UniqueFd fd_;
  std::string path_;
  std::uint32_t type_ = V4L2_BUF_TYPE_VIDEO_CAPTURE;
};

}  // namespace causeway::v4l2_backend
