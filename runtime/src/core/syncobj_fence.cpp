// SPDX-License-Identifier: Apache-2.0
#include "core/syncobj_fence.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <utility>

#include "core/runtime_state.hpp"
#include "core/sync_file_state.hpp"
#include "uapi/drm.hpp"
#include "uapi/syncobj.hpp"

namespace causeway::core {

Result<std::shared_ptr<SyncobjState>> SyncobjState::create(std::shared_ptr<RuntimeState> runtime,
                                                           const std::string& path) {
  if (auto here = runtime->check_process("SyncobjTimeline::create"); !here) {
    return std::move(here.error());
  }
  auto node = uapi::open_drm_node(runtime->kernel(), path);
  if (!node) {
    return std::move(node.error());
  }
  auto made = create_over(std::move(runtime), std::move(*node));
  if (!made) {
    return std::move(made.error()).within(path);
  }
  return made;
}

Result<std::shared_ptr<SyncobjState>> SyncobjState::create(std::shared_ptr<RuntimeState> runtime,
                                                           BorrowedFd node) {
  if (auto here = runtime->check_process("SyncobjTimeline::create"); !here) {
    return std::move(here.error());
  }
  auto own = runtime->kernel().duplicate(node);
  if (!own) {
    return std::move(own.error());
  }
  return create_over(std::move(runtime), std::move(*own));
}

Result<std::shared_ptr<SyncobjState>> SyncobjState::create_over(std::shared_ptr<RuntimeState> runtime,
                                                                UniqueFd node) {
  const auto& kernel = runtime->kernel();
  auto timelines = uapi::has_timeline_syncobjs(kernel, node.borrow());
  if (!timelines) {
    return std::move(timelines.error());
  }
  if (!*timelines) {
    return Error(Errc::Unsupported, "SyncobjTimeline::create",
                 "the driver of this DRM node has no timeline syncobjs (DRM_CAP_SYNCOBJ_TIMELINE); take a "
                 "node of another card, or a HostTimeline");
  }
  auto handle = uapi::create_syncobj(kernel, node.borrow());
  if (!handle) {
    return std::move(handle.error());
  }
  return std::make_shared<SyncobjState>(std::move(runtime), std::move(node), *handle, Handle::Own,
                                        next_fence_context());
}

Result<std::shared_ptr<SyncobjState>> SyncobjState::adopt(std::shared_ptr<RuntimeState> runtime,
                                                          BorrowedFd node, std::uint32_t handle) {
  if (auto here = runtime->check_process("SyncobjTimeline::adopt"); !here) {
    return std::move(here.error());
  }
  const auto& kernel = runtime->kernel();
  if (auto known = uapi::query_syncobj(kernel, node, handle, uapi::TimelineMark::Submitted); !known) {
    return std::move(known.error());
  }
  auto own = kernel.duplicate(node);
  if (!own) {
    return std::move(own.error());
  }
  return std::make_shared<SyncobjState>(std::move(runtime), std::move(*own), handle, Handle::Borrowed,
                                        next_fence_context());
}

SyncobjState::SyncobjState(std::shared_ptr<RuntimeState> runtime, UniqueFd node, std::uint32_t handle,
                           Handle owner, std::uint64_t context, std::shared_ptr<void> keeps) noexcept
    : runtime_(std::move(runtime)),
      keeps_(std::move(keeps)),
      node_(std::move(node)),
      handle_(handle),
      owner_(owner),
      context_(context) {}

SyncobjState::~SyncobjState() {
  // A forked process shares the file description, and with it the handle, which is the parent's.
  if (own() && runtime_->in_own_process()) {
    uapi::destroy_syncobj(runtime_->kernel(), node_.borrow(), handle_);
  }
}

Result<std::uint64_t> SyncobjState::value() const {
  if (auto here = runtime_->check_process("SyncobjTimeline::value"); !here) {
    return std::move(here.error());
  }
  return uapi::query_syncobj(runtime_->kernel(), node(), handle_, uapi::TimelineMark::Signalled);
}

Result<std::uint64_t> SyncobjState::submitted() const {
  if (auto here = runtime_->check_process("SyncobjTimeline::submitted"); !here) {
    return std::move(here.error());
  }
  return uapi::query_syncobj(runtime_->kernel(), node(), handle_, uapi::TimelineMark::Submitted);
}

Result<std::shared_ptr<FenceState>> SyncobjState::point(std::uint64_t value) {
  if (auto here = runtime_->check_process("SyncobjTimeline::point"); !here) {
    return std::move(here.error());
  }
  if (value == 0) {
    return Error(Errc::InvalidArgument, "SyncobjTimeline::point",
                 "point 0 was asked for, which a timeline has passed from its start; points begin at 1");
  }
  return std::shared_ptr<FenceState>(std::make_shared<SyncobjFence>(shared_from_this(), value));
}

Status SyncobjState::check_forward(const char* operation, std::uint64_t value) const {
  auto last = submitted();
  if (!last) {
    return std::move(last.error());
  }
  if (value > *last) {
    return {};
  }
  return Error(Errc::InvalidArgument, operation,
               fmt::format("point {} was given, and work has been submitted for point {}; a timeline never "
                           "goes backwards, and the kernel would ignore this point without a word",
                           value, *last));
}

Status SyncobjState::signal(std::uint64_t value) {
  if (auto here = runtime_->check_process("SyncobjTimeline::signal"); !here) {
    return here;
  }
  const std::lock_guard lock(submit_mutex_);
  if (auto forward = check_forward("SyncobjTimeline::signal", value); !forward) {
    return forward;
  }
  return uapi::signal_syncobj(runtime_->kernel(), node(), handle_, value);
}

Status SyncobjState::import_sync_file(BorrowedFd sync_file, std::uint64_t value) {
  if (auto here = runtime_->check_process("SyncobjTimeline::import_sync_file"); !here) {
    return here;
  }
  const std::lock_guard lock(submit_mutex_);
  if (auto forward = check_forward("SyncobjTimeline::import_sync_file", value); !forward) {
    return forward;
  }
  return uapi::import_point(runtime_->kernel(), node(), handle_, value, sync_file);
}

Result<bool> SyncobjState::wait_submitted(std::uint64_t value, Deadline deadline) const {
  return uapi::wait_submitted(runtime_->kernel(), node(), handle_, value, deadline);
}

Result<UniqueFd> SyncobjState::export_sync_file(std::uint64_t value) const {
  return uapi::export_point(runtime_->kernel(), node(), handle_, value);
}

Result<UniqueFd> SyncobjState::watch(std::uint64_t value) {
  const auto no_eventfd = [value] {
    return Error(Errc::Unsupported, "Fence::readiness",
                 fmt::format("nobody has submitted work for point {}, and this kernel cannot tell by a "
                             "descriptor when somebody does (SYNCOBJ_EVENTFD, since Linux 6.6); submit the "
                             "work first",
                             value));
  };
  if (!watches_.load(std::memory_order_relaxed)) {
    return no_eventfd();
  }
  auto event = runtime_->kernel().eventfd();
  if (!event) {
    return std::move(event.error());
  }
  auto watched = uapi::watch_syncobj(runtime_->kernel(), node(), handle_, value, event->borrow());
  if (!watched && watched.error().code() == Errc::Unsupported) {
    watches_.store(false, std::memory_order_relaxed);
    return no_eventfd();
  }
  if (!watched) {
    return std::move(watched.error());
  }
  return event;
}

SyncobjFence::SyncobjFence(std::shared_ptr<SyncobjState> timeline, std::uint64_t value) noexcept
    : FenceState(timeline->runtime(), FenceKind::SyncobjPoint,
                 {.context = timeline->context(), .sequence = value}, Producer::Unknown),
      timeline_(std::move(timeline)) {}

bool SyncobjFence::has_sync_file() const {
  const std::lock_guard lock(sync_file_mutex_);
  return sync_file_ != nullptr;
}

Result<std::shared_ptr<SyncFileState>> SyncobjFence::sync_file() {
  const std::lock_guard lock(sync_file_mutex_);
  if (sync_file_ == nullptr) {
    auto fd = timeline_->export_sync_file(value());
    if (!fd) {
      return std::move(fd.error());
    }
    sync_file_ = std::make_shared<SyncFileState>(runtime(), std::move(*fd), Producer::Unknown);
  }
  return sync_file_;
}

Result<bool> SyncobjFence::await_submit(Deadline deadline) const {
  auto submitted = timeline_->wait_submitted(value(), Deadline::now());
  if (!submitted || *submitted || deadline.left() == Deadline::Clock::duration::zero()) {
    return submitted;
  }
  if (timeline_->own()) {
    return Error(Errc::WrongState, "Fence::wait",
                 fmt::format("nobody has submitted work for point {} of a timeline that this program alone "
                             "submits to, so that it would wait for itself; signal or import the point "
                             "first, or poll Fence::readiness() until another thread has",
                             value()));
  }
  submitted = timeline_->wait_submitted(value(), deadline);
  if (submitted && !*submitted) {
    return Error(Errc::TimedOut, "Fence::wait",
                 fmt::format("nobody had submitted work for point {} of a syncobj at the deadline", value()));
  }
  return submitted;
}

Result<std::optional<FenceOutcome>> SyncobjFence::ask(Deadline deadline) {
  const std::optional<FenceOutcome> pending;
  auto submitted = has_sync_file() ? Result<bool>(true) : await_submit(deadline);
  if (!submitted && submitted.error().code() == Errc::NotFound) {
    return std::optional(FenceOutcome{.error = EOWNERDEAD, .at = {}});  // its owner destroyed the syncobj
  }
  if (!submitted) {
    return std::move(submitted.error());
  }
  if (!*submitted) {
    return pending;
  }
  auto fence = sync_file();
  if (!fence) {
    return std::move(fence.error());
  }
  auto done = (*fence)->settle(deadline);
  if (!done) {
    return std::move(done.error());
  }
  return *done ? (*fence)->outcome() : pending;
}

Result<Pollable> SyncobjFence::readiness() {
  auto fence = sync_file();
  if (fence) {
    return (*fence)->readiness();
  }
  if (fence.error().code() != Errc::WrongState) {
    return std::move(fence.error());
  }
  auto event = timeline_->watch(value());
  if (!event) {
    return std::move(event.error());
  }
  return Pollable{.fd = std::move(*event), .events = POLLIN};
}

Result<UniqueFd> SyncobjFence::dup_sync_file() {
  auto fence = sync_file();
  if (!fence) {
    return std::move(fence.error());
  }
  return (*fence)->dup_sync_file();
}

}  // namespace causeway::core
