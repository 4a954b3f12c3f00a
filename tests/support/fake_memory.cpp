// SPDX-License-Identifier: Apache-2.0
#include "support/fake_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace causeway::test {

namespace {

constexpr std::size_t kLine = 64;  // compare and copy in cache lines
constexpr std::size_t kPage = 4096;

bool differ(std::span<const std::byte> a, std::span<const std::byte> b, std::size_t at, std::size_t length) {
  return std::memcmp(a.data() + at, b.data() + at, length) != 0;
}

std::optional<std::uint64_t> first_difference(std::span<const std::byte> a, std::span<const std::byte> b) {
  for (std::size_t at = 0; at < a.size(); at += kPage) {
    if (const auto length = std::min(kPage, a.size() - at); differ(a, b, at, length)) {
      const auto* first = a.data() + at;
      return at + static_cast<std::size_t>(std::mismatch(first, first + length, b.data() + at).first - first);
    }
  }
  return std::nullopt;
}

void copy_differing(std::span<const std::byte> from, std::span<std::byte> to) {
  for (std::size_t page = 0; page < from.size(); page += kPage) {
    const auto page_end = std::min(page + kPage, from.size());
    if (!differ(from, to, page, page_end - page)) {
      continue;
    }
    for (std::size_t at = page; at < page_end; at += kLine) {
      if (const auto length = std::min(kLine, page_end - at); differ(from, to, at, length)) {
        std::memcpy(to.data() + at, from.data() + at, length);
      }
    }
  }
}

}  // namespace

OwnMapping::~OwnMapping() {
  if (!bytes_.empty()) {
    ::munmap(bytes_.data(), bytes_.size());
  }
}

int FakeMemory::create(std::vector<Piece> pieces, bool coherent) {
  pieces_ = std::move(pieces);
  std::uint64_t size = 0;
  for (const auto& piece : pieces_) {
    size += piece.length;
  }
  void* view = map(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
  if (view == MAP_FAILED) {
    return errno;
  }
  cpu_ = OwnMapping(view, size);
  if (coherent) {
    return 0;
  }
  for (auto* copy : {&device_, &agreed_}) {
    view = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (view == MAP_FAILED) {
      return errno;
    }
    *copy = OwnMapping(view, size);
    // What was in the pages before they became a dma-buf was written back when they did.
    copy_differing(cpu_.bytes(), copy->bytes());
  }
  return 0;
}

void* FakeMemory::map(void* address, std::size_t length, int protection, int flags,
                      std::uint64_t offset) const {
  // Reserve the whole range first: the pieces then fall into it one after the other, and a failure half way
  // leaves nothing behind.
  const int placement = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
  void* range =
      ::mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | placement, -1, 0);
  if (range == MAP_FAILED) {
    return MAP_FAILED;
  }
  auto* at = static_cast<std::byte*>(range);
  std::size_t left = length;
  for (const auto& piece : pieces_) {
    if (offset >= piece.length) {
      offset -= piece.length;
      continue;
    }
    const auto part = std::min<std::uint64_t>(piece.length - offset, left);
    if (part == 0) {
      break;
    }
    if (::mmap(at, part, protection, (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED, piece.file.get(),
               static_cast<off_t>(piece.offset + offset)) == MAP_FAILED) {
      const int failure = errno;
      ::munmap(range, length);
      errno = failure;
      return MAP_FAILED;
    }
    at += part;
    left -= part;
    offset = 0;
  }
  return range;
}

void FakeMemory::invalidate() {
  if (!coherent()) {
    copy_differing(device_.bytes(), cpu_.bytes());
    copy_differing(device_.bytes(), agreed_.bytes());
  }
}

void FakeMemory::clean() {
  if (!coherent()) {
    copy_differing(cpu_.bytes(), device_.bytes());
    copy_differing(cpu_.bytes(), agreed_.bytes());
  }
}

std::optional<std::uint64_t> FakeMemory::first_cpu_change() const {
  return coherent() ? std::nullopt : first_difference(cpu_.bytes(), agreed_.bytes());
}

std::optional<std::uint64_t> FakeMemory::first_device_change() const {
  return coherent() ? std::nullopt : first_difference(device_.bytes(), agreed_.bytes());
}

}  // namespace causeway::test
