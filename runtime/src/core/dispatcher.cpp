// SPDX-License-Identifier: Apache-2.0
#include "core/dispatcher.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "core/fence_state.hpp"

namespace causeway::core {

void Dispatcher::add(std::shared_ptr<FenceState> fence) {
  const std::lock_guard lock(mutex_);
  const bool known =
      std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.fence == fence; });
  if (known || closed_) {
    return;
  }
  auto& entry = entries_.emplace_back(Entry{.fence = std::move(fence), .watched = UniqueFd()});
  if (epoll_.valid()) {
    // A fence that cannot be watched is still looked at by each run().
    static_cast<void>(watch_locked(entry));
  }
}

Status Dispatcher::watch_locked(Entry& entry) {
  auto ready = entry.fence->readiness();
  if (!ready) {
    return std::move(ready.error());
  }
  if (auto watched = kernel_.watch(epoll_.borrow(), ready->fd.borrow(), ready->events); !watched) {
    return watched;
  }
  entry.watched = std::move(ready->fd);
  return {};
}

std::size_t Dispatcher::run() {
  std::vector<std::shared_ptr<FenceState>> all;
  {
    const std::lock_guard lock(mutex_);
    all.reserve(entries_.size());
    for (const auto& entry : entries_) {
      all.push_back(entry.fence);
    }
  }
  std::vector<FenceState*> done;
  for (const auto& fence : all) {
    if (fence->dispatch()) {
      done.push_back(fence.get());
    }
  }
  if (done.empty()) {
    return 0;
  }
  const std::lock_guard lock(mutex_);
  // By hand, since closing a descriptor does not take it out of an epoll instance while a duplicate lives.
  entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                [&](const Entry& entry) {
                                  if (std::find(done.begin(), done.end(), entry.fence.get()) == done.end()) {
                                    return false;
                                  }
                                  if (entry.watched.valid()) {
                                    kernel_.unwatch(epoll_.borrow(), entry.watched.borrow());
                                  }
                                  return true;
                                }),
                 entries_.end());
  return done.size();
}

Result<Pollable> Dispatcher::readiness() {
  const std::lock_guard lock(mutex_);
  if (!epoll_.valid()) {
    auto made = kernel_.epoll();
    if (!made) {
      return std::move(made.error());
    }
    epoll_ = std::move(*made);
  }
  for (auto& entry : entries_) {
    if (!entry.watched.valid()) {
      if (auto watched = watch_locked(entry); !watched) {
        return std::move(watched.error());
      }
    }
  }
  auto own = kernel_.duplicate(epoll_.borrow());
  if (!own) {
    return std::move(own.error());
  }
  return Pollable{.fd = std::move(*own), .events = POLLIN};
}

void Dispatcher::close() noexcept {
  std::vector<Entry> entries;  // gone after the lock
  const std::lock_guard lock(mutex_);
  closed_ = true;
  entries.swap(entries_);
}

}  // namespace causeway::core
