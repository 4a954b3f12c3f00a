// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>

#include <memory>
#include <vector>

#include "support/device_memory.hpp"

namespace causeway::test {

/// A device that only writes, what and when it likes: a camera, as far as the alias proof is concerned.
class Producer {
public:
  enum class Behaviour { Honest, WritesElsewhere, WritesHalf, Fails };
  /// Of all of them, from now on.
  static Behaviour& behaviour() {
    static Behaviour all = Behaviour::Honest;
    return all;
  }

  struct Attachment {
    DeviceMemory memory;
    std::uint64_t bytes;  // of the picture
  };

  explicit Producer(plugin::Host host) : host_(host) {}
  static Result<std::vector<cw_device_info>> enumerate(plugin::Host /*host*/) {
    return std::vector{describe()};
  }
  static Result<std::unique_ptr<Producer>> open(plugin::Host host, const cw_open_info& /*info*/) {
    return std::make_unique<Producer>(host);
  }
  static Status info(cw_device_info& out) {
    out = describe();
    return {};
  }
  static Status query_constraints(const cw_image_desc& /*image*/, std::uint32_t /*usage*/,
                                  cw_constraints& /*out*/) {
    return {};
  }
  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info) {
    auto memory = DeviceMemory::open(host_, info.objects[0], Reach::Dma);
    if (!memory) {
      return std::move(memory.error());
    }
    const auto bytes = std::uint64_t{info.planes[0].stride} * info.image.height;
    return std::make_unique<Attachment>(Attachment{.memory = std::move(*memory), .bytes = bytes});
  }
  static Status map(Attachment& /*attachment*/, cw_direction /*direction*/, cw_mapping& out) {
    out.import_path = "dma-buf";
    return {};
  }
  static void unmap(Attachment& /*attachment*/) {}
  static Status begin_access(Attachment& /*attachment*/, const cw_access_begin& /*begin*/) { return {}; }
  static Status end_access(Attachment& /*attachment*/, cw_access_end& end) {
    end.signal_count = 0;
    return {};
  }
  static const void* get_interface(std::string_view /*name*/) { return nullptr; }

  static Status probe_write(Attachment& attachment, const cw_probe& probe) {
    if (probe.flags != CW_PROBE_ANY_CONTENT || probe.data != nullptr) {
      return Error(Errc::InvalidArgument, "probe_write", "a source was told what it has to write");
    }
    const auto now = behaviour();
    if (now == Behaviour::Fails) {
      return Error(Errc::TimedOut, "probe_write", "there was no picture to be had");
    }
    const auto bytes = now == Behaviour::Honest       ? attachment.bytes
                       : now == Behaviour::WritesHalf ? attachment.bytes / 2
                                                      : 0;
    const std::vector<std::byte> picture(bytes, std::byte{0x80});
    return attachment.memory.write(0, picture);
  }

private:
  static cw_device_info describe() {
    auto info = plugin::sized<cw_device_info>();
    info.capabilities = CW_CAP_IMPORTS_DMA_BUF | CW_CAP_PRODUCES_ONLY;
    plugin::copy_text(info.id, "source");
    plugin::copy_text(info.name, "a source");
    plugin::copy_text(info.driver, "producer");
    return info;
  }

  plugin::Host host_;
};

inline const cw_backend* producer_backend(std::uint32_t /*host_version*/) {
  static const cw_backend kTable = plugin::make_table<Producer>("producer", "Sources for tests");
  return &kTable;
}

}  // namespace causeway::test
