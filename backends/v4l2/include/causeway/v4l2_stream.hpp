// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>
#include <causeway/fence.hpp>
#include <causeway/frame_pool.hpp>
#include <causeway/host_event.hpp>
#include <causeway/v4l2_device.hpp>
#include <causeway/v4l2_stream_state.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace causeway::v4l2 {

/// A frame that the camera filled, on loan: the camera may fill it again once this object is let go and
/// nobody uses the frame any more. Work on it may still be under way then, if a fence in the frame's
/// reservation speaks for it (an access that ended with fences; a driver's own): the camera gets the frame
/// after that. Keeps the frames alive, past the end of the Stream too.
///
/// Threads: reentrant; may be let go on another thread than took it.
class Captured {
public:
  Captured(Captured&&) noexcept = default;
  Captured& operator=(Captured&& other) noexcept {
    if (this != &other) {
      (void)release();
      state_ = std::move(other.state_);
      captured_ = other.captured_;
      index_ = other.index_;
    }
    return *this;
  }
  ~Captured() { (void)release(); }

  [[nodiscard]] FrameRef frame() const noexcept { return state_->frame(index_); }
  /// The driver's count of frames: a gap is a frame that was dropped, for want of a buffer most of the time.
  [[nodiscard]] std::uint32_t sequence() const noexcept { return captured_.sequence; }
  /// When the frame was captured; on the same clock as Deadline if timestamp_is_monotonic().
  [[nodiscard]] Deadline::Clock::time_point timestamp() const noexcept {
    return Deadline::Clock::time_point(std::chrono::nanoseconds(captured_.timestamp_ns));
  }
  [[nodiscard]] bool timestamp_is_monotonic() const noexcept {
    return (captured_.flags & CW_V4L2_CAPTURED_MONOTONIC) != 0;
  }
  /// Bytes that the driver says it wrote into memory plane p (0 beyond the last).
  [[nodiscard]] std::uint32_t bytes_used(std::uint32_t p = 0) const noexcept {
    return p < CW_MAX_PLANES ? captured_.bytes_used[p] : 0;
  }
  /// The driver marked the data as damaged or incomplete.
  [[nodiscard]] bool corrupt() const noexcept { return (captured_.flags & CW_V4L2_CAPTURED_CORRUPT) != 0; }

  /// The moment of capture as a fence, signalled: failed with EIO if the frame is corrupt. Its time is the
  /// camera's, where timestamp_is_monotonic(). VIDIOC_DQBUF comes after the fact, so this is for whoever
  /// takes frames from cameras and from devices with fences alike, and for measuring what follows.
  [[nodiscard]] Fence fence() const {
    const auto at = timestamp_is_monotonic() ? std::optional(timestamp()) : std::nullopt;
    return HostEvent::of_past(state_->camera(), at, corrupt() ? EIO : 0);
  }

  /// Lets the frame go; afterwards nothing but destruction and assignment is allowed. Done already: no error.
  /// Never waits: while fences of its users are pending the frame is kept aside (Stream::readiness).
  /// Errors: Busy (an access to the frame goes on; the camera gets it once that has ended), DeviceLost, Io.
  /// The destructor does the same, and leaves the report of a lost device to the next Stream::next().
  Status release() noexcept {
    const auto state = std::exchange(state_, nullptr);
    return state != nullptr ? state->let_go(index_) : Status{};
  }

  Captured(std::shared_ptr<detail::StreamState> state, const cw_v4l2_captured& captured,
           std::uint32_t index) noexcept
      : state_(std::move(state)), captured_(captured), index_(index) {}  ///< for Stream

private:
  std::shared_ptr<detail::StreamState> state_;
  cw_v4l2_captured captured_;
  std::uint32_t index_;
};

/// A camera that fills the frames of a pool, over and over.
///
/// Threads: thread-bound. The Captured objects it gives may be let go anywhere, at any time.
class Stream {
public:
  /// Gives the pool's frames to the camera and starts it. pool must have been negotiated with the camera.
  /// Frames on which fences are pending join when those have signalled.
  /// Errors: InvalidArgument (another pool), WrongState (the camera streams already), Busy (a frame is in
  /// use), Io, DeviceLost.
  [[nodiscard]] static Result<Stream> start(const Device& camera, const FramePool& pool) {
    const auto table = detail::table_of(camera);
    if (!table) {
      return table.error();
    }
    auto state = std::make_shared<detail::StreamState>(camera, *table, pool);
    if (auto started = state->start(); !started) {
      return std::move(started.error());
    }
    return Stream(std::move(state));
  }

  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept {
    if (this != &other) {
      (void)stop();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~Stream() { (void)stop(); }

  /// The next frame, in the order of capture. A corrupt frame is delivered, and says so. Also queues what was
  /// kept aside and is free by now.
  /// Errors: TimedOut (says how long was waited, how many buffers the camera has, whether consumers hold all
  /// of them, how many fences keep aside, and whether there is a signal), DeviceLost, Io (stop and start
  /// again), WrongState (stopped).
  [[nodiscard]] Result<Captured> next(Deadline deadline) {
    auto captured = plugin::sized<cw_v4l2_captured>();
    const auto index = state_->next(deadline, captured);
    if (!index) {
      return index.error();
    }
    return Captured(state_, captured, *index);
  }

  /// What to poll, all together, for the caller's own loop: once one shows its event, next(Deadline::now())
  /// has something to do, if only to give the camera a frame back that was kept aside. The camera's own
  /// readiness is among them while it has a frame to fill; then one for each frame that fences keep aside.
  /// Ask anew after each next() and after letting a frame go. Empty: consumers hold every frame. A frame that
  /// somebody's turn keeps aside, or a fence without a descriptor (Fence::readiness), is not told here.
  /// Errors: WrongState (stopped), DeviceLost, Io, OutOfFds.
  [[nodiscard]] Result<std::vector<Pollable>> readiness() { return state_->readiness(); }

  /// Stops the camera; frames that are held stay held. Stopped already: no error. The destructor does the
  /// same.
  Status stop() noexcept { return state_ != nullptr ? state_->stop() : Status{}; }

  /// The camera's own descriptor, for poll(): POLLIN when it has filled a frame. In error while it has none
  /// to fill. Frames that are kept aside are not told by it: see readiness(). Lent; lives as long as the
  /// camera.
  [[nodiscard]] BorrowedFd poll_fd() const noexcept { return BorrowedFd(state_->poll_fd()); }

private:
  explicit Stream(std::shared_ptr<detail::StreamState> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<detail::StreamState> state_;
};

}  // namespace causeway::v4l2
