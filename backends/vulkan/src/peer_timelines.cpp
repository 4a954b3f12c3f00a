// SPDX-License-Identifier: Apache-2.0
#include "peer_timelines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace causeway::vulkan_backend {

void PeerTimelines::drop_gone_locked() {
  const auto gone = [](const Peer& peer) { return peer.theirs.expired(); };
  if (std::none_of(peers_.begin(), peers_.end(), gone)) {
    return;
  }
  // A batch of ours may wait for one still; each signals a point that was promised here.
  if (timelines_.wait_all(0)) {
    std::erase_if(peers_, gone);
  }
}

Result<std::shared_ptr<Timeline>> PeerTimelines::import(const Context& giver,
                                                        const std::shared_ptr<Timeline>& theirs) {
  if (!context_.shares_timelines || !giver.shares_timelines) {
    return Error(Errc::Unsupported, "fence_import",
                 fmt::format("{} does not share timeline semaphores as OPAQUE_FD",
                             (context_.shares_timelines ? giver : context_).name()));
  }
  if (!context_.physical.same_driver(giver.physical)) {
    return Error(Errc::Unsupported, "fence_import",
                 fmt::format("{} ({} {}) and {} ({} {}) are not one device under one driver, by their "
                             "deviceUUID and driverUUID, and OPAQUE_FD goes no further",
                             giver.name(), giver.physical.driver, giver.physical.driver_version,
                             context_.name(), context_.physical.driver, context_.physical.driver_version));
  }
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(peers_.begin(), peers_.end(), [&](const Peer& peer) {
    return !peer.theirs.owner_before(theirs) && !theirs.owner_before(peer.theirs);
  });
  if (known != peers_.end()) {
    return known->ours != nullptr
               ? Result<std::shared_ptr<Timeline>>(known->ours)
               : Error(Errc::Unsupported, "fence_import",
                       fmt::format("{} refused this timeline semaphore before", context_.name()));
  }
  drop_gone_locked();
  auto shared = theirs->share();
  if (!shared) {
    return std::move(shared.error());
  }
  auto ours = timelines_.create();
  if (!ours) {
    return ours;
  }
  auto became = (*ours)->become(std::move(*shared));
  if (!became && became.error().code() != Errc::Unsupported) {
    return std::move(became.error());
  }
  peers_.push_back({theirs, became ? *ours : nullptr});
  return became ? ours : std::move(became.error());
}

}  // namespace causeway::vulkan_backend
