// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "iommu.hpp"
#include "rtl_engine.hpp"

namespace causeway::fpga_sim_backend {

/// The card: engine, IOMMU and the thread that is their clock. The clock stands still while nothing can
/// change.
///
/// Threads: thread-safe. on_interrupt and on_kick run on the hardware's thread, between two clocks.
class Hardware {
public:
  /// What a piece of work may touch while the clock waits for it.
  struct Inside {
    RtlEngine& engine;
    Iommu& iommu;
    unsigned& lines;  ///< that are up and were reported; whoever clears a bit has it reported again
  };

  /// lines: bit 0 MM2S, bit 1 S2MM; those that rose.
  Hardware(unsigned data_bits, std::uint64_t max_run,
           std::function<void(Inside inside, unsigned lines)> on_interrupt,
           std::function<void(Inside inside)> on_kick);
  /// The clock stops in mid-transfer if need be.
  ~Hardware();
  Hardware(const Hardware&) = delete;
  Hardware& operator=(const Hardware&) = delete;

  /// Has the hardware's thread do work between two clocks, and waits until it is done. Not to be called on
  /// that thread. Throws what work throws.
  void between_clocks(const std::function<void(Inside)>& work);
  /// Changes what the card may reach, as between_clocks does, but without a change of threads where the clock
  /// stands still. Not to be called on the hardware's thread. Throws what work throws.
  void with_iommu(const std::function<void(Iommu&)>& work);
  /// Has on_kick called soon, and waits for nothing; on any thread. Work that is given later comes after it.
  void kick();

private:
  /// Memory as quick as cards see it, in clocks.
  class Pace final : public BusPace {
  public:
    unsigned latency() override { return 4; }
    bool stalls() override { return false; }
  };
  struct Errand {
    std::function<void(Inside)> work;
    bool moves_engine;  ///< what the engine does next may be other than before
    std::exception_ptr failure;
    bool done = false;
  };
  enum class Asked : std::uint8_t { Stop, Nothing, ToGoOn };

  void run(unsigned data_bits, std::promise<void>& started);
  void send(Errand errand);
  Asked do_errands(Inside inside, bool may_sleep);

  const std::function<void(Inside, unsigned)> on_interrupt_;
  const std::function<void(Inside)> on_kick_;
  Iommu iommu_;
  Pace pace_;
  unsigned lines_ = 0;  // the thread's

  std::mutex mutex_;
  std::condition_variable wake_;    // the hardware's thread
  std::condition_variable done_;    // who waits for an errand
  std::vector<Errand*> errands_;    // guarded by mutex_
  std::atomic<bool> asked_{false};  // errands_, kicked_ or stop_ changed
  bool kicked_ = false;             // guarded by mutex_
  bool stop_ = false;               // guarded by mutex_
  bool asleep_ = false;             // the thread waits to be asked; guarded by mutex_
  std::thread thread_;              // last: it uses all of the above
};

}  // namespace causeway::fpga_sim_backend
