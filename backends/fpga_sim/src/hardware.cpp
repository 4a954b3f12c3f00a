// SPDX-License-Identifier: Apache-2.0
#include "hardware.hpp"

#include <pthread.h>

#include <csignal>
#include <exception>
#include <future>
#include <utility>

namespace causeway::fpga_sim_backend {
namespace {

// The engine has no timers: if for so many clocks nothing crossed its bus, then nothing will until its
// registers are touched. Far above the bus's latency and the longest stretch without a beat on the bus.
constexpr unsigned kQuiet = 4096;

}  // namespace

Hardware::Hardware(unsigned data_bits, std::uint64_t max_run,
                   std::function<void(Inside, unsigned)> on_interrupt, std::function<void(Inside)> on_kick)
    : on_interrupt_(std::move(on_interrupt)), on_kick_(std::move(on_kick)), iommu_(max_run) {
  std::promise<void> started;
  auto starts = started.get_future();
  // Signals are the program's; its handlers must not run on the hardware.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this, data_bits, &started] { run(data_bits, started); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  try {
    starts.get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

Hardware::~Hardware() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    asked_.store(true, std::memory_order_release);
  }
  wake_.notify_one();
  thread_.join();
}

void Hardware::between_clocks(const std::function<void(Inside)>& work) {
  send({.work = work, .moves_engine = true, .failure = nullptr});
}

void Hardware::with_iommu(const std::function<void(Iommu&)>& work) {
  {
    const std::lock_guard lock(mutex_);
    if (asleep_ && !asked_.load(std::memory_order_relaxed)) {
      work(iommu_);  // nobody else's: to wake, the thread needs the lock
      return;
    }
  }
  send({.work = [&](Inside inside) { work(inside.iommu); }, .moves_engine = false, .failure = nullptr});
}

void Hardware::send(Errand errand) {
  std::unique_lock lock(mutex_);
  errands_.push_back(&errand);
  asked_.store(true, std::memory_order_release);
  wake_.notify_one();
  done_.wait(lock, [&] { return errand.done; });
  if (errand.failure) {
    std::rethrow_exception(errand.failure);
  }
}

void Hardware::kick() {
  const std::lock_guard lock(mutex_);
  kicked_ = true;
  asked_.store(true, std::memory_order_release);
  wake_.notify_one();
}

Hardware::Asked Hardware::do_errands(Inside inside, bool may_sleep) {
  std::unique_lock lock(mutex_);
  if (may_sleep) {
    asleep_ = true;
    wake_.wait(lock, [this] { return asked_.load(std::memory_order_relaxed); });
    asleep_ = false;
  }
  asked_.store(false, std::memory_order_relaxed);
  const auto errands = std::exchange(errands_, {});
  const bool kicked = std::exchange(kicked_, false);
  const bool stop = stop_;
  lock.unlock();
  if (kicked && !stop) {
    on_kick_(inside);
  }
  bool goes_on = kicked;
  for (Errand* errand : errands) {
    goes_on = goes_on || errand->moves_engine;
    try {
      errand->work(inside);
    } catch (...) {
      errand->failure = std::current_exception();
    }
    lock.lock();
    errand->done = true;
    done_.notify_all();
    lock.unlock();
  }
  return stop ? Asked::Stop : goes_on ? Asked::ToGoOn : Asked::Nothing;
}

void Hardware::run(unsigned data_bits, std::promise<void>& started) {
  // The engine is bound to the thread that makes it.
  std::unique_ptr<RtlEngine> engine;
  try {
    engine = make_rtl_engine(data_bits, iommu_, pace_);
  } catch (...) {
    started.set_exception(std::current_exception());
    return;
  }
  started.set_value();
  const Inside inside{.engine = *engine, .iommu = iommu_, .lines = lines_};
  unsigned quiet = kQuiet;
  while (true) {
    if (quiet >= kQuiet || asked_.load(std::memory_order_acquire)) {
      const Asked asked = do_errands(inside, quiet >= kQuiet);
      if (asked == Asked::Stop) {
        return;
      }
      if (asked == Asked::ToGoOn) {
        quiet = 0;
      }
    }
    quiet = engine->clock() ? 0 : quiet + 1;
    const unsigned before = std::exchange(lines_, engine->interrupts());
    if ((lines_ & ~before) != 0) {
      on_interrupt_(inside, lines_ & ~before);
      quiet = 0;
    }
  }
}

}  // namespace causeway::fpga_sim_backend
