// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "card.hpp"

namespace causeway::fpga_vfio_backend {
namespace {

constexpr std::uint32_t kLeastAddressBits = 13;  // two pages: one to map, one behind it

/// What the program says of its card, with defaults in place of what it does not say.
Result<cw_fpga_vfio_config> config_of(const cw_open_info& info) {
  auto config = plugin::sized<cw_fpga_vfio_config>();
  if (info.adopt != nullptr) {
    if (info.adopt_interface == nullptr ||
        std::string_view(info.adopt_interface) != CW_FPGA_VFIO_CONFIG_INTERFACE) {
      return Error(
          Errc::Unsupported, "open",
          plugin::words("something of \"", info.adopt_interface != nullptr ? info.adopt_interface : "",
                        "\" was given; a card behind VFIO takes " CW_FPGA_VFIO_CONFIG_INTERFACE));
    }
    config = plugin::sized_copy(*static_cast<const cw_fpga_vfio_config*>(info.adopt));
  }
  config.address_bits = config.address_bits != 0 ? config.address_bits : 64;
  config.alignment = config.alignment != 0 ? config.alignment : 1;
  if (config.address_bits < kLeastAddressBits || config.address_bits > 64) {
    return Error(Errc::InvalidArgument, "open",
                 plugin::words("addresses of ", config.address_bits, " bits were asked for; a card drives ",
                               kLeastAddressBits, " to 64"));
  }
  if ((config.alignment & (config.alignment - 1)) != 0) {
    return Error(
        Errc::InvalidArgument, "open",
        plugin::words("an alignment of ", config.alignment, " bytes was asked for; it is a power of two"));
  }
  return config;
}

/// The address that was asked for, or the first card there is.
Result<std::string> address_of(plugin::Host host, const cw_open_info& info) {
  const std::string id = info.id != nullptr ? info.id : "";
  const auto bound = bound_to_vfio(host);
  if (id.empty()) {
    if (bound.empty()) {
      return Error(
          Errc::NotFound, "open",
          plugin::words(
              "no PCI function is bound to vfio-pci; lspci -nn finds your card's ADDRESS, then as root: ",
              how_to_bind("ADDRESS", true)));
    }
    return bound.front();
  }
  if (!is_pci_address(id)) {
    return Error(Errc::InvalidArgument, "open",
                 plugin::words("\"", id,
                               "\" is no address of a PCI function; they look like 0000:01:00.0, and "
                               "lspci -D lists them"));
  }
  return id;
}

}  // namespace

Result<std::unique_ptr<Card>> Card::open(plugin::Host host, const cw_open_info& info) {
  const auto config = config_of(info);
  if (!config) {
    return config.error();
  }
  const auto address = address_of(host, info);
  if (!address) {
    return address.error();
  }
  const auto function = look_up(host, *address);
  if (!function) {
    return Error(
        Errc::NotFound, "open",
        plugin::words("there is no PCI function at ", *address,
                      "; lspci -D lists those that there are (echo 1 > /sys/bus/pci/rescan looks again)"));
  }
  auto device = VfioDevice::open(host, *function);
  if (!device) {
    return std::move(device.error());
  }
  const auto dma = device->dma();
  if (!dma) {
    return dma.error();
  }
  IovaSpace space(dma->ranges, config->address_bits, dma->page);
  if (space.largest() == 0) {
    return Error(Errc::Unsupported, "open",
                 plugin::words("the IOMMU permits no address that ", *address, " can drive with ",
                               config->address_bits, " bits"));
  }
  if (config->max_segment % dma->page != 0) {
    return Error(Errc::InvalidArgument, "open",
                 plugin::words("segments of at most ", config->max_segment,
                               " bytes were asked for; they are whole pages of ", dma->page));
  }
  std::unique_ptr<Card> card(new Card(host, *function, *config, std::move(*device), std::move(space)));
  Status ready = card->bars_.map();
  if (ready) {
    ready = card->interrupts_.enable();
  }
  if (ready) {
    ready = card->device_.set_mastering(true);
  }
  if (!ready) {
    return std::move(ready.error());
  }
  card->card_functions_ = card_functions(card->interrupts_.count());
  return card;
}

}  // namespace causeway::fpga_vfio_backend
