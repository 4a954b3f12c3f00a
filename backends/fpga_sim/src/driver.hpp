// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <causeway/deadline.hpp>
#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "chain.hpp"
#include "gate.hpp"
#include "hardware.hpp"
#include "image.hpp"

namespace causeway::fpga_sim_backend {

/// A transfer that is ready to run, over and over. The driver's; they run one after the other.
struct Job {
  /// Tickets of the mappings that it reads and writes; 0: none.
  using Memory = std::array<std::uint64_t, 2>;

  Job(const KernelSetting& kernel, Chain chain_made, Memory mappings)
      : setting(kernel), chain(std::move(chain_made)), memory(mappings) {}
  [[nodiscard]] bool touches(std::uint64_t ticket) const {
    return ticket != 0 && (memory[0] == ticket || memory[1] == ticket);
  }

  const KernelSetting setting;
  Chain chain;
  const Memory memory;
  // Guarded by the driver's mutex, and of the last submission:
  std::optional<cw_fence> event;
  std::vector<std::shared_ptr<Gate>> gates;  // it starts when all are open
  std::uint64_t number = 0;                  // in the order of submissions
  std::optional<Status> outcome;             // once it has ended
  bool pending = false;                      // submitted, and has not ended
  bool signalling = false;                   // it has ended, and its event is being signalled
};

/// What software there is on such a card: programs the rings, serves the interrupts, resets.
///
/// Jobs must be gone before it is. Threads: thread-safe; interrupted() is for the hardware's thread alone.
class Driver {
public:
  Driver(plugin::Host host, unsigned data_bits, std::uint64_t max_run);
  ~Driver() { waker_->close(); }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  [[nodiscard]] Hardware& hardware() { return hardware_; }
  [[nodiscard]] std::uint32_t beat() const { return beat_; }

  [[nodiscard]] Result<std::shared_ptr<Job>> prepare(const ImageJob& image, Job::Memory memory = {});
  /// Ends the job if it runs or waits, and destroys its event.
  void discard(const std::shared_ptr<Job>& job);
  /// Ends the job with DeviceLost if it runs or waits; why: a sentence.
  void cancel(Job& job, const char* why);
  /// It starts when the card is free and its gates are open. It may overtake jobs that wait for theirs, but
  /// none that it shares memory with. Errors: Busy (it was submitted and has not ended), OutOfFds.
  [[nodiscard]] Status submit(Job& job, std::vector<std::shared_ptr<Gate>> gates = {});
  [[nodiscard]] const std::shared_ptr<Waker>& waker() const { return waker_; }
  /// Errors: TimedOut (after a reset, or before it started), Io, WrongState, DeviceLost.
  [[nodiscard]] Status wait(Job& job, Deadline deadline);
  /// The completion of a job that has not ended, and its place among the submissions.
  struct Completion {
    cw_fence fence;
    std::uint64_t number;
  };
  [[nodiscard]] std::optional<Completion> pending(const Job& job);
  /// Waits until no job runs or waits. Errors: TimedOut.
  [[nodiscard]] Status wait_idle(Deadline deadline);
  /// Ends what runs and what waits with DeviceLost; interrupts that nobody has looked at are forgotten.
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
  using Lock = std::unique_lock<std::mutex>;  // of mutex_; let go while callbacks run
  void interrupted(Inside inside, unsigned lines);
  /// Starts the job that is next, if the card is free and its gates are open.
  void start_next(Inside inside, Lock& lock);
  void program(Inside inside, Job& job);
  /// Until both rings stand at their tails, so that none misses the next one. False: one is stuck, or failed.
  [[nodiscard]] bool settle(Inside inside);
  void reset_engine(Inside inside);
  void write(Inside inside, Ring ring, std::uint32_t offset, std::uint32_t value);
  [[nodiscard]] static std::uint32_t read(Inside inside, Ring ring, std::uint32_t offset);
  /// job: null if somebody drives the card by its registers. What DMASR, the descriptor and the IOMMU say
  /// about a ring that stopped.
  [[nodiscard]] Error explain(Inside inside, Ring ring, std::uint32_t status, const Job* job) const;
  [[nodiscard]] static std::string where(Inside inside);
  /// Ends a job that is pending, whether it runs or waits; one that runs is stopped already.
  void end(Lock& lock, Job& job, Status outcome, int system_errno);
  /// Ends a job that is pending, stopping it if it runs.
  void take_back(Inside inside, Lock& lock, Job& job, Status outcome, int system_errno);
  template <class Ended>
  bool wait_until(Lock& lock, Deadline deadline, Ended&& ended);

  const plugin::Host host_;
  const std::uint32_t beat_;

  std::atomic<std::uint64_t> descriptors_written_{0};

  // Taken for a whole submission or reset; never on the hardware's thread.
  std::mutex programming_;
  // Short; taken on the hardware's thread, too. After programming_.
  std::mutex mutex_;
  std::condition_variable ended_;
  Job* running_ = nullptr;         // guarded by mutex_, as are the next ones
  std::deque<Job*> queue_;         // submitted, and not started
  std::uint64_t last_number_ = 0;  // of a submission
  UniqueFd interrupts_[2];

  // The hardware's thread's alone.
  const Job* loaded_ = nullptr;  // whose rings the registers hold
  std::uint64_t register_writes_ = 0;
  std::uint64_t submissions_ = 0;
  std::uint64_t resets_ = 0;

  Hardware hardware_;  // its thread uses all of the above
  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>(hardware_);
};

}  // namespace causeway::fpga_sim_backend
