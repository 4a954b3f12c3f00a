// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <causeway/plugin/loss.hpp>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "context.hpp"
#include "import_image.hpp"
#include "probe.hpp"
#include "timeline.hpp"

namespace causeway::gl_backend {

/// The backend's device class, as plugin/backend.hpp wants it.
class Device {
public:
  class Attachment {
  public:
    explicit Attachment(const Context& context) : context_(context) {}
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;
    ~Attachment();

    ImportedImage whole;
    std::array<ImportedImage, CW_MAX_PLANES> planes;
    std::vector<ProbeImages> probes;  ///< one for each object
    cw_gl_view_v1 view = plugin::sized<cw_gl_view_v1>();

  private:
    const Context& context_;
  };

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host host);
  static Result<std::unique_ptr<Device>> open(plugin::Host host, const cw_open_info& info);

  explicit Device(std::unique_ptr<Context> context) noexcept
      : context_(std::move(context)), timeline_(*context_) {}

  Status info(cw_device_info& out);
  Status query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out);
  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& given);
  Status map(Attachment& attachment, cw_direction direction, cw_mapping& out);
  void unmap(Attachment&) {}
  Status begin_access(Attachment& attachment, const cw_access_begin& begin);
  Status end_access(Attachment& attachment, cw_access_end& end);
  const void* get_interface(std::string_view name);
  Status probe_write(Attachment& attachment, const cw_probe& probe);
  Status probe_read(Attachment& attachment, cw_probe& probe);
  Status fence_wait(const cw_fence& fence, std::int64_t deadline_ns);
  Status fence_export(const cw_fence& fence, cw_fence& out);
  void fence_release(const cw_fence& fence) { timeline_.release(fence); }
  Status wait_idle(std::int64_t deadline_ns);

  void handles(cw_gl_handles_v1& out) const noexcept;

private:
  [[nodiscard]] Status alive(std::string_view operation) const {
    return loss_.check(operation, context_->name());
  }
  [[nodiscard]] Status watched(Status status) { return loss_.watch(std::move(status)); }
  [[nodiscard]] Status import_frame(const cw_attach_info& info, Attachment& made) const;
  [[nodiscard]] Status import_whole(const cw_attach_info& info, std::span<const PlaneMemory> memory,
                                    Attachment& made) const;
  [[nodiscard]] Status import_planes(const cw_attach_info& info, std::span<const PlaneMemory> memory,
                                     Attachment& made) const;
  [[nodiscard]] Result<const ProbeImages*> probe_images(const Attachment& attachment, const cw_probe& probe,
                                                        std::string_view operation) const;

  std::unique_ptr<Context> context_;
  Timeline timeline_;  ///< goes before its context
  plugin::Loss loss_;
};

}  // namespace causeway::gl_backend
