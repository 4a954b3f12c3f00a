// SPDX-License-Identifier: Apache-2.0
#include "support/table_host.hpp"

namespace causeway::test {
namespace {

TableHost& self_of(void* context) {
  return *static_cast<TableHost*>(context);
}

}  // namespace

TableHost::TableHost(const cw_syscalls& syscalls) {
  table_.abi_version = CW_ABI_VERSION;
  table_.context = this;
  table_.syscalls = &syscalls;
  table_.log = [](void* context, std::int32_t, const char* text) { self_of(context).keep_message(text); };
  table_.count = [](void* context, std::int32_t counter, std::uint64_t amount) {
    self_of(context).count_cpu_waits(counter == CW_COUNT_CPU_WAITS ? amount : 0);
  };
  table_.map_object = [](void*, cw_object_ref* object, void** address, cw_error* error) -> std::int32_t {
    if (object == nullptr) {
      return plugin::report(Error(Errc::Unsupported, "map_object", "the test gave no mapping"), error);
    }
    *address = object;  // see TestMemory::object
    return CW_OK;
  };
  table_.event_create = [](void* context, cw_fence* event, cw_error*) -> std::int32_t {
    *event = self_of(context).make_event();
    return CW_OK;
  };
  table_.event_signal = [](void* context, const cw_fence* event, std::int32_t system_errno) -> std::int32_t {
    self_of(context).signal(*event, system_errno);
    return CW_OK;
  };
  table_.event_destroy = [](void* context, const cw_fence* event) { self_of(context).destroy(*event); };
  table_.fence_notify = [](void* context, const cw_fence* event, void (*told)(void*, std::int32_t),
                           void* user, std::uint32_t* added, cw_error*) -> std::int32_t {
    const std::lock_guard lock(self_of(context).mutex_);
    auto& found = self_of(context).events_.at(event->handle);
    *added = found.signalled ? 0 : 1;
    if (!found.signalled) {
      found.told.emplace_back(told, user);
    }
    return CW_OK;
  };
}

cw_fence TableHost::make_event() {
  const std::lock_guard lock(mutex_);
  auto event = plugin::sized<cw_fence>();
  event.kind = CW_FENCE_HOST_EVENT;
  event.fd = -1;
  event.handle = next_event_++;
  events_.emplace(event.handle, Event());
  return event;
}

void TableHost::signal(const cw_fence& event, int system_errno) {
  std::vector<std::pair<void (*)(void*, std::int32_t), void*>> told;
  {
    const std::lock_guard lock(mutex_);
    auto& found = events_.at(event.handle);
    EXPECT_FALSE(found.signalled) << "signalled twice";
    found.signalled = true;
    found.system_errno = system_errno;
    told.swap(found.told);
  }
  for (const auto& [function, user] : told) {
    function(user, system_errno);
  }
}

void TableHost::destroy(const cw_fence& event) {
  const std::lock_guard lock(mutex_);
  const auto found = events_.find(event.handle);
  ASSERT_NE(found, events_.end()) << "destroyed twice";
  if (found->second.signalled) {  // one that was never handed out need not be
    ended_[event.handle] = found->second.system_errno;
  }
  events_.erase(found);
}

std::vector<std::string> TableHost::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

std::uint64_t TableHost::cpu_waits() const {
  const std::lock_guard lock(mutex_);
  return cpu_waits_;
}

std::size_t TableHost::live_events() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

bool TableHost::signalled(const cw_fence& event) const {
  const std::lock_guard lock(mutex_);
  const auto found = events_.find(event.handle);
  return found == events_.end() ? ended_.contains(event.handle) : found->second.signalled;
}

int TableHost::error_of(const cw_fence& event) const {
  const std::lock_guard lock(mutex_);
  const auto found = events_.find(event.handle);
  return found == events_.end() ? ended_.at(event.handle) : found->second.system_errno;
}

void TableHost::keep_message(const char* text) {
  const std::lock_guard lock(mutex_);
  messages_.emplace_back(text);
}

void TableHost::count_cpu_waits(std::uint64_t more) {
  const std::lock_guard lock(mutex_);
  cpu_waits_ += more;
}

}  // namespace causeway::test
