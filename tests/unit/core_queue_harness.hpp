// SPDX-License-Identifier: Apache-2.0
#pragma once

// Buffers on devices that work later, for tests of turns.

#include <string>
#include <vector>

#include "support/queue_device.hpp"
#include "unit/core_harness.hpp"

namespace causeway::test {

/// A buffer, attached and mapped for a queue.
struct OnQueue {
  Device device;
  Attachment attachment;
  Mapping mapping;
  QueueDevice& queue() const { return QueueDevice::of(device); }
};

class QueueTest : public CoreTest {
protected:
  OnQueue on_queue(const DmaBuf& memory, const std::string& id, ImplicitSync sync = ImplicitSync::Auto) {
    auto device = open(id, "testqueue");
    auto attachment = must(memory.attach(device, Usage::ReadWrite, sync));
    auto mapping = must(attachment.map(Direction::Bidirectional));
    return {device, std::move(attachment), std::move(mapping)};
  }
  OnQueue on(const Device& device, const DmaBuf& memory) {
    auto attachment = must(memory.attach(device, Usage::ReadWrite));
    auto mapping = must(attachment.map(Direction::Bidirectional));
    return {device, std::move(attachment), std::move(mapping)};
  }
  /// One access with one piece of work, which notes its name.
  std::vector<Fence> work(const OnQueue& view, Usage usage, const std::string& name, int error = 0) {
    auto access = must(view.mapping.begin_access(usage, soon()));
    view.queue().submit([this, name] { done.push_back(name); }, error);
    return must(access.end());
  }
  std::uint64_t waits() { return runtime().counters().cpu_waits; }

  std::vector<std::string> done;
};

}  // namespace causeway::test
