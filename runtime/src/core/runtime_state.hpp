// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/runtime.hpp>

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/allocator.hpp"
#include "core/buffer_registry.hpp"
#include "core/dispatcher.hpp"
#include "core/fork_guard.hpp"
#include "core/host_services.hpp"
#include "core/retire_list.hpp"
#include "core/tally.hpp"
#include "uapi/kernel.hpp"

namespace causeway::core {

/// What is behind a Runtime. Threads: thread-safe.
class RuntimeState : public std::enable_shared_from_this<RuntimeState> {
public:
  using Log = std::function<void(LogLevel, std::string_view)>;

  /// generation: of fork_generation(), when it was made.
  RuntimeState(const cw_syscalls& syscalls, Log log, std::uint64_t generation, bool elides_sync);
  RuntimeState(const RuntimeState&) = delete;
  RuntimeState& operator=(const RuntimeState&) = delete;
  ~RuntimeState();

  /// Called once, before the runtime is handed out.
  void equip(std::vector<std::unique_ptr<Allocator>> allocators, std::vector<cw_backend> backends,
             std::vector<RefusedBackend> refused = {});

  /// Errors: WrongState in a process that was forked from the one that made this runtime.
  [[nodiscard]] Status check_process(std::string_view operation) const {
    return check_same_process(generation_, operation);
  }
  /// False there. Destructors then leave devices alone: those serve the parent.
  [[nodiscard]] bool in_own_process() const noexcept { return same_process(generation_); }
  /// Of fork_generation(), when it was made.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

  [[nodiscard]] const uapi::Kernel& kernel() const noexcept { return kernel_; }
  /// Whether brackets of the CPU are left out where nobody needs them.
  [[nodiscard]] bool elides_sync() const noexcept { return elides_sync_; }
  [[nodiscard]] Tally& tally() noexcept { return tally_; }
  [[nodiscard]] BufferRegistry& buffers() noexcept { return buffers_; }
  [[nodiscard]] const BufferRegistry& buffers() const noexcept { return buffers_; }
  [[nodiscard]] HostServices& services() noexcept { return services_; }
  /// Fences whose callbacks wait for Runtime::dispatch().
  [[nodiscard]] Dispatcher& dispatcher() noexcept { return dispatcher_; }
  /// Mappings that were dropped while their device was still at work.
  [[nodiscard]] RetireList& retired() noexcept { return retired_; }
  /// False where the kernel turned out not to know IMPORT_SYNC_FILE (it came with Linux 6.0).
  [[nodiscard]] std::atomic<bool>& kernel_takes_fences() noexcept { return kernel_takes_fences_; }
  /// False where it turned out not to know F_DUPFD_QUERY (it came with Linux 6.10).
  [[nodiscard]] std::atomic<bool>& kernel_compares_files() noexcept { return kernel_compares_files_; }
  [[nodiscard]] const cw_host* host() const noexcept { return &services_.table(); }
  [[nodiscard]] std::span<const std::unique_ptr<Allocator>> allocators() const noexcept {
    return allocators_;
  }
  [[nodiscard]] std::span<const cw_backend> backends() const noexcept { return backends_; }
  [[nodiscard]] std::span<const RefusedBackend> refused_backends() const noexcept { return refused_; }
  /// null if there is none of that name.
  [[nodiscard]] const cw_backend* backend(std::string_view name) const noexcept;

  void log(LogLevel level, std::string_view text) const noexcept;

private:
  const std::uint64_t generation_;
  const bool elides_sync_;
  uapi::Kernel kernel_;
  Log log_;
  Tally tally_;
  BufferRegistry buffers_;
  HostServices services_;
  Dispatcher dispatcher_;
  RetireList retired_;
  std::atomic<bool> kernel_takes_fences_{true};
  std::atomic<bool> kernel_compares_files_{true};
  std::vector<std::unique_ptr<Allocator>> allocators_;
  std::vector<cw_backend> backends_;
  std::vector<RefusedBackend> refused_;
};

}  // namespace causeway::core
