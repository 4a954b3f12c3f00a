// SPDX-License-Identifier: Apache-2.0
#include "chain.hpp"

#include <causeway/plugin/text.hpp>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

namespace causeway::fpga_sim_backend {

Result<SharedPages> SharedPages::create(Hardware& hardware, std::size_t size) {
  const std::size_t whole = (size + kPage - 1) / kPage * kPage;
  std::unique_ptr<std::byte, Free> memory(static_cast<std::byte*>(std::aligned_alloc(kPage, whole)));
  if (memory == nullptr) {
    return Error(Errc::OutOfMemory, "fpga_sim",
                 plugin::words(whole, " bytes for descriptors could not be allocated"));
  }
  std::optional<Result<cw_sg_entry>> run;
  hardware.with_iommu([&](Iommu& iommu) { run.emplace(iommu.map_run(memory.get(), whole, true)); });
  if (!*run) {
    return std::move(run->error());
  }
  return SharedPages(hardware, memory.release(), **run);
}

SharedPages::~SharedPages() {
  if (memory_ != nullptr) {
    hardware_.with_iommu([this](Iommu& iommu) { iommu.unmap({&run_, 1}); });
  }
}

Result<Chain> Chain::create(Hardware& hardware, const ImageJob& job) {
  auto pages =
      SharedPages::create(hardware, (job.in.max_segments() + job.out.max_segments()) * sizeof(Descriptor));
  if (!pages) {
    return std::move(pages.error());
  }
  Chain chain(std::move(*pages));
  chain.in_ = chain.write(0, job.in, true);
  chain.out_ = chain.write(chain.in_.count, job.out, false);
  return chain;
}

Chain::Ends Chain::write(std::size_t begin, const SgRange& range, bool marks) {
  std::byte* place = pages_.bytes() + begin * sizeof(Descriptor);
  const std::uint64_t first = pages_.address() + begin * sizeof(Descriptor);
  std::uint64_t next = first;
  std::uint32_t flags = marks ? descriptor::kSof : 0;
  Descriptor* last = nullptr;
  range.for_each_segment([&](std::uint64_t address, std::uint64_t length) {
    next += sizeof(Descriptor);
    // Made where it stays, not beside it and then copied: four stores of four bytes are slow to be read back
    // as one of sixteen.
    last = new (place) Descriptor{.next = low(next),
                                  .next_msb = high(next),
                                  .address = low(address),
                                  .address_msb = high(address),
                                  .reserved = {},
                                  .control = low(length) | flags,
                                  .status = 0,
                                  .application = {}};
    place += sizeof(Descriptor);
    flags = 0;
  });
  if (last != nullptr) {
    last->next = low(first);
    last->next_msb = high(first);
    last->control |= marks ? descriptor::kEof : 0U;
  }
  return {.first = first, .last = next - sizeof(Descriptor), .count = (next - first) / sizeof(Descriptor)};
}

std::string Chain::place_of(Ring ring, std::uint64_t address) const {
  const Ends& ends = ring == Ring::Mm2s ? in_ : out_;
  if (address >= ends.first && address <= ends.last && (address - ends.first) % sizeof(Descriptor) == 0) {
    return plugin::words("descriptor ", (address - ends.first) / sizeof(Descriptor) + 1, " of ", ends.count);
  }
  return plugin::words("a descriptor at ", plugin::hex(address), " that is none of this job's");
}

}  // namespace causeway::fpga_sim_backend
