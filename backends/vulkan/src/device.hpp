// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>
#include <atomic>
#include <causeway/plugin/backend.hpp>
#include <causeway/plugin/loss.hpp>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "context.hpp"
#include "image_forms.hpp"
#include "import_buffer.hpp"
#include "order.hpp"
#include "probe.hpp"
#include "ycbcr.hpp"

namespace causeway::vulkan_backend {

/// The backend's device class, as plugin/backend.hpp wants it.
class Device {
public:
  struct Attachment {
    std::vector<ImportedBuffer> buffers;  ///< one for each object
    std::vector<bool> writable;           ///< the object
    ImageForm form;
    ColorFacts color;
    cw_vulkan_view_v1 view{};
    ImportPath import_path =
        ImportPath::DmaBuf;   ///< the later step, if its objects came in by different ones
    OrderedAttachment order;  ///< goes first
  };

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host host);
  static Result<std::unique_ptr<Device>> open(plugin::Host host, const cw_open_info& info);

  Device(std::unique_ptr<Context> context, std::unique_ptr<Order> order) noexcept
      : context_(std::move(context)), order_(std::move(order)), prober_(*context_), conversions_(*context_) {}

  Status info(cw_device_info& out);
  Status query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out);
  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info);
  Status map(Attachment& attachment, cw_direction direction, cw_mapping& out);
  void unmap(Attachment&) { prober_.settle(); }
  Status begin_access(Attachment& attachment, const cw_access_begin& begin);
  Status end_access(Attachment& attachment, cw_access_end& end);
  const void* get_interface(std::string_view name);
  Status allocate(const cw_allocate_info& info, cw_allocation& out);
  void release(void* token);
  Status probe_write(Attachment& attachment, const cw_probe& probe);
  Status probe_read(Attachment& attachment, cw_probe& probe);

  Status fence_wait(const cw_fence& fence, std::int64_t deadline_ns);
  Status fence_export(const cw_fence& fence, cw_fence& out);
  Status fence_import(Device& giver, const cw_fence& fence, cw_fence& out);
  void fence_release(const cw_fence& fence) noexcept { order_->fence_release(fence); }
  Status wait_idle(std::int64_t deadline_ns);

  void handles(cw_vulkan_handles_v1& out) const noexcept;
  Status conversion(const Attachment& attachment, cw_vulkan_conversion_v1& out);
  Status take_turn(Attachment& attachment, cw_vulkan_turn_v1& out);
  Status drop_turn(Attachment& attachment);
  void pin_import(std::uint32_t step) noexcept { pinned_ = step; }
  [[nodiscard]] const Context& context() const noexcept { return *context_; }

private:
  [[nodiscard]] Status alive(std::string_view operation) const {
    return loss_.check(operation, context_->name());
  }
  [[nodiscard]] Status watched(Status status) { return loss_.watch(std::move(status)); }

  std::unique_ptr<Context> context_;
  std::unique_ptr<Order> order_;  ///< this and the next two go before their context
  Prober prober_;
  Conversions conversions_;
  plugin::Loss loss_;
  std::atomic<std::uint32_t> pinned_ = CW_VULKAN_IMPORT_ANY;
};

}  // namespace causeway::vulkan_backend
