// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>

#include <causeway/result.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bus.hpp"

namespace causeway::fpga_sim_backend {

inline constexpr std::uint64_t kPage = 4096;

/// Between the engine's bus and the memory of this process: device addresses (IOVA) to pages, as an IOMMU
/// does it. What is not mapped, or not for writing, is answered with DECERR and recorded. Threads:
/// thread-bound, to the hardware's thread.
class Iommu final : public BusMemory {
public:
  struct Fault {
    std::uint64_t address;
    bool write;
    bool mapped;  ///< but not for writing
  };

  /// max_run: bytes, whole pages; 0: no limit.
  explicit Iommu(std::uint64_t max_run);

  /// Maps size bytes (whole pages) at memory; runs of addresses, a hole behind each. Errors: OutOfMemory (no
  /// addresses are left).
  [[nodiscard]] Result<std::vector<cw_sg_entry>> map(std::byte* memory, std::uint64_t size, bool writable);
  /// The same as one run, however long.
  [[nodiscard]] Result<cw_sg_entry> map_run(std::byte* memory, std::uint64_t size, bool writable);
  /// entries: what map() gave.
  void unmap(std::span<const cw_sg_entry> entries);
  void set_writable(std::span<const cw_sg_entry> entries, bool writable);

  Response read(std::uint64_t address, std::span<std::byte> out) override;
  Response write(std::uint64_t address, std::span<const std::byte> bytes, std::uint64_t strobe) override;

  [[nodiscard]] const std::optional<Fault>& last_fault() const { return fault_; }
  [[nodiscard]] std::uint64_t faults() const { return faults_; }

private:
  struct Run {
    std::byte* memory;
    std::uint64_t length;
    bool writable;
  };
  [[nodiscard]] std::optional<std::uint64_t> take_range(std::uint64_t length);
  void give_back(std::uint64_t begin, std::uint64_t length);
  /// The run that holds all of size bytes from address, or null.
  const Run* find(std::uint64_t address, std::size_t size);
  Response refuse(std::uint64_t address, bool write, bool mapped);

  const std::uint64_t max_run_;
  std::map<std::uint64_t, Run> runs_;            // by first address
  std::map<std::uint64_t, std::uint64_t> free_;  // ranges of addresses: first, length
  std::uint64_t cached_begin_ = 0;
  const Run* cached_ = nullptr;  // the run last found: neighbours follow each other
  std::optional<Fault> fault_;
  std::uint64_t faults_ = 0;
};

}  // namespace causeway::fpga_sim_backend
