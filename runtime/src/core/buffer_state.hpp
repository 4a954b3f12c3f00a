// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>
#include <causeway/dma_buf.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "core/access_state.hpp"
#include "core/allocator.hpp"
#include "uapi/kernel.hpp"

namespace causeway::core {

class RuntimeState;

/// What is behind a DmaBuf. Threads: thread-safe.
class BufferState {
public:
  /// Takes storage in and registers it with the runtime under its identity; a descriptor of an object that is
  /// known already yields that one. Errors: InvalidArgument (not memory), OutOfFds.
  [[nodiscard]] static Result<std::shared_ptr<BufferState>> adopt(std::shared_ptr<RuntimeState> runtime,
                                                                  Storage storage, std::string exporter,
                                                                  std::string name);
  /// The object behind a foreign descriptor, which is duplicated.
  [[nodiscard]] static Result<std::shared_ptr<BufferState>> import(std::shared_ptr<RuntimeState> runtime,
                                                                   BorrowedFd fd);

  BufferState(std::shared_ptr<RuntimeState> runtime, Storage storage, ObjectId id, bool read_only,
              std::string exporter, std::string name);
  BufferState(const BufferState&) = delete;
  BufferState& operator=(const BufferState&) = delete;
  ~BufferState();

  [[nodiscard]] const std::shared_ptr<RuntimeState>& runtime() const noexcept { return runtime_; }
  [[nodiscard]] const Storage& storage() const noexcept { return storage_; }
  [[nodiscard]] ObjectId id() const noexcept { return id_; }
  [[nodiscard]] bool read_only() const noexcept { return read_only_; }
  [[nodiscard]] const std::string& exporter() const noexcept { return exporter_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// The descriptor is known outside, or came from there: nothing about its caches is taken for granted.
  void mark_escaped() noexcept { escaped_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool escaped() const noexcept { return escaped_.load(std::memory_order_relaxed); }

  /// The whole object in the address space of this process: mapped at the first call, kept while it lives.
  [[nodiscard]] Result<std::byte*> cpu_address();
  /// The same where it was mapped already.
  [[nodiscard]] std::byte* mapped_address() const noexcept {
    return address_.load(std::memory_order_acquire);
  }

  /// A turn of someone who works through a CPU mapping: waits for the kernel's fences, then SYNC START.
  /// The access state is the caller's business.
  [[nodiscard]] Status begin_cpu(Usage usage, Deadline deadline);
  [[nodiscard]] Status end_cpu(Usage usage);

  AccessState& access() noexcept { return access_; }

private:
  std::shared_ptr<RuntimeState> runtime_;
  Storage storage_;
  ObjectId id_;
  bool read_only_;
  std::string exporter_;
  std::string name_;
  std::atomic<bool> escaped_{false};
  AccessState access_;

  std::mutex map_mutex_;  // guards the making of mapping_
  uapi::MappedRange mapping_;
  std::atomic<std::byte*> address_{nullptr};
};

}  // namespace causeway::core
