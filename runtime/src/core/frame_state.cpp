// SPDX-License-Identifier: Apache-2.0
#include "core/frame_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/attachment_state.hpp"
#include "core/layout.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

Frame::Frame(std::shared_ptr<const core::FrameState> state) noexcept : state_(std::move(state)) {}

Result<Frame> Frame::create(FrameLayout layout, std::vector<DmaBuf> objects) {
  std::vector<std::uint64_t> sizes;
  sizes.reserve(objects.size());
  for (const auto& object : objects) {
    sizes.push_back(object.size());
    if (object.state()->runtime() != objects.front().state()->runtime()) {
      return Error(Errc::InvalidArgument, "Frame::create",
                   "the objects belong to different runtimes; a frame's objects must all be of one");
    }
  }
  if (auto sound = core::check_layout(layout, sizes); !sound) {
    return std::move(sound.error());
  }
  return Frame(std::make_shared<const core::FrameState>(std::move(layout), std::move(objects)));
}

const FrameLayout& Frame::layout() const noexcept {
  return state_->layout();
}

std::span<const DmaBuf> Frame::objects() const noexcept {
  return state_->objects();
}

Result<CpuAccess> Frame::begin_cpu_access(Usage usage, Deadline deadline) const& {
  return core::begin_cpu_access(*state_, usage, deadline);
}

Result<CpuAccess> Frame::begin_cpu_access(Usage usage, Deadline deadline) && {
  return core::begin_cpu_access(std::move(state_), usage, deadline);
}

Result<Attachment> Frame::attach(const Device& device, Usage usage, ImplicitSync sync) const {
  auto attached = core::AttachmentState::attach(device.state(), state(), usage, sync);
  if (!attached) {
    return std::move(attached.error());
  }
  return Attachment(std::move(*attached));
}

namespace core {

FrameState::FrameState(FrameLayout layout, std::vector<DmaBuf> objects)
    : layout_(std::move(layout)), objects_(std::move(objects)) {
  for (const auto& object : objects_) {
    in_order_.push_back(object.state().get());
  }
  std::sort(in_order_.begin(), in_order_.end(),
            [](const BufferState* a, const BufferState* b) { return a->serial() < b->serial(); });
  in_order_.erase(std::unique(in_order_.begin(), in_order_.end()), in_order_.end());
  only_ = in_order_.size() == 1 ? in_order_.front() : nullptr;
  generation_ = runtime()->generation();
}

std::shared_ptr<const FrameState> FrameState::over(const DmaBuf& buffer) {
  return bytes_of(buffer);
}

std::unique_ptr<const FrameState> FrameState::bytes_of(DmaBuf buffer) {
  // A buffer may be larger than a layout's 32 bits; the one plane then only names its start. The bytes of an
  // object are reached whole through CpuAccess::bytes() in any case.
  const auto width =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(buffer.size(), std::uint64_t{0xffff'f000}));
  FrameLayout layout{.format = formats::kBytes,
                     .modifier = Modifier::kLinear,
                     .width = width,
                     .height = 1,
                     .planes = {PlaneLayout{.object = 0, .stride = width, .offset = 0}}};
  return std::make_unique<const FrameState>(std::move(layout), std::vector<DmaBuf>{std::move(buffer)});
}

Status FrameState::take_turns(Usage usage, TurnsOf whose, Deadline deadline) const {
  if (auto here = runtime()->check_process("begin_access"); !here) {
    return here;
  }
  std::size_t taken = 0;
  Status failure;
  for (BufferState* buffer : in_order_) {
    if (!buffer->access().try_begin(usage, whose)) {
      failure = buffer->recover_lost(deadline);
      if (failure && !buffer->access().try_begin(usage, whose)) {
        failure =
            Error(Errc::Busy, "begin_access",
                  fmt::format("buffer \"{}\" is {} by somebody else in this process; end that access first",
                              buffer->name(), writes(usage) ? "in use" : "being written"));
      }
      if (!failure) {
        break;
      }
    }
    ++taken;
  }
  while (!failure && taken > 0) {
    in_order_[--taken]->release_turn(usage, whose);
  }
  return failure;
}

void FrameState::release_turns(Usage usage, TurnsOf whose) const noexcept {
  for (BufferState* buffer : in_order_) {
    buffer->release_turn(usage, whose);
  }
}

bool FrameState::begin_cpu_turns_at_once(Usage usage, LazyObjects& lazy) const noexcept {
  std::size_t taken = 0;
  std::uint32_t elided = 0;
  for (BufferState* buffer : in_order_) {
    const auto begun = buffer->begin_cpu_turn_at_once(usage);
    if (begun == BufferState::BegunAtOnce::No) {
      break;
    }
    elided |= begun == BufferState::BegunAtOnce::Lazy ? 1U << taken : 0U;
    ++taken;
  }
  if (taken == in_order_.size()) {
    lazy = static_cast<LazyObjects>((1U << taken) - 1U);
    for (std::size_t i = 0; i < taken; ++i) {
      if ((elided >> i & 1U) != 0) {
        in_order_[i]->tally_elided(usage);
      }
    }
    note_content(usage);
    return true;
  }
  while (taken > 0) {
    in_order_[--taken]->release_turn(usage, TurnsOf::Cpu);
  }
  return false;
}

Result<FrameState::LazyObjects> FrameState::begin_cpu_turn(Usage usage, Deadline deadline) const {
  if (auto taken = take_turns(usage, TurnsOf::Cpu, deadline); !taken) {
    return std::move(taken.error());
  }
  Status ready;
  for (BufferState* buffer : in_order_) {
    ready = buffer->wait_for_fences(usage, deadline);
    if (ready && reads(usage)) {
      ready = buffer->check_content();
    }
    if (!ready) {
      release_turns(usage, TurnsOf::Cpu);
      return std::move(ready.error());
    }
  }
  LazyObjects lazy = 0;
  for (std::size_t i = 0; i < in_order_.size(); ++i) {
    auto begun = in_order_[i]->begin_cpu_lazily(usage, deadline);
    if (begun) {
      lazy |= static_cast<LazyObjects>(*begun ? 1U << i : 0U);
      continue;
    }
    if (auto ended = end_brackets(usage, lazy, i); !ended) {
      runtime()->log(LogLevel::Error, ended.error().message());
    }
    release_turns(usage, TurnsOf::Cpu);
    return std::move(begun.error());
  }
  note_content(usage);
  return lazy;
}

Status FrameState::end_cpu_turns(Usage usage, LazyObjects lazy) const {
  auto ended = end_brackets(usage, lazy, in_order_.size());
  if (ended && writes(usage)) {
    for (BufferState* buffer : in_order_) {
      buffer->fences().note_written(0);
    }
  }
  // The turn on the last object keeps the frame (cpu_turn_open), and so it ends last, and nothing is touched
  // after it.
  const std::size_t last = in_order_.size() - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    if (auto paid = in_order_[i]->end_turn(usage, TurnsOf::Cpu); !paid && ended) {
      ended = std::move(paid);
    }
  }
  return ended;
}

void FrameState::forget_cpu_turn(Usage usage) const noexcept {
  const std::size_t last = in_order_.size() - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    static_cast<void>(in_order_[i]->end_turn(usage, TurnsOf::Cpu));  // nothing is paid in a child
  }
}

void FrameState::leave_to_turn(std::shared_ptr<const FrameState> reference) const noexcept {
  const auto left = TurnWatch::leave(left_, std::move(reference), in_order_.back()->access(), TurnsOf::Cpu);
  static_cast<void>(left);  // there is nothing to fail
}

Status FrameState::end_brackets(Usage usage, LazyObjects lazy, std::size_t count) const {
  Status first;
  for (std::size_t i = 0; i < count; ++i) {
    if (is_lazy(lazy, i) || in_order_[i]->plain(usage)) {
      continue;
    }
    if (auto ended = in_order_[i]->end_cpu(usage); !ended && first) {
      first = std::move(ended);
    }
  }
  return first;
}

Status FrameState::start_sync(Usage usage, Deadline deadline) const {
  std::size_t begun = 0;
  Status failure;
  for (BufferState* buffer : in_order_) {
    failure = buffer->begin_cpu(usage, deadline);
    if (!failure) {
      break;
    }
    ++begun;
  }
  while (!failure && begun > 0) {
    if (auto ended = in_order_[--begun]->end_cpu(usage); !ended) {
      runtime()->log(LogLevel::Error, ended.error().message());
    }
  }
  return failure;
}

Status FrameState::end_sync(Usage usage) const {
  Status first;
  for (BufferState* buffer : in_order_) {
    if (auto ended = buffer->end_cpu(usage); !ended && first) {
      first = std::move(ended);
    }
  }
  return first;
}

}  // namespace core
}  // namespace causeway
