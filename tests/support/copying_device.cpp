// SPDX-License-Identifier: Apache-2.0
#include "support/copying_device.hpp"

#include <algorithm>
#include <causeway/plugin/backend.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/device_memory.hpp"

namespace causeway::test {

namespace {

cw_device_info describe(std::string_view id) {
  auto info = plugin::sized<cw_device_info>();
  info.capabilities = CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD | CW_CAP_ACCESSES_VIA_CPU;
  plugin::copy_text(info.id, id);
  plugin::copy_text(info.name, "copying device " + std::string(id));
  plugin::copy_text(info.driver, "copycat");
  plugin::copy_text(info.driver_version, "1");
  return info;
}

class CopyingDevice {
public:
  struct Object {
    DeviceMemory memory;
    std::vector<std::byte> copy;
  };
  struct Attachment {
    std::vector<Object> objects;
  };

  CopyingDevice(plugin::Host host, std::string id) : host_(host), id_(std::move(id)) {}

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host /*host*/) {
    return std::vector{describe("may-copy"), describe("never")};
  }
  static Result<std::unique_ptr<CopyingDevice>> open(plugin::Host host, const cw_open_info& info) {
    const std::string id = info.id != nullptr && *info.id != '\0' ? info.id : "never";
    if (id != "may-copy" && id != "never") {
      return Error(Errc::NotFound, "open",
                   "there is no copying device \"" + id + "\"; there are may-copy and never");
    }
    return std::make_unique<CopyingDevice>(host, id);
  }
  Status info(cw_device_info& out) const {
    out = describe(id_);
    return {};
  }
  Status query_constraints(const cw_image_desc& /*image*/, std::uint32_t /*usage*/, cw_constraints& /*out*/) {
    return {};
  }

  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info) {
    auto attachment = std::make_unique<Attachment>();
    for (const auto& object : std::span(info.objects, info.object_count)) {
      auto memory = DeviceMemory::open(host_, object, Reach::ViaCpu);
      if (!memory) {
        return std::move(memory.error());
      }
      std::vector<std::byte> copy(object.size);
      if (auto copied = memory->read(0, copy); !copied) {
        return std::move(copied.error());
      }
      attachment->objects.push_back({std::move(*memory), std::move(copy)});
    }
    return attachment;
  }

  Status map(Attachment& attachment, cw_direction /*direction*/, cw_mapping& out) {
    out.native_interface = kCopycatView;
    out.native = &attachment;
    out.import_path = "dma-buf";  // so it says
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
    auto& object = attachment.objects.at(probe.object);
    const auto* bytes = static_cast<const std::byte*>(probe.data);
    std::copy_n(bytes, probe.size, object.copy.begin() + static_cast<std::ptrdiff_t>(probe.offset));
    return exchanges(probe) ? object.memory.write(probe.offset, std::span(bytes, probe.size)) : Status();
  }
  Status probe_read(Attachment& attachment, cw_probe& probe) {
    auto& object = attachment.objects.at(probe.object);
    const auto part = std::span(object.copy).subspan(probe.offset, probe.size);
    if (exchanges(probe)) {
      if (auto refreshed = object.memory.read(probe.offset, part); !refreshed) {
        return refreshed;
      }
    }
    std::copy(part.begin(), part.end(), static_cast<std::byte*>(probe.data));
    return {};
  }

private:
  [[nodiscard]] bool exchanges(const cw_probe& probe) const {
    return id_ == "may-copy" && (probe.flags & CW_PROBE_MAY_COPY) != 0;
  }

  plugin::Host host_;
  std::string id_;
};

}  // namespace

std::byte copycat_sees(const void* view, std::size_t offset) {
  return view == nullptr ? std::byte{}
                         : static_cast<const CopyingDevice::Attachment*>(view)->objects.at(0).copy.at(offset);
}

const cw_backend* copycat_backend(std::uint32_t /*host_version*/) {
  static const cw_backend kTable =
      plugin::make_table<CopyingDevice>("copycat", "Devices that copy in secret");
  return &kTable;
}

}  // namespace causeway::test
