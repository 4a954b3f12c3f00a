// SPDX-License-Identifier: Apache-2.0
//
// The composition root: the one place of the runtime that knows core, exporters and loader.
#include <causeway/runtime.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "core/allocation.hpp"
#include "core/buffer_state.hpp"
#include "core/device_state.hpp"
#include "core/runtime_state.hpp"
#include "core/turn_watch.hpp"
#include "exporters/ladder.hpp"
#include "loader/backend_table.hpp"
#include "loader/builtin_backends.hpp"
#include "loader/shared_objects.hpp"
#include "uapi/real_syscalls.hpp"

namespace causeway {
namespace {

Status check_syscalls(const cw_syscalls& table) {
  const bool whole = table.struct_size >= sizeof(cw_syscalls) && table.open && table.list_directory &&
                     table.ioctl && table.fcntl && table.fstat && table.fstatfs && table.lseek &&
                     table.ftruncate && table.memfd_create && table.eventfd && table.mmap && table.munmap &&
                     table.madvise && table.ppoll && table.pipe2 && table.epoll_create1 && table.epoll_ctl;
  if (!whole) {
    return Error(Errc::InvalidArgument, "Runtime::create",
                 "the table of system calls is too small or has empty places; every call must be there");
  }
  return {};
}

Result<std::vector<cw_backend>> load_backends(const RuntimeOptions& options) {
  std::vector<cw_backend_entry> entries = options.backends;
  if (options.builtin_backends) {
    const auto builtin = loader::builtin_backends();
    entries.insert(entries.end(), builtin.begin(), builtin.end());
  }
  std::vector<cw_backend> tables;
  for (const auto entry : entries) {
    auto table = loader::load_table(entry);
    if (!table) {
      return std::move(table.error());
    }
    const bool taken = std::any_of(tables.begin(), tables.end(), [&](const cw_backend& known) {
      return std::string_view(known.name) == table->name;
    });
    if (taken) {
      return Error(Errc::Incompatible, "Runtime::create",
                   fmt::format("two backends are called {}; a name stands for one", table->name));
    }
    tables.push_back(*table);
  }
  return tables;
}

std::vector<LedgerEntry> ledger_of(const core::RuntimeState& runtime) {
  std::vector<LedgerEntry> entries;
  if (!runtime.in_own_process()) {
    return entries;  // the buffers are the parent's
  }
  for (const auto& buffer : runtime.buffers().all()) {
    entries.push_back(buffer->ledger_entry());
  }
  return entries;
}

std::vector<DeviceInfo> enumerate(const cw_backend& backend, core::RuntimeState& runtime) {
  // Two questions: how many, then which. More may appear in between; those are found the next time.
  std::vector<cw_device_info> found;
  std::uint32_t count = 0;
  auto failure = plugin::sized<cw_error>();
  std::int32_t status = backend.enumerate(runtime.host(), nullptr, &count, &failure);
  if (status == CW_OK && count > 0) {
    constexpr std::uint32_t kMost = 1024;  // a backend that speaks of more is not believed
    count = std::min(count, kMost);
    found.resize(count, plugin::sized<cw_device_info>());
    status = backend.enumerate(runtime.host(), found.data(), &count, &failure);
  }
  std::vector<DeviceInfo> devices;
  if (status != CW_OK) {
    runtime.log(LogLevel::Warning, fmt::format("backend {} cannot look for devices: {}", backend.name,
                                               plugin::take_error(status, failure).message()));
    return devices;
  }
  found.resize(std::min<std::size_t>(found.size(), count));
  for (const auto& info : found) {
    devices.push_back(core::device_info_from(backend, info));
  }
  return devices;
}

void report_leaks(const core::RuntimeState& runtime) {
  const auto left = ledger_of(runtime);
  if (left.empty()) {
    return;
  }
  std::string report =
      fmt::format("the runtime's last handle is gone, and {} buffer(s) still live:", left.size());
  for (const auto& entry : left) {
    report += "\n  " + entry.to_string();
  }
  runtime.log(LogLevel::Warning, report);
}

/// How long a device may still be at work on mappings that were let go, before the runtime gives them up.
constexpr std::chrono::seconds kFarewellPatience{2};

void say_farewell(core::RuntimeState& runtime) {
  if (runtime.in_own_process()) {
    if (const auto left = runtime.retired().close(Deadline::in(kFarewellPatience)); left != 0) {
      runtime.log(
          LogLevel::Warning,
          fmt::format("{} mapping(s) are still used by their devices {} s after the runtime's last handle "
                      "went; they, and their memory, are kept for good",
                      left, kFarewellPatience.count()));
    }
    runtime.dispatcher().close();
  }
  report_leaks(runtime);
}

std::string names_of(std::span<const cw_backend> backends) {
  std::string names;
  for (const auto& backend : backends) {
    names += (names.empty() ? "" : ", ") + std::string(backend.name);
  }
  return names.empty() ? "none" : names;
}

}  // namespace

Runtime::Runtime(std::shared_ptr<core::RuntimeState> state)
    : state_(std::move(state)), farewell_(nullptr, [state = state_](void*) { say_farewell(*state); }) {}

Result<Runtime> Runtime::create(RuntimeOptions options) {
  const cw_syscalls& syscalls = options.syscalls != nullptr ? *options.syscalls : uapi::real_syscalls();
  if (auto sound = check_syscalls(syscalls); !sound) {
    return std::move(sound.error());
  }
  auto backends = load_backends(options);
  if (!backends) {
    return std::move(backends.error());
  }
  auto found = loader::load_shared_objects(
      loader::search_path(loader::process_source(std::move(options.backend_path))), *backends);
  backends->insert(backends->end(), found.tables.begin(), found.tables.end());
  core::TurnWatch::set_up();
  auto generation = core::fork_generation();
  if (!generation) {
    return std::move(generation.error());
  }
  auto state =
      std::make_shared<core::RuntimeState>(syscalls, std::move(options.log), *generation, options.elide_sync);
  state->equip(exporters::make_ladder(state->kernel()), std::move(*backends), std::move(found.refused));
  for (const auto& [file, reason] : state->refused_backends()) {
    state->log(LogLevel::Warning, fmt::format("the backend {} is left out: {}", file, reason));
  }
  return Runtime(std::move(state));
}

Result<std::vector<DeviceInfo>> Runtime::devices(std::string_view backend) {
  if (auto here = state_->check_process("Runtime::devices"); !here) {
    return std::move(here.error());
  }
  if (!backend.empty() && state_->backend(backend) == nullptr) {
    return Error(
        Errc::NotFound, "Runtime::devices",
        fmt::format("there is no backend \"{}\"; there are {}", backend, names_of(state_->backends())));
  }
  std::vector<DeviceInfo> all;
  for (const auto& table : state_->backends()) {
    if (backend.empty() || backend == table.name) {
      auto found = enumerate(table, *state_);
      std::move(found.begin(), found.end(), std::back_inserter(all));
    }
  }
  return all;
}

Result<Device> Runtime::open_device(std::string_view backend, const OpenOptions& options) {
  const cw_backend* table = state_->backend(backend);
  if (table == nullptr) {
    return Error(
        Errc::NotFound, "Runtime::open_device",
        fmt::format("there is no backend \"{}\"; there are {}", backend, names_of(state_->backends())));
  }
  auto device = core::DeviceState::open(state_, *table, options);
  if (!device) {
    return std::move(device.error());
  }
  return Device(std::move(*device));
}

std::vector<std::string> Runtime::backends() const {
  std::vector<std::string> names;
  for (const auto& backend : state_->backends()) {
    names.emplace_back(backend.name);
  }
  return names;
}

std::vector<RefusedBackend> Runtime::refused_backends() const {
  return {state_->refused_backends().begin(), state_->refused_backends().end()};
}

std::vector<ExporterInfo> Runtime::exporters() {
  std::vector<ExporterInfo> all;
  for (const auto& exporter : state_->allocators()) {
    ExporterInfo info{.name = exporter->name()};
    if (auto here = state_->check_process("Runtime::exporters"); !here) {
      info.explanation = here.error().message();
    } else if (auto page = exporter->allocate(uapi::kPageSize, "trial")) {
      info.available = true;
      info.explanation = page->is_dma_buf
                             ? "One page could be allocated as a dma-buf."
                             : "One page could be allocated as shared memory, which is no dma-buf.";
    } else {
      info.explanation = page.error().message();
    }
    all.push_back(std::move(info));
  }
  return all;
}

Negotiation Runtime::negotiate(FrameDesc desc) {
  return {state_, std::move(desc)};
}

Result<DmaBuf> Runtime::allocate(std::uint64_t size, std::string_view exporter, std::string_view name,
                                 CallSite where) {
  if (auto here = state_->check_process("Runtime::allocate"); !here) {
    return std::move(here.error());
  }
  constexpr std::uint64_t kMost = std::uint64_t{1} << 48;  // more than an x86-64 process can map
  if (size == 0 || size > kMost) {
    return Error(
        Errc::InvalidArgument, "Runtime::allocate",
        fmt::format("a buffer of {} bytes was asked for; it has at least 1 and at most {}", size, kMost));
  }
  auto ladder = core::select_allocators(*state_, exporter);
  if (!ladder) {
    return std::move(ladder.error());
  }
  std::string reasons;
  Errc code = Errc::Unsupported;
  for (const core::Allocator* rung : *ladder) {
    auto storage = rung->allocate(uapi::align_up(size, uapi::kPageSize), std::string(name));
    if (storage) {
      auto buffer =
          core::BufferState::adopt(state_, std::move(*storage), rung->name(), std::string(name), where);
      if (!buffer) {
        return std::move(buffer.error());
      }
      return DmaBuf(std::move(*buffer));
    }
    code = storage.error().code();
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", rung->name(), storage.error().message());
  }
  return Error(code, "Runtime::allocate", fmt::format("{} bytes could not be had: {}", size, reasons));
}

std::vector<LedgerEntry> Runtime::ledger() const {
  return ledger_of(*state_);
}

std::size_t Runtime::dispatch() {
  if (!state_->in_own_process()) {
    return 0;
  }
  const auto run = state_->dispatcher().run();
  state_->retired().reap(Deadline::now());
  return run;
}

Result<Pollable> Runtime::dispatch_readiness() {
  if (auto here = state_->check_process("Runtime::dispatch_readiness"); !here) {
    return std::move(here.error());
  }
  return state_->dispatcher().readiness();
}

Counters Runtime::counters() const noexcept {
  // In a forked child the books are not looked into: their lock may be held for ever.
  return state_->tally().read(state_->in_own_process() ? state_->buffers().elided() : 0);
}

void Runtime::copy(std::span<std::byte> to, std::span<const std::byte> from) noexcept {
  assert(to.size() == from.size());
  state_->tally().copy(to, from);
}

Negotiation::Negotiation(std::shared_ptr<core::RuntimeState> runtime, FrameDesc desc)
    : runtime_(std::move(runtime)), desc_(std::move(desc)) {}

Negotiation& Negotiation::with(const Device& device, Usage usage) {
  parties_.push_back({.device = device, .usage = usage});
  return *this;
}

Negotiation& Negotiation::exporter(std::string name) {
  exporter_ = std::move(name);
  return *this;
}

Negotiation& Negotiation::name(std::string name) {
  name_ = std::move(name);
  return *this;
}

Negotiation& Negotiation::allow_copy() {
  allow_copy_ = true;
  return *this;
}

Result<AllocationPlan> Negotiation::plan() const {
  if (auto here = runtime_->check_process("negotiate"); !here) {
    return std::move(here.error());
  }
  // The description is checked first, so that no device is asked for nonsense.
  if (auto sound = causeway::negotiate(desc_, {}); !sound && sound.error().code() == Errc::InvalidArgument) {
    return sound;
  }
  std::vector<Participant> participants;
  for (const auto& party : parties_) {
    if (party.device.state() == nullptr) {
      return Error(Errc::InvalidArgument, "negotiate",
                   "there is no device in one of the objects that were given to with(); it was moved away");
    }
    auto constraints = core::ask_constraints(*party.device.state(), desc_, party.usage);
    if (!constraints) {
      return std::move(constraints.error());
    }
    participants.push_back({.name = party.device.name(), .constraints = std::move(*constraints)});
  }
  return causeway::negotiate(desc_, participants);
}

Result<FramePool> Negotiation::allocate(std::uint32_t count, CallSite where) const {
  auto agreed = plan();
  if (!agreed) {
    return std::move(agreed.error());
  }
  core::AllocationRequest request{
      .exporter = exporter_, .name = name_, .allow_copy = allow_copy_, .count = count, .where = where};
  for (const auto& party : parties_) {
    request.devices.push_back(party.device);
    request.usages.push_back(party.usage);
  }
  return core::allocate_pool(runtime_, std::move(*agreed), request);
}

}  // namespace causeway
