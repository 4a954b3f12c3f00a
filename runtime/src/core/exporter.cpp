// SPDX-License-Identifier: Apache-2.0
//
// What the optional operations of an exporter answer where it has none. The runtime asks operations() first,
// so these are met only by an exporter that claims an operation and does not override it.
#include <causeway/exporter.hpp>

#include <fmt/format.h>

namespace causeway {
namespace {

Error missing(const Exporter& exporter, std::string_view operation) {
  return Error(Errc::Internal, std::string(operation),
               fmt::format("exporter {} claims the operation {} and does not implement it",
                           exporter.exp_name(), operation));
}

}  // namespace

Status Exporter::attach(const AttachmentRequest& /*request*/) {
  return {};
}
void Exporter::detach(const AttachmentRequest& /*request*/) noexcept {}
Status Exporter::begin_cpu_access(Usage /*usage*/, Deadline /*deadline*/) {
  return missing(*this, "begin_cpu_access");
}
Status Exporter::end_cpu_access(Usage /*usage*/) {
  return missing(*this, "end_cpu_access");
}
Result<std::byte*> Exporter::mmap(std::uint64_t /*offset*/, std::uint64_t /*length*/) {
  return missing(*this, "mmap");
}
void Exporter::munmap(std::byte* /*address*/, std::uint64_t /*length*/) noexcept {}
Result<std::byte*> Exporter::vmap() {
  return missing(*this, "vmap");
}
void Exporter::vunmap(std::byte* /*address*/) noexcept {}
Status Exporter::move(std::string_view /*exporter*/) {
  return missing(*this, "move");
}

}  // namespace causeway
