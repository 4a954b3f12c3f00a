// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>
#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "chain.hpp"
#include "hardware.hpp"
#include "image.hpp"

namespace causeway::fpga_sim_backend {

/// A transfer that is ready to run, over and over. The driver's; one runs at a time.
struct Job {
  Job(ImageJob image_asked, Chain chain_made) : image(std::move(image_asked)), chain(std::move(chain_made)) {}

  ImageJob image;
  Chain chain;
  // Guarded by the driver's mutex, and of the last submission:
  std::optional<cw_fence> event;
  std::optional<Status> outcome;  // once it has ended
  bool running = false;
  bool signalling = false;  // it has ended, and its event is being signalled
};

/// What software there is on such a card: programs the rings, serves the interrupts, resets.
///
/// Jobs must be gone before it is. Threads: thread-safe; interrupted() is for the hardware's thread alone.
class Driver {
public:
  Driver(plugin::Host host, unsigned data_bits, std::uint64_t max_run);
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  [[nodiscard]] Hardware& hardware() { return hardware_; }
  [[nodiscard]] std::uint32_t beat() const { return beat_; }

  [[nodiscard]] Result<std::shared_ptr<Job>> prepare(ImageJob image);
  /// Ends the job if it runs, and destroys its event.
  void discard(const std::shared_ptr<Job>& job);
  /// Errors: Busy, OutOfFds.
  [[nodiscard]] Status submit(Job& job);
  /// Errors: TimedOut (after a reset), Io, WrongState, DeviceLost.
  [[nodiscard]] Status wait(Job& job, Deadline deadline);
  /// The completion of a job that still runs.
  [[nodiscard]] std::optional<cw_fence> pending(const Job& job);
  /// Waits until no job runs. Errors: TimedOut.
  [[nodiscard]] Status wait_idle(Deadline deadline);
  /// Ends what runs with DeviceLost.
  void reset();

  [[nodiscard]] std::uint32_t read_register(std::uint32_t offset);
  void write_register(std::uint32_t offset, std::uint32_t value);
  /// The eventfd of a ring's interrupt, made at the first call. Errors: OutOfFds.
  [[nodiscard]] Result<int> interrupt_fd(std::uint32_t index);

  struct Counts {
    std::uint64_t clocks, bytes_read, bytes_written, descriptors_written, register_writes, submissions,
        resets;
  };
  [[nodiscard]] Counts counts();
  struct Faults {
    std::optional<Iommu::Fault> last;
    std::uint64_t count;
  };
  [[nodiscard]] Faults faults();

private:
  using Inside = Hardware::Inside;
  void interrupted(Inside inside, unsigned lines);
  void program(Inside inside, Job& job);
  void reset_engine(Inside inside);
  void write(Inside inside, Ring ring, std::uint32_t offset, std::uint32_t value);
  [[nodiscard]] static std::uint32_t read(Inside inside, Ring ring, std::uint32_t offset);
  /// job: null if somebody drives the card by its registers. What DMASR, the descriptor and the IOMMU say
  /// about a ring that stopped.
  [[nodiscard]] Error explain(Inside inside, Ring ring, std::uint32_t status, const Job* job) const;
  [[nodiscard]] static std::string where(Inside inside);
  /// Ends the running job, if there is one. lock holds mutex_, and is let go while callbacks run.
  void finish(std::unique_lock<std::mutex>& lock, Status outcome, int system_errno);
  template <class Ended>
  bool wait_until(std::unique_lock<std::mutex>& lock, Deadline deadline, Ended&& ended);

  const plugin::Host host_;
  const std::uint32_t beat_;

  // Taken for a whole submission or reset; never on the hardware's thread.
  std::mutex programming_;
  // Short; taken on the hardware's thread, too. After programming_.
  std::mutex mutex_;
  std::condition_variable ended_;
  Job* running_ = nullptr;  // guarded by mutex_
  UniqueFd interrupts_[2];  // guarded by mutex_

  // The hardware's thread's alone.
  const Job* loaded_ = nullptr;  // whose rings the registers hold
  std::uint64_t register_writes_ = 0;
  std::uint64_t descriptors_written_ = 0;
  std::uint64_t submissions_ = 0;
  std::uint64_t resets_ = 0;

  Hardware hardware_;  // last: its thread uses all of the above
};

}  // namespace causeway::fpga_sim_backend
