// SPDX-License-Identifier: Apache-2.0
//
// What the fake kernel holds against the code under test.
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/magic.h>
#include <sys/mman.h>

#include <algorithm>

#include "support/fake_state.hpp"

namespace causeway::test {

namespace {

std::size_t page_up(std::size_t length) {
  return (length + 4095) / 4096 * 4096;
}

std::string bracket_sentence(const FakeDmaBuf& buffer, const std::string& when) {
  return "A SYNC bracket of " + buffer.title + " was still open " + when + " (" +
         std::to_string(buffer.open_brackets.size()) + " START without END).";
}

}  // namespace

void FakeKernel::Impl::require_cloexec(bool given, const std::string& sentence) {
  if (!given) {
    violation(sentence + ": the descriptor would leak into every program that the process starts.");
  }
}

void FakeKernel::Impl::check_cpu_writes(FakeDmaBuf& buffer, const std::string& when) {
  if (buffer.bracket_is_open(DMA_BUF_SYNC_WRITE)) {
    return;
  }
  if (const auto at = buffer.memory.first_cpu_change()) {
    violation("The CPU wrote to " + buffer.title + " at byte " + std::to_string(*at) +
              " outside of a SYNC bracket for writing (seen at " + when + ").");
  }
}

void FakeKernel::Impl::check_device_access(FakeDmaBuf& buffer, bool write) {
  if (buffer.memory.coherent()) {
    return;
  }
  const std::string verb = write ? "wrote to " : "read ";
  if (buffer.bracket_is_open(write ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_WRITE) && !buffer.end_was_refused) {
    violation("A device " + verb + buffer.title + " while the CPU held a SYNC bracket of it open.");
  }
  if (const auto at = buffer.memory.first_cpu_change()) {
    violation("A device " + verb + buffer.title + " although what the CPU wrote at byte " +
              std::to_string(*at) + " was not carried over: no SYNC END with WRITE came after it.");
  }
}

void FakeKernel::Impl::note_mapping(void* address, UserMapping mapping) {
  note_unmapped(address, mapping.length);  // MAP_FIXED replaces what was there
  mapping.length = page_up(mapping.length);
  mappings.insert_or_assign(reinterpret_cast<std::uintptr_t>(address), std::move(mapping));
}

void FakeKernel::Impl::note_unmapped(void* address, std::size_t length) {
  const auto from = reinterpret_cast<std::uintptr_t>(address);
  const auto to = from + page_up(length);
  std::vector<std::pair<std::uintptr_t, UserMapping>> rests;
  std::erase_if(mappings, [&](const auto& entry) {
    const auto start = entry.first;
    const auto end = start + entry.second.length;
    if (end <= from || start >= to) {
      return false;
    }
    const auto keep = [&](std::uintptr_t a, std::uintptr_t b) {
      if (a < b) {
        auto rest = entry.second;
        rest.length = b - a;
        rests.emplace_back(a, std::move(rest));
      }
    };
    keep(start, from);
    keep(to, end);
    return true;
  });
  for (auto& [start, rest] : rests) {
    mappings.insert_or_assign(start, std::move(rest));
  }
}

void FakeKernel::Impl::collect() {
  std::erase_if(dma_bufs, [&](const auto& entry) {
    FakeDmaBuf& buffer = *entry.second;
    if (entry.second.use_count() > 1 || description_is_alive(buffer.probe.get())) {
      return false;
    }
    if (!buffer.open_brackets.empty() && !buffer.end_was_refused) {
      violation(bracket_sentence(buffer, "when it was released"));
    }
    check_cpu_writes(buffer, "its release");
    return true;
  });
  std::erase_if(memfds, [](const auto& entry) {
    return entry.second.marked && !description_is_alive(entry.second.file.get());
  });
  sync_files.update();
}

std::vector<std::string> FakeKernel::Impl::verify() {
  collect();
  auto found = violations;
  for (const auto& [inode, buffer] : dma_bufs) {
    if (!buffer->open_brackets.empty() && !buffer->end_was_refused) {
      found.push_back(bracket_sentence(*buffer, "at the end"));
    }
    const auto before = violations.size();
    check_cpu_writes(*buffer, "the end");
    found.insert(found.end(), violations.begin() + static_cast<std::ptrdiff_t>(before), violations.end());
    violations.resize(before);
  }
  for (const auto& [address, mapping] : mappings) {
    if (!mapping.unmap_was_refused) {
      found.push_back("A mapping of " + std::to_string(mapping.length) + " bytes of " + mapping.what +
                      " was never unmapped.");
    }
  }
  const auto open = handed_out.still_open(own);
  found.insert(found.end(), open.begin(), open.end());
  return found;
}

void FakeKernel::Impl::forget_violations() {
  collect();
  violations.clear();
  for (const auto& [inode, buffer] : dma_bufs) {
    buffer->open_brackets.clear();
    buffer->memory.clean();
  }
  for (auto& [address, mapping] : mappings) {
    mapping.unmap_was_refused = true;
  }
  handed_out.forget_open(own);
}

std::span<std::byte> FakeKernel::Impl::memory_seen_by_device(int fd, bool write) {
  if (const auto buffer = dma_buf(fd)) {
    check_device_access(*buffer, write);
    return buffer->memory.device();
  }
  struct statfs system {};
  const auto inode = inode_of(fd);
  if (!inode || ::fstatfs(fd, &system) != 0 || system.f_type != TMPFS_MAGIC || ::fcntl(fd, F_GET_SEALS) < 0) {
    return {};
  }
  if (const auto known = memfds.find(*inode); known != memfds.end()) {
    return known->second.view.bytes();
  }
  struct stat status {};
  OwnFd file(own, reopen(fd, O_RDWR));
  if (!file.valid() || ::fstat(fd, &status) != 0 || status.st_size == 0) {
    return {};
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* view = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (view == MAP_FAILED) {
    return {};
  }
  const bool marked = description_is_alive(file.get());
  const auto made =
      memfds.insert_or_assign(*inode, Memfd{std::move(file), OwnMapping(view, size), marked}).first;
  return made->second.view.bytes();
}

}  // namespace causeway::test
