// SPDX-License-Identifier: Apache-2.0
#include "chain.hpp"

#include <causeway/plugin/text.hpp>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

namespace causeway::fpga_sim_backend {

Result<SharedPages> SharedPages::create(Hardware& hardware, std::size_t size) {
  const std::size_t whole = (size + kPage - 1) / kPage * kPage;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kPage, whole));
  if (memory == nullptr) {
    return Error(Errc::OutOfMemory, "fpga_sim",
                 plugin::words(whole, " bytes for descriptors could not be allocated"));
  }
  std::memset(memory, 0, whole);
  SharedPages pages(hardware, memory);
  std::optional<Error> failure;
  hardware.between_clocks([&](Hardware::Inside inside) {
    auto mapped = inside.iommu.map(memory, whole, true);
    if (mapped) {
      pages.entries_ = std::move(*mapped);
    } else {
      failure = std::move(mapped.error());
    }
  });
  if (failure) {
    return std::move(*failure);
  }
  return pages;
}

SharedPages::~SharedPages() {
  if (memory_ != nullptr && !entries_.empty()) {
    hardware_.between_clocks([this](Hardware::Inside inside) { inside.iommu.unmap(entries_); });
  }
}

std::uint64_t SharedPages::address_of(std::size_t offset) const {
  for (const auto& entry : entries_) {
    if (offset < entry.length) {
      return entry.address + offset;
    }
    offset -= entry.length;
  }
  return 0;  // beyond the end: never asked for
}

Result<Chain> Chain::create(Hardware& hardware, const ImageJob& job) {
  auto pages = SharedPages::create(hardware, (job.in.size() + job.out.size()) * sizeof(Descriptor));
  if (!pages) {
    return std::move(pages.error());
  }
  Chain chain(std::move(*pages));
  chain.in_count_ = job.in.size();
  chain.out_count_ = job.out.size();
  chain.in_ = chain.write(0, job.in, true);
  chain.out_ = chain.write(job.in.size() * sizeof(Descriptor), job.out, false);
  return chain;
}

Chain::Ends Chain::write(std::size_t begin, const std::vector<Segment>& segments, bool marks_end) {
  const auto address = [&](std::size_t i) { return pages_.address_of(begin + i * sizeof(Descriptor)); };
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const bool last = i + 1 == segments.size();
    const std::uint64_t next = address(last ? 0 : i + 1);
    Descriptor made{};
    made.next = static_cast<std::uint32_t>(next);
    made.next_msb = static_cast<std::uint32_t>(next >> 32U);
    made.address = static_cast<std::uint32_t>(segments[i].address);
    made.address_msb = static_cast<std::uint32_t>(segments[i].address >> 32U);
    made.control = static_cast<std::uint32_t>(segments[i].length) |
                   (marks_end && i == 0 ? descriptor::kSof : 0U) |
                   (marks_end && last ? descriptor::kEof : 0U);
    std::memcpy(pages_.bytes() + begin + i * sizeof(Descriptor), &made, sizeof(made));
  }
  return {.first = address(0), .last = address(segments.size() - 1)};
}

std::string Chain::place_of(Ring ring, std::uint64_t address) const {
  const bool in = ring == Ring::Mm2s;
  const std::size_t begin = in ? 0 : in_count_;
  const std::size_t count = in ? in_count_ : out_count_;
  for (std::size_t i = 0; i < count; ++i) {
    if (pages_.address_of((begin + i) * sizeof(Descriptor)) == address) {
      return plugin::words("descriptor ", i + 1, " of ", count);
    }
  }
  return plugin::words("a descriptor at ", plugin::hex(address), " that is none of this job's");
}

}  // namespace causeway::fpga_sim_backend
