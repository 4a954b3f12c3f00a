// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_state.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <utility>

#include "core/runtime_state.hpp"
#include "uapi/dma_buf.hpp"

namespace causeway::core {

Result<std::shared_ptr<BufferState>> BufferState::adopt(std::shared_ptr<RuntimeState> runtime,
                                                        Storage storage, std::string exporter,
                                                        std::string name) {
  const auto& kernel = runtime->kernel();
  auto id = kernel.identity(storage.fd.borrow());
  if (!id) {
    return std::move(id.error());
  }
  auto writable = kernel.writable(storage.fd.borrow());
  if (!writable) {
    return std::move(writable.error());
  }
  auto& registry = runtime->buffers();
  return registry.find_or_add(*id, [&] {
    return std::make_shared<BufferState>(runtime, std::move(storage), *id, !*writable, std::move(exporter),
                                         std::move(name));
  });
}

Result<std::shared_ptr<BufferState>> BufferState::import(std::shared_ptr<RuntimeState> runtime,
                                                         BorrowedFd fd) {
  const auto& kernel = runtime->kernel();
  if (!fd.valid()) {
    return Error(Errc::InvalidArgument, "DmaBuf::from_fd",
                 fmt::format("{} is no file descriptor; a dma-buf or memfd was expected", fd.get()));
  }
  auto id = kernel.identity(fd);
  if (!id) {
    return std::move(id.error());
  }
  if (auto known = runtime->buffers().find(*id)) {
    known->mark_escaped();
    return known;
  }
  auto dma_buf = uapi::is_dma_buf(kernel, fd);
  if (!dma_buf) {
    return std::move(dma_buf.error());
  }
  auto size = kernel.size(fd);
  if (!size) {
    return std::move(size.error()).within("DmaBuf::from_fd takes a dma-buf or memfd");
  }
  if (*size == 0 || *size % uapi::kPageSize != 0) {
    return Error(
        Errc::InvalidArgument, "DmaBuf::from_fd",
        fmt::format("descriptor {} has {} bytes; memory to share is a whole number of pages of {} bytes, "
                    "at least one",
                    fd.get(), *size, uapi::kPageSize));
  }
  auto own = kernel.duplicate(fd);
  if (!own) {
    return std::move(own.error());
  }
  Storage storage{.fd = std::move(*own), .size = *size, .is_dma_buf = *dma_buf};
  auto adopted = adopt(std::move(runtime), std::move(storage), "foreign", "foreign");
  if (adopted) {
    (*adopted)->mark_escaped();
  }
  return adopted;
}

BufferState::BufferState(std::shared_ptr<RuntimeState> runtime, Storage storage, ObjectId id, bool read_only,
                         std::string exporter, std::string name)
    : runtime_(std::move(runtime)),
      storage_(std::move(storage)),
      id_(id),
      read_only_(read_only),
      exporter_(std::move(exporter)),
      name_(std::move(name)) {}

BufferState::~BufferState() {
  // Before the descriptor is closed: until then no other object can have this identity.
  runtime_->buffers().forget(id_);
}

Result<std::byte*> BufferState::cpu_address() {
  if (std::byte* known = mapped_address()) {
    return known;
  }
  const std::lock_guard lock(map_mutex_);
  if (std::byte* known = mapped_address()) {
    return known;
  }
  // The memfd beneath a udmabuf is the same pages with fault-around and huge pages; SYNC still goes to the
  // dma-buf.
  const bool beneath = storage_.pinnable.valid();
  const BorrowedFd fd = beneath ? storage_.pinnable.borrow() : storage_.fd.borrow();
  const std::uint64_t offset = beneath ? storage_.pinnable_offset : 0;
  auto range = runtime_->kernel().map(fd, offset, storage_.size, !read_only_, true);
  if (!range) {
    return std::move(range.error())
        .within(fmt::format("the CPU's view of buffer \"{}\" ({})", name_, exporter_));
  }
  mapping_ = std::move(*range);
  address_.store(mapping_.address(), std::memory_order_release);
  return mapping_.address();
}

Status BufferState::begin_cpu(Usage usage, Deadline deadline) {
  if (writes(usage) && read_only_) {
    return Error(
        Errc::Unsupported, "begin_cpu_access",
        fmt::format("buffer \"{}\" came as a read-only descriptor, and writing was asked for; get the "
                    "descriptor with O_RDWR",
                    name_));
  }
  if (!storage_.is_dma_buf) {
    return {};  // a memfd is plain shared memory: no caches to tend, no fences
  }
  const auto& kernel = runtime_->kernel();
  const BorrowedFd fd = storage_.fd.borrow();
  // POLLIN: the writers are done; POLLOUT: everybody is (dma-buf.rst, "Implicit Fence Poll Support").
  const short event = writes(usage) ? POLLOUT : POLLIN;
  auto ready = kernel.poll(fd, event, Deadline::now());
  if (ready && !*ready) {
    runtime_->tally().add_cpu_wait();
    ready = kernel.poll(fd, event, deadline);
  }
  if (!ready) {
    return std::move(ready.error());
  }
  if (!*ready) {
    return Error(Errc::TimedOut, "begin_cpu_access",
                 fmt::format("a device still {} buffer \"{}\" at the deadline",
                             writes(usage) ? "uses" : "writes to", name_));
  }
  if (auto started = uapi::sync_start(kernel, fd, usage); !started) {
    return started;
  }
  runtime_->tally().add_sync_start();
  return {};
}

Status BufferState::end_cpu(Usage usage) {
  if (!storage_.is_dma_buf) {
    return {};
  }
  if (auto ended = uapi::sync_end(runtime_->kernel(), storage_.fd.borrow(), usage); !ended) {
    return ended;
  }
  runtime_->tally().add_sync_end();
  return {};
}

}  // namespace causeway::core
