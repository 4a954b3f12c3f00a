// SPDX-License-Identifier: Apache-2.0
#include "core/attachment_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <utility>

#include "core/alias_proof.hpp"
#include "core/allocation.hpp"
#include "core/runtime_state.hpp"

namespace causeway::core {
namespace {

/// How long the end of a mapping waits for its device once no runtime is there to reap it later.
constexpr std::chrono::seconds kRetirePatience{2};

Status check_memory(const DeviceState& device, const BufferState& buffer, Usage usage) {
  if (!buffer.backing().is_dma_buf && !device.has(Capability::ImportsMemfd) &&
      !device.has(Capability::ImportsHostPointer)) {
    return Error(
        Errc::Unsupported, "attach",
        fmt::format("{} takes dma-bufs only, and buffer \"{}\" is shared memory from {}; udmabuf or a "
                    "dma-heap would do",
                    device.info().name, buffer.name(), buffer.exporter()));
  }
  if (device.has(Capability::NeedsPinnable) && !buffer.backing().pinnable.valid()) {
    return Error(
        Errc::Unsupported, "attach",
        fmt::format("{} pins user pages and needs a memfd beneath, which buffer \"{}\" from {} has not; "
                    "udmabuf or memfd would do",
                    device.info().name, buffer.name(), buffer.exporter()));
  }
  if (writes(usage) && buffer.read_only()) {
    return Error(Errc::Unsupported, "attach",
                 fmt::format("{} is to write, and buffer \"{}\" came as a read-only descriptor",
                             device.info().name, buffer.name()));
  }
  return {};
}

cw_object object_for(BufferState& buffer, bool give_pinnable) {
  auto object = plugin::sized<cw_object>();
  const auto& storage = buffer.backing();
  object.flags =
      (storage.is_dma_buf ? CW_OBJECT_IS_DMA_BUF : 0U) | (buffer.read_only() ? CW_OBJECT_READ_ONLY : 0U);
  object.fd = storage.fd.get();
  object.pinnable_fd = give_pinnable ? storage.pinnable.get() : -1;
  object.pinnable_offset = storage.pinnable_offset;
  object.size = storage.size;
  object.device_number = buffer.id().device;
  object.inode = buffer.id().inode;
  object.ref = reinterpret_cast<cw_object_ref*>(&buffer);
  return object;
}

}  // namespace

Result<std::shared_ptr<AttachmentState>> AttachmentState::attach(std::shared_ptr<DeviceState> device,
                                                                 std::shared_ptr<const FrameState> frame,
                                                                 Usage usage, ImplicitSync sync) {
  if (device == nullptr) {
    return Error(Errc::InvalidArgument, "attach",
                 "there is no device in the object that was given; it was moved away, or is that of an "
                 "attachment that was");
  }
  if (auto here = device->runtime()->check_process("attach"); !here) {
    return std::move(here.error());
  }
  if (device->runtime() != frame->runtime()) {
    return Error(Errc::InvalidArgument, "attach",
                 fmt::format("{} was opened by another runtime than the buffer's; open it with the same one",
                             device->info().name));
  }
  if (!reads(usage) && !writes(usage)) {
    return Error(Errc::InvalidArgument, "attach",
                 "the usage says neither Read nor Write; a device that does neither needs no attachment");
  }
  if (std::popcount(bits(usage) & bits(Usage::AsBuffer | Usage::AsPlanes | Usage::AsImage)) > 1) {
    return Error(Errc::InvalidArgument, "attach",
                 "of AsBuffer, AsPlanes and AsImage the usage says more than one; a mapping has one form");
  }
  device->runtime()->retired().reap(Deadline::now());
  // Asking a device may mean talking to its hardware, so only exporters that want to know make us ask.
  Constraints needs;
  const auto& buffers = frame->in_order();
  const bool wanted = std::any_of(buffers.begin(), buffers.end(), [](const BufferState* buffer) {
    return buffer->has(ExporterOp::Attach) || buffer->has(ExporterOp::DefersStorage);
  });
  if (wanted) {
    const auto& layout = frame->layout();
    auto asked = ask_constraints(*device,
                                 {.format = layout.format,
                                  .width = layout.width,
                                  .height = layout.height,
                                  .modifiers = {layout.modifier}},
                                 usage);
    if (!asked) {
      return std::move(asked.error());
    }
    needs = std::move(*asked);
  }
  auto attachment =
      std::make_shared<AttachmentState>(std::move(device), std::move(frame), usage, sync, std::move(needs));
  for (BufferState* buffer : attachment->frame_->in_order()) {
    if (auto listed = buffer->add_attachment(*attachment); !listed) {
      return std::move(listed.error());
    }
    ++attachment->listed_;
  }
  const bool all_settled =
      std::all_of(attachment->frame_->in_order().begin(), attachment->frame_->in_order().end(),
                  [](const BufferState* buffer) { return buffer->settled(); });
  if (all_settled && !attachment->may_move()) {
    if (auto imported = attachment->import(); !imported) {
      return std::move(imported.error());
    }
  }
  return attachment;
}

AttachmentState::AttachmentState(std::shared_ptr<DeviceState> device, std::shared_ptr<const FrameState> frame,
                                 Usage usage, ImplicitSync sync, Constraints needs)
    : device_(std::move(device)),
      capabilities_(device_.state()->info().capabilities),
      frame_(std::move(frame)),
      usage_(usage),
      sync_(sync),
      needs_(std::move(needs)),
      mapping_(plugin::sized<cw_mapping>()) {}

AttachmentState::~AttachmentState() {
  if (handle_ != nullptr && device_state().runtime()->in_own_process()) {
    const auto detached = device_state().call([&](const cw_backend& table, cw_device* self, cw_error*) {
      table.detach(self, handle_);
      return std::int32_t{CW_OK};
    });
    static_cast<void>(detached);  // detach has no failure
  }
  for (std::size_t i = 0; i < listed_; ++i) {
    frame_->in_order()[i]->remove_attachment(*this);
    frame_->in_order()[i]->fences().prune();  // a fence of this device would keep it open
  }
}

AttachmentInfo AttachmentState::describe() const {
  const char* import_path = import_path_.load(std::memory_order_acquire);
  return {.device = device_.name(),
          .backend = device_.backend(),
          .usage = usage_,
          .mapped = import_path != nullptr,
          .import_path = import_path != nullptr ? import_path : ""};
}

Status AttachmentState::import() {
  for (const auto* buffer : frame_->in_order()) {
    if (auto sound = check_memory(device_state(), *buffer, usage_); !sound) {
      return sound;
    }
  }
  std::array<cw_object, CW_MAX_PLANES> objects{};
  std::array<cw_plane_layout, CW_MAX_PLANES> planes{};
  const auto& layout = frame_->layout();
  imported_read_only_ = false;
  for (std::size_t i = 0; i < frame_->objects().size(); ++i) {
    objects.at(i) = object_for(*frame_->objects()[i].state(), device_.has(Capability::NeedsPinnable));
    imported_read_only_ = imported_read_only_ || (objects.at(i).flags & CW_OBJECT_READ_ONLY) != 0;
  }
  for (std::size_t i = 0; i < layout.planes.size(); ++i) {
    const auto& plane = layout.planes[i];
    planes.at(i) = {.object = plane.object, .stride = plane.stride, .offset = plane.offset};
  }
  auto info = plugin::sized<cw_attach_info>();
  info.usage = bits(usage_);
  info.image = plugin::sized<cw_image_desc>();
  info.image.format = layout.format.fourcc;
  info.image.modifier = layout.modifier.value;
  info.image.width = layout.width;
  info.image.height = layout.height;
  info.plane_count = static_cast<std::uint32_t>(layout.planes.size());
  info.object_count = static_cast<std::uint32_t>(frame_->objects().size());
  info.planes = planes.data();
  info.objects = objects.data();
  info.color_encoding = static_cast<std::uint32_t>(layout.color.encoding);
  info.color_range = static_cast<std::uint32_t>(layout.color.range);
  info.chroma_siting_x = static_cast<std::uint32_t>(layout.color.siting_x);
  info.chroma_siting_y = static_cast<std::uint32_t>(layout.color.siting_y);
  return device_state().call([&](const cw_backend& table, cw_device* self, cw_error* error) {
    return table.attach(self, &info, &handle_, error);
  });
}

Status AttachmentState::begin_mappings(Direction direction) {
  std::size_t begun = 0;
  for (BufferState* buffer : frame_->in_order()) {
    if (auto mapping = buffer->begin_mapping(direction); !mapping) {
      end_mappings(begun);
      return mapping;
    }
    ++begun;
  }
  return {};
}

void AttachmentState::end_mappings(std::size_t count) noexcept {
  while (count > 0) {
    frame_->in_order()[--count]->end_mapping(direction_);
  }
}

bool AttachmentState::may_move() const noexcept {
  const auto& buffers = frame_->in_order();
  return std::any_of(buffers.begin(), buffers.end(),
                     [](const BufferState* buffer) { return buffer->has(ExporterOp::MovesStorage); });
}

Status AttachmentState::map(Direction direction, bool allow_copy) {
  device_state().runtime()->retired().reap(Deadline::now());
  const std::lock_guard lock(map_mutex_);
  return map_locked(direction, allow_copy);
}

Status AttachmentState::try_map(Direction direction, bool allow_copy) {
  const auto would_block = [&](std::string_view why) {
    return Error(Errc::Busy, "Attachment::try_map",
                 fmt::format("mapping for {} would block now: {}", device_.name(), why));
  };
  device_state().runtime()->retired().reap(Deadline::now());
  const std::unique_lock lock(map_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    return would_block("another thread maps this attachment");
  }
  if (!device_state().idle()) {
    return would_block("the device is in use");
  }
  for (BufferState* buffer : frame_->in_order()) {
    if (!buffer->access().idle()) {
      return would_block(fmt::format("somebody has a turn on buffer \"{}\"", buffer->name()));
    }
    if (!buffer->settled()) {
      continue;
    }
    auto ready = buffer->fences_done(Usage::Write);
    if (!ready) {
      return std::move(ready.error());
    }
    if (!*ready) {
      return would_block(fmt::format("a fence on buffer \"{}\" is pending", buffer->name()));
    }
  }
  return map_locked(direction, allow_copy);
}

Status AttachmentState::map_locked(Direction direction, bool allow_copy) {
  if (mapped_ && !held_.load(std::memory_order_acquire)) {
    return Error(Errc::Busy, "Attachment::map",
                 fmt::format("{} is still at work on the former mapping of this attachment; it goes once the "
                             "device is done",
                             device_.name()));
  }
  if (mapped_) {
    return Error(Errc::WrongState, "Attachment::map",
                 fmt::format("this attachment to {} is mapped already; a mapping is made once and kept",
                             device_.name()));
  }
  hold_ = std::make_shared<Hold>();
  direction_ = direction;
  if (auto begun = begin_mappings(direction); !begun) {
    return begun;
  }
  Status failure = handle_ == nullptr ? import() : Status();
  if (failure) {
    failure = map_on_device();
  }
  if (!failure) {
    end_mappings(frame_->in_order().size());
    if (may_move()) {
      let_device_go();
    }
    return failure;
  }
  auto verdict = find_verdict();
  if (!verdict) {
    failure = std::move(verdict.error());
  } else if (*verdict == AliasVerdict::Copied && !allow_copy) {
    failure =
        Error(Errc::WouldCopy, "Attachment::map",
              fmt::format("{} imported the memory by {} and then worked on a copy of it: what one side wrote "
                          "was not seen by the other; allow_copy accepts that",
                          device_.name(), import_path()));
  }
  if (!failure) {
    unmap();
    return failure;
  }
  verdict_ = *verdict;
  mapped_ = true;
  held_.store(true, std::memory_order_release);
  import_path_ = import_path();
  return {};
}

Result<AliasVerdict> AttachmentState::find_verdict() {
  auto& verdicts = device_state().verdicts();
  auto kind = kind_of(*this);
  if (kind) {
    if (const auto known = verdicts.find(*kind)) {
      return *known;
    }
  }
  device_state().runtime()->tally().add_alias_proof();
  auto verdict = prove_alias(*this);
  if (kind && verdict) {
    verdicts.keep(std::move(*kind), *verdict);
  }
  return verdict;
}

Status AttachmentState::map_on_device() {
  auto mapping = plugin::sized<cw_mapping>();
  auto mapped = device_state().call([&](const cw_backend& table, cw_device* self, cw_error* error) {
    return table.map(self, handle_, static_cast<std::int32_t>(direction_), &mapping, error);
  });
  if (mapped) {
    mapping_ = mapping;
  }
  return mapped;
}

Status AttachmentState::import_anew(Deadline deadline) {
  // Whoever has a turn may use the import, so all turns are taken; which also orders what is changed here
  // before the next turn's begin.
  if (auto taken = frame_->take_turns(Usage::ReadWrite, TurnsOf::Devices, deadline); !taken) {
    return std::move(taken.error()).within("the memory is imported anew while nobody uses it");
  }
  Status result;
  if (!device_is_done(deadline)) {
    result = Error(Errc::TimedOut, "Mapping::invalidate",
                   fmt::format("{} was still at work on this mapping at the deadline", device_.name()));
  } else {
    const std::lock_guard lock(map_mutex_);
    const std::string former = mapping_.import_path != nullptr ? mapping_.import_path : "";
    let_device_go();
    result = import();
    if (result) {
      result = map_on_device();
    }
    if (!result) {
      let_device_go();
    }
    import_path_ = result ? import_path() : "";
    if (former != import_path_.load()) {
      verdict_ = AliasVerdict::Unknown;  // what was seen of one step of the ladder says nothing of another
    }
  }
  frame_->release_turns(Usage::ReadWrite, TurnsOf::Devices);
  return result;
}

void AttachmentState::let_device_go() noexcept {
  if (handle_ == nullptr) {
    return;
  }
  const bool mapped = mapping_.import_path != nullptr || mapping_.native != nullptr;
  const auto gone = device_state().call([&](const cw_backend& table, cw_device* self, cw_error*) {
    if (mapped) {
      table.unmap(self, handle_);
    }
    table.detach(self, handle_);
    return std::int32_t{CW_OK};
  });
  static_cast<void>(gone);  // they have no failure
  handle_ = nullptr;
  mapping_ = plugin::sized<cw_mapping>();
}

AttachmentState::Hold::~Hold() {
  if (attachment != nullptr) {
    attachment->let_go();
  }
}

std::shared_ptr<AttachmentState> AttachmentState::held(std::shared_ptr<AttachmentState> mapped) noexcept {
  AttachmentState* const self = mapped.get();
  const auto hold = std::exchange(self->hold_, nullptr);
  hold->attachment = std::move(mapped);
  return {hold, self};
}

Status AttachmentState::check_process(std::string_view operation) const {
  return device_state().runtime()->check_process(operation);
}

void AttachmentState::let_go() noexcept {
  if (!device_state().runtime()->in_own_process()) {
    return;
  }
  held_.store(false, std::memory_order_release);
  if (!device_is_done(Deadline::now())) {
    if (device_state().runtime()->retired().add(shared_from_this())) {
      return;
    }
    if (!device_is_done(Deadline::in(kRetirePatience))) {  // the runtime has gone: nobody reaps
      device_state().runtime()->retired().keep_for_good(shared_from_this());
      return;
    }
  }
  unmap_retired();
}

void AttachmentState::unmap_retired() noexcept {
  const std::lock_guard lock(map_mutex_);
  mapped_ = false;
  import_path_ = nullptr;
  verdict_ = AliasVerdict::Unknown;
  unmap();
}

bool AttachmentState::device_is_done(Deadline deadline) {
  if (lost_.load(std::memory_order_acquire)) {
    if (!device_state().wait_until_stopped(deadline)) {
      return false;
    }
    lost_.store(false, std::memory_order_release);
  }
  FenceRefs work;
  {
    const std::lock_guard lock(work_mutex_);
    work = work_;
  }
  for (const auto& fence : work) {
    if (auto done = fence->settle(deadline); !done || !*done) {  // what cannot be asked was not seen to end
      return false;
    }
  }
  const std::lock_guard lock(work_mutex_);
  work_.clear();
  works_.store(false, std::memory_order_release);
  return true;
}

void AttachmentState::unmap() noexcept {
  if (!device_state().runtime()->in_own_process()) {
    return;
  }
  if (may_move()) {
    let_device_go();  // what was imported of the present place would be the wrong memory at the next
  } else if (handle_ != nullptr) {  // else the last attempt to import it anew has failed
    const auto unmapped = device_state().call([&](const cw_backend& table, cw_device* self, cw_error*) {
      table.unmap(self, handle_);
      return std::int32_t{CW_OK};
    });
    static_cast<void>(unmapped);  // unmap has no failure
  }
  mapping_ = plugin::sized<cw_mapping>();
  end_mappings(frame_->in_order().size());
}

}  // namespace causeway::core
