// SPDX-License-Identifier: Apache-2.0
//
// A whole backend, as a shared object that Causeway loads: a device that computes checksums of frames. It
// sees Causeway's headers and links nothing of it. docs/plugin-abi.md has the rules; backend.hpp makes the C
// table from the class below.
#include <causeway/plugin/backend.hpp>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "checksum.h"

using namespace causeway;

/// What checksum.h only names.
struct checksum_view {
  std::vector<std::byte*> objects;  // CPU addresses, which the host keeps
  const std::byte* pixels = nullptr;
  std::size_t width = 0;
  std::size_t height = 0;
  std::size_t stride = 0;
  bool in_access = false;
};

namespace {

std::uint32_t crc32_step(std::uint32_t crc, std::byte value) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      made[i] = i;
      for (int bit = 0; bit < 8; ++bit) {
        made[i] = (made[i] >> 1) ^ ((made[i] & 1U) != 0 ? 0xedb88320U : 0U);
      }
    }
    return made;
  }();
  return (crc >> 8) ^ table[(crc ^ static_cast<std::uint32_t>(value)) & 0xffU];
}

// The typed interface: plain functions, so that it can be called across compilers and years.
std::int32_t crc32(const checksum_view* view, std::uint32_t* out) {
  if (!view->in_access) {
    return CW_WRONG_STATE;
  }
  std::uint32_t crc = 0xffffffffU;
  for (std::size_t row = 0; row < view->height; ++row) {
    for (std::size_t x = 0; x < view->width; ++x) {
      crc = crc32_step(crc, view->pixels[row * view->stride + x]);
    }
  }
  *out = ~crc;
  return CW_OK;
}

constexpr checksum_functions kFunctions{
    .struct_size = sizeof(checksum_functions), .reserved = 0, .crc32 = &crc32};

constexpr std::uint32_t kGrey8 = 0x20203852;  // DRM_FORMAT_R8: 'R', '8', ' ', ' '

class ChecksumDevice {
public:
  using Attachment = checksum_view;

  explicit ChecksumDevice(plugin::Host host) : host_(host) {}

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host /*host*/) {
    return std::vector{describe()};
  }

  static Result<std::unique_ptr<ChecksumDevice>> open(plugin::Host host, const cw_open_info& /*info*/) {
    return std::make_unique<ChecksumDevice>(host);
  }

  Status info(cw_device_info& out) {
    out = describe();
    return {};
  }

  /// What it needs of an allocation. `out` says "anything goes", and is narrowed here; what cannot be met at
  /// all is refused with a sentence that tells what would work.
  Status query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out) {
    if (image.format != 0 && image.format != kGrey8) {
      return Error(Errc::Unsupported, "query_constraints",
                   "the checksum device reads plain bytes and the format R8, and was asked for another");
    }
    if ((usage & CW_USAGE_WRITE) != 0) {
      return Error(Errc::Unsupported, "query_constraints",
                   "the checksum device only reads; attach it for Read");
    }
    out.stride_align = 16;
    return {};
  }

  /// Everything that costs is done here, once, and not in an access.
  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info) {
    auto view = std::make_unique<Attachment>();
    for (std::uint32_t i = 0; i < info.object_count; ++i) {
      auto address = host_.map_object(info.objects[i].ref);
      if (!address) {
        return std::move(address.error());
      }
      view->objects.push_back(*address);
    }
    const cw_plane_layout& plane = info.planes[0];  // the host has checked that it lies within its object
    view->pixels = view->objects[plane.object] + plane.offset;
    view->width = info.image.width;
    view->height = info.image.height;
    view->stride = plane.stride;
    return view;
  }

  Status map(Attachment& view, cw_direction /*direction*/, cw_mapping& out) {
    out.native_interface = CHECKSUM_VIEW;
    out.native = &view;
    out.import_path = "host-pointer";
    return {};
  }
  void unmap(Attachment& /*view*/) {}

  Status begin_access(Attachment& view, const cw_access_begin& /*begin*/) {
    view.in_access = true;
    return {};
  }
  Status end_access(Attachment& view, cw_access_end& end) {
    view.in_access = false;
    end.signal_count = 0;  // its work is done when its functions return, so nobody has to wait
    return {};
  }

  const void* get_interface(std::string_view name) {
    return name == CHECKSUM_INTERFACE ? &kFunctions : nullptr;
  }

  // Optional. By these the host proves that CPU and device see the same bytes; without them a mapping is
  // "Unknown".
  Status probe_write(Attachment& view, const cw_probe& probe) {
    std::memcpy(view.objects[probe.object] + probe.offset, probe.data, probe.size);
    return {};
  }
  Status probe_read(Attachment& view, cw_probe& probe) {
    std::memcpy(probe.data, view.objects[probe.object] + probe.offset, probe.size);
    return {};
  }

private:
  static cw_device_info describe() {
    auto info = plugin::sized<cw_device_info>();
    // Works through CPU addresses: the host brackets each of its accesses with DMA_BUF_IOCTL_SYNC.
    info.capabilities =
        CW_CAP_ACCESSES_VIA_CPU | CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD | CW_CAP_IMPORTS_HOST_POINTER;
    plugin::copy_text(info.id, "0");
    plugin::copy_text(info.name, "checksum unit");
    plugin::copy_text(info.driver, "sample");
    plugin::copy_text(info.driver_version, "1");
    return info;
  }

  plugin::Host host_;
};

}  // namespace

// The one symbol that is looked for. Everything else is hidden (CMakeLists.txt).
extern "C" __attribute__((visibility("default"))) const cw_backend* causeway_backend_entry(
    std::uint32_t /*host_version*/) {
  static const cw_backend table =
      plugin::make_table<ChecksumDevice>("checksum", "Checksums of frames, a sample of a loadable backend");
  return &table;
}
