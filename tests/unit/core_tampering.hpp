// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/syscalls.h>
#include <linux/dma-buf.h>

#include <atomic>
#include <cstdint>
#include <functional>

#include "support/fake_kernel.hpp"

namespace causeway::test {

/// The fake kernel's table, but some SYNC calls never get there: they succeed and do nothing, as if the code
/// under test had left them out. One at a time, since a table's context is the fake's own.
class Tampering {
public:
  /// Whether to swallow the nth SYNC (from 0), which has these flags.
  using Choice = std::function<bool(std::size_t nth, std::uint64_t flags)>;

  explicit Tampering(FakeKernel& kernel) : table_(*kernel.syscalls()), honest_(kernel.syscalls()) {
    table_.ioctl = &Tampering::ioctl;
    active_ = this;
  }
  ~Tampering() { active_ = nullptr; }
  Tampering(const Tampering&) = delete;
  Tampering& operator=(const Tampering&) = delete;

  [[nodiscard]] const cw_syscalls* table() const { return &table_; }
  void swallow_sync(Choice choice) { choice_ = std::move(choice); }
  /// How many SYNC calls there were, swallowed or not.
  [[nodiscard]] std::size_t seen() const { return seen_.load(); }
  [[nodiscard]] std::size_t swallowed() const { return swallowed_.load(); }

private:
  static int ioctl(void* context, int fd, unsigned long request, void* argument) {
    auto& self = *active_;
    if (request == DMA_BUF_IOCTL_SYNC && self.choice_) {
      const auto nth = self.seen_++;
      if (self.choice_(nth, static_cast<const dma_buf_sync*>(argument)->flags)) {
        ++self.swallowed_;
        return 0;
      }
    }
    return self.honest_->ioctl(context, fd, request, argument);
  }

  static inline Tampering* active_ = nullptr;
  cw_syscalls table_;
  const cw_syscalls* honest_;
  Choice choice_;
  std::atomic<std::size_t> seen_{0};
  std::atomic<std::size_t> swallowed_{0};
};

}  // namespace causeway::test
