// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include "registers.hpp"

namespace causeway::fpga_sim_backend {
Driver::Driver(plugin::Host host, unsigned data_bits, std::uint64_t max_run)
    : host_(host),
      beat_(data_bits / 8),
      hardware_(
          data_bits, max_run, [this](Inside inside, unsigned lines) { interrupted(inside, lines); },
          [this](Inside inside) {
            Lock lock(mutex_);
            start_next(inside, lock);
          }) {}

// ---------------------------------------------------------------- registers

std::uint32_t Driver::read_register(std::uint32_t offset) {
  std::uint32_t value = 0;
  hardware_.between_clocks([&](Inside inside) { value = inside.engine.read_register(offset); });
  return value;
}

void Driver::write_register(std::uint32_t offset, std::uint32_t value) {
  hardware_.between_clocks([&](Inside inside) {
    loaded_ = nullptr;  // whoever programs the card himself leaves nothing to rely on
    inside.engine.write_register(offset, value);
    for (unsigned i = 0; i < kRings.size(); ++i) {
      // An acknowledgement: what came since is an interrupt of its own, as with MSI.
      if (offset == static_cast<std::uint32_t>(kRings[i]) + reg::kStatus) {
        inside.lines &= ~(1U << i);
      }
    }
  });
}

Result<int> Driver::interrupt_fd(std::uint32_t index) {
  const std::lock_guard lock(mutex_);
  UniqueFd& fd = interrupts_[index];
  if (!fd.valid()) {
    const auto& calls = host_.syscalls();
    fd.reset(calls.eventfd(calls.context, 0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd.valid()) {
      const int reason = errno;
      return Error(errc_from_errno(reason), "eventfd", "no descriptor could be made for the card's interrupt",
                   reason);
    }
  }
  return fd.get();
}

// ---------------------------------------------------------------- jobs

Result<std::shared_ptr<Job>> Driver::prepare(const ImageJob& image, Job::Memory memory) {
  auto chain = Chain::create(hardware_, image);
  if (!chain) {
    return std::move(chain.error());
  }
  descriptors_written_.fetch_add(chain->descriptors(), std::memory_order_relaxed);
  return std::make_shared<Job>(image.setting, std::move(*chain), memory);
}

void Driver::discard(const std::shared_ptr<Job>& job) {
  cancel(*job, "the job was discarded before it ended");
  Lock lock(mutex_);
  ended_.wait(lock, [&] { return !job->signalling; });
  if (job->event) {
    host_.destroy_event(*job->event);
  }
}

void Driver::cancel(Job& job, const char* why) {
  const std::lock_guard programming(programming_);
  if (Lock lock(mutex_); job.number == 0) {
    return;  // never submitted: the card has not heard of it
  }
  hardware_.between_clocks([&](Inside inside) {
    Lock lock(mutex_);
    take_back(inside, lock, job, Error(Errc::DeviceLost, "fpga_sim", why), ECANCELED);
    if (loaded_ == &job) {
      loaded_ = nullptr;
    }
    start_next(inside, lock);
  });
}

Status Driver::submit(Job& job, std::vector<std::shared_ptr<Gate>> gates) {
  const std::lock_guard programming(programming_);
  {
    Lock lock(mutex_);
    if (job.pending) {
      return Error(
          Errc::Busy, "fpga_sim submit",
          "the job was submitted and has not ended; wait for its completion, or prepare another one");
    }
    ended_.wait(lock, [&] { return !job.signalling; });
    auto event = host_.create_event();
    if (!event) {
      return std::move(event.error());
    }
    if (job.event) {
      host_.destroy_event(*job.event);
    }
    queue_.push_back(&job);
    job.event = *event;
    job.gates = std::move(gates);
    job.number = ++last_number_;
    job.pending = true;
    job.outcome.reset();
  }
  hardware_.kick();
  return {};
}

void Driver::start_next(Inside inside, Lock& lock) {
  if (running_ != nullptr) {
    return;
  }
  const auto may_start = [this](auto place) {
    const Job& job = **place;
    return std::all_of(job.gates.begin(), job.gates.end(), [](const auto& gate) { return gate->open(); }) &&
           std::none_of(queue_.begin(), place, [&](const Job* before) {
             return job.touches(before->memory[0]) || job.touches(before->memory[1]);
           });
  };
  auto place = queue_.begin();
  while (place != queue_.end() && !may_start(place)) {
    ++place;
  }
  if (place == queue_.end()) {
    return;
  }
  Job& next = **place;
  queue_.erase(place);
  running_ = &next;
  next.gates.clear();
  lock.unlock();
  program(inside, next);  // jobs go by work between clocks alone, so this one stays
  lock.lock();
}

Status Driver::wait(Job& job, Deadline deadline) {
  const auto ended = [&] { return !job.pending && !job.signalling; };
  {
    Lock lock(mutex_);
    if (!job.pending && !job.outcome) {
      return Error(Errc::WrongState, "fpga_sim wait",
                   "the job was not submitted, so there is nothing to wait for");
    }
    if (job.pending) {
      host_.count(CW_COUNT_CPU_WAITS, 1);
    }
    if (wait_until(lock, deadline, ended)) {
      return *job.outcome;
    }
  }
  const std::lock_guard programming(programming_);
  hardware_.between_clocks([&](Inside inside) {
    Lock lock(mutex_);
    std::string text =
        running_ == &job
            ? plugin::words("the card did not interrupt before the deadline, and was reset; ", where(inside))
        : running_ != nullptr
            ? "the job was not started before the deadline, since the card works on one before it; it was "
              "taken back"
            : "the job was not started before the deadline, since what its turns wait for has not signalled; "
              "it was taken back";
    take_back(inside, lock, job, Error(Errc::TimedOut, "fpga_sim wait", std::move(text)), ETIMEDOUT);
    start_next(inside, lock);
  });
  Lock lock(mutex_);
  ended_.wait(lock, ended);
  return *job.outcome;
}

std::optional<Driver::Completion> Driver::pending(const Job& job) {
  const std::lock_guard lock(mutex_);
  return job.pending ? std::optional(Completion{.fence = *job.event, .number = job.number}) : std::nullopt;
}

Status Driver::wait_idle(Deadline deadline) {
  Lock lock(mutex_);
  if (!wait_until(lock, deadline, [&] { return running_ == nullptr && queue_.empty(); })) {
    return Error(Errc::TimedOut, "fpga_sim wait_idle", "the card has jobs to carry out still");
  }
  return {};
}

void Driver::reset() {
  const std::lock_guard programming(programming_);
  hardware_.between_clocks([&](Inside inside) {
    Lock lock(mutex_);
    reset_engine(inside);
    while (running_ != nullptr || !queue_.empty()) {
      Job& job = running_ != nullptr ? *running_ : *queue_.front();
      end(lock, job, Error(Errc::DeviceLost, "fpga_sim", "the card was reset before the job ended"),
          ECANCELED);
    }
    for (const auto& fd : interrupts_) {
      std::uint64_t before = 0;
      if (fd.valid()) {
        ::eventfd_read(fd.get(), &before);  // of the card's former life; EAGAIN: none
      }
    }
  });
}

void Driver::take_back(Inside inside, Lock& lock, Job& job, Status outcome, int system_errno) {
  if (!job.pending) {
    return;
  }
  if (running_ == &job) {
    reset_engine(inside);
  }
  end(lock, job, std::move(outcome), system_errno);
}

void Driver::end(Lock& lock, Job& job, Status outcome, int system_errno) {
  if (running_ == &job) {
    running_ = nullptr;
  } else {
    std::erase(queue_, &job);
  }
  job.gates.clear();
  job.pending = false;
  job.outcome = std::move(outcome);
  job.signalling = true;  // so that nobody frees it meanwhile
  const cw_fence event = *job.event;
  lock.unlock();
  if (!host_.signal_event(event, system_errno)) {
    host_.log(CW_LOG_ERROR, "fpga_sim: the completion of a job could not be signalled");
  }
  lock.lock();
  job.signalling = false;
  ended_.notify_all();
}

template <class Ended>
bool Driver::wait_until(Lock& lock, Deadline deadline, Ended&& ended) {
  if (deadline.is_never()) {
    ended_.wait(lock, ended);
    return true;
  }
  return ended_.wait_until(lock, deadline.when(), ended);
}

// ---------------------------------------------------------------- books

Driver::Counts Driver::counts() {
  Counts counts{};
  hardware_.between_clocks([&](Inside inside) {
    counts = {.clocks = inside.engine.clocks(),
              .bytes_read = inside.engine.bytes_read(),
              .bytes_written = inside.engine.bytes_written(),
              .descriptors_written = descriptors_written_.load(std::memory_order_relaxed),
              .register_writes = register_writes_,
              .submissions = submissions_,
              .resets = resets_};
  });
  return counts;
}

Driver::Faults Driver::faults() {
  Faults faults{};
  hardware_.between_clocks(
      [&](Inside inside) { faults = {.last = inside.iommu.last_fault(), .count = inside.iommu.faults()}; });
  return faults;
}

}  // namespace causeway::fpga_sim_backend
