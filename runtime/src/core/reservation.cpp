// SPDX-License-Identifier: Apache-2.0
#include <causeway/reservation.hpp>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <utility>

#include "core/buffer_state.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

Reservation::Reservation(std::shared_ptr<core::BufferState> buffer) noexcept : buffer_(std::move(buffer)) {}

Result<bool> Reservation::test(Usage usage) const {
  if (!buffer_->settled()) {
    return true;  // nobody can have worked on storage that is not there
  }
  return buffer_->poll_fences(usage, Deadline::now());
}

Status Reservation::wait(Usage usage, Deadline deadline) const {
  auto ready = test(usage);
  if (ready && !*ready) {
    buffer_->runtime()->tally().add_cpu_wait();
    ready = buffer_->poll_fences(usage, deadline);
  }
  if (!ready) {
    return std::move(ready.error());
  }
  if (!*ready) {
    return Error(Errc::TimedOut, "Reservation::wait",
                 fmt::format("a device still {} buffer \"{}\" at the deadline",
                             writes(usage) ? "uses" : "writes to", buffer_->name()));
  }
  return {};
}

Result<Pollable> Reservation::readiness(Usage usage) const {
  if (auto settled = buffer_->settle(); !settled) {
    return std::move(settled.error());
  }
  const auto& kernel = buffer_->runtime()->kernel();
  if (buffer_->backing().is_dma_buf) {
    auto fd = kernel.duplicate(buffer_->backing().fd);
    if (!fd) {
      return std::move(fd.error());
    }
    const short events = writes(usage) ? POLLOUT : POLLIN;
    return Pollable{.fd = std::move(*fd), .events = events};
  }
  auto event = kernel.eventfd();
  if (!event) {
    return std::move(event.error());
  }
  ::eventfd_write(event->get(), 1);  // cannot fail: the counter is 0
  return Pollable{.fd = std::move(*event), .events = POLLIN};
}

}  // namespace causeway
