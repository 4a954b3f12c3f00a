// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/plugin/backend.hpp>

#include <algorithm>
#include <cstdint>

/// What a backend reads out of the begin and the end of an access, whichever version of the ABI its host has.
/// Threads: reentrant.
namespace causeway::plugin {

/// The number of an access, in its begin and its end (cw_access_begin.access); 0 where the host gives none.
[[nodiscard]] inline std::uint64_t access_number(const cw_access_begin& begin) noexcept {
  return reaches(begin, begin.access) ? begin.access : 0;
}
[[nodiscard]] inline std::uint64_t access_number(const cw_access_end& end) noexcept {
  return reaches(end, end.access) ? end.access : 0;
}
/// Where `turns` are kept in the order of their begins, each with its number as `access`: the one that ends
/// now. The oldest, if the host gives no numbers; end() if there is none.
template <class Iterator>
[[nodiscard]] Iterator find_access(Iterator first, Iterator last, const cw_access_end& end) noexcept {
  const std::uint64_t number = access_number(end);
  return number == 0
             ? first
             : std::find_if(first, last, [number](const auto& turn) { return turn.access == number; });
}

/// In end_access: whether the host keeps what was given beside the signals. One of before 1.3 keeps the
/// signals alone, so that they must come after it.
[[nodiscard]] inline bool keeps_given(const cw_access_end& end) noexcept {
  return reaches(end, end.given_included);
}
/// In end_access: the signals come after what was given, too, so that the host need not keep that.
inline void include_given(cw_access_end& end) noexcept {
  if (keeps_given(end)) {
    end.given_included = 1;
  }
}

}  // namespace causeway::plugin
