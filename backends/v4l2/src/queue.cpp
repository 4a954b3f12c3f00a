// SPDX-License-Identifier: Apache-2.0
#include "queue.hpp"

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <cerrno>

namespace causeway::v4l2_backend {

Result<BufferQueue::Place> BufferQueue::attach(std::vector<UniqueFd> fds,
                                               std::span<const PlaneMemory> memory) {
  const std::lock_guard lock(mutex_);
  if (streaming_) {
    return Error(
        Errc::Busy, "attach",
        plugin::words("the camera ", node_.path(), " is streaming: stop it before attaching frames"));
  }
  if (granted_ == 0) {
    if (auto status = ask_for_indices(); !status) {
      return std::move(status.error());
    }
  }
  const auto end = slots_.begin() + granted_;
  const auto slot = std::find_if(slots_.begin(), end, [](const Slot& s) { return !s.used; });
  if (slot == end) {
    return Error(Errc::Busy, "attach",
                 plugin::words("the camera ", node_.path(), " takes ", granted_,
                               " buffers at a time, and all are attached"));
  }
  slot->used = true;
  slot->turn = Turn::Free;
  slot->in_stream = false;
  slot->ticket = ++tickets_;
  slot->fds = std::move(fds);
  slot->memory.assign(memory.begin(), memory.end());
  const auto index = static_cast<std::uint32_t>(slot - slots_.begin());
  if (auto status = try_memory(index); !status) {
    *slot = Slot{};
    if (std::ranges::none_of(slots_, &Slot::used)) {
      (void)node_.request_buffers(0);  // leaves the camera free to change its format
      granted_ = 0;
    }
    return std::move(status.error());
  }
  return Place{.index = index, .ticket = slot->ticket};
}

Status BufferQueue::ask_for_indices() {
  // An index costs the driver a few hundred bytes; the memory behind it is ours. So all are asked for at
  // once, and frames may come and go without VIDIOC_CREATE_BUFS, which not every driver has.
  const auto granted = node_.request_buffers(VIDEO_MAX_FRAME);
  if (!granted) {
    return granted.error();
  }
  granted_ = std::min<std::uint32_t>(*granted, VIDEO_MAX_FRAME);
  if (granted_ == 0) {
    return Error(Errc::OutOfMemory, "VIDIOC_REQBUFS",
                 plugin::words("the camera ", node_.path(), " grants no buffers"));
  }
  return {};
}

Status BufferQueue::try_memory(std::uint32_t index) {
  const auto& memory = slots_.at(index).memory;
  Status tried;
  if (prepares_) {
    tried = node_.prepare(index, memory);
    if (!tried && tried.error().system_errno() == ENOTTY) {
      prepares_ = false;
      node_.host().log(CW_LOG_DEBUG, plugin::words("the camera ", node_.path(),
                                                   " has no VIDIOC_PREPARE_BUF; memory is tried by ",
                                                   "queueing it while the camera stands still"));
    }
  }
  if (!prepares_) {
    tried = node_.queue(index, memory);
  }
  // Either way the driver now has the buffer; off returns it, streaming or not (VIDIOC_STREAMOFF, kernel
  // documentation).
  if (tried) {
    return node_.stream_off();
  }
  const int reason = tried.error().system_errno();
  if (reason == EFAULT || reason == EINVAL || reason == EOPNOTSUPP) {
    return Error(Errc::Unsupported, "attach",
                 plugin::words(
                     "the driver of the camera ", node_.path(), " cannot use this memory",
                     reason == EFAULT
                         ? "; most likely its hardware wants it physically contiguous, as a CMA heap gives it"
                         : ""),
                 reason);
  }
  return std::move(tried.error()).within("the driver does not take this memory in");
}

void BufferQueue::detach(std::uint32_t index) noexcept {
  const std::lock_guard lock(mutex_);
  auto& slot = slots_.at(index);
  if (slot.turn == Turn::Queued) {
    node_.host().log(CW_LOG_WARNING, plugin::words("the stream of the camera ", node_.path(),
                                                   " was stopped, because one of its frames was detached"));
    take_all_back();
  }
  slot = Slot{};
  if (std::ranges::none_of(slots_, &Slot::used)) {
    if (streaming_) {
      take_all_back();
    }
    // Of a camera that is gone nothing is left to give back.
    (void)node_.request_buffers(0);
    granted_ = 0;
  }
}

Status BufferQueue::put(std::uint32_t index) {
  auto& slot = slots_.at(index);
  auto queued = node_.queue(index, slot.memory);
  slot.turn = queued ? Turn::Queued : Turn::Free;
  return queued;
}

Status BufferQueue::start(std::span<const Place> buffers) {
  const std::lock_guard lock(mutex_);
  if (streaming_) {
    return Error(Errc::WrongState, "start",
                 plugin::words("the camera ", node_.path(), " is streaming already"));
  }
  if (buffers.empty()) {
    return Error(Errc::InvalidArgument, "start",
                 plugin::words("a stream of the camera ", node_.path(), " was asked for without any frame"));
  }
  for (const auto& place : buffers) {
    if (place.index >= granted_ || !slots_.at(place.index).used ||
        slots_.at(place.index).ticket != place.ticket) {
      return Error(Errc::InvalidArgument, "start",
                   plugin::words("buffer ", place.index, " is not attached to the camera ", node_.path(),
                                 " any more"));
    }
  }
  if (auto made = make_bell(); !made) {
    return made;
  }
  for (const auto& place : buffers) {
    auto& slot = slots_.at(place.index);
    slot.in_stream = true;
    if (slot.turn != Turn::Free) {
      continue;
    }
    if (auto status = put(place.index); !status) {
      take_all_back();
      return status;
    }
  }
  if (auto status = node_.stream_on(); !status) {
    take_all_back();
    return status;
  }
  streaming_ = true;
  return {};
}

Status BufferQueue::stop() {
  const std::lock_guard lock(mutex_);
  if (!streaming_) {
    return {};
  }
  take_all_back();
  return {};
}

void BufferQueue::take_all_back() noexcept {
  // STREAMOFF fails only if the camera is gone, which takes its hands off the buffers just as well.
  (void)node_.stream_off();
  streaming_ = false;
  for (auto& slot : slots_) {
    slot.in_stream = false;
    if (slot.turn == Turn::Queued) {
      slot.turn = Turn::Free;
    }
  }
  ring();
}

std::size_t BufferQueue::count(Turn turn) const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(slots_, [&](const Slot& slot) { return slot.in_stream && slot.turn == turn; }));
}

Status BufferQueue::give_back(std::uint32_t index, std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  if (index >= slots_.size() || !slots_.at(index).used || slots_.at(index).ticket != ticket) {
    return {};  // detached since
  }
  auto& slot = slots_.at(index);
  if (slot.turn != Turn::Held) {
    return Error(Errc::WrongState, "queue",
                 plugin::words("buffer ", index, " of the camera ", node_.path(),
                               " is held by nobody, so it cannot be given back"));
  }
  if (!streaming_ || !slot.in_stream) {
    slot.turn = Turn::Free;
    return {};
  }
  auto queued = put(index);
  if (starves_) {
    ring();
  }
  return queued;
}

Status BufferQueue::hold(std::uint32_t index, std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  if (index >= slots_.size() || slots_.at(index).ticket != ticket || slots_.at(index).turn != Turn::Free) {
    return Error(Errc::WrongState, "hold",
                 plugin::words("buffer ", index, " of the camera ", node_.path(), " is not free"));
  }
  slots_.at(index).turn = Turn::Held;
  return {};
}

Status BufferQueue::fill_once(Place place, Deadline deadline) {
  std::vector<Place> buffers{place};
  {
    const std::lock_guard lock(mutex_);
    if (slots_.at(place.index).turn != Turn::Free) {
      return Error(Errc::Busy, "probe_write",
                   plugin::words("buffer ", place.index, " of the camera ", node_.path(),
                                 " is in use, and cannot be proved"));
    }
    // Many drivers need more than one buffer to run. What a consumer holds is left alone.
    for (std::uint32_t index = 0; index < granted_; ++index) {
      const auto& slot = slots_.at(index);
      if (slot.used && slot.turn == Turn::Free && index != place.index) {
        buffers.push_back({.index = index, .ticket = slot.ticket});
      }
    }
  }
  if (auto status = start(buffers); !status) {
    return status;
  }
  Status outcome;
  while (true) {
    std::uint64_t ticket = 0;
    const auto filled = dequeue(deadline, ticket);
    if (!filled) {
      outcome = Status(filled.error());
      break;
    }
    if (filled->index == place.index && (filled->flags & V4L2_BUF_FLAG_ERROR) == 0) {
      break;
    }
    if (outcome = give_back(filled->index, ticket); !outcome) {
      break;
    }
  }
  auto stopped = stop();
  (void)give_back(place.index, place.ticket);  // Free again; not held if it failed before
  return outcome ? std::move(stopped) : std::move(outcome);
}

bool BufferQueue::is_held(std::uint32_t index, std::uint64_t ticket) const {
  const std::lock_guard lock(mutex_);
  return index < slots_.size() && slots_.at(index).ticket == ticket && slots_.at(index).turn == Turn::Held;
}

bool BufferQueue::has_queued() const {
  const std::lock_guard lock(mutex_);
  return count(Turn::Queued) > 0;
}

bool BufferQueue::streaming() const {
  const std::lock_guard lock(mutex_);
  return streaming_;
}

std::size_t BufferQueue::attached() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(slots_, &Slot::used));
}

}  // namespace causeway::v4l2_backend
