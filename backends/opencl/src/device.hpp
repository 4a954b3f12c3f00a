// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/opencl_abi.h>
#include <causeway/plugin/backend.hpp>
#include <causeway/plugin/loss.hpp>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "access.hpp"
#include "context.hpp"
#include "import_buffer.hpp"
#include "import_image.hpp"
#include "probe.hpp"
#include "timeline.hpp"

namespace causeway::opencl_backend {

/// The backend's device class, as plugin/backend.hpp wants it.
class Device {
public:
  struct Attachment {
    std::vector<ImportedBuffer> buffers;  ///< one for each object
    std::vector<ImportedImage> images;
    cw_opencl_view_v1 view;
    ImportPath import_path;   ///< the latest step, if its objects came in by different ones
    std::uint32_t turns = 0;  ///< accesses that have begun and not ended
    EventHandle last;         ///< with which the access that ends next is over, if the caller said so
  };

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host host);
  static Result<std::unique_ptr<Device>> open(plugin::Host host, const cw_open_info& info);

  explicit Device(std::unique_ptr<Context> context) noexcept
      : context_(std::move(context)),
        prober_(*context_),
        timeline_(*context_),
        accessor_(*context_, timeline_) {}

  Status info(cw_device_info& out);
  Status query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out);
  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info);
  Status map(Attachment& attachment, cw_direction direction, cw_mapping& out);
  void unmap(Attachment&) { prober_.settle(); }
  Status begin_access(Attachment& attachment, const cw_access_begin& begin);
  Status end_access(Attachment& attachment, cw_access_end& end);
  const void* get_interface(std::string_view name);
  Status probe_write(Attachment& attachment, const cw_probe& probe);
  Status probe_read(Attachment& attachment, cw_probe& probe);
  Status fence_wait(const cw_fence& fence, std::int64_t deadline_ns);
  Status fence_export(const cw_fence& fence, cw_fence& out);
  void fence_release(const cw_fence& fence);
  Status wait_idle(std::int64_t deadline_ns);

  void handles(cw_opencl_handles_v1& out) const noexcept;
  Status end_with(Attachment& attachment, cl_event event);

private:
  [[nodiscard]] std::uint32_t imported_as(const Attachment& attachment) const noexcept;
  [[nodiscard]] Status alive(std::string_view operation) const {
    return loss_.check(operation, context_->name());
  }
  [[nodiscard]] Status watched(Status status) { return loss_.watch(std::move(status)); }
  [[nodiscard]] Status attach_images(const cw_attach_info& info, Attachment& made);
  void note_copies(const Attachment& attachment, const cw_probe& probe);

  std::unique_ptr<Context> context_;
  Prober prober_;      ///< goes before its context
  Timeline timeline_;  ///< likewise
  Accessor accessor_;
  plugin::Loss loss_;
};

}  // namespace causeway::opencl_backend
