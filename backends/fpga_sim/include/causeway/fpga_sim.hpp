// SPDX-License-Identifier: Apache-2.0
#pragma once

// The simulated FPGA for C++ programs:
//
//   auto card = fpga_sim::open(runtime);
//   ... negotiate with(*card, Usage::Read) for the source, with(*card, Usage::Write) for the destination ...
//   auto job = fpga_sim::Job::prepare(*card, source->on(*card), destination->on(*card),
//   fpga_sim::Kernel::Sobel); auto reads = source->on(*card).begin_access(Usage::Read, deadline);        //
//   the card's turns auto writes = destination->on(*card).begin_access(Usage::Write, deadline);
//   job->submit();                                                             // for each frame
//   reads->end(); writes->end();  // with fences: who comes next waits for the card by himself
//
// Registers, interrupts and device addresses are those of every card: causeway/fpga_card.hpp. All of it is
// inline over the C table of causeway/fpga_sim_abi.h.

#include <causeway/fpga_sim_abi.h>
#include <causeway/deadline.hpp>
#include <causeway/fpga_card.hpp>
#include <causeway/runtime.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace causeway::fpga_sim {

/// How to open it. Threads: reentrant (a value).
struct OpenInfo {
  unsigned data_bits = 512;  ///< of the data path: 64 or 512
  /// Device addresses come in runs of at most so many bytes (whole pages), with a hole behind each, as
  /// scattered pages do; 0: each object in one run.
  std::uint64_t max_run = std::uint64_t{64} * 1024;
};

/// Opens a card of its own: each has its thread, its memory map and its registers.
/// Errors: InvalidArgument (another width, a run of no whole pages), NotFound (a build without Verilator).
/// Threads: thread-safe.
[[nodiscard]] inline Result<Device> open(Runtime& runtime, const OpenInfo& info = {}) {
  auto config = plugin::sized<cw_fpga_sim_config>();
  config.data_bits = info.data_bits;
  config.max_run = info.max_run;
  return runtime.open_device("fpga_sim",
                             {.id = {}, .adopt_interface = CW_FPGA_SIM_CONFIG_INTERFACE, .adopt = &config});
}

/// Values equal cw_fpga_sim_kernel's, which says what each computes.
enum class Kernel : std::uint32_t {
  Pass = CW_FPGA_SIM_PASS,
  Sobel = CW_FPGA_SIM_SOBEL,
  Grey = CW_FPGA_SIM_GREY
};

namespace detail {

[[nodiscard]] inline Result<const cw_fpga_sim_engine*> table_of(const Device& card) {
  const auto* table = static_cast<const cw_fpga_sim_engine*>(card.interface(CW_FPGA_SIM_ENGINE_INTERFACE));
  if (table == nullptr) {
    return Error(Errc::InvalidArgument, "fpga_sim",
                 "the device " + card.name() + " of the backend " + card.backend() + " is no simulated FPGA");
  }
  return table;
}

}  // namespace detail

/// A transfer through the kernel, its descriptors written once and run for as many frames as one likes.
///
/// Keeps the card open, but neither mapping: submit() refuses once one is gone. The wall of its memory map
/// holds in any case: the card reaches nothing that is not mapped.
///
/// Threads: reentrant.
class Job {
public:
  /// source and destination: mappings of the card. Errors: InvalidArgument (a mapping of another device),
  /// Unsupported (formats, sizes or layouts that the kernel does not take; names what it takes), OutOfMemory.
  [[nodiscard]] static Result<Job> prepare(const Device& card, const Mapping& source,
                                           const Mapping& destination, Kernel kernel) {
    const auto table = detail::table_of(card);
    if (!table) {
      return table.error();
    }
    const auto from = fpga::view(source);
    if (!from) {
      return from.error();
    }
    const auto to = fpga::view(destination);
    if (!to) {
      return to.error();
    }
    cw_fpga_sim_job* job = nullptr;
    auto status = fpga::detail::call([&](cw_error* error) {
      return (*table)->prepare(card.raw(), *from, *to, static_cast<std::uint32_t>(kernel), &job, error);
    });
    if (!status) {
      return std::move(status.error());
    }
    return Job(card, *table, job);
  }

  Job(Job&& other) noexcept
      : card_(std::move(other.card_)), table_(other.table_), job_(std::exchange(other.job_, nullptr)) {}
  Job& operator=(Job&& other) noexcept {
    if (this != &other) {
      drop();
      card_ = other.card_;
      table_ = other.table_;
      job_ = std::exchange(other.job_, nullptr);
    }
    return *this;
  }
  /// A job that waits is taken back; one that still runs is ended, by a reset of the card.
  ~Job() { drop(); }

  /// Has it start when what its turns wait for has signalled and the card is free; jobs that share memory
  /// keep their order. The answer becomes readable (poll: POLLIN) when it has ended, well or not; lent until
  /// the next submit() or the end of this object. Errors: Busy (it was submitted, and has not ended),
  /// WrongState (no turn on a mapping, or a mapping is gone), OutOfFds.
  [[nodiscard]] Result<BorrowedFd> submit() {
    auto completion = plugin::sized<cw_fence>();
    auto status = fpga::detail::call(
        [&](cw_error* error) { return table_->submit(card_.raw(), job_, &completion, error); });
    if (!status) {
      return std::move(status.error());
    }
    return BorrowedFd(completion.fd);
  }

  /// Waits for the end of what was submitted. Errors: Io (the engine stopped: names ring, descriptor, and the
  /// address and direction of a fault), TimedOut (the engine was reset, or the job taken back before it
  /// started), WrongState (nothing was submitted), DeviceLost (somebody reset the card).
  [[nodiscard]] Status wait(Deadline deadline) {
    const auto when = deadline.is_never() ? Deadline::Clock::time_point::max() : deadline.when();
    return fpga::detail::call([&](cw_error* error) {
      return table_->wait(card_.raw(), job_, std::chrono::nanoseconds(when.time_since_epoch()).count(),
                          error);
    });
  }

private:
  Job(Device card, const cw_fpga_sim_engine* table, cw_fpga_sim_job* job) noexcept
      : card_(std::move(card)), table_(table), job_(job) {}
  void drop() noexcept {
    if (job_ != nullptr) {
      table_->discard(card_.raw(), job_);
    }
  }

  Device card_;
  const cw_fpga_sim_engine* table_;
  cw_fpga_sim_job* job_;
};

/// An access that the card's IOMMU stopped. Threads: reentrant (a value).
struct Fault {
  std::uint64_t address = 0;  ///< the device address
  bool write = false;         ///< the card wrote; else it read
  bool mapped = false;        ///< mapped, but not for writing; else not at all
  std::uint64_t count = 0;    ///< since the device was opened
};

/// The last fault, if there was one. Errors: InvalidArgument (no simulated FPGA). Threads: thread-safe.
[[nodiscard]] inline Result<std::optional<Fault>> last_fault(const Device& card) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  auto fault = plugin::sized<cw_fpga_sim_fault>();
  if ((*table)->fault(card.raw(), &fault) == 0) {
    return std::optional<Fault>();
  }
  return std::optional<Fault>(Fault{.address = fault.address,
                                    .write = fault.write != 0,
                                    .mapped = fault.mapped != 0,
                                    .count = fault.count});
}

/// What the card did since it was opened; documented in fpga_sim_abi.h. Errors: InvalidArgument (no simulated
/// FPGA). Threads: thread-safe.
[[nodiscard]] inline Result<cw_fpga_sim_counters> counters(const Device& card) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  auto counted = plugin::sized<cw_fpga_sim_counters>();
  (*table)->counters(card.raw(), &counted);
  return counted;
}

}  // namespace causeway::fpga_sim
