// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include "registers.hpp"
#include "text.hpp"

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
      hardware_(data_bits, max_run, [this](Inside inside, unsigned lines) { interrupted(inside, lines); }) {}

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

Result<std::shared_ptr<Job>> Driver::prepare(ImageJob image) {
  auto chain = Chain::create(hardware_, image);
  if (!chain) {
    return std::move(chain.error());
  }
  const std::size_t descriptors = chain->descriptors();
  hardware_.between_clocks([&](Inside) { descriptors_written_ += descriptors; });
  return std::make_shared<Job>(std::move(image), std::move(*chain));
}

void Driver::discard(const std::shared_ptr<Job>& job) {
  const std::lock_guard programming(programming_);
  hardware_.between_clocks([&](Inside inside) {
    std::unique_lock lock(mutex_);
    if (running_ == job.get()) {
      reset_engine(inside);
      finish(lock, Error(Errc::DeviceLost, "fpga_sim", "the job was discarded while it ran"), ECANCELED);
    }
    if (loaded_ == job.get()) {
      loaded_ = nullptr;
    }
  });
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return !job->signalling; });
  if (job->event) {
    host_.destroy_event(*job->event);
  }
}

Status Driver::submit(Job& job) {
  const std::lock_guard programming(programming_);
  {
    std::unique_lock lock(mutex_);
    if (running_ != nullptr) {
      return Error(Errc::Busy, "fpga_sim submit",
                   "the card carries out a job already, and takes one at a time; wait for its completion");
    }
    ended_.wait(lock, [&] { return !job.signalling; });
    auto event = host_.create_event();
    if (!event) {
      return std::move(event.error());
    }
    if (job.event) {
      host_.destroy_event(*job.event);
    }
    job.event = *event;
    job.running = true;
    job.outcome.reset();
    running_ = &job;
  }
  hardware_.between_clocks([&](Inside inside) { program(inside, job); });
  return {};
}

void Driver::program(Inside inside, Job& job) {
  ++submissions_;
  const auto out = job.chain.out();
  const auto in = job.chain.in();
  if (loaded_ != &job) {
    // What failed, or somebody else left in the middle, must be reset first.
    for (const auto ring : kRings) {
      const auto seen = read(inside, ring, reg::kStatus);
      if ((seen & status::kErrors) != 0 || (seen & (status::kHalted | status::kIdle)) == 0) {
        reset_engine(inside);
        break;
      }
    }
    const auto set = [&](std::uint32_t offset, std::uint32_t value) {
      inside.engine.write_register(offset, value);
      ++register_writes_;
    };
    set(reg::kKernel, 0);
    set(reg::kWidth, job.image.width);
    set(reg::kHeight, job.image.height);
    set(reg::kInStride, job.image.in_stride);
    set(reg::kOutStride, job.image.out_stride);
    set(reg::kKernel, job.image.kernel);
    for (const auto ring : kRings) {
      const auto ends = ring == Ring::Mm2s ? in : out;
      write(inside, ring, reg::kControl, 0);  // it is idle, so it halts at once
      write(inside, ring, reg::kCurrent, static_cast<std::uint32_t>(ends.first));
      write(inside, ring, reg::kCurrent + 4, static_cast<std::uint32_t>(ends.first >> 32U));
      write(inside, ring, reg::kControl,
            control::kRun | control::kCyclic | control::kIocIrq | control::kErrorIrq);
      write(inside, ring, reg::kTail, static_cast<std::uint32_t>(ends.last));
    }
    loaded_ = &job;
  }
  // Who receives is started first. A ring that stands at its tail goes round once for each write.
  write(inside, Ring::S2mm, reg::kTailHigh, static_cast<std::uint32_t>(out.last >> 32U));
  write(inside, Ring::Mm2s, reg::kTailHigh, static_cast<std::uint32_t>(in.last >> 32U));
}

Status Driver::wait(Job& job, Deadline deadline) {
  const auto ended = [&] { return !job.running && !job.signalling; };
  {
    std::unique_lock lock(mutex_);
    if (!job.running && !job.outcome) {
      return Error(Errc::WrongState, "fpga_sim wait",
                   "the job was not submitted, so there is nothing to wait for");
    }
    if (job.running) {
      host_.count(CW_COUNT_CPU_WAITS, 1);
    }
    if (wait_until(lock, deadline, ended)) {
      return *job.outcome;
    }
  }
  const std::lock_guard programming(programming_);
  hardware_.between_clocks([&](Inside inside) {
    std::unique_lock lock(mutex_);
    if (running_ == &job) {
      const std::string states = where(inside);
      reset_engine(inside);
      finish(lock,
             Error(Errc::TimedOut, "fpga_sim wait",
                   words("the card did not interrupt before the deadline, and was reset; ", states)),
             ETIMEDOUT);
    }
  });
  std::unique_lock lock(mutex_);
  ended_.wait(lock, ended);
  return *job.outcome;
}

std::optional<cw_fence> Driver::pending(const Job& job) {
  const std::lock_guard lock(mutex_);
  return job.running ? job.event : std::nullopt;
}

Status Driver::wait_idle(Deadline deadline) {
  std::unique_lock lock(mutex_);
  if (!wait_until(lock, deadline, [&] { return running_ == nullptr; })) {
    return Error(Errc::TimedOut, "fpga_sim wait_idle", "the card carries out a job still");
  }
  return {};
}

void Driver::reset() {
  const std::lock_guard programming(programming_);
  hardware_.between_clocks([&](Inside inside) {
    std::unique_lock lock(mutex_);
    reset_engine(inside);
    finish(lock, Error(Errc::DeviceLost, "fpga_sim", "the card was reset while the job ran"), ECANCELED);
  });
}

void Driver::finish(std::unique_lock<std::mutex>& lock, Status outcome, int system_errno) {
  Job* job = std::exchange(running_, nullptr);
  if (job == nullptr) {
    return;
  }
  job->running = false;
  job->outcome = std::move(outcome);
  job->signalling = true;  // so that nobody frees it meanwhile
  const cw_fence event = *job->event;
  lock.unlock();
  if (!host_.signal_event(event, system_errno)) {
    host_.log(CW_LOG_ERROR, "fpga_sim: the completion of a job could not be signalled");
  }
  lock.lock();
  job->signalling = false;
  ended_.notify_all();
}

template <class Ended>
bool Driver::wait_until(std::unique_lock<std::mutex>& lock, Deadline deadline, Ended&& ended) {
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
  std::unique_lock lock(mutex_);
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
    finish(lock, std::move(*failure), EIO);
  } else if (done) {
    finish(lock, {}, 0);
  }
}

std::string Driver::where(Inside inside) {
  const auto mm2s = read(inside, Ring::Mm2s, reg::kStatus);
  const auto s2mm = read(inside, Ring::S2mm, reg::kStatus);
  const auto kernel = inside.engine.read_register(reg::kKernelStatus);
  return words(
      "MM2S_DMASR is ", hex(mm2s), ", S2MM_DMASR ", hex(s2mm),
      (kernel & kernel::kMismatch) != 0 ? ", and the packet had not the size of the kernel's image" : "");
}

Error Driver::explain(Inside inside, Ring ring, std::uint32_t status, const Job* job) const {
  const std::uint64_t current =
      read(inside, ring, reg::kCurrent) | std::uint64_t{read(inside, ring, reg::kCurrent + 4)} << 32U;
  const std::string place =
      job != nullptr ? job->chain.place_of(ring, current) : words("the descriptor at ", hex(current));
  std::string text = words("the ring ", name_of(ring), " stopped at ", place, " (DMASR ", hex(status), ", ",
                           cause_of(status), ")");
  const auto& fault = inside.iommu.last_fault();
  if (fault && (status & (status::kDmaDecErr | status::kSgDecErr)) != 0) {
    text += words("; the IOMMU blocked a ", fault->write ? "write to " : "read of ", hex(fault->address),
                  ", which is ", fault->mapped ? "mapped for reading alone" : "not mapped");
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
              .descriptors_written = descriptors_written_,
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
