// SPDX-License-Identifier: Apache-2.0
#include <causeway/deferred_exporter.hpp>

#include <fmt/format.h>

#include <utility>

#include "core/allocation.hpp"
#include "core/runtime_state.hpp"
#include "core/storage_exporter.hpp"
#include "uapi/dma_buf.hpp"

namespace causeway {
namespace {

/// Why this storage does not suit this device; empty if it does.
std::string misfit(const core::Storage& storage, const AttachmentRequest& request) {
  const auto& device = request.device;
  if (!storage.is_dma_buf && !device.has(Capability::ImportsMemfd) &&
      !device.has(Capability::ImportsHostPointer)) {
    return fmt::format("{} takes dma-bufs only", device.name());
  }
  if (request.needs.needs_pinnable && !storage.pinnable.valid()) {
    return fmt::format("{} needs a memfd beneath", device.name());
  }
  if (request.needs.max_object_size != 0 && storage.size > request.needs.max_object_size) {
    return fmt::format("{} takes at most {} bytes", device.name(), request.needs.max_object_size);
  }
  return {};
}

/// The first storage on the ladder, or of the named exporter, that suits all.
Result<std::pair<core::Storage, std::string>> find_storage(const core::RuntimeState& runtime,
                                                           std::string_view exporter, std::uint64_t size,
                                                           const std::string& name,
                                                           std::span<const AttachmentRequest> attachments) {
  auto ladder = core::select_allocators(runtime, exporter);
  if (!ladder) {
    return std::move(ladder.error());
  }
  std::string reasons;
  for (const core::Allocator* rung : *ladder) {
    std::string reason;
    auto storage = rung->allocate(size, name);
    if (!storage) {
      reason = storage.error().message();
    } else {
      for (const auto& attachment : attachments) {
        reason = misfit(*storage, attachment);
        if (!reason.empty()) {
          break;
        }
      }
      if (reason.empty()) {
        return std::pair(std::move(*storage), rung->name());
      }
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", rung->name(), reason);
  }
  return Error(Errc::Unsupported, "map_dma_buf",
               fmt::format("no exporter has storage that suits all {} attached devices: {}",
                           attachments.size(), reasons));
}

}  // namespace

ExportInfo DeferredExporter::describe(const Runtime& runtime, std::uint64_t size, std::string name) {
  return {.exporter = std::make_unique<DeferredExporter>(runtime.state(), size, name),
          .size = size,
          .name = std::move(name)};
}

DeferredExporter::DeferredExporter(std::shared_ptr<core::RuntimeState> runtime, std::uint64_t size,
                                   std::string name)
    : runtime_(std::move(runtime)), size_(size), name_(std::move(name)) {}

DeferredExporter::~DeferredExporter() = default;

std::string_view DeferredExporter::exp_name() const noexcept {
  return exporter_;
}

std::uint32_t DeferredExporter::operations() const noexcept {
  return static_cast<std::uint32_t>(ExporterOp::Attach | ExporterOp::DefersStorage |
                                    ExporterOp::MovesStorage);
}

Result<Backing> DeferredExporter::map_dma_buf(std::span<const AttachmentRequest> attachments,
                                              Direction /*direction*/) {
  if (storage_ == nullptr) {
    auto found = find_storage(*runtime_, {}, size_, name_, attachments);
    if (!found) {
      return std::move(found.error());
    }
    storage_ = std::make_unique<core::Storage>(std::move(found->first));
    exporter_ = std::move(found->second);
  }
  return core::StorageExporter::show(*storage_);
}

void DeferredExporter::unmap_dma_buf(Direction /*direction*/) noexcept {}

void DeferredExporter::release() noexcept {
  storage_.reset();
}

Status DeferredExporter::attach(const AttachmentRequest& request) {
  if (storage_ == nullptr) {
    return {};
  }
  if (const auto reason = misfit(*storage_, request); !reason.empty()) {
    return Error(
        Errc::Busy, "attach",
        fmt::format("the storage of \"{}\" was settled in {} before this device came, and does not suit it: "
                    "{}; attach all devices before the first map, or move_to other storage first",
                    name_, exporter_, reason));
  }
  return {};
}

Status DeferredExporter::move(std::string_view exporter) {
  auto found = find_storage(*runtime_, exporter, size_, name_, {});
  if (!found) {
    return std::move(found.error());
  }
  auto& [storage, name] = *found;
  if (storage_ != nullptr) {
    if (auto copied = core::copy_storage(*runtime_, *storage_, storage); !copied) {
      return copied;
    }
  }
  storage_ = std::make_unique<core::Storage>(std::move(storage));
  exporter_ = std::move(name);
  return {};
}

}  // namespace causeway
