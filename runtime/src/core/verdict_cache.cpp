// SPDX-License-Identifier: Apache-2.0
#include "core/verdict_cache.hpp"

#include <algorithm>
#include <utility>

#include "core/attachment_state.hpp"

namespace causeway::core {

std::optional<ImportKind> kind_of(const AttachmentState& attachment) {
  if (attachment.imported_read_only()) {
    return std::nullopt;  // nobody may write, so nothing can be seen
  }
  const auto& frame = attachment.frame();
  ImportKind kind{.import_path = attachment.import_path(),
                  .usage = attachment.usage(),
                  .layout = frame.layout(),
                  .objects = {}};
  for (const auto& object : frame.objects()) {
    const BufferState& buffer = *object.state();
    const auto& backing = buffer.backing();
    const bool shared_memory = buffer.foreign() && !backing.is_dma_buf;
    if (!buffer.from_allocator() && !shared_memory) {
      return std::nullopt;
    }
    kind.objects.push_back({.exporter = buffer.exporter(),
                            .size = buffer.size(),
                            .is_dma_buf = backing.is_dma_buf,
                            .pinnable = backing.pinnable.valid(),
                            .huge = backing.huge_bytes != 0,
                            .file_system = shared_memory ? buffer.id().device : 0});
  }
  return kind;
}

std::optional<AliasVerdict> VerdictCache::find(const ImportKind& kind) const {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.kind == kind; });
  return found == entries_.end() ? std::nullopt : std::optional(found->verdict);
}

void VerdictCache::keep(ImportKind kind, AliasVerdict verdict) {
  const std::lock_guard lock(mutex_);
  if (entries_.size() == kCapacity) {
    entries_.erase(entries_.begin());
  }
  entries_.push_back({.kind = std::move(kind), .verdict = verdict});
}

}  // namespace causeway::core
