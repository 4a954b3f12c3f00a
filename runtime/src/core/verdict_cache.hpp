// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/frame.hpp>
#include <causeway/usage.hpp>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace causeway::core {

class AttachmentState;

/// All that a driver's choice between sharing and copying has been seen to depend on. What one device did
/// with memory of a kind it does with all of it.
struct ImportKind {
  struct Object {
    std::string exporter;  ///< with its heap
    std::uint64_t size = 0;
    bool is_dma_buf = false;
    bool pinnable = false;
    bool huge = false;              ///< some of it lies on huge pages
    std::uint64_t file_system = 0;  ///< of shared memory from outside, its device number; else 0
    bool operator==(const Object&) const = default;
  };
  std::string import_path;
  Usage usage{};
  FrameLayout layout;
  std::vector<Object> objects;
  bool operator==(const ImportKind&) const = default;
};

/// The kind of a mapped attachment. None where its memory is not known to be like other memory: dma-bufs from
/// outside, whose exporter nobody knows, and what an exporter of the program's own made is proved each time.
/// Shared memory from outside (a memfd) is like the rest of its file system: pages of the kernel's page
/// cache.
[[nodiscard]] std::optional<ImportKind> kind_of(const AttachmentState& attachment);

/// The verdicts of one open device. Threads: thread-safe.
class VerdictCache {
public:
  /// The kinds that are kept; then the oldest is forgotten, and would be proved again.
  static constexpr std::size_t kCapacity = 64;

  [[nodiscard]] std::optional<AliasVerdict> find(const ImportKind& kind) const;
  void keep(ImportKind kind, AliasVerdict verdict);

private:
  struct Entry {
    ImportKind kind;
    AliasVerdict verdict;
  };
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;  // the oldest first
};

}  // namespace causeway::core
