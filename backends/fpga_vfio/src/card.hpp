// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fpga_vfio_abi.h>

#include <causeway/plugin/backend.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "bars.hpp"
#include "dma_space.hpp"
#include "interrupts.hpp"
#include "pci_function.hpp"
#include "vfio_device.hpp"

namespace causeway::fpga_vfio_backend {

/// An opened card, as plugin/backend.hpp describes a device.
/// Threads: operations as the host calls them; the interfaces' functions any time.
class Card {
public:
  /// Objects by a CPU mapping of the memfd beneath, which VFIO pins, and once mapped by device addresses.
  class Attachment {
  public:
    Attachment(Card& card, const cw_attach_info& info);
    ~Attachment();
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

  private:
    friend class Card;
    struct Object {
      void* memory;
      std::uint64_t size;
      bool read_only;
      std::uint64_t iova = 0;  // 0: not mapped
    };
    [[nodiscard]] Status add(const cw_object& object);

    Card& card_;
    std::vector<Object> objects_;
    std::vector<cw_sg_entry> entries_;
    cw_fpga_view view_;
  };

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host host);
  static Result<std::unique_ptr<Card>> open(plugin::Host host, const cw_open_info& info);
  ~Card();
  Card(const Card&) = delete;
  Card& operator=(const Card&) = delete;

  Status info(cw_device_info& out) const;
  Status query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out) const;
  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info);
  Status map(Attachment& attachment, cw_direction direction, cw_mapping& out);
  void unmap(Attachment& attachment);
  Status begin_access(Attachment& attachment, const cw_access_begin& begin);
  Status end_access(Attachment& attachment, cw_access_end& end);
  const void* get_interface(std::string_view name) const;
  Status fence_wait(const cw_fence& fence, std::int64_t deadline_ns);
  void fence_release(const cw_fence& fence);
  Status wait_idle(std::int64_t deadline_ns);

  // For the interfaces' functions; any thread.
  [[nodiscard]] const Bars& bars() const { return bars_; }
  [[nodiscard]] Interrupts& interrupts() { return interrupts_; }
  /// Ends what the card does; what is expected of it fails with this errno. Errors: Unsupported, Io.
  Status reset(int failure);
  /// Waits for the last expected interrupt n, and resets the card past the deadline.
  Status wait(std::uint32_t n, std::int64_t deadline_ns);
  void tell(cw_fpga_vfio_info& out);

private:
  Card(plugin::Host host, PciFunction function, const cw_fpga_vfio_config& config, VfioDevice device,
       IovaSpace space);

  plugin::Host host_;
  const PciFunction function_;
  const cw_fpga_vfio_config config_;
  const VfioDevice device_;
  DmaSpace dma_;
  Bars bars_;
  Interrupts interrupts_;
  cw_fpga_card card_functions_{};  // its numbers are this card's
  std::uint64_t next_ticket_ = 1;
  std::mutex reset_mutex_;  // one reset at a time
};

/// The functions of CW_FPGA_CARD_INTERFACE, for a card with so many interrupts, and of
/// CW_FPGA_VFIO_INTERFACE.
[[nodiscard]] cw_fpga_card card_functions(std::uint32_t interrupts);
[[nodiscard]] const cw_fpga_vfio& vfio_functions();

}  // namespace causeway::fpga_vfio_backend
