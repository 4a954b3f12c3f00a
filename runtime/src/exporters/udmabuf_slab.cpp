// SPDX-License-Identifier: Apache-2.0
#include "exporters/udmabuf_slab.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "uapi/dma_buf.hpp"
#include "uapi/huge_pages.hpp"
#include "uapi/udmabuf.hpp"

namespace causeway::exporters {
namespace {

/// Where each buffer of a slab starts: from 2 MiB on at a huge page of its own. The file is sparse, so what
/// lies between two buffers takes no memory.
std::uint64_t distance_between(std::uint64_t size) {
  return size < uapi::kHugePageSize ? size : uapi::align_up(size, uapi::kHugePageSize);
}

/// Puts the buffers of a fresh slab on huge pages; how many bytes of each lie there then.
std::vector<std::uint64_t> put_slab_on_huge_pages(const uapi::Kernel& kernel, BorrowedFd memfd,
                                                  std::uint64_t size, std::uint32_t count) {
  std::vector<std::uint64_t> huge(count);
  if (size >= uapi::kHugePageSize) {
    for (std::uint32_t i = 0; i < count; ++i) {
      huge[i] = uapi::obtain_huge_pages(kernel, memfd, distance_between(size) * i, size);
    }
    return huge;
  }
  const std::uint64_t end = uapi::obtain_huge_pages(kernel, memfd, 0, size * count);
  for (std::uint32_t i = 0; i < count; ++i) {
    huge[i] = end > size * i ? std::min(end - size * i, size) : 0;
  }
  return huge;
}

Result<UniqueFd> finish(const uapi::Kernel& kernel, Result<UniqueFd> fd, const std::string& name) {
  if (!fd) {
    return fd;
  }
  if (auto primed = uapi::prime_udmabuf(kernel, fd->borrow()); !primed) {
    return std::move(primed.error());
  }
  uapi::set_name(kernel, fd->borrow(), name);
  return fd;
}

bool contiguous(std::span<const MemfdRange> ranges) {
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].offset != ranges[i - 1].offset + ranges[i - 1].size) {
      return false;
    }
  }
  return true;
}

Status check_ranges(std::span<const MemfdRange> ranges) {
  if (ranges.empty()) {
    return Error(Errc::InvalidArgument, "make_udmabuf_of_ranges",
                 "no range was given; a buffer has at least one");
  }
  std::uint64_t total = 0;
  for (const auto& range : ranges) {
    if (range.size == 0 || range.size % uapi::kPageSize != 0 || range.offset % uapi::kPageSize != 0) {
      return Error(Errc::InvalidArgument, "make_udmabuf_of_ranges",
                   fmt::format("{} bytes at offset {} are no whole pages of {} bytes", range.size,
                               range.offset, uapi::kPageSize));
    }
    if (range.size > std::numeric_limits<std::uint64_t>::max() - total) {
      return Error(Errc::InvalidArgument, "make_udmabuf_of_ranges",
                   "the sizes of the ranges add up to more than 64 bits");
    }
    total += range.size;
  }
  return {};
}

}  // namespace

Result<std::vector<core::Storage>> make_udmabuf_slab(const uapi::Kernel& kernel, std::uint64_t size,
                                                     std::uint32_t count, const std::string& name) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 48;  // more than a process can map
  if (count == 0 || size == 0 || size % uapi::kPageSize != 0 || size > kMost / count) {
    return Error(
        Errc::InvalidArgument, "make_udmabuf_slab",
        fmt::format("{} buffers of {} bytes were asked for; a slab has at least one, of whole pages of "
                    "{} bytes, and at most {} bytes in all",
                    count, size, uapi::kPageSize, kMost));
  }
  auto device = uapi::open_udmabuf(kernel);
  if (!device) {
    return std::move(device.error());
  }
  const std::uint64_t distance = distance_between(size);
  auto memfd = kernel.memfd(name, distance * (count - 1) + size);
  if (!memfd) {
    return std::move(memfd.error());
  }
  const auto huge = put_slab_on_huge_pages(kernel, memfd->borrow(), size, count);
  std::vector<core::Storage> buffers;
  buffers.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t offset = distance * i;
    auto fd =
        finish(kernel, uapi::create_udmabuf(kernel, device->borrow(), memfd->borrow(), offset, size), name);
    if (!fd) {
      return std::move(fd.error());
    }
    // A descriptor of the memfd for each, so that each has one owner; the last one gets ours.
    UniqueFd view;
    if (i + 1 < count) {
      auto copy = kernel.duplicate(memfd->borrow());
      if (!copy) {
        return std::move(copy.error());
      }
      view = std::move(*copy);
    }
    buffers.push_back({.fd = std::move(*fd),
                       .size = size,
                       .is_dma_buf = true,
                       .pinnable = std::move(view),
                       .pinnable_offset = offset,
                       .huge_bytes = huge[i]});
  }
  buffers.back().pinnable = std::move(*memfd);
  return buffers;
}

Result<core::Storage> make_udmabuf_of_ranges(const uapi::Kernel& kernel, BorrowedFd memfd,
                                             std::span<const MemfdRange> ranges, const std::string& name) {
  if (auto sound = check_ranges(ranges); !sound) {
    return std::move(sound.error());
  }
  auto device = uapi::open_udmabuf(kernel);
  if (!device) {
    return std::move(device.error());
  }
  std::vector<uapi::UdmabufPiece> pieces;
  std::uint64_t total = 0;
  for (const auto& range : ranges) {
    pieces.push_back({.memfd = memfd, .offset = range.offset, .size = range.size});
    total += range.size;
  }
  auto fd = finish(kernel, uapi::create_udmabuf(kernel, device->borrow(), pieces), name);
  if (!fd) {
    return std::move(fd.error());
  }
  core::Storage storage{.fd = std::move(*fd), .size = total, .is_dma_buf = true};
  if (contiguous(ranges)) {
    auto view = kernel.duplicate(memfd);
    if (!view) {
      return std::move(view.error());
    }
    storage.pinnable = std::move(*view);
    storage.pinnable_offset = ranges.front().offset;
  }
  return storage;
}

}  // namespace causeway::exporters
