// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/exporter.hpp>
#include <causeway/runtime.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace causeway {

namespace core {
class RuntimeState;
struct Storage;
}  // namespace core

/// An exporter without storage until the first mapping, which then suits all who are attached: what the
/// kernel's header allows an exporter to do (include/linux/dma-buf.h, dma_buf_ops.attach and map_dma_buf).
///
///   auto buffer = DmaBuf::create(runtime, DeferredExporter::describe(runtime, size, "frames"));
///   // attach devices; the first map(), fd() or CPU mapping settles the storage
///
/// A device that is attached later and that the storage does not suit is refused with Busy and the reason.
/// DmaBuf::move_to puts the content elsewhere while nothing holds it.
///
/// Threads: reentrant; called by the runtime alone, as Exporter says.
class DeferredExporter final : public Exporter {
public:
  /// For DmaBuf::create. size in bytes, whole pages.
  [[nodiscard]] static ExportInfo describe(const Runtime& runtime, std::uint64_t size, std::string name);

  DeferredExporter(std::shared_ptr<core::RuntimeState> runtime, std::uint64_t size, std::string name);
  ~DeferredExporter() override;

  [[nodiscard]] std::string_view exp_name() const noexcept override;
  [[nodiscard]] Result<Backing> map_dma_buf(std::span<const AttachmentRequest> attachments,
                                            Direction direction) override;
  void unmap_dma_buf(Direction direction) noexcept override;
  void release() noexcept override;
  [[nodiscard]] std::uint32_t operations() const noexcept override;
  [[nodiscard]] Status attach(const AttachmentRequest& request) override;
  [[nodiscard]] Status move(std::string_view exporter) override;

private:
  const std::shared_ptr<core::RuntimeState> runtime_;
  const std::uint64_t size_;
  const std::string name_;
  std::string exporter_ = "deferred";
  std::unique_ptr<core::Storage> storage_;  // null until settled
};

}  // namespace causeway
