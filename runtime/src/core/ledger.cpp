// SPDX-License-Identifier: Apache-2.0
#include <causeway/ledger.hpp>

#include <fmt/format.h>

namespace causeway {

std::string LedgerEntry::to_string() const {
  std::string devices;
  for (const auto& attachment : attachments) {
    devices += fmt::format("{}{} ({})", devices.empty() ? "" : ", ", attachment.device,
                           attachment.mapped ? "mapped by " + attachment.import_path : "not mapped");
  }
  const auto huge = huge_bytes != 0 ? fmt::format(" ({} on huge pages)", huge_bytes) : std::string();
  return fmt::format("\"{}\": {} bytes{} from {}{}{}, {}, {:.1f} s old, made at {}:{}", name, size, huge,
                     exporter, settled ? "" : ", storage not settled",
                     escaped ? ", descriptor given out" : "",
                     devices.empty() ? "attached to no device" : "attached to " + devices,
                     std::chrono::duration<double>(age).count(), made_at.file, made_at.line);
}

}  // namespace causeway
