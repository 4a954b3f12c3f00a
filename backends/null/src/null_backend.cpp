// SPDX-License-Identifier: Apache-2.0
#include <causeway/plugin/backend.hpp>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace causeway::null_backend {
namespace {

/// A device that is only the CPU.
class NullDevice {
public:
  /// The objects by their CPU addresses, which the host keeps.
  struct Attachment {
    std::vector<std::byte*> objects;
  };

  explicit NullDevice(plugin::Host host) : host_(host) {}

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host /*host*/) {
    return std::vector{describe()};
  }

  static Result<std::unique_ptr<NullDevice>> open(plugin::Host host, const cw_open_info& info) {
    const std::string id = info.id != nullptr ? info.id : "";
    if (!id.empty() && id != "null") {
      return Error(Errc::NotFound, "open",
                   "there is no null device \"" + id + "\"; the one there is, is \"null\"");
    }
    return std::make_unique<NullDevice>(host);
  }

  Status info(cw_device_info& out) {
    out = describe();
    return {};
  }

  Status query_constraints(const cw_image_desc& /*image*/, std::uint32_t /*usage*/, cw_constraints& /*out*/) {
    return {};  // anything goes
  }

  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info) {
    auto attachment = std::make_unique<Attachment>();
    for (std::uint32_t i = 0; i < info.object_count; ++i) {
      auto address = host_.map_object(info.objects[i].ref);
      if (!address) {
        return std::move(address.error());
      }
      attachment->objects.push_back(*address);
    }
    return attachment;
  }

  Status map(Attachment& /*attachment*/, cw_direction /*direction*/, cw_mapping& out) {
    out.import_path = "host-pointer";
    return {};
  }
  void unmap(Attachment& /*attachment*/) {}

  Status begin_access(Attachment& /*attachment*/, const cw_access_begin& /*begin*/) { return {}; }
  Status end_access(Attachment& /*attachment*/, cw_access_end& end) {
    end.signal_count = 0;
    return {};
  }

  const void* get_interface(std::string_view /*name*/) { return nullptr; }

  Status probe_write(Attachment& attachment, const cw_probe& probe) {
    std::memcpy(attachment.objects[probe.object] + probe.offset, probe.data, probe.size);
    return {};
  }
  Status probe_read(Attachment& attachment, cw_probe& probe) {
    std::memcpy(probe.data, attachment.objects[probe.object] + probe.offset, probe.size);
    return {};
  }

private:
  static cw_device_info describe() {
    auto info = plugin::sized<cw_device_info>();
    info.capabilities =
        CW_CAP_ACCESSES_VIA_CPU | CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD | CW_CAP_IMPORTS_HOST_POINTER;
    plugin::copy_text(info.id, "null");
    plugin::copy_text(info.name, "null device");
    plugin::copy_text(info.driver, "null");
    plugin::copy_text(info.driver_version, "1");
    return info;
  }

  plugin::Host host_;
};

}  // namespace
}  // namespace causeway::null_backend

extern "C" const cw_backend* causeway_null_backend(std::uint32_t host_version);

extern "C" const cw_backend* causeway_null_backend(std::uint32_t /*host_version*/) {
  static const cw_backend table = causeway::plugin::make_table<causeway::null_backend::NullDevice>(
      "null", "A device without hardware, for tests and measurements");
  return &table;
}
