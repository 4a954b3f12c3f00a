// SPDX-License-Identifier: Apache-2.0
#include "exporters/udmabuf_slab.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "uapi/dma_buf.hpp"
#include "uapi/huge_pages.hpp"

namespace causeway::exporters {
namespace {

constexpr std::uint64_t kMost = std::uint64_t{1} << 48;  // bytes; more than a process can map

/// Where a buffer lies in its slab.
struct Place {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t huge = 0;  ///< bytes of it that are known to lie on huge pages
};

/// From 2 MiB on a buffer starts at a huge page of its own; smaller ones follow what is before them. The file
/// is sparse, so what lies between two buffers takes no memory.
Result<std::vector<Place>> lay_out(std::span<const std::uint64_t> sizes) {
  std::vector<Place> places;
  places.reserve(sizes.size());
  std::uint64_t end = 0;
  for (const std::uint64_t size : sizes) {
    const std::uint64_t offset = size < uapi::kHugePageSize ? end : uapi::align_up(end, uapi::kHugePageSize);
    if (size == 0 || size % uapi::kPageSize != 0 || size > kMost || offset > kMost - size) {
      break;
    }
    places.push_back({.offset = offset, .size = size});
    end = offset + size;
  }
  if (sizes.empty() || places.size() != sizes.size()) {
    return Error(
        Errc::InvalidArgument, "make_udmabuf_slab",
        fmt::format("{} buffers were asked for, the one in place {} with {} bytes; a slab has at least one "
                    "buffer, each of whole pages of {} bytes, and at most {} bytes in all",
                    sizes.size(), places.size(), sizes.empty() ? 0 : sizes[places.size()], uapi::kPageSize,
                    kMost));
  }
  return places;
}

/// Puts the large buffers of a fresh slab on huge pages: each begins at one of its own.
void put_on_huge_pages(const uapi::Kernel& kernel, BorrowedFd memfd, std::vector<Place>& places) {
  for (auto& place : places) {
    if (place.size >= uapi::kHugePageSize) {
      place.huge = uapi::obtain_huge_pages(kernel, memfd, place.offset, place.size);
    }
  }
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

/// Whether the ranges follow one another in one memfd, which may be known by several descriptors.
Result<bool> follow_one_another(const uapi::Kernel& kernel, std::span<const uapi::UdmabufPiece> ranges) {
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    const auto& before = ranges[i - 1];
    if (ranges[i].offset != before.offset + before.size) {
      return false;
    }
    if (ranges[i].memfd.get() == before.memfd.get()) {
      continue;
    }
    auto first = kernel.identity(before.memfd);
    auto second = first ? kernel.identity(ranges[i].memfd) : first;
    if (!second) {
      return std::move(second.error());
    }
    if (*first != *second) {
      return false;
    }
  }
  return true;
}

Status check_ranges(std::span<const uapi::UdmabufPiece> ranges) {
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

/// Shows the memfd beneath, if there is one place in one memfd that is all of the buffer, and that can be
/// mapped: huge pages of the pool are mapped whole.
Status add_view(const uapi::Kernel& kernel, std::span<const uapi::UdmabufPiece> ranges,
                core::Storage& storage) {
  auto one_place = follow_one_another(kernel, ranges);
  if (!one_place) {
    return std::move(one_place.error());
  }
  if (!*one_place) {
    return {};
  }
  auto unit = kernel.mapping_unit(ranges.front().memfd);
  if (!unit) {
    return std::move(unit.error());
  }
  if (ranges.front().offset % *unit != 0 || storage.size % *unit != 0) {
    return {};
  }
  auto view = kernel.duplicate(ranges.front().memfd);
  if (!view) {
    return std::move(view.error());
  }
  storage.pinnable = std::move(*view);
  storage.pinnable_offset = ranges.front().offset;
  return {};
}

}  // namespace

Result<std::vector<core::Storage>> make_udmabuf_slab(const uapi::Kernel& kernel,
                                                     std::span<const std::uint64_t> sizes, core::Pages pages,
                                                     const std::string& name) {
  auto places = lay_out(sizes);
  if (!places) {
    return std::move(places.error());
  }
  auto device = uapi::open_udmabuf(kernel);
  if (!device) {
    return std::move(device.error());
  }
  auto memfd = kernel.memfd(name, places->back().offset + places->back().size);
  if (!memfd) {
    return std::move(memfd.error());
  }
  if (pages == core::Pages::Huge) {
    put_on_huge_pages(kernel, memfd->borrow(), *places);
  }
  std::vector<core::Storage> buffers;
  buffers.reserve(places->size());
  for (const auto& place : *places) {
    auto fd = finish(
        kernel, uapi::create_udmabuf(kernel, device->borrow(), memfd->borrow(), place.offset, place.size),
        name);
    if (!fd) {
      return std::move(fd.error());
    }
    // A descriptor of the memfd for each, so that each has one owner; the last one gets ours.
    UniqueFd view;
    if (buffers.size() + 1 < places->size()) {
      auto copy = kernel.duplicate(memfd->borrow());
      if (!copy) {
        return std::move(copy.error());
      }
      view = std::move(*copy);
    }
    buffers.push_back({.fd = std::move(*fd),
                       .size = place.size,
                       .is_dma_buf = true,
                       .pinnable = std::move(view),
                       .pinnable_offset = place.offset,
                       .huge_bytes = place.huge});
  }
  buffers.back().pinnable = std::move(*memfd);
  return buffers;
}

Result<core::Storage> make_udmabuf_of_ranges(const uapi::Kernel& kernel,
                                             std::span<const uapi::UdmabufPiece> ranges,
                                             const std::string& name) {
  if (auto sound = check_ranges(ranges); !sound) {
    return std::move(sound.error());
  }
  auto device = uapi::open_udmabuf(kernel);
  if (!device) {
    return std::move(device.error());
  }
  auto fd = finish(kernel, uapi::create_udmabuf(kernel, device->borrow(), ranges), name);
  if (!fd) {
    return std::move(fd.error());
  }
  core::Storage storage{.fd = std::move(*fd), .size = 0, .is_dma_buf = true};
  for (const auto& range : ranges) {
    storage.size += range.size;
  }
  if (auto viewed = add_view(kernel, ranges, storage); !viewed) {
    return std::move(viewed.error());
  }
  return storage;
}

}  // namespace causeway::exporters
