// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fd.hpp>
#include <causeway/result.hpp>

#include <cstdint>
#include <string>

namespace causeway::core {

/// Memory fresh from an exporter: one object, its descriptor, and the memfd beneath if there is one.
struct Storage {
  UniqueFd fd;
  std::uint64_t size = 0;  ///< bytes, whole pages
  bool is_dma_buf = false;
  UniqueFd pinnable;  ///< never leaves the library but to backends that ask for it
  std::uint64_t pinnable_offset = 0;
};

/// Who owns storage: the kernel's exporter, with the operations that user space can have.
/// Threads: thread-safe.
class Exporter {
public:
  Exporter() = default;
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;
  virtual ~Exporter() = default;

  /// "udmabuf", "memfd", "dma_heap:system".
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// size in bytes, whole pages. Errors say why it is not available, in a sentence.
  [[nodiscard]] virtual Result<Storage> allocate(std::uint64_t size,
                                                 const std::string& buffer_name) const = 0;
};

}  // namespace causeway::core
