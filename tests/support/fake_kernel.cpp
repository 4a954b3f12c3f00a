// SPDX-License-Identifier: Apache-2.0
#include "support/fake_kernel.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "support/fake_state.hpp"

namespace causeway::test {

namespace {

// A safeguard of for_each_failing_call against a body that calls more with every run.
constexpr std::size_t kMostCalls = 10'000;

bool holds(std::span<const std::byte> memory, std::uint64_t offset, std::size_t size) {
  return !memory.empty() && size <= memory.size() && offset <= memory.size() - size;
}

}  // namespace

FakeKernel::Impl::Impl(FakeKernel& owner) {
  fill_table(owner);
}

FakeKernel::FakeKernel(FakeConfig config) : impl_(std::make_unique<Impl>(*this)) {
  impl_->config = std::move(config);
}
FakeKernel::~FakeKernel() = default;

const cw_syscalls* FakeKernel::syscalls() const {
  return &impl_->table;
}

FakeConfig FakeKernel::config() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->config;
}

void FakeKernel::configure(const std::function<void(FakeConfig&)>& change) {
  const std::lock_guard lock(impl_->mutex);
  change(impl_->config);
}

void FakeKernel::add_device(const std::string& path, FakeDevice device) {
  const std::lock_guard lock(impl_->mutex);
  impl_->devices.insert_or_assign(path, std::move(device));
}

void FakeKernel::remove_device(const std::string& path) {
  const std::lock_guard lock(impl_->mutex);
  impl_->devices.erase(path);
}

int FakeKernel::open_device(const std::string& what, FakeDevice device) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->open_node(what, O_RDWR | O_CLOEXEC, std::move(device));
}

bool FakeKernel::maps_dma_buf(const void* address) const {
  const std::lock_guard lock(impl_->mutex);
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto after = impl_->mappings.upper_bound(at);
  return after != impl_->mappings.begin() && std::prev(after)->second.dma_buf != nullptr &&
         at < std::prev(after)->first + std::prev(after)->second.length;
}

int FakeKernel::make_dma_buf(const FakeBuffer& buffer) {
  const std::lock_guard lock(impl_->mutex);
  const int fd = impl_->make_dma_buf({.exporter = buffer.exporter,
                                      .size = buffer.size,
                                      .coherent = buffer.coherent,
                                      .mappable = buffer.mappable,
                                      .fd_flags = O_CLOEXEC | (buffer.writable ? O_RDWR : O_RDONLY)});
  if (fd < 0) {
    errno = -fd;
    return -1;
  }
  return fd;
}

std::span<std::byte> FakeKernel::device_bytes(int fd) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->memory_seen_by_device(fd, false);
}

bool FakeKernel::device_read(int fd, std::uint64_t offset, std::span<std::byte> out) {
  const std::lock_guard lock(impl_->mutex);
  const auto memory = impl_->memory_seen_by_device(fd, false);
  if (!holds(memory, offset, out.size())) {
    return false;
  }
  std::copy_n(memory.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  return true;
}

bool FakeKernel::device_write(int fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  const std::lock_guard lock(impl_->mutex);
  const auto memory = impl_->memory_seen_by_device(fd, true);
  if (!holds(memory, offset, bytes.size())) {
    return false;
  }
  std::copy(bytes.begin(), bytes.end(), memory.begin() + static_cast<std::ptrdiff_t>(offset));
  return true;
}

bool FakeFence::signalled() const {
  return state_->signalled.load();
}

FakeFence FakeKernel::make_fence(std::string name) {
  auto state = std::make_shared<FakeFence::State>();
  state->name = std::move(name);
  return FakeFence(std::move(state));
}

int FakeKernel::sync_file(const FakeFence& fence) {
  const std::lock_guard lock(impl_->mutex);
  const int fd = impl_->sync_files.create(fence.state()->name, {fence.state()});
  if (fd >= 0) {
    impl_->hand_out(fd, "it is a sync_file of fence \"" + fence.state()->name + "\"");
  }
  return fd;
}

int FakeKernel::sync_file(const std::vector<FakeFence>& fences) {
  Fences states;
  for (const auto& fence : fences) {
    states.push_back(fence.state());
  }
  const std::lock_guard lock(impl_->mutex);
  const int fd = impl_->sync_files.create("several", std::move(states));
  if (fd >= 0) {
    impl_->hand_out(fd, "it is a sync_file of " + std::to_string(fences.size()) + " fences");
  }
  return fd;
}

std::optional<std::vector<FakeFence>> FakeKernel::fences_of(int sync_file) const {
  const std::lock_guard lock(impl_->mutex);
  const auto states = impl_->sync_files.fences_of(sync_file);
  if (!states) {
    return std::nullopt;
  }
  return std::vector<FakeFence>(states->begin(), states->end());
}

void FakeKernel::after_signal(std::function<void()> told) {
  const std::lock_guard lock(impl_->mutex);
  impl_->after_signal.push_back(std::move(told));
}

bool FakeKernel::add_fence(int dma_buf, const FakeFence& fence, bool write) {
  const std::lock_guard lock(impl_->mutex);
  const auto buffer = impl_->dma_buf(dma_buf);
  if (buffer != nullptr) {
    buffer->fences.push_back({fence.state(), write});
  }
  return buffer != nullptr;
}

void FakeKernel::signal(const FakeFence& fence, int error) {
  std::vector<std::function<void()>> told;
  {
    const std::lock_guard lock(impl_->mutex);
    fence.state()->error = error;
    fence.state()->signalled = true;
    impl_->sync_files.update();
    impl_->fence_signalled.notify_all();
    told = impl_->after_signal;
  }
  for (const auto& tell : told) {
    tell();
  }
}

std::size_t FakeKernel::count(std::string_view name) const {
  return impl_->log.count(name);
}
std::vector<FakeCall> FakeKernel::calls() const {
  return impl_->log.calls();
}
void FakeKernel::forget_calls() {
  impl_->log.forget();
}
void FakeKernel::fail_nth(std::string_view name, std::size_t n, int system_errno) {
  impl_->log.fail_nth(name, n, system_errno, false);
}
void FakeKernel::fail_always(std::string_view name, int system_errno) {
  impl_->log.fail_nth(name, 1, system_errno, true);
}
void FakeKernel::stop_failing() {
  impl_->log.stop_failing();
}

std::vector<std::string> FakeKernel::for_each_failing_call(
    int system_errno, const std::function<void(const std::string& failing)>& body) {
  std::vector<std::string> found;
  const auto collect_after = [&](const std::string& which) {
    for (const auto& sentence : verify()) {
      found.push_back(which + sentence);
    }
    forget_violations();
  };
  const auto before = impl_->log.calls().size();
  body({});
  collect_after({});
  const auto first_run = impl_->log.calls();
  for (std::size_t index = 0; index < kMostCalls; ++index) {
    const auto expected = before + index < first_run.size() ? first_run[before + index].to_string()
                                                            : std::string("a call of an error's path");
    const auto which = "call " + std::to_string(index + 1) + ", " + expected;
    impl_->log.arm(index, system_errno);
    body(which);
    const auto failed = impl_->log.disarm();
    if (!failed) {
      collect_after({});
      return found;  // the run had fewer calls than that: all have failed once
    }
    collect_after("After the failure of " + failed->to_string() + ": ");
  }
  found.push_back("for_each_failing_call gave up after " + std::to_string(kMostCalls) + " runs.");
  return found;
}

std::vector<std::string> FakeKernel::verify() {
  const std::lock_guard lock(impl_->mutex);
  return impl_->verify();
}

void FakeKernel::forget_violations() {
  const std::lock_guard lock(impl_->mutex);
  impl_->forget_violations();
}

std::size_t FakeKernel::live_dma_bufs() {
  const std::lock_guard lock(impl_->mutex);
  impl_->collect();
  return impl_->dma_bufs.size();
}

std::optional<FakeKernel::DmaBufInfo> FakeKernel::info(int fd) {
  const std::lock_guard lock(impl_->mutex);
  const auto buffer = impl_->dma_buf(fd);
  if (buffer == nullptr) {
    return std::nullopt;
  }
  return DmaBufInfo{.exporter = buffer->exporter,
                    .name = buffer->name,
                    .size = buffer->memory.size(),
                    .coherent = buffer->memory.coherent(),
                    .open_brackets = buffer->open_brackets,
                    .pending_fences = buffer->pending(true).size()};
}

}  // namespace causeway::test
