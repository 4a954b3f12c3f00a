// SPDX-License-Identifier: Apache-2.0
#include <causeway/usage.hpp>

#include <algorithm>
#include <utility>

#include "core/allocation.hpp"
#include "core/storage_exporter.hpp"
#include "uapi/dma_buf.hpp"

namespace causeway::core {
namespace {

/// Storage in the CPU's hands, bracketed if it is a dma-buf.
class InHand {
public:
  static Result<InHand> take(RuntimeState& runtime, const Storage& storage, Usage usage) {
    const bool beneath = storage.pinnable.valid();
    auto range = runtime.kernel().map(beneath ? storage.pinnable.borrow() : storage.fd.borrow(),
                                      beneath ? storage.pinnable_offset : 0, storage.size, true, false);
    if (!range) {
      return std::move(range.error());
    }
    if (storage.is_dma_buf) {
      if (auto started = uapi::sync_start(runtime.kernel(), storage.fd.borrow(), usage); !started) {
        return std::move(started.error());
      }
      runtime.tally().add_sync_start();
    }
    return InHand(std::move(*range));
  }

  static Status give_back(RuntimeState& runtime, const Storage& storage, Usage usage) {
    if (!storage.is_dma_buf) {
      return {};
    }
    runtime.tally().add_sync_end();
    return uapi::sync_end(runtime.kernel(), storage.fd.borrow(), usage);
  }

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {range_.address(), range_.length()}; }

private:
  explicit InHand(uapi::MappedRange range) noexcept : range_(std::move(range)) {}

  uapi::MappedRange range_;
};

}  // namespace

Status copy_storage(RuntimeState& runtime, const Storage& from, const Storage& to) {
  auto source = InHand::take(runtime, from, Usage::Read);
  if (!source) {
    return std::move(source.error());
  }
  auto target = InHand::take(runtime, to, Usage::Write);
  Status first;
  if (target) {
    const auto size = std::min(from.size, to.size);
    runtime.tally().copy(target->bytes().first(size), source->bytes().first(size));
    first = InHand::give_back(runtime, to, Usage::Write);
  } else {
    first = std::move(target.error());
  }
  auto second = InHand::give_back(runtime, from, Usage::Read);
  return first ? std::move(second) : std::move(first);
}

}  // namespace causeway::core
