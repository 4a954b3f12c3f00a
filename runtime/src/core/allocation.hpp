// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/frame_pool.hpp>
#include <causeway/runtime.hpp>

#include <causeway/call_site.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/runtime_state.hpp"

namespace causeway::core {

struct AllocationRequest {
  std::vector<Device> devices;
  std::vector<Usage> usages;  ///< one for each device
  std::string exporter;       ///< empty: the whole ladder
  std::string name;
  bool allow_copy = false;
  std::uint32_t count = 0;
  CallSite where;
};

/// The exporters that a name selects: all for "", one for its name, all heaps for "dma_heap".
/// Errors: NotFound, naming those that there are.
[[nodiscard]] Result<std::vector<const Allocator*>> select_allocators(const RuntimeState& runtime,
                                                                      std::string_view name);

/// Climbs the ladder: for each exporter makes all frames in their real size and attaches, maps and proves
/// them on every device; the first that suits everybody is taken.
[[nodiscard]] Result<FramePool> allocate_pool(const std::shared_ptr<RuntimeState>& runtime,
                                              AllocationPlan plan, const AllocationRequest& request);

/// Copies content between two storages by the CPU, bracketed and counted.
[[nodiscard]] Status copy_storage(RuntimeState& runtime, const Storage& from, const Storage& to);

/// What the device needs for this image.
[[nodiscard]] Result<Constraints> ask_constraints(DeviceState& device, const FrameDesc& desc, Usage usage);

}  // namespace causeway::core
