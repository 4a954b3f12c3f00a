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
namespace {

constexpr std::array kRings{Ring::Mm2s, Ring::S2mm};
// The longest burst is 256 beats; a reset waits for two of them at most.
constexpr int kResetReads = 10'000;

const char* name_of(Ring ring) {
  return ring == Ring::Mm2s ? "MM2S" : "S2MM";
}

const char* cause_of(std::uint32_t status) {
  if ((status & status::kSgIntErr) != 0) {
    return "SGIntErr: it came to a descriptor that was carried out before, so the chain loops";
  }
  if ((status & (status::kSgDecErr | status::kSgSlvErr)) != 0) {
    return "SGDecErr or SGSlvErr: a descriptor is outside of the memory that the card may reach";
  }
  if ((status & status::kDmaIntErr) != 0) {
    return "DMAIntErr: the descriptor has length 0, or an address or a length that is no multiple of the "
           "data path";
  }
  if ((status & status::kDmaDecErr) != 0) {
    return "DMADecErr: the data is outside of the memory that the card may reach";
  }
  return "DMASlvErr: the memory answered with an error";
}

}  // namespace

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

void Driver::write(Inside inside, Ring ring, std::uint32_t offset, std::uint32_t value) {
  inside.engine.write_register(static_cast<std::uint32_t>(ring) + offset, value);
  ++register_writes_;
}

std::uint32_t Driver::read(Inside inside, Ring ring, std::uint32_t offset) {
  return inside.engine.read_register(static_cast<std::uint32_t>(ring) + offset);
}

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

bool Driver::settle(Inside inside) {
  const auto failed = [&](Ring ring) { return (read(inside, ring, reg::kStatus) & status::kErrors) != 0; };
  if (std::any_of(kRings.begin(), kRings.end(), failed)) {
    return false;
  }
  for (const auto ring : kRings) {
    std::uint32_t seen = 0;
    for (int i = 0; i < kResetReads && (seen & (status::kHalted | status::kIdle)) == 0; ++i) {
      seen = read(inside, ring, reg::kStatus);
    }
    if ((seen & (status::kHalted | status::kIdle)) == 0) {
      return false;
    }
    // What is still to be acknowledged would hide the next one.
    if (const auto left = seen & (status::kIoc | status::kErrorIrq); left != 0) {
      write(inside, ring, reg::kStatus, left);
    }
  }
  return true;
}

void Driver::program(Inside inside, Job& job) {
  ++submissions_;
  const auto out = job.chain.out();
  const auto in = job.chain.in();
  if (!settle(inside)) {
    reset_engine(inside);  // what failed, or somebody else left in the middle
  }
  if (loaded_ != &job) {
    const auto set = [&](std::uint32_t offset, std::uint32_t value) {
      inside.engine.write_register(offset, value);
      ++register_writes_;
    };
    set(reg::kKernel, 0);
    set(reg::kWidth, job.setting.width);
    set(reg::kHeight, job.setting.height);
    set(reg::kInStride, job.setting.in_stride);
    set(reg::kOutStride, job.setting.out_stride);
    set(reg::kKernel, job.setting.kernel);
    for (const auto ring : kRings) {
      const auto ends = ring == Ring::Mm2s ? in : out;
      write(inside, ring, reg::kControl, 0);  // it is idle, so it halts at once
      write(inside, ring, reg::kCurrent, low(ends.first));
      write(inside, ring, reg::kCurrent + 4, high(ends.first));
      write(inside, ring, reg::kControl,
            control::kRun | control::kCyclic | control::kIocIrq | control::kErrorIrq);
      write(inside, ring, reg::kTail, low(ends.last));
    }
    loaded_ = &job;
  }
  // Who receives is started first. A ring that stands at its tail goes round once for each write.
  write(inside, Ring::S2mm, reg::kTailHigh, high(out.last));
  write(inside, Ring::Mm2s, reg::kTailHigh, high(in.last));
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

// ---------------------------------------------------------------- on the hardware's thread

void Driver::reset_engine(Inside inside) {
  write(inside, Ring::Mm2s, reg::kControl, control::kReset);
  for (int i = 0; i < kResetReads && (read(inside, Ring::Mm2s, reg::kControl) & control::kReset) != 0; ++i) {
  }
  loaded_ = nullptr;
  ++resets_;
}

void Driver::interrupted(Inside inside, unsigned lines) {
  Lock lock(mutex_);
  for (unsigned i = 0; i < kRings.size(); ++i) {
    if ((lines >> i & 1U) != 0 && interrupts_[i].valid()) {
      ::eventfd_write(interrupts_[i].get(), 1);  // full after 2^64 - 2 interrupts that nobody looked at
    }
  }
  std::optional<Error> failure;
  bool done = false;
  for (const auto ring : kRings) {
    const auto status = read(inside, ring, reg::kStatus);
    if ((status & (status::kIoc | status::kErrorIrq)) == 0) {
      continue;
    }
    if (running_ != nullptr) {
      write(inside, ring, reg::kStatus, status & (status::kIoc | status::kErrorIrq));
    }
    if ((status & status::kErrors) != 0) {
      failure = explain(inside, ring, status, running_);
    } else if (ring == Ring::S2mm) {
      done = true;  // the last byte is in memory
    }
  }
  if (running_ == nullptr) {
    // Somebody drives the card by its registers, and acknowledges there.
    if (failure) {
      host_.log(CW_LOG_WARNING, failure->message());
    }
  } else if (failure) {
    loaded_ = nullptr;
    end(lock, *running_, std::move(*failure), EIO);
  } else if (done) {
    end(lock, *running_, {}, 0);
  }
  start_next(inside, lock);
}

std::string Driver::where(Inside inside) {
  const auto mm2s = read(inside, Ring::Mm2s, reg::kStatus);
  const auto s2mm = read(inside, Ring::S2mm, reg::kStatus);
  const auto kernel = inside.engine.read_register(reg::kKernelStatus);
  return plugin::words(
      "MM2S_DMASR is ", plugin::hex(mm2s), ", S2MM_DMASR ", plugin::hex(s2mm),
      (kernel & kernel::kMismatch) != 0 ? ", and the packet had not the size of the kernel's image" : "");
}

Error Driver::explain(Inside inside, Ring ring, std::uint32_t status, const Job* job) const {
  const std::uint64_t current =
      read(inside, ring, reg::kCurrent) | std::uint64_t{read(inside, ring, reg::kCurrent + 4)} << 32U;
  const std::string place = job != nullptr ? job->chain.place_of(ring, current)
                                           : plugin::words("the descriptor at ", plugin::hex(current));
  std::string text = plugin::words("the ring ", name_of(ring), " stopped at ", place, " (DMASR ",
                                   plugin::hex(status), ", ", cause_of(status), ")");
  const auto& fault = inside.iommu.last_fault();
  if (fault && (status & (status::kDmaDecErr | status::kSgDecErr)) != 0) {
    text += plugin::words("; the IOMMU blocked a ", fault->write ? "write to " : "read of ",
                          plugin::hex(fault->address), ", which is ",
                          fault->mapped ? "mapped for reading alone" : "not mapped");
  }
  return {Errc::Io, "fpga_sim", std::move(text)};
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
