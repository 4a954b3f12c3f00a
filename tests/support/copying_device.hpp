// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>

#include <cstddef>
#include <cstdint>

namespace causeway::test {

/// Backend "copycat": devices that copy the memory at attach and work on the copy, without a word of it, as
/// some drivers do (FACTS: on some Adreno drivers the KHR import silently makes a separate buffer). The alias
/// proof is to find them out.
///   may-copy   exchanges copy and memory when an operation that may copy is used (CW_PROBE_MAY_COPY)
///   never      never does
const cw_backend* copycat_backend(std::uint32_t host_version);

/// The name of Mapping::native() for what such a device works on.
inline constexpr const char* kCopycatView = "causeway.test.copycat.v1";
/// What the device sees at that offset of the first object; view: what native() answered.
[[nodiscard]] std::byte copycat_sees(const void* view, std::size_t offset);

}  // namespace causeway::test
