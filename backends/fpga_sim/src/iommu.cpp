// SPDX-License-Identifier: Apache-2.0
#include "iommu.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>

namespace causeway::fpga_sim_backend {
namespace {

// Above 4 GiB, so that whoever forgets the upper half of an address is found out at once.
constexpr std::uint64_t kFirst = std::uint64_t{1} << 32U;
constexpr std::uint64_t kSpace = std::uint64_t{1} << 38U;
constexpr std::uint64_t kHole = kPage;

}  // namespace

Iommu::Iommu(std::uint64_t max_run) : max_run_(max_run), free_{{kFirst, kSpace}} {}

std::optional<std::uint64_t> Iommu::take_range(std::uint64_t length) {
  const auto found = std::find_if(free_.begin(), free_.end(),
                                  [length](const auto& range) { return range.second >= length; });
  if (found == free_.end()) {
    return {};
  }
  const auto [begin, room] = *found;
  free_.erase(found);
  if (room > length) {
    free_.emplace(begin + length, room - length);
  }
  return begin;
}

void Iommu::give_back(std::uint64_t begin, std::uint64_t length) {
  const auto after = free_.lower_bound(begin);
  if (after != free_.end() && after->first == begin + length) {
    length += after->second;
    free_.erase(after);
  }
  const auto next = free_.lower_bound(begin);
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == begin) {
      before->second += length;
      return;
    }
  }
  free_.emplace(begin, length);
}

Result<cw_sg_entry> Iommu::map_run(std::byte* memory, std::uint64_t size, bool writable) {
  const auto begin = take_range(size + kHole);
  if (!begin) {
    return Error(Errc::OutOfMemory, "map",
                 std::to_string(size) + " bytes were to be mapped for the card, and of its " +
                     std::to_string(kSpace >> 30U) +
                     " GiB of device addresses no range is large enough; unmap what is not needed");
  }
  runs_.emplace(*begin, Run{.memory = memory, .length = size, .writable = writable});
  return cw_sg_entry{.address = *begin, .length = size};
}

Result<std::vector<cw_sg_entry>> Iommu::map(std::byte* memory, std::uint64_t size, bool writable) {
  std::vector<cw_sg_entry> entries;
  for (std::uint64_t done = 0; done < size;) {
    const std::uint64_t length = max_run_ != 0 ? std::min(max_run_, size - done) : size;
    auto run = map_run(memory + done, length, writable);
    if (!run) {
      unmap(entries);
      return std::move(run.error());
    }
    entries.push_back(*run);
    done += length;
  }
  return entries;
}

void Iommu::unmap(std::span<const cw_sg_entry> entries) {
  cached_ = nullptr;
  for (const auto& entry : entries) {
    runs_.erase(entry.address);
    give_back(entry.address, entry.length + kHole);
  }
}

void Iommu::set_writable(std::span<const cw_sg_entry> entries, bool writable) {
  for (const auto& entry : entries) {
    runs_.at(entry.address).writable = writable;
  }
}

const Iommu::Run* Iommu::find(std::uint64_t address, std::size_t size) {
  if (cached_ == nullptr || address < cached_begin_ || address - cached_begin_ >= cached_->length) {
    auto found = runs_.upper_bound(address);
    if (found == runs_.begin()) {
      return nullptr;
    }
    --found;
    cached_begin_ = found->first;
    cached_ = &found->second;
  }
  const std::uint64_t offset = address - cached_begin_;
  return offset < cached_->length && size <= cached_->length - offset ? cached_ : nullptr;
}

Response Iommu::refuse(std::uint64_t address, bool write, bool mapped) {
  fault_ = Fault{.address = address, .write = write, .mapped = mapped};
  ++faults_;
  return Response::DecodeError;
}

Response Iommu::read(std::uint64_t address, std::span<std::byte> out) {
  const Run* run = find(address, out.size());
  if (run == nullptr) {
    return refuse(address, false, false);
  }
  std::memcpy(out.data(), run->memory + (address - cached_begin_), out.size());
  return Response::Okay;
}

Response Iommu::write(std::uint64_t address, std::span<const std::byte> bytes, std::uint64_t strobe) {
  const Run* run = find(address, bytes.size());
  if (run == nullptr || !run->writable) {
    return refuse(address, true, run != nullptr);
  }
  std::byte* to = run->memory + (address - cached_begin_);
  const std::uint64_t all = bytes.size() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bytes.size()) - 1;
  if (strobe == all) {
    std::memcpy(to, bytes.data(), bytes.size());
    return Response::Okay;
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if ((strobe >> i & 1U) != 0) {
      to[i] = bytes[i];
    }
  }
  return Response::Okay;
}

}  // namespace causeway::fpga_sim_backend
