// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "hardware.hpp"
#include "image.hpp"
#include "registers.hpp"

namespace causeway::fpga_sim_backend {

/// Memory that card and driver share, mapped for the card as long as this object lives: what the kernel calls
/// coherent DMA memory. Threads: reentrant; not on the hardware's thread.
class SharedPages {
public:
  /// size: bytes, rounded up to pages. Not cleared. Errors: OutOfMemory.
  [[nodiscard]] static Result<SharedPages> create(Hardware& hardware, std::size_t size);
  SharedPages(SharedPages&& other) noexcept = default;
  SharedPages& operator=(SharedPages&&) = delete;
  SharedPages(const SharedPages&) = delete;
  SharedPages& operator=(const SharedPages&) = delete;
  ~SharedPages();

  [[nodiscard]] std::byte* bytes() const { return memory_.get(); }
  /// Where the card finds them: one run of addresses.
  [[nodiscard]] std::uint64_t address() const { return run_.address; }
  /// The first size bytes, for a transfer. Lent.
  [[nodiscard]] SgRange range(std::uint64_t size) const { return {.entries = {&run_, 1}, .bytes = size}; }

private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  SharedPages(Hardware& hardware, std::byte* memory, cw_sg_entry run)
      : hardware_(hardware), memory_(memory), run_(run) {}

  Hardware& hardware_;
  std::unique_ptr<std::byte, Free> memory_;
  cw_sg_entry run_;
};

/// The descriptors of both rings for one transfer, each ring linked to a circle.
class Chain {
public:
  /// Errors: OutOfMemory.
  [[nodiscard]] static Result<Chain> create(Hardware& hardware, const ImageJob& job);

  struct Ends {
    std::uint64_t first;
    std::uint64_t last;
    std::size_t count;  ///< of descriptors
  };
  [[nodiscard]] Ends in() const { return in_; }
  [[nodiscard]] Ends out() const { return out_; }
  [[nodiscard]] std::size_t descriptors() const { return in_.count + out_.count; }
  /// "descriptor 3 of 8", by the address that CURDESC shows.
  [[nodiscard]] std::string place_of(Ring ring, std::uint64_t address) const;

private:
  explicit Chain(SharedPages pages) : pages_(std::move(pages)) {}
  /// marks: the first one begins a packet, and the last one ends it.
  Ends write(std::size_t begin, const SgRange& range, bool marks);

  SharedPages pages_;
  Ends in_{};
  Ends out_{};
};

}  // namespace causeway::fpga_sim_backend
