// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/dma_buf.hpp>

#include <causeway/call_site.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace causeway {

/// One line of the books that a runtime keeps: the kernel's debugfs file dma_buf/bufinfo. Threads: reentrant.
struct LedgerEntry {
  ObjectId id;                   ///< all zero for storage that is not settled yet
  std::uint64_t size = 0;        ///< bytes
  std::uint64_t huge_bytes = 0;  ///< those of them that are known to lie on huge pages
  std::string exporter;
  std::string name;
  bool settled = false;  ///< the storage exists
  bool escaped = false;  ///< its descriptor is known outside
  bool mapped_by_cpu = false;
  std::vector<AttachmentInfo> attachments;
  std::chrono::steady_clock::duration age{};
  CallSite made_at;  ///< the caller that made or imported it

  /// One sentence, for people.
  [[nodiscard]] std::string to_string() const;
};

}  // namespace causeway
