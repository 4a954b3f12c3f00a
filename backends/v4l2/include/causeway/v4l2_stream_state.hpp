// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is behind the Stream of causeway/v4l2_stream.hpp.

#include <causeway/attachment.hpp>
#include <causeway/deadline.hpp>
#include <causeway/fence.hpp>
#include <causeway/frame_pool.hpp>
#include <causeway/reservation.hpp>
#include <causeway/v4l2_device.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
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
/// V4L2 itself waits for no fence. So a frame that was given back is kept aside while fences of its readers
/// are pending, or somebody has a turn on it, and is queued by whoever next calls next() or readiness() after
/// that. Nobody waits for it on the CPU: next() polls those fences together with the camera.
///
/// Threads: thread-safe. No lock is held while a frame is waited for.
class StreamState {
public:
  StreamState(Device camera, const cw_v4l2_stream* table, FramePool pool)
      : camera_(std::move(camera)), table_(table), pool_(std::move(pool)), frames_(pool_.size()) {}

  [[nodiscard]] const Device& camera() const noexcept { return camera_; }
  [[nodiscard]] FrameRef frame(std::uint32_t i) const noexcept { return pool_.frame(i); }

  [[nodiscard]] Status start() {
    const std::lock_guard lock(mutex_);
    std::vector<const cw_v4l2_view*> views;
    Status ready;
    for (std::uint32_t i = 0; i < frames_.size() && ready; ++i) {
      const auto* view =
          static_cast<const cw_v4l2_view*>(pool_.frame(i).on(camera_).native(CW_V4L2_VIEW_INTERFACE));
      if (view == nullptr) {
        ready = Error(Errc::InvalidArgument, "Stream::start",
                      "the pool was not negotiated with the camera " + camera_.id() +
                          "; name it with Negotiation::with()");
        break;
      }
      frames_[i].view = view;
      views.push_back(view);
      // A lease of an earlier stream may still hold it; it joins when that is let go.
      if (table_->is_held(camera_.raw(), view->index, view->ticket) == 0) {
        ready = take_for_camera(i);
      }
    }
    if (ready) {
      ready = call([&](cw_error* error) {
        return table_->start(camera_.raw(), views.data(), static_cast<std::uint32_t>(views.size()), error);
      });
    }
    running_ = ready.has_value();
    if (!running_) {
      end_turns();
    }
    return ready;
  }

  [[nodiscard]] Status stop() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(running_, false)) {
      return {};
    }
    auto stopped = call([&](cw_error* error) { return table_->stop(camera_.raw(), error); });
    end_turns();
    return stopped;
  }

  /// The index in the pool of the frame that arrived.
  [[nodiscard]] Result<std::uint32_t> next(Deadline deadline, cw_v4l2_captured& captured) {
    while (true) {
      Gates gates;
      {
        const std::lock_guard lock(mutex_);
        if (auto sound = check_running(); !sound) {
          return std::move(sound.error());
        }
        gates = bring_back();
        if (auto sound = check_running(); !sound) {
          return std::move(sound.error());
        }
        waits_ = true;
      }
      const auto soon = Deadline::in(std::chrono::milliseconds(5));
      const bool short_wait = gates.unpollable && soon.when() < deadline.when();
      auto waited = dequeue(gates, short_wait ? soon : deadline, captured);
      if (waited) {
        return arrived(captured);
      }
      const bool again =
          waited.error().code() == Errc::Busy || (short_wait && waited.error().code() == Errc::TimedOut);
      if (again && deadline.left() > Deadline::Clock::duration::zero()) {
        continue;
      }
      if (waited.error().code() == Errc::Busy) {
        waited = dequeue({}, Deadline::now(), captured);  // the deadline's own answer
        if (waited) {
          return arrived(captured);
        }
      }
      if (waited.error().code() == Errc::TimedOut && gates.frames > 0) {
        return std::move(waited.error())
            .within(
                std::to_string(gates.frames) +
                (gates.frames == 1 ? " frame that was given back is" : " frames that were given back are") +
                " kept from the camera until their last users are done");
      }
      return std::move(waited.error());
    }
  }

  /// What to poll until next() has something to do.
  [[nodiscard]] Result<std::vector<Pollable>> readiness() {
    const std::lock_guard lock(mutex_);
    if (auto sound = check_running(); !sound) {
      return std::move(sound.error());
    }
    auto gates = bring_back();
    if (auto sound = check_running(); !sound) {
      return std::move(sound.error());
    }
    std::int32_t fd = -1;
    if (auto asked = call([&](cw_error* error) { return table_->dup_poll_fd(camera_.raw(), &fd, error); });
        !asked) {
      return std::move(asked.error());
    }
    if (fd >= 0) {
      gates.fences.insert(gates.fences.begin(), Pollable{.fd = UniqueFd(fd), .events = POLLIN});
    }
    return std::move(gates.fences);
  }

  [[nodiscard]] Status let_go(std::uint32_t i) {
    const std::lock_guard lock(mutex_);
    auto status = running_ ? requeue(i) : hand_back(frames_[i]);
    if (!status && status.error().code() != Errc::Busy) {
      trouble_ = status.error();  // a lease that dies cannot tell anybody
    }
    if (frames_[i].aside && waits_) {
      table_->interrupt(camera_.raw());  // so that next() waits for its fences, too
    }
    return status;
  }

  [[nodiscard]] std::int32_t poll_fd() const noexcept { return table_->poll_fd(camera_.raw()); }

private:
  struct Slot {
    const cw_v4l2_view* view = nullptr;
    std::optional<Access> turn{};  ///< the camera's, from queueing to arrival
    bool aside = false;            ///< let go, but fences or somebody's turn keep it from the camera
  };
  /// What is waited for beside the camera.
  struct Gates {
    std::vector<Pollable> fences{};
    std::size_t frames = 0;   ///< that are kept aside
    bool unpollable = false;  ///< one waits for what no descriptor tells: a turn, or a device's own fence
  };

  [[nodiscard]] Status dequeue(const Gates& gates, Deadline until, cw_v4l2_captured& captured) {
    std::vector<pollfd> others;
    for (const auto& gate : gates.fences) {
      others.push_back({.fd = gate.fd.get(), .events = gate.events, .revents = 0});
    }
    auto waited = call([&](cw_error* error) {
      return table_->dequeue_or(camera_.raw(), others.data(), static_cast<std::uint32_t>(others.size()),
                                std::chrono::nanoseconds(until.when().time_since_epoch()).count(), &captured,
                                error);
    });
    const std::lock_guard lock(mutex_);
    waits_ = false;
    return waited;
  }

  // All of these with mutex_ held.

  [[nodiscard]] Status check_running() {
    if (!running_) {
      return Error(Errc::WrongState, "Stream::next",
                   "the stream of the camera " + camera_.id() + " was stopped");
    }
    if (auto failed = std::exchange(trouble_, std::nullopt)) {
      return std::move(*failed);
    }
    return {};
  }

  /// The object of a frame whose fences still keep it from being written, if there is one.
  [[nodiscard]] Result<const DmaBuf*> busy_object(std::uint32_t i) const {
    for (const auto& object : pool_.frame(i).frame().objects()) {
      auto idle = object.reservation().test(Usage::Write);
      if (!idle) {
        return std::move(idle.error());
      }
      if (!*idle) {
        return &object;
      }
    }
    return nullptr;
  }

  /// The write turn for the camera, if it can be had at once; aside is set if fences or a turn forbid it.
  [[nodiscard]] Result<std::optional<Access>> camera_turn(std::uint32_t i) {
    frames_[i].aside = true;
    auto busy = busy_object(i);
    if (!busy) {
      return std::move(busy.error()).within("a frame cannot be given to the camera");
    }
    if (*busy != nullptr) {
      return std::optional<Access>();
    }
    auto turn = pool_.frame(i).on(camera_).begin_access(Usage::Write, Deadline::now());
    if (!turn && turn.error().code() == Errc::TimedOut) {
      return std::optional<Access>();  // somebody added a fence meanwhile
    }
    if (!turn) {
      frames_[i].aside = turn.error().code() == Errc::Busy;
      return std::move(turn.error());
    }
    frames_[i].aside = false;
    return std::optional(std::move(*turn));
  }

  /// A free frame, before the stream starts.
  [[nodiscard]] Status take_for_camera(std::uint32_t i) {
    Slot& frame = frames_[i];
    auto turn = camera_turn(i);
    if (!turn) {
      frame.aside = false;
      return std::move(turn.error()).within("frame " + std::to_string(i) + " cannot be given to the camera");
    }
    frame.turn = std::move(*turn);
    if (!frame.aside) {
      return {};
    }
    auto held = call([&](cw_error* error) {
      return table_->hold(camera_.raw(), frame.view->index, frame.view->ticket, error);
    });
    frame.aside = held.has_value();
    return held;
  }

  [[nodiscard]] Status requeue(std::uint32_t i) {
    auto turn = camera_turn(i);
    if (!turn) {
      return std::move(turn.error()).within("a frame was let go while it is in use");
    }
    if (!turn->has_value()) {
      return {};  // its fences are waited for
    }
    auto status = hand_back(frames_[i]);
    if (status) {
      frames_[i].turn = std::move(*turn);
    } else {
      (void)(*turn)->end();
    }
    return status;
  }

  /// Queues what can be queued by now, and collects what the rest waits for.
  [[nodiscard]] Gates bring_back() {
    Gates gates;
    for (std::uint32_t i = 0; i < frames_.size(); ++i) {
      if (!frames_[i].aside) {
        continue;
      }
      if (auto status = requeue(i); !status && status.error().code() != Errc::Busy) {
        trouble_ = std::move(status.error());
        return gates;
      }
      if (!frames_[i].aside) {
        continue;
      }
      ++gates.frames;
      const auto busy = busy_object(i);
      auto ready = busy && *busy != nullptr
                       ? (*busy)->reservation().readiness(Usage::Write)
                       : Result<Pollable>(Error(Errc::Busy, "readiness", "a turn on the frame goes on"));
      if (ready) {
        gates.fences.push_back(std::move(*ready));
      } else {
        gates.unpollable = true;
      }
    }
    return gates;
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

  /// The stream is over, or did not come about: frames of the camera's, and those kept aside, are free.
  void end_turns() {
    for (auto& frame : frames_) {
      if (frame.turn) {
        (void)frame.turn->end();
        frame.turn.reset();
      }
      if (std::exchange(frame.aside, false)) {
        (void)hand_back(frame);
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
  bool waits_ = false;  ///< somebody is in dequeue_or
};

}  // namespace detail
}  // namespace causeway::v4l2
