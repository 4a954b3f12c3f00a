// SPDX-License-Identifier: Apache-2.0
#include "own_memory.hpp"

#include <algorithm>
#include <array>
#include <causeway/fd.hpp>
#include <causeway/plugin/text.hpp>
#include <cstdio>

namespace causeway::v4l2_backend {
namespace {

constexpr std::uint64_t kPageSize = 4096;

/// Where DRM's planes lie in memory that the driver laid out.
void lay_out(const Agreed& agreed, cw_allocation& out) {
  const auto& [row, format] = agreed;
  out.plane_count = row->colour_planes;
  for (std::uint32_t p = 0; p < row->colour_planes; ++p) {
    auto& plane = out.planes[p];
    if (row->memory_planes == 1) {
      const std::uint32_t stride = format.planes[0].stride;
      plane = {.object = 0,
               .stride = row->stride_of(p, stride),
               .offset = row->offset_of(p, stride, format.height)};
    } else {
      plane = {.object = p, .stride = format.planes.at(p).stride, .offset = 0};
    }
  }
}

}  // namespace

Result<std::uint32_t> OwnMemory::free_index() {
  if (spare_.empty()) {
    const auto made = node_.make_own_buffer(loans_.empty());
    if (!made) {
      return made.error();
    }
    for (std::uint32_t i = made->count; i > 0; --i) {  // the lowest is taken first
      spare_.push_back(made->first + i - 1);
    }
  }
  return spare_.back();
}

Status OwnMemory::export_frame(const Agreed& agreed, std::uint32_t index, cw_allocation& out) const {
  const std::uint32_t count = agreed.row->memory_planes;
  const auto lengths = node_.own_lengths(index);
  if (!lengths) {
    return lengths.error();
  }
  std::array<UniqueFd, CW_MAX_PLANES> fds;
  std::array<std::uint64_t, CW_MAX_PLANES> sizes{};
  const auto& calls = node_.host().syscalls();
  for (std::uint32_t p = 0; p < count; ++p) {
    auto exported = node_.export_own(index, p);
    if (!exported) {
      return std::move(exported.error());
    }
    fds.at(p) = std::move(*exported);
    // What the dma-buf says of itself counts; the driver's length is what there was before lseek on one.
    const std::int64_t end = calls.lseek(calls.context, fds.at(p).get(), 0, SEEK_END);
    sizes.at(p) =
        end > 0 ? static_cast<std::uint64_t>(end) : (lengths->at(p) + kPageSize - 1) / kPageSize * kPageSize;
    if (sizes.at(p) < agreed.format.planes.at(p).size) {
      return Error(Errc::Io, "VIDIOC_EXPBUF",
                   plugin::words("the camera ", node_.path(), " exports ", sizes.at(p),
                                 " bytes as memory plane ", p, " of a buffer, and said before that ",
                                 fourcc_text(agreed.row->fourcc), " at ", agreed.format.width, "x",
                                 agreed.format.height, " takes ", agreed.format.planes.at(p).size));
    }
  }
  out.object_count = count;
  out.modifier = Modifier::kLinear.value;
  for (std::uint32_t p = 0; p < count; ++p) {
    out.fds[p] = fds.at(p).release();
    out.sizes[p] = sizes.at(p);
  }
  lay_out(agreed, out);
  return {};
}

Status OwnMemory::allocate(const Agreed& agreed, cw_allocation& out) {
  auto loan = std::make_unique<Loan>();
  loans_.reserve(loans_.size() + 1);  // nothing may fail once descriptors have been handed out
  const auto index = free_index();
  auto status = index ? export_frame(agreed, *index, out) : Status(index.error());
  if (!status) {
    if (loans_.empty()) {
      give_all_back();  // leaves the camera free to change its format, and to take dma-bufs
    }
    return status;
  }
  spare_.pop_back();
  loan->index = *index;
  out.token = loan.get();
  loans_.push_back(std::move(loan));
  return {};
}

void OwnMemory::release(void* token) noexcept {
  const auto found =
      std::ranges::find_if(loans_, [&](const auto& loan) { return static_cast<void*>(loan.get()) == token; });
  if (found == loans_.end()) {
    node_.host().log(CW_LOG_WARNING, plugin::words("memory was to be released that the camera ", node_.path(),
                                                   " did not allocate"));
    return;
  }
  loans_.erase(found);
  if (loans_.empty()) {
    give_all_back();
  }
}

void OwnMemory::give_all_back() noexcept {
  spare_.clear();
  const auto none = node_.request_buffers(0, V4L2_MEMORY_MMAP);
  // A camera that is gone has nothing left to give back. Kernels before 5.0 keep the queue as long as a
  // descriptor is open: the next request finds it busy, and this says why.
  if (!none && none.error().code() != Errc::DeviceLost) {
    node_.host().log(CW_LOG_WARNING,
                     plugin::words("the camera ", node_.path(), " did not take its own buffers back (",
                                   none.error().detail(), "): a descriptor of one may still be open"));
  }
}

}  // namespace causeway::v4l2_backend
