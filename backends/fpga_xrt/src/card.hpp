// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fpga_xrt_abi.h>

#include <causeway/plugin/backend.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api.hpp"
#include "buffers.hpp"

namespace causeway::fpga_xrt_backend {

/// An opened card, as plugin/backend.hpp describes a device.
/// Threads: operations as the host calls them; the interface's functions any time.
class Card {
public:
  class Attachment {
  public:
    explicit Attachment(Card& card) : card_(card), view_(plugin::sized<cw_fpga_view>()) {}
    ~Attachment() { card_.unmap(*this); }
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

  private:
    friend class Card;
    /// An object of the frame, and the bytes of it that its planes cover.
    struct Object {
      std::shared_ptr<Buffer> buffer;
      std::uint64_t begin;
      std::uint64_t end;
      bool read_only;
    };
    struct Turn {
      std::uint64_t access;  ///< cw_access_begin.access
      std::uint32_t usage;
      bool in_doubt;  ///< wait_idle was asked while it went on: its end may be no end of the card's work
    };
    [[nodiscard]] Status sync(int direction) const;

    Card& card_;
    std::vector<Object> objects_;
    std::vector<cw_sg_entry> entries_;
    std::vector<Turn> turns_;  // begun and not ended; guarded by Card::mutex_
    cw_fpga_view view_;        // ticket 0: not mapped
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
  Status wait_idle(std::int64_t deadline_ns);
  const void* get_interface(std::string_view name) const;
  Status allocate(const cw_allocate_info& info, cw_allocation& out);
  void release(void* token);

  // For the interface's functions; any thread.
  [[nodiscard]] DeviceHandle device_handle() const { return device_; }
  [[nodiscard]] Result<BufferHandle> buffer_handle(const cw_fpga_view& view, std::uint32_t object);
  [[nodiscard]] Status sync(const cw_fpga_view& view, std::uint32_t object, std::int32_t direction,
                            std::uint64_t offset, std::uint64_t size);
  /// The program says that no kernel of the card is at work.
  void settle();

private:
  Card(plugin::Host host, const Api& api, const cw_fpga_xrt_config& config, std::string id,
       DeviceHandle device);
  [[nodiscard]] Result<std::shared_ptr<Buffer>> mapped(const cw_fpga_view& view, std::uint32_t object);

  plugin::Host host_;
  const Api api_;
  const cw_fpga_xrt_config config_;
  const std::string id_;
  const DeviceHandle device_;
  Buffers buffers_;
  std::map<void*, std::shared_ptr<Buffer>> allocated_;  // by token: the handle

  std::mutex mutex_;
  std::uint64_t next_ticket_ = 1;                // guarded by mutex_
  std::map<std::uint64_t, Attachment*> mapped_;  // by ticket; guarded by mutex_
  bool in_doubt_ = false;                        // a turn in doubt has ended; guarded by mutex_
};

/// The functions of CW_FPGA_XRT_INTERFACE.
[[nodiscard]] const cw_fpga_xrt& xrt_functions();

}  // namespace causeway::fpga_xrt_backend
