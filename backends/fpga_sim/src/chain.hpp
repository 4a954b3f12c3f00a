// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "hardware.hpp"
#include "image.hpp"
#include "registers.hpp"

namespace causeway::fpga_sim_backend {

/// Memory that card and driver share, mapped for the card as long as this object lives: what the kernel calls
/// coherent DMA memory. Threads: reentrant; not on the hardware's thread.
class SharedPages {
public:
  /// size: bytes, rounded up to pages; one run of addresses if the card's runs are that long.
  /// Errors: OutOfMemory.
  [[nodiscard]] static Result<SharedPages> create(Hardware& hardware, std::size_t size);
  SharedPages(SharedPages&& other) noexcept = default;
  SharedPages& operator=(SharedPages&&) = delete;
  SharedPages(const SharedPages&) = delete;
  SharedPages& operator=(const SharedPages&) = delete;
  ~SharedPages();

  [[nodiscard]] std::byte* bytes() const { return memory_.get(); }
  [[nodiscard]] std::uint64_t address_of(std::size_t offset) const;

private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  SharedPages(Hardware& hardware, std::byte* memory) : hardware_(hardware), memory_(memory) {}

  Hardware& hardware_;
  std::unique_ptr<std::byte, Free> memory_;
  std::vector<cw_sg_entry> entries_;
};

/// The descriptors of both rings for one transfer, each ring linked to a circle.
class Chain {
public:
  /// Errors: OutOfMemory.
  [[nodiscard]] static Result<Chain> create(Hardware& hardware, const ImageJob& job);

  struct Ends {
    std::uint64_t first;
    std::uint64_t last;
  };
  [[nodiscard]] Ends in() const { return in_; }
  [[nodiscard]] Ends out() const { return out_; }
  [[nodiscard]] std::size_t descriptors() const { return in_count_ + out_count_; }
  /// "descriptor 3 of 8", by the address that CURDESC shows.
  [[nodiscard]] std::string place_of(Ring ring, std::uint64_t address) const;

private:
  explicit Chain(SharedPages pages) : pages_(std::move(pages)) {}
  Ends write(std::size_t begin, const std::vector<Segment>& segments, bool marks_end);

  SharedPages pages_;
  std::size_t in_count_ = 0;
  std::size_t out_count_ = 0;
  Ends in_{};
  Ends out_{};
};

}  // namespace causeway::fpga_sim_backend
