// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "context.hpp"
#include "timeline.hpp"

namespace causeway::vulkan_backend {

/// Timelines of other devices of the same driver, imported into this one, so that its queue waits for their
/// points by itself. Each is imported once, and kept while the other device has it.
///
/// Threads: thread-safe.
class PeerTimelines {
public:
  PeerTimelines(const Context& context, Timelines& timelines) noexcept
      : context_(context), timelines_(timelines) {}

  /// The timeline here that is theirs. Errors: Unsupported (other drivers, or this one does not share, each
  /// in a sentence), OutOfMemory, OutOfFds.
  [[nodiscard]] Result<std::shared_ptr<Timeline>> import(const Context& giver,
                                                         const std::shared_ptr<Timeline>& theirs);

private:
  struct Peer {
    std::weak_ptr<Timeline> theirs;
    std::shared_ptr<Timeline> ours;  ///< null: the driver refused it, and is not asked again
  };
  void drop_gone_locked();

  const Context& context_;
  Timelines& timelines_;
  std::mutex mutex_;
  std::vector<Peer> peers_;
};

}  // namespace causeway::vulkan_backend
