// SPDX-License-Identifier: Apache-2.0
//
// A camera's frame, then Vulkan's work on it: what the way from one to the other costs once the frame is
// there. The wait for the camera is on no side's bill.
#include <causeway/v4l2.hpp>

#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "raw_vulkan.hpp"
#include "suite.hpp"

namespace causeway::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kWidth = 640;
constexpr std::uint32_t kHeight = 480;
constexpr std::uint32_t kBuffers = 4;
/// Frames whose median is one repetition's figure: the first ones find caches and pools empty.
constexpr std::size_t kFrames = 20;

void wait_for_frame(int camera) {
  pollfd ready{camera, POLLIN, 0};
  require(::poll(&ready, 1, 10'000) == 1 && (ready.revents & POLLIN) != 0,
          "the camera gave no frame in 10 s");
}

/// Runs hop for some frames, and bills the median of its times alone.
template <class Hop>
void run_timed(benchmark::State& state, int camera, Hop hop) {
  for (auto _ : state) {
    std::array<Clock::duration, kFrames> times{};
    for (auto& time : times) {
      wait_for_frame(camera);
      const auto begun = Clock::now();
      hop();
      time = Clock::now() - begun;
    }
    const auto middle = times.begin() + kFrames / 2;
    std::nth_element(times.begin(), middle, times.end());
    state.SetIterationTime(std::chrono::duration<double>(*middle).count());
  }
}

/// Each word that Vulkan read must be the camera's: a cleared buffer is not.
void check_picture(const RawVulkan::Buffer& read) {
  std::uint32_t word = 0;
  std::memcpy(&word, read.map(), sizeof(word));
  require(word != 0, "Vulkan did not see what the camera wrote: this is no zero-copy");
}

void by_us(Suite& suite, benchmark::State& state, const std::string& path, Queue queue) {
  const auto gpu = queue == Queue::Callers ? callers_own(*suite.vulkan(), suite.runtime()) : *suite.vulkan();
  const auto camera = v4l2::open(suite.runtime(), path).value();
  const auto pool = suite.runtime()
                        .negotiate({.format = formats::kYUYV, .width = kWidth, .height = kHeight})
                        .with(camera, Usage::Capture)
                        .with(gpu, Usage::TransferRead | Usage::AsBuffer)
                        .exporter(suite.dma_buf_exporter())
                        .allocate(kBuffers)
                        .value();
  for (const auto& import : pool.report().imports) {
    require(import.verdict == AliasVerdict::Aliased, "an import works on a copy: this is no zero-copy");
  }
  RawVulkan vulkan(*suite.vulkan());
  const auto scratch = vulkan.own_buffer(RawVulkan::kWorkBytes);
  auto stream = v4l2::Stream::start(camera, pool).value();
  // Recorded once for each frame, as an application would; re-recording is on no side's bill.
  std::vector<std::unique_ptr<RawVulkan>> work;
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    work.push_back(std::make_unique<RawVulkan>(*suite.vulkan()));
    const auto& mapping = pool.frame(i).on(gpu);
    if (queue == Queue::Callers) {
      work.back()->record_read(mapping, scratch->get());
    } else {
      work.back()->record_read(vulkan::view(mapping).value()->buffers[0], scratch->get());
    }
  }
  run_timed(state, stream.poll_fd().get(), [&] {
    const auto captured = stream.next(Deadline::now()).value();
    const auto frame = captured.frame();
    const auto& mapping = frame.on(gpu);
    auto access = mapping.begin_access(Usage::Read, Deadline::never()).value();
    if (queue == Queue::Callers) {
      work[frame.index()]->submit(vulkan::turn(mapping).value());
    } else {
      work[frame.index()]->submit_and_wait();
    }
    const auto ends = access.end().value();
    for (const auto& fence : ends) {
      fence.wait(Deadline::never()).value();  // what the other sides wait for, too
    }
  });
  check_picture(*scratch);
}

/// V4L2 by hand: one plane, buffers that come from elsewhere.
class RawCamera {
public:
  RawCamera(const std::string& path, v4l2_memory memory)
      : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)), memory_(memory) {
    v4l2_format format{};
    format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    format.fmt.pix.width = kWidth;
    format.fmt.pix.height = kHeight;
    format.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
    call(VIDIOC_S_FMT, &format, "VIDIOC_S_FMT");
    bytes_ = format.fmt.pix.sizeimage;
    v4l2_requestbuffers request{};
    request.count = kBuffers;
    request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    request.memory = memory;
    call(VIDIOC_REQBUFS, &request, "VIDIOC_REQBUFS");
  }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  void start() {
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    call(VIDIOC_STREAMON, &type, "VIDIOC_STREAMON");
  }
  [[nodiscard]] std::uint32_t offset_of(std::uint32_t index) {
    auto buffer = about(index);
    call(VIDIOC_QUERYBUF, &buffer, "VIDIOC_QUERYBUF");
    return buffer.m.offset;
  }
  void queue(std::uint32_t index, int dma_buf = -1) {
    auto buffer = about(index);
    if (dma_buf >= 0) {
      buffer.m.fd = dma_buf;
    }
    call(VIDIOC_QBUF, &buffer, "VIDIOC_QBUF");
  }
  [[nodiscard]] std::uint32_t dequeue() {
    auto buffer = about(0);
    call(VIDIOC_DQBUF, &buffer, "VIDIOC_DQBUF");
    return buffer.index;
  }

private:
  [[nodiscard]] v4l2_buffer about(std::uint32_t index) const {
    v4l2_buffer buffer{};
    buffer.index = index;
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = memory_;
    return buffer;
  }
  void call(unsigned long request, void* argument, const char* name) const {
    if (::ioctl(fd_.get(), request, argument) != 0) {
      throw std::system_error(errno, std::generic_category(), name);
    }
  }
  UniqueFd fd_;
  v4l2_memory memory_;
  std::uint64_t bytes_ = 0;
};

void by_hand(Suite& suite, benchmark::State& state, const std::string& path) {
  RawCamera camera(path, V4L2_MEMORY_DMABUF);
  const std::uint64_t bytes = (camera.bytes() + 4095) / 4096 * 4096;
  struct Slot {
    UniqueFd fd;
    std::unique_ptr<RawVulkan> vulkan;
    std::unique_ptr<RawVulkan::Buffer> buffer;
  };
  RawVulkan own(*suite.vulkan());
  const auto scratch = own.own_buffer(RawVulkan::kWorkBytes);
  std::vector<Slot> slots;
  for (std::uint32_t i = 0; i < kBuffers; ++i) {
    const auto memory = suite.runtime().allocate(bytes, suite.dma_buf_exporter()).value();
    Slot slot{
        .fd = memory.dup_fd().value(), .vulkan = std::make_unique<RawVulkan>(*suite.vulkan()), .buffer = {}};
    slot.buffer = slot.vulkan->import(slot.fd.borrow(), bytes);
    slot.vulkan->record_read(slot.buffer->get(), scratch->get());
    camera.queue(i, slot.fd.get());
    slots.push_back(std::move(slot));
  }
  camera.start();
  run_timed(state, camera.fd(), [&] {
    const auto index = camera.dequeue();
    slots[index].vulkan->submit_and_wait();
    camera.queue(index, slots[index].fd.get());
  });
  check_picture(*scratch);
}

/// The usual way: the camera's own memory, mapped, and a copy of each frame into memory of Vulkan's.
void by_copying(Suite& suite, benchmark::State& state, const std::string& path) {
  RawCamera camera(path, V4L2_MEMORY_MMAP);
  RawVulkan vulkan(*suite.vulkan());
  const auto scratch = vulkan.own_buffer(RawVulkan::kWorkBytes);
  const auto upload = vulkan.own_buffer(camera.bytes());
  std::byte* target = upload->map();
  vulkan.record_read(upload->get(), scratch->get());
  std::vector<std::unique_ptr<RawMapping>> frames;
  for (std::uint32_t i = 0; i < kBuffers; ++i) {
    frames.push_back(
        std::make_unique<RawMapping>(BorrowedFd(camera.fd()), camera.bytes(), 0, 4096, camera.offset_of(i)));
    camera.queue(i);
  }
  camera.start();
  run_timed(state, camera.fd(), [&] {
    const auto index = camera.dequeue();
    std::memcpy(target, frames[index]->data(), camera.bytes());
    camera.queue(index);
    vulkan.submit_and_wait();
  });
  check_picture(*scratch);
}

/// The first camera that has what the row needs, or why there is none.
Result<std::string> find_camera(Suite& suite) {
  auto cameras = suite.runtime().devices("v4l2");
  if (!cameras) {
    return std::move(cameras.error());
  }
  for (const auto& camera : *cameras) {
    const UniqueFd fd(::open(camera.id.c_str(), O_RDWR | O_CLOEXEC));
    v4l2_capability has{};
    if (::ioctl(fd.get(), VIDIOC_QUERYCAP, &has) == 0 && (has.device_caps & V4L2_CAP_VIDEO_CAPTURE) != 0) {
      return camera.id;
    }
  }
  return Error(Errc::NotFound, "bench",
               "there is no single-planar camera on this machine; the module vivid makes one");
}

}  // namespace

void add_camera_hop_rows(Suite& suite) {
  const auto path = find_camera(suite);
  for (const auto queue : {Queue::Callers, Queue::Ours}) {
    const std::string row = std::string("Hop/V4L2-to-Vulkan") + (queue == Queue::Ours ? "/on-our-queue" : "");
    if (!path || suite.dma_buf_exporter().empty() || !suite.vulkan()) {
      suite.skip(row, !path            ? path.error().message()
                      : suite.vulkan() ? suite.no_dma_buf()
                                       : suite.no_vulkan());
      continue;
    }
    suite.add_timed(
        row, "us", [&suite, path = *path, queue](auto& state) { by_us(suite, state, path, queue); }, 1);
    suite.add_timed(
        row, "raw", [&suite, path = *path](auto& state) { by_hand(suite, state, path); }, 1);
    suite.add_timed(
        row, "peer:copy", [&suite, path = *path](auto& state) { by_copying(suite, state, path); }, 1);
  }
}

}  // namespace causeway::bench
