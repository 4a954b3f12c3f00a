// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "support/fake_kernel.hpp"

namespace causeway::test {

/// A graphics card on a FakeKernel: dumb buffers and PRIME, with the kernel's rule that one dma-buf has one
/// handle in each file description, however often it is imported, and that one close closes it.
class FakeCard {
public:
  /// Adds the node; the card must live as long as the kernel is asked.
  FakeCard(FakeKernel& kernel, const std::string& path);
  FakeCard(const FakeCard&) = delete;
  FakeCard& operator=(const FakeCard&) = delete;

  int dumb_errno = 0;            ///< not 0: CREATE_DUMB fails so
  std::uint64_t smaller_by = 0;  ///< what is exported lacks so many bytes

  /// Handles that nobody closed, of all descriptions.
  [[nodiscard]] std::size_t open_handles() const { return handles_.size(); }
  /// Closes of handles that were none.
  [[nodiscard]] std::size_t wrong_closes() const { return wrong_closes_; }
  [[nodiscard]] std::size_t masters_dropped() const { return masters_dropped_; }

private:
  using Inode = std::pair<std::uint64_t, std::uint64_t>;
  struct Object {
    std::uint64_t size;
  };

  [[nodiscard]] int ioctl(int fd, unsigned long request, void* argument);
  [[nodiscard]] int create_dumb(Inode description, void* argument);
  [[nodiscard]] int export_fd(Inode description, void* argument);
  [[nodiscard]] int import_fd(Inode description, void* argument);
  [[nodiscard]] int close(Inode description, void* argument);

  FakeKernel& kernel_;
  std::mutex mutex_;
  std::map<std::pair<Inode, std::uint32_t>, std::shared_ptr<Object>> handles_;
  std::map<Inode, std::shared_ptr<Object>> exported_;
  std::uint32_t last_handle_ = 0;
  std::size_t wrong_closes_ = 0;
  std::size_t masters_dropped_ = 0;
};

}  // namespace causeway::test
