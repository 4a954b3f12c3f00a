// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/attachment.hpp>
#include <causeway/deadline.hpp>
#include <causeway/frame_pool.hpp>
#include <causeway/v4l2_device.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace causeway::v4l2 {

namespace detail {

/// What a stream and its leases share. While the camera has a frame it holds the write turn on it
/// (Mapping::begin_access), so nobody else can begin to use it; the turn ends when the frame arrives.
///
/// Threads: thread-safe. No lock is held while a frame is waited for.
class StreamState {
public:
  StreamState(Device camera, const cw_v4l2_stream* table, FramePool pool)
      : camera_(std::move(camera)), table_(table), pool_(std::move(pool)), frames_(pool_.size()) {}

  [[nodiscard]] FrameRef frame(std::uint32_t i) const noexcept { return pool_.frame(i); }

  [[nodiscard]] Status start() {
    const std::lock_guard lock(mutex_);
    std::vector<const cw_v4l2_view*> views;
    for (std::uint32_t i = 0; i < frames_.size(); ++i) {
      const Mapping& mapping = pool_.frame(i).on(camera_);
      const auto* view = static_cast<const cw_v4l2_view*>(mapping.native(CW_V4L2_VIEW_INTERFACE));
      if (view == nullptr) {
        return Error(Errc::InvalidArgument, "Stream::start",
                     "the pool was not negotiated with the camera " + camera_.id() +
                         "; name it with Negotiation::with()");
      }
      frames_[i].view = view;
      views.push_back(view);
      // A lease of an earlier stream still holds it; it joins when that is let go.
      if (table_->is_held(camera_.raw(), view->index, view->ticket) == 0) {
        auto turn = mapping.begin_access(Usage::Write, Deadline::now());
        if (!turn) {
          end_turns();
          return std::move(turn.error())
              .within("frame " + std::to_string(i) + " cannot be given to the camera");
        }
        frames_[i].turn.emplace(std::move(*turn));
      }
    }
    auto started = call([&](cw_error* error) {
      return table_->start(camera_.raw(), views.data(), static_cast<std::uint32_t>(views.size()), error);
    });
    running_ = started.has_value();
    if (!running_) {
      end_turns();
    }
    return started;
  }

  [[nodiscard]] Status stop() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(running_, false)) {
      return {};
    }
    auto stopped = call([&](cw_error* error) { return table_->stop(camera_.raw(), error); });
    end_turns();
    for (auto& frame : frames_) {
      if (std::exchange(frame.late, false)) {
        (void)hand_back(frame);
      }
    }
    return stopped;
  }

  /// The index in the pool of the frame that arrived.
  [[nodiscard]] Result<std::uint32_t> next(Deadline deadline, cw_v4l2_captured& captured) {
    while (true) {
      bool someone_late = false;
      {
        const std::lock_guard lock(mutex_);
        if (!running_) {
          return Error(Errc::WrongState, "Stream::next",
                       "the stream of the camera " + camera_.id() + " was stopped");
        }
        if (auto failed = std::exchange(trouble_, std::nullopt)) {
          return std::move(*failed);
        }
        for (std::uint32_t i = 0; i < frames_.size(); ++i) {
          if (frames_[i].late) {
            frames_[i].late = false;
            (void)requeue(i);
            someone_late = someone_late || frames_[i].late;
          }
        }
      }
      // A consumer let go of a frame while it still had a turn on it: look again soon, its end wakes nobody.
      const auto slice = Deadline::in(std::chrono::milliseconds(5));
      const bool short_wait = someone_late && slice.when() < deadline.when();
      const Deadline until = short_wait ? slice : deadline;
      auto waited = call([&](cw_error* error) {
        return table_->dequeue(camera_.raw(),
                               std::chrono::nanoseconds(until.when().time_since_epoch()).count(), &captured,
                               error);
      });
      if (!waited) {
        if (short_wait && waited.error().code() == Errc::TimedOut) {
          continue;
        }
        return std::move(waited.error());
      }
      return arrived(captured);
    }
  }

  [[nodiscard]] Status let_go(std::uint32_t i) {
    const std::lock_guard lock(mutex_);
    auto status = running_ ? requeue(i) : hand_back(frames_[i]);
    if (!status && status.error().code() != Errc::Busy) {
      trouble_ = status.error();  // a lease that dies cannot tell anybody
    }
    return status;
  }

  [[nodiscard]] std::int32_t poll_fd() const noexcept { return table_->poll_fd(camera_.raw()); }

private:
  struct Slot {
    const cw_v4l2_view* view = nullptr;
    std::optional<Access> turn{};  ///< the camera's, from queueing to arrival
    bool late = false;             ///< let go, but its turn could not be had yet
  };

  // All of these with mutex_ held.

  [[nodiscard]] Status requeue(std::uint32_t i) {
    auto turn = pool_.frame(i).on(camera_).begin_access(Usage::Write, Deadline::now());
    if (!turn) {
      frames_[i].late = turn.error().code() == Errc::Busy;
      return std::move(turn.error()).within("a frame was let go while it is in use");
    }
    auto status = hand_back(frames_[i]);
    if (status) {
      frames_[i].turn.emplace(std::move(*turn));
    } else {
      (void)turn->end();
    }
    return status;
  }

  [[nodiscard]] Status hand_back(const Slot& frame) {
    return call([&](cw_error* error) {
      return table_->queue(camera_.raw(), frame.view->index, frame.view->ticket, error);
    });
  }

  [[nodiscard]] Result<std::uint32_t> arrived(const cw_v4l2_captured& captured) {
    const std::lock_guard lock(mutex_);
    for (std::uint32_t i = 0; i < frames_.size(); ++i) {
      Slot& frame = frames_[i];
      if (frame.view->index != captured.index || frame.view->ticket != captured.ticket) {
        continue;
      }
      // No turn: an earlier stream's lease gave it straight to the driver.
      if (frame.turn) {
        auto ended = frame.turn->end();
        frame.turn.reset();
        if (!ended) {
          (void)hand_back(frame);
          return std::move(ended.error());
        }
      }
      return i;
    }
    return Error(Errc::Internal, "Stream::next",
                 "the camera " + camera_.id() + " delivered a buffer that is no frame of this stream");
  }

  void end_turns() {
    for (auto& frame : frames_) {
      if (frame.turn) {
        (void)frame.turn->end();
        frame.turn.reset();
      }
    }
  }

  std::mutex mutex_;
  const Device camera_;
  const cw_v4l2_stream* const table_;
  const FramePool pool_;
  std::vector<Slot> frames_;
  std::optional<Error> trouble_;
  bool running_ = false;
};

}  // namespace detail

/// A frame that the camera filled, on loan: the camera may fill it again once this object is let go. Before
/// that, all work on the frame must be done (V4L2 waits for no fence) and every access to it ended. Keeps the
/// frames alive, past the end of the Stream too.
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

  /// Lets the frame go; afterwards nothing but destruction and assignment is allowed. Done already: no error.
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

  /// The next frame, in the order of capture. A corrupt frame is delivered, and says so.
  /// Errors: TimedOut (says how long was waited, how many buffers the camera has, whether consumers hold all
  /// of them, and whether there is a signal), DeviceLost, Io (stop and start again), WrongState (stopped).
  [[nodiscard]] Result<Captured> next(Deadline deadline) {
    auto captured = plugin::sized<cw_v4l2_captured>();
    const auto index = state_->next(deadline, captured);
    if (!index) {
      return index.error();
    }
    return Captured(state_, captured, *index);
  }

  /// Stops the camera; frames that are held stay held. Stopped already: no error. The destructor does the
  /// same.
  Status stop() noexcept { return state_ != nullptr ? state_->stop() : Status{}; }

  /// For poll(): POLLIN when next() would not wait. In error while consumers hold every frame. Lent; lives as
  /// long as the camera.
  [[nodiscard]] BorrowedFd poll_fd() const noexcept { return BorrowedFd(state_->poll_fd()); }

private:
  explicit Stream(std::shared_ptr<detail::StreamState> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<detail::StreamState> state_;
};

}  // namespace causeway::v4l2
