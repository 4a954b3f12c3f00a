// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

namespace causeway::test {

/// A thin layer between the backend and a real driver: counts what is alive, and lets the driver itself run
/// out of memory on command, so that what it does with descriptors then is its own doing. One in the process.
struct CountedDriver {
  int memories = 0;  ///< alive, of the devices that were adopted through it
  int buffers = 0;
  int images = 0;
  int allocations = 0;  ///< of memory, in all

  /// What becomes of the next call of that kind, once.
  enum class Fail {
    No,
    Host,    ///< the driver gets no memory of the host's: VK_ERROR_OUT_OF_HOST_MEMORY
    Device,  ///< it is asked for more than there is: VK_ERROR_OUT_OF_DEVICE_MEMORY
  };
  Fail allocate = Fail::No;
  Fail create_buffer = Fail::No;  ///< Host only

  static CountedDriver& instance();
  /// Afresh; gives real, with this layer before it.
  static cw_vulkan_adopt_v1 before(const cw_vulkan_adopt_v1& real);
};

}  // namespace causeway::test
