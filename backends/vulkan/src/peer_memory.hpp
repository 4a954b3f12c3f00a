// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

#include "context.hpp"

namespace causeway::vulkan_backend {

/// A dma-buf, whatever descriptor it comes by: st_dev and st_ino.
using ObjectId = std::pair<std::uint64_t, std::uint64_t>;

/// What an importer of an opaque descriptor has to know beside it
/// (VUID-VkMemoryAllocateInfo-allocationSize-01742 and -memoryTypeIndex-01743).
struct OpaqueMemory {
  UniqueFd fd;
  VkDeviceSize allocation_size = 0;
  std::uint32_t memory_type = 0;
};

/// The memory that Vulkan devices of this process have exported as dma-bufs: another device of the same
/// driver may have it as OPAQUE_FD, too. One for the process, since devices of one driver find each other's
/// memory whichever runtime opened them; never destroyed.
///
/// Threads: thread-safe.
class PeerMemory {
public:
  static PeerMemory& of_process();

  struct Export {
    const Context* context;
    VkDeviceMemory memory;
    VkDeviceSize allocation_size;
    std::uint32_t memory_type;
    bool opaque;  ///< the driver lets it be exported both ways
  };
  /// Known from now on, until it is forgotten, which comes before the memory is freed.
  void add(ObjectId id, const Export& exported);
  void forget(ObjectId id) noexcept;

  /// A new opaque descriptor of it for another device. Errors: Unsupported (not exported in this process, not
  /// by this driver, or not in both ways), OutOfFds, OutOfMemory.
  [[nodiscard]] Result<OpaqueMemory> share(ObjectId id, const Context& with);

private:
  std::mutex mutex_;
  std::map<ObjectId, Export> exports_;
};

}  // namespace causeway::vulkan_backend
