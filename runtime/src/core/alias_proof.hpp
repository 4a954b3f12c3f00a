// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <causeway/usage.hpp>

namespace causeway::core {

class AttachmentState;

/// Finds out whether the device of a mapped attachment and the CPU work on the same bytes: random numbers are
/// written in the first, a middle and the last page of each object through one view and looked for through
/// the other, both ways; then the old bytes are put back.
///
///   Aliased  seen without any API operation that may copy
///   Unknown  seen only with such an operation, or the device cannot be asked
///   Copied   not seen even so
///
/// A device that only produces (a camera) is asked to write what it likes over the numbers.
/// Knows no earlier proof (verdict_cache.hpp does). Takes an exclusive turn. Errors: Busy, TimedOut,
/// DeviceLost, Io; the memory is as before, then, as far as it can be reached.
[[nodiscard]] Result<AliasVerdict> prove_alias(AttachmentState& attachment);

}  // namespace causeway::core
