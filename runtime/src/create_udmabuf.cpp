// SPDX-License-Identifier: Apache-2.0
//
// Runtime::create_udmabuf: a dma-buf over parts of others.
#include <causeway/runtime.hpp>

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "core/buffer_state.hpp"
#include "core/runtime_state.hpp"
#include "exporters/udmabuf_slab.hpp"

namespace causeway {
namespace {

constexpr const char* kOperation = "Runtime::create_udmabuf";

Status check_range(const core::RuntimeState& runtime, const DmaBufRange& range) {
  const auto& buffer = *range.buffer.state();
  if (buffer.runtime().get() != &runtime) {
    return Error(Errc::InvalidArgument, kOperation,
                 fmt::format("buffer \"{}\" is of another runtime; give its descriptor to this one by "
                             "DmaBuf::from_fd",
                             buffer.name()));
  }
  if (range.length == 0 || range.offset % uapi::kPageSize != 0 || range.length % uapi::kPageSize != 0) {
    return Error(Errc::InvalidArgument, kOperation,
                 fmt::format("{} bytes from offset {} of buffer \"{}\" are no whole pages of {} bytes",
                             range.length, range.offset, buffer.name(), uapi::kPageSize));
  }
  if (range.offset > buffer.size() || range.length > buffer.size() - range.offset) {
    return Error(Errc::InvalidArgument, kOperation,
                 fmt::format("{} bytes from offset {} reach beyond the {} bytes of buffer \"{}\"",
                             range.length, range.offset, buffer.size(), buffer.name()));
  }
  return {};
}

/// The range as part of the memfd beneath its buffer, which stays in its place from now on, and is idle.
Result<uapi::UdmabufPiece> piece_of(const DmaBufRange& range, Deadline deadline) {
  auto& buffer = *range.buffer.state();
  // Before the storage is looked at: from then on nobody moves it.
  buffer.mark_escaped();
  if (auto settled = buffer.settle(); !settled) {
    return std::move(settled.error());
  }
  const auto& backing = buffer.backing();
  if (backing.is_dma_buf && !backing.pinnable.valid()) {
    return Error(Errc::Unsupported, kOperation,
                 fmt::format("there is no memfd beneath buffer \"{}\" from {}, and a udmabuf is made over "
                             "memfds; allocate it by \"udmabuf\" or \"memfd\"",
                             buffer.name(), buffer.exporter()));
  }
  if (buffer.read_only()) {
    return Error(Errc::Unsupported, kOperation,
                 fmt::format("buffer \"{}\" is known by read-only descriptors alone, and a udmabuf over it "
                             "could be written; import it by a descriptor with O_RDWR first",
                             buffer.name()));
  }
  // The CPU's and the devices' writes so far are in memory then; later ones are ordered by who makes them.
  auto idle = range.buffer.reservation().wait(Usage::Write, deadline);
  if (idle) {
    idle = buffer.pay_before_leaving(deadline);
  }
  if (!idle) {
    return std::move(idle.error()).within("a udmabuf over a buffer is made while nobody works on that one");
  }
  const bool beneath = backing.pinnable.valid();
  return uapi::UdmabufPiece{.memfd = beneath ? backing.pinnable : backing.fd,
                            .offset = (beneath ? backing.pinnable_offset : 0) + range.offset,
                            .size = range.length};
}

}  // namespace

Result<DmaBuf> Runtime::create_udmabuf(std::span<const DmaBufRange> ranges, std::string_view name,
                                       Deadline deadline, CallSite where) {
  if (auto here = state_->check_process(kOperation); !here) {
    return std::move(here.error());
  }
  for (const auto& range : ranges) {
    if (auto sound = check_range(*state_, range); !sound) {
      return std::move(sound.error());
    }
  }
  std::vector<uapi::UdmabufPiece> pieces;
  pieces.reserve(ranges.size());
  for (const auto& range : ranges) {
    auto piece = piece_of(range, deadline);
    if (!piece) {
      return std::move(piece.error());
    }
    pieces.push_back(*piece);
  }
  auto storage = exporters::make_udmabuf_of_ranges(state_->kernel(), pieces, std::string(name));
  if (!storage) {
    return std::move(storage.error());
  }
  auto buffer = core::BufferState::adopt(state_, std::move(*storage), "udmabuf", std::string(name), where);
  if (!buffer) {
    return std::move(buffer.error());
  }
  (*buffer)->mark_shared_pages();
  (*buffer)->note_content();  // whatever the ranges hold
  return DmaBuf(std::move(*buffer));
}

}  // namespace causeway
