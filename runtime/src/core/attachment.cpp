// SPDX-License-Identifier: Apache-2.0
#include <causeway/attachment.hpp>

#include <algorithm>
#include <utility>

#include "core/attachment_state.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

Attachment::Attachment(std::shared_ptr<core::AttachmentState> state) noexcept : state_(std::move(state)) {}
Attachment::Attachment(Attachment&&) noexcept = default;
Attachment& Attachment::operator=(Attachment&&) noexcept = default;
Attachment::~Attachment() = default;

const Device& Attachment::device() const noexcept {
  static const Device none(nullptr);
  return state_ == nullptr ? none : state_->device();
}

Result<Mapping> Attachment::map(Direction direction, bool allow_copy) {
  if (state_ == nullptr) {
    return Error(Errc::WrongState, "Attachment::map",
                 "this attachment was moved away; it is attached to nothing");
  }
  if (auto here = state_->check_process("Attachment::map"); !here) {
    return std::move(here.error());
  }
  if (auto mapped = state_->map(direction, allow_copy); !mapped) {
    return std::move(mapped.error());
  }
  return Mapping(state_);
}

Result<Mapping> Attachment::try_map(Direction direction, bool allow_copy) {
  if (state_ == nullptr) {
    return Error(Errc::WrongState, "Attachment::try_map",
                 "this attachment was moved away; it is attached to nothing");
  }
  if (auto here = state_->check_process("Attachment::try_map"); !here) {
    return std::move(here.error());
  }
  if (auto mapped = state_->try_map(direction, allow_copy); !mapped) {
    return std::move(mapped.error());
  }
  return Mapping(state_);
}

Mapping::Mapping() noexcept = default;
Mapping::Mapping(std::shared_ptr<core::AttachmentState> state) noexcept
    : state_(core::AttachmentState::held(std::move(state))) {}
Mapping::Mapping(Mapping&&) noexcept = default;
Mapping& Mapping::operator=(Mapping&& other) noexcept = default;
Mapping::~Mapping() = default;

const void* Mapping::native(std::string_view interface_name) const noexcept {
  if (state_ == nullptr || state_->mapping().native_interface == nullptr ||
      interface_name != state_->mapping().native_interface) {
    return nullptr;
  }
  return state_->mapping().native;
}

ImportedAs Mapping::imported_as() const noexcept {
  const auto form = state_ != nullptr ? state_->mapping().imported_as : CW_IMPORTED_AS_BYTES;
  return form <= CW_IMPORTED_AS_IMAGES_APART ? static_cast<ImportedAs>(form) : ImportedAs::Bytes;
}

std::string_view Mapping::import_path() const noexcept {
  if (state_ == nullptr || state_->mapping().import_path == nullptr) {
    return {};
  }
  return state_->mapping().import_path;
}

AliasVerdict Mapping::verdict() const noexcept {
  return state_ == nullptr ? AliasVerdict::Unknown : state_->verdict();
}

std::span<const cw_sg_entry> Mapping::sg() const noexcept {
  if (state_ == nullptr || state_->mapping().sg == nullptr) {
    return {};
  }
  return {state_->mapping().sg, state_->mapping().sg_count};
}

Result<Access> Mapping::begin_access(Usage usage, Deadline deadline) const {
  return begin_access(usage, std::span<const Fence>(), deadline);
}

Result<Access> Mapping::begin_access(Usage usage, std::span<const Fence> waits, Deadline deadline) const {
  if (state_ == nullptr) {
    return Error(
        Errc::WrongState, "Mapping::begin_access",
        "there is no mapping: the device took no part in this negotiation, or the mapping was moved away");
  }
  if (!state_->frame().in_own_process()) {
    return std::move(state_->check_process("Mapping::begin_access").error());
  }
  core::AttachmentState::Turn turn{.usage = usage};
  if (waits.empty()) {
    bool nothing_begun = true;
    if (auto told = state_->begin_access_at_once(turn, deadline, nothing_begun); !told) {
      return std::move(told.error());
    }
    if (!nothing_begun) {
      return Result<Access>(tl::in_place, state_, usage, turn.access, std::vector<Fence>());
    }
  }
  auto begun = state_->begin_access(turn, waits, deadline);
  if (!begun) {
    return std::move(begun.error());
  }
  return Access(state_, usage, turn.access, std::vector<Fence>(begun->begin(), begun->end()));
}

Status Mapping::invalidate(Deadline deadline) const {
  if (state_ == nullptr) {
    return Error(Errc::WrongState, "Mapping::invalidate",
                 "there is no mapping: the device took no part in this negotiation, or it was moved away");
  }
  if (auto here = state_->check_process("Mapping::invalidate"); !here) {
    return here;
  }
  return state_->import_anew(deadline);
}

Access::Access(std::shared_ptr<core::AttachmentState> attachment, Usage usage, std::uint64_t number,
               std::vector<Fence> waits) noexcept
    : attachment_(std::move(attachment)), usage_(usage), number_(number), waits_(std::move(waits)) {}
Access::Access(Access&&) noexcept = default;

Access& Access::operator=(Access&& other) noexcept {
  if (this != &other) {
    if (attachment_ != nullptr) {
      abandon();
    }
    attachment_ = std::move(other.attachment_);
    usage_ = other.usage_;
    number_ = other.number_;
    waits_ = std::move(other.waits_);
  }
  return *this;
}

Access::~Access() {
  if (attachment_ != nullptr) {
    abandon();
  }
}

Result<std::vector<Fence>> Access::end(std::span<const Fence> signals) {
  if (attachment_ == nullptr) {
    return Error(Errc::WrongState, "Access::end", "this access was ended before; an access ends once");
  }
  if (!attachment_->frame().in_own_process()) {
    return std::move(attachment_->check_process("Access::end").error());
  }
  // Work that waits for its own end never begins; such a fence is left out, so that nobody else waits for it.
  const bool own = std::any_of(signals.begin(), signals.end(), [this](const Fence& signal) {
    return signal.valid() && signal.status() == FenceStatus::Pending &&
           std::any_of(waits_.begin(), waits_.end(), [&](const Fence& wait) {
             return wait.context() == signal.context() && wait.sequence() >= signal.sequence();
           });
  });
  const auto attachment = std::move(attachment_);
  auto left = attachment->end_access({usage_, number_}, own ? std::span<const Fence>() : signals);
  if (left && own) {
    return Error(
        Errc::InvalidArgument, "Access::end",
        "among the fences of the device's work is one that this very work waits for, so that neither "
        "would ever come; give the fence of the submission itself");
  }
  if (!left) {
    return std::move(left.error());
  }
  return left->empty() ? std::vector<Fence>() : std::vector<Fence>(left->begin(), left->end());
}

void Access::abandon() noexcept {
  const auto attachment = std::move(attachment_);
  if (attachment->check_process("Access")) {  // else the turn is the parent's
    attachment->lose_access({usage_, number_});
  }
}

}  // namespace causeway
