// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fpga_sim_abi.h>

#include <causeway/plugin/backend.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "driver.hpp"
#include "gate.hpp"

namespace causeway::fpga_sim_backend {

/// An opened card, as plugin/backend.hpp describes a device.
/// Threads: operations as the host calls them; the interfaces' functions any time.
class Card {
public:
  /// Objects by their CPU addresses, which the host keeps, and once mapped by device addresses.
  class Attachment {
  public:
    explicit Attachment(Card& card) : card_(card), view_(plugin::sized<cw_fpga_view>()) {}
    ~Attachment() { card_.unmap(*this); }
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

  private:
    friend class Card;
    [[nodiscard]] std::span<const cw_sg_entry> entries_of(std::uint32_t object) const {
      return std::span(entries_).subspan(view_.sg_first[object], view_.sg_count[object]);
    }

    Card& card_;
    std::vector<std::byte*> memory_;
    cw_fpga_view view_;  // ticket 0: not mapped
    std::vector<cw_sg_entry> entries_;
    /// A begun access: what it may do, and what the card's work waits for.
    struct Turn {
      std::uint64_t access;  // cw_access_begin.access
      std::uint32_t usage;
      std::shared_ptr<Gate> gate;  // null: nothing
    };
    std::vector<Turn> turns_;  // guarded by Card::mutex_
  };

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host host);
  static Result<std::unique_ptr<Card>> open(plugin::Host host, const cw_open_info& info);
  ~Card();

  Status info(cw_device_info& out) const;
  Status query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out) const;
  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info);
  Status map(Attachment& attachment, cw_direction direction, cw_mapping& out);
  void unmap(Attachment& attachment);
  Status begin_access(Attachment& attachment, const cw_access_begin& begin);
  Status end_access(Attachment& attachment, cw_access_end& end);
  Status wait_idle(std::int64_t deadline_ns);
  const void* get_interface(std::string_view name) const;
  Status probe_write(Attachment& attachment, const cw_probe& probe);
  Status probe_read(Attachment& attachment, cw_probe& probe);

  // For the interfaces' functions; any thread.
  [[nodiscard]] Driver& driver() { return *driver_; }
  /// The card's, until it is discarded.
  Result<Job*> prepare(const cw_fpga_view& source, const cw_fpga_view& destination, std::uint32_t kernel);
  void discard(const Job* job);
  Result<cw_fence> submit(Job& job);

private:
  Card(plugin::Host host, unsigned data_bits, std::uint64_t max_run);
  /// With mutex_ held. Errors: InvalidArgument.
  [[nodiscard]] Status check_mapped_locked(const cw_fpga_view& source, const cw_fpga_view& destination) const;
  [[nodiscard]] bool has_jobs(std::uint64_t ticket);
  Status transfer(const SgRange& in, const SgRange& out, Deadline deadline);
  /// The whole beats around a probe's bytes.
  struct Window {
    std::uint64_t begin;
    std::uint32_t bytes;
    std::uint64_t skip;  ///< to the probe's first byte
  };
  [[nodiscard]] Window window_of(const cw_probe& probe) const;
  /// Has the card bring them to the scratch page.
  [[nodiscard]] Status fetch(const Attachment& attachment, const cw_probe& probe, const Window& window);

  plugin::Host host_;
  const unsigned data_bits_;
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<SharedPages> scratch_;  // for probes

  std::mutex mutex_;
  std::uint64_t next_ticket_ = 1;                // guarded by mutex_, as are the next ones
  std::map<std::uint64_t, Attachment*> mapped_;  // by ticket
  std::vector<std::shared_ptr<Job>> jobs_;
};

/// The functions of CW_FPGA_CARD_INTERFACE and CW_FPGA_SIM_ENGINE_INTERFACE.
[[nodiscard]] const cw_fpga_card& card_functions();
[[nodiscard]] const cw_fpga_sim_engine& engine_functions();

}  // namespace causeway::fpga_sim_backend
