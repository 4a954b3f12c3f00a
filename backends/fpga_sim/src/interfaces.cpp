// SPDX-License-Identifier: Apache-2.0
#include <causeway/plugin/text.hpp>
#include <string>

#include "device.hpp"
#include "registers.hpp"

namespace causeway::fpga_sim_backend {
namespace {

using plugin::detail::guarded;

constexpr std::uint32_t kInterrupts = 2;

Card& card_of(cw_device* device) {
  return *reinterpret_cast<Card*>(device);
}

Job* job_of(cw_fpga_sim_job* job) {
  return reinterpret_cast<Job*>(job);
}

Status check_bar(std::uint32_t bar) {
  if (bar != 0) {
    return Error(Errc::NotFound, "fpga_sim",
                 plugin::words("there is no BAR ", bar, "; the card has BAR 0 alone"));
  }
  return {};
}

Status check_register(std::uint32_t bar, std::uint64_t offset) {
  if (auto known = check_bar(bar); !known) {
    return known;
  }
  if (offset % 4 != 0 || offset >= reg::kEnd) {
    return Error(Errc::InvalidArgument, "fpga_sim",
                 plugin::words("the register at ", plugin::hex(offset),
                               " was asked for; they are at multiples of 4 below ", plugin::hex(reg::kEnd)));
  }
  return {};
}

}  // namespace

const cw_fpga_card& card_functions() {
  static const cw_fpga_card table = [] {
    auto made = plugin::sized<cw_fpga_card>();
    made.bar_count = 1;
    made.interrupt_count = kInterrupts;
    made.bar_size = [](cw_device* /*device*/, std::uint32_t bar, std::uint64_t* size, cw_error* error) {
      return guarded(error, "bar_size", [&]() -> Status {
        *size = reg::kEnd;
        return check_bar(bar);
      });
    };
    made.read32 = [](cw_device* device, std::uint32_t bar, std::uint64_t offset, std::uint32_t* value,
                     cw_error* error) {
      return guarded(error, "read32", [&]() -> Status {
        auto known = check_register(bar, offset);
        if (known) {
          *value = card_of(device).driver().read_register(static_cast<std::uint32_t>(offset));
        }
        return known;
      });
    };
    made.write32 = [](cw_device* device, std::uint32_t bar, std::uint64_t offset, std::uint32_t value,
                      cw_error* error) {
      return guarded(error, "write32", [&]() -> Status {
        auto known = check_register(bar, offset);
        if (known) {
          card_of(device).driver().write_register(static_cast<std::uint32_t>(offset), value);
        }
        return known;
      });
    };
    made.interrupt = [](cw_device* device, std::uint32_t index, std::int32_t* fd, cw_error* error) {
      return guarded(error, "interrupt", [&]() -> Status {
        if (index >= kInterrupts) {
          return Error(Errc::NotFound, "fpga_sim",
                       plugin::words("there is no interrupt ", index, "; 0 is MM2S's, 1 is S2MM's"));
        }
        auto made_fd = card_of(device).driver().interrupt_fd(index);
        if (!made_fd) {
          return std::move(made_fd.error());
        }
        *fd = *made_fd;
        return {};
      });
    };
    made.reset = [](cw_device* device, cw_error* error) {
      return guarded(error, "reset", [&]() -> Status {
        card_of(device).driver().reset();
        return {};
      });
    };
    return made;
  }();
  return table;
}

const cw_fpga_sim_engine& engine_functions() {
  static const cw_fpga_sim_engine table = [] {
    auto made = plugin::sized<cw_fpga_sim_engine>();
    made.prepare = [](cw_device* device, const cw_fpga_view* source, const cw_fpga_view* destination,
                      std::uint32_t kernel, cw_fpga_sim_job** job, cw_error* error) {
      return guarded(error, "prepare", [&]() -> Status {
        auto prepared = card_of(device).prepare(*source, *destination, kernel);
        if (!prepared) {
          return std::move(prepared.error());
        }
        *job = reinterpret_cast<cw_fpga_sim_job*>(*prepared);
        return {};
      });
    };
    made.discard = [](cw_device* device, cw_fpga_sim_job* job) { card_of(device).discard(job_of(job)); };
    made.submit = [](cw_device* device, cw_fpga_sim_job* job, cw_fence* completion, cw_error* error) {
      return guarded(error, "submit", [&]() -> Status {
        const auto submitted = card_of(device).submit(*job_of(job));
        if (!submitted) {
          return submitted.error();
        }
        *completion = *submitted;
        return {};
      });
    };
    made.wait = [](cw_device* device, cw_fpga_sim_job* job, std::int64_t deadline_ns, cw_error* error) {
      return guarded(error, "wait", [&] {
        return card_of(device).driver().wait(
            *job_of(job), Deadline(Deadline::Clock::time_point(std::chrono::nanoseconds(deadline_ns))));
      });
    };
    made.fault = [](cw_device* device, cw_fpga_sim_fault* out) {
      const auto faults = card_of(device).driver().faults();
      if (!faults.last) {
        return std::int32_t{0};
      }
      out->write = faults.last->write ? 1 : 0;
      out->address = faults.last->address;
      out->mapped = faults.last->mapped ? 1 : 0;
      out->count = faults.count;
      return std::int32_t{1};
    };
    made.counters = [](cw_device* device, cw_fpga_sim_counters* out) {
      const auto counts = card_of(device).driver().counts();
      out->clocks = counts.clocks;
      out->bytes_read = counts.bytes_read;
      out->bytes_written = counts.bytes_written;
      out->descriptors_written = counts.descriptors_written;
      out->register_writes = counts.register_writes;
      out->submissions = counts.submissions;
      out->resets = counts.resets;
    };
    return made;
  }();
  return table;
}

}  // namespace causeway::fpga_sim_backend
