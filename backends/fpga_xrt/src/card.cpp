// SPDX-License-Identifier: Apache-2.0
#include "card.hpp"

#include <algorithm>
#include <causeway/plugin/access.hpp>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <charconv>
#include <utility>

namespace causeway::fpga_xrt_backend {
namespace {

constexpr unsigned kMostCards = 16;

cw_device_info describe(const std::string& id) {
  auto info = plugin::sized<cw_device_info>();
  info.capabilities = CW_CAP_IMPORTS_DMA_BUF;
  plugin::copy_text(info.id, id);
  plugin::copy_text(info.name, plugin::words("XRT card ", id));
  plugin::copy_text(info.driver, "xrt");
  return info;
}

Result<cw_fpga_xrt_config> config_of(const cw_open_info& info) {
  auto config = plugin::sized<cw_fpga_xrt_config>();
  if (info.adopt != nullptr) {
    if (info.adopt_interface == nullptr ||
        std::string_view(info.adopt_interface) != CW_FPGA_XRT_CONFIG_INTERFACE) {
      return Error(
          Errc::Unsupported, "open",
          plugin::words("something of \"", info.adopt_interface != nullptr ? info.adopt_interface : "",
                        "\" was given; a card of XRT's takes " CW_FPGA_XRT_CONFIG_INTERFACE));
    }
    config = plugin::sized_copy(*static_cast<const cw_fpga_xrt_config*>(info.adopt));
  }
  config.library = config.library != nullptr ? config.library : kLibrary;
  config.alignment = config.alignment != 0 ? config.alignment : 1;
  if ((config.alignment & (config.alignment - 1)) != 0) {
    return Error(
        Errc::InvalidArgument, "open",
        plugin::words("an alignment of ", config.alignment, " bytes was asked for; it is a power of two"));
  }
  return config;
}

/// id: an index, or a PCI address.
Result<DeviceHandle> open_card(const Api& api, const std::string& id) {
  unsigned index = 0;
  const auto* end = id.data() + id.size();
  const auto [rest, wrong] = std::from_chars(id.data(), end, index);
  const bool is_index = wrong == std::errc() && rest == end;
  if (!is_index && id.find(':') == std::string::npos) {
    return Error(Errc::InvalidArgument, "open",
                 plugin::words("\"", id,
                               "\" is neither an index such as 0 nor a PCI address such as 0000:65:00.1; "
                               "xrt-smi examine lists the cards"));
  }
  errno = 0;
  const auto device = is_index ? api.DeviceOpen(index) : api.DeviceOpenByBDF(id.c_str());
  if (device != nullptr) {
    return device;
  }
  const char* entry_point = is_index ? "xrtDeviceOpen" : "xrtDeviceOpenByBDF";
  auto failure = failure_of(entry_point, plugin::words("XRT does not open the card ", id,
                                                       " for this user; it must be in the group that has "
                                                       "/dev/dri/renderD*"));
  if (failure.code() == Errc::Permission) {
    return failure;
  }
  return Error(Errc::NotFound, entry_point,
               plugin::words("XRT has no card ", id, "; xrt-smi examine lists those that it has"),
               failure.system_errno());
}

}  // namespace

Card::Card(plugin::Host host, const Api& api, const cw_fpga_xrt_config& config, std::string id,
           DeviceHandle device)
    : host_(host),
      api_(api),
      config_(config),
      id_(std::move(id)),
      device_(device),
      buffers_(host, api_, device) {}

Card::~Card() {
  allocated_.clear();
  errno = 0;
  if (config_.device == nullptr && api_.DeviceClose(device_) != 0) {
    host_.log(CW_LOG_WARNING,
              failure_of("xrtDeviceClose", plugin::words("XRT did not close the card ", id_)).message());
  }
}

// XRT's C entry points do not count cards: the one after the last cannot be opened, and XRT says so on
// standard error.
Result<std::vector<cw_device_info>> Card::enumerate(plugin::Host host) {
  const auto api = Api::load(kLibrary);
  if (!api) {
    host.log(CW_LOG_DEBUG, api.error().message());
    return std::vector<cw_device_info>();
  }
  std::vector<cw_device_info> found;
  for (unsigned i = 0; i < kMostCards; ++i) {
    const auto device = api->DeviceOpen(i);
    if (device == nullptr) {
      break;
    }
    api->DeviceClose(device);
    found.push_back(describe(std::to_string(i)));
  }
  return found;
}

Result<std::unique_ptr<Card>> Card::open(plugin::Host host, const cw_open_info& info) {
  auto config = config_of(info);
  if (!config) {
    return std::move(config.error());
  }
  const auto api = Api::load(std::exchange(config->library, nullptr));  // lent for this call
  if (!api) {
    return api.error();
  }
  const std::string asked = info.id != nullptr ? info.id : "";
  if (config->device != nullptr) {
    const std::string id = asked.empty() ? "of the program" : asked;
    return std::unique_ptr<Card>(new Card(host, *api, *config, id, config->device));
  }
  const std::string id = asked.empty() ? "0" : asked;
  const auto device = open_card(*api, id);
  if (!device) {
    return device.error();
  }
  return std::unique_ptr<Card>(new Card(host, *api, *config, id, *device));
}

Status Card::info(cw_device_info& out) const {
  out = describe(id_);
  return {};
}

Status Card::query_constraints(const cw_image_desc& /*image*/, std::uint32_t /*usage*/,
                               cw_constraints& out) const {
  out.stride_align = config_.alignment;
  out.offset_align = config_.alignment;
  return {};
}

// ---------------------------------------------------------------- turns

Status Card::Attachment::sync(int direction) const {
  for (const Object& object : objects_) {
    if (auto synced = object.buffer->sync(direction, object.begin, object.end - object.begin); !synced) {
      return synced;
    }
  }
  return {};
}

Status Card::begin_access(Attachment& attachment, const cw_access_begin& begin) {
  if (config_.explicit_sync == 0 && (begin.usage & CW_USAGE_READ) != 0) {
    if (auto synced = attachment.sync(kToDevice); !synced) {
      return synced;
    }
  }
  const std::lock_guard lock(mutex_);
  attachment.turns_.push_back(
      {.access = plugin::access_number(begin), .usage = begin.usage, .in_doubt = false});
  return {};
}

Status Card::end_access(Attachment& attachment, cw_access_end& end) {
  end.signal_count = 0;
  std::uint32_t usage = 0;
  {
    const std::lock_guard lock(mutex_);
    auto& turns = attachment.turns_;
    if (const auto over = plugin::find_access(turns.begin(), turns.end(), end); over != turns.end()) {
      usage = over->usage;
      in_doubt_ |= over->in_doubt;
      turns.erase(over);
    }
  }
  if (config_.explicit_sync != 0 || (usage & CW_USAGE_WRITE) == 0) {
    return {};
  }
  if (end.given_count != 0) {
    return Error(
        Errc::Unsupported, "end_access",
        plugin::words("a turn of the XRT card ", id_,
                      " that writes was ended with a fence, and what it wrote is made visible at the end of "
                      "the turn; end it after xrtRunWait, or open the card with Sync::Explicit and call "
                      "sync() yourself"));
  }
  return attachment.sync(kFromDevice);
}

// The host asks when a turn was dropped, then ends that turn here, and asks again later.
Status Card::wait_idle(std::int64_t /*deadline_ns*/) {
  const std::lock_guard lock(mutex_);
  bool working = in_doubt_;
  for (const auto& [ticket, attachment] : mapped_) {
    for (auto& turn : attachment->turns_) {
      turn.in_doubt = working = true;
    }
  }
  if (working) {
    return Error(
        Errc::Unsupported, "wait_idle",
        plugin::words("XRT does not tell whether kernels of the card ", id_,
                      " still work on a buffer whose turn was dropped without an end; once none does, call "
                      "fpga_xrt::idle(card)"));
  }
  return {};
}

void Card::settle() {
  const std::lock_guard lock(mutex_);
  in_doubt_ = false;
  for (const auto& [ticket, attachment] : mapped_) {
    for (auto& turn : attachment->turns_) {
      turn.in_doubt = false;
    }
  }
}

const void* Card::get_interface(std::string_view name) const {
  return name == CW_FPGA_XRT_INTERFACE ? &xrt_functions() : nullptr;
}

}  // namespace causeway::fpga_xrt_backend
