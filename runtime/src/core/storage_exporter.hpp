// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/exporter.hpp>

#include <string>
#include <utility>

#include "core/allocator.hpp"

namespace causeway::core {

/// The owner of storage that is there from the start: what an allocator made, or what came from outside.
class StorageExporter final : public Exporter {
public:
  StorageExporter(std::string name, Storage storage) : name_(std::move(name)), storage_(std::move(storage)) {}

  [[nodiscard]] std::string_view exp_name() const noexcept override { return name_; }

  [[nodiscard]] Result<Backing> map_dma_buf(std::span<const AttachmentRequest> /*attachments*/,
                                            Direction /*direction*/) override {
    return show(storage_);
  }
  void unmap_dma_buf(Direction /*direction*/) noexcept override {}
  void release() noexcept override {}

  /// Shows the memory by another descriptor of it from now on. The one before stays open, since it was lent.
  void show_by(UniqueFd better) noexcept {
    outlived_ = std::move(storage_.fd);
    storage_.fd = std::move(better);
  }
  [[nodiscard]] Backing shown() const noexcept { return show(storage_); }

  [[nodiscard]] static Backing show(const Storage& storage) noexcept {
    return {.fd = storage.fd.borrow(),
            .size = storage.size,
            .is_dma_buf = storage.is_dma_buf,
            .pinnable = storage.pinnable.borrow(),
            .pinnable_offset = storage.pinnable_offset,
            .huge_bytes = storage.huge_bytes};
  }

private:
  std::string name_;
  Storage storage_;
  UniqueFd outlived_;
};

}  // namespace causeway::core
