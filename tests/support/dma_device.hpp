// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>

#include <causeway/result.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "support/device_memory.hpp"

namespace causeway::test {

/// Backend "testdma": devices that behave well, or badly in ways that a test asks for, over a FakeKernel or a
/// real one. A cw_backend_entry for RuntimeOptions::backends.
///
/// The id says which device, then what is peculiar about it, separated by commas:
///   dma        reaches memory past the CPU's caches; takes dma-bufs and memfds
///   via-cpu    works through the host's CPU mapping (CW_CAP_ACCESSES_VIA_CPU)
///   pinnable   needs the memfd beneath (CW_CAP_NEEDS_PINNABLE)
///   no-memfd   as dma, but takes dma-bufs only
/// Of its constraints, each in bytes or a number:
///   stride_align= offset_align= exact_stride= object_size_align= min_object= max_object= objects=
///   max_frames=
/// Of what it refuses at attach only, so that nothing but a trial tells (Unsupported):
///   attach_max=BYTES    larger objects
///   refuse=EXPORTER     dma-bufs of this exporter of the fake kernel; "memfd" for those that are none
/// Of calls that fail with a cw_status, the first `after=` of each kind excepted:
///   fail_open= fail_query= fail_attach= fail_map= fail_begin= fail_end= fail_probe=   after=COUNT
/// Of its capabilities:
///   coherent            claims I/O coherence
/// Example: "dma,stride_align=256,max_object=1048576".
const cw_backend* testdma_backend(std::uint32_t host_version);

/// The device's own access to a mapping: what Mapping::native(kDmaView) points to. Between the begin and the
/// end of an access, as with any device.
class DmaView {
public:
  explicit DmaView(const std::vector<DeviceMemory>& objects) : objects_(&objects) {}
  [[nodiscard]] Status read(std::size_t object, std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] Status write(std::size_t object, std::uint64_t offset,
                             std::span<const std::byte> bytes) const;
  [[nodiscard]] std::size_t object_count() const { return objects_->size(); }

private:
  const std::vector<DeviceMemory>* objects_;
};
inline constexpr const char* kDmaView = "causeway.test.dma_view.v1";

}  // namespace causeway::test
