// SPDX-License-Identifier: Apache-2.0
//
// What the driver does to the engine, between two clocks: programs its rings, serves its interrupts, resets
// it.
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <string>
#include <utility>

#include "driver.hpp"
#include "registers.hpp"

namespace causeway::fpga_sim_backend {
namespace {

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

void Driver::write(Inside inside, Ring ring, std::uint32_t offset, std::uint32_t value) {
  inside.engine.write_register(static_cast<std::uint32_t>(ring) + offset, value);
  ++register_writes_;
}

std::uint32_t Driver::read(Inside inside, Ring ring, std::uint32_t offset) {
  return inside.engine.read_register(static_cast<std::uint32_t>(ring) + offset);
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

}  // namespace causeway::fpga_sim_backend
