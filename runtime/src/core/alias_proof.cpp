// SPDX-License-Identifier: Apache-2.0
#include "core/alias_proof.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "core/attachment_state.hpp"
#include "core/layout.hpp"
#include "core/runtime_state.hpp"

namespace causeway::core {
namespace {

using Nonce = std::array<std::byte, 16>;

/// A device that cannot fill or read 16 bytes in this time is taken for hung.
constexpr auto kPatience = std::chrono::seconds(5);

/// A place to look at: 16 bytes in an object.
struct Spot {
  std::uint32_t object = 0;
  std::uint64_t offset = 0;
  Nonce before{};                // what the memory held
  std::byte* address = nullptr;  // of the CPU's, once it has looked there
};

/// The one page that a spot lies on, mapped by itself. Threads: thread-bound.
class SpotPage {
public:
  SpotPage(BufferState& buffer, std::span<std::byte> page) noexcept : buffer_(&buffer), page_(page) {}
  SpotPage(SpotPage&& other) noexcept
      : buffer_(other.buffer_), page_(std::exchange(other.page_, std::span<std::byte>())) {}
  SpotPage& operator=(SpotPage&&) = delete;
  ~SpotPage() {
    if (!page_.empty()) {
      buffer_->unmap_range(page_);
    }
  }

private:
  BufferState* buffer_;
  std::span<std::byte> page_;
};

Nonce random_nonce() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  Nonce nonce;
  for (std::size_t i = 0; i < nonce.size(); i += sizeof(std::uint64_t)) {
    const std::uint64_t number = generator();
    std::memcpy(&nonce.at(i), &number, sizeof(number));
  }
  return nonce;
}

/// One proof in progress: the attachment, its spots, and the two ways to reach them.
class Proof {
public:
  explicit Proof(AttachmentState& attachment) : attachment_(attachment) { choose_spots(); }

  /// False for pictures too small to hold one number.
  [[nodiscard]] bool has_spots() const { return !spots_.empty(); }
  Result<AliasVerdict> run();
  Result<AliasVerdict> run_producer();

private:
  using Visit = std::function<void(Spot&, std::byte*)>;

  void choose_spots();
  /// The CPU's address of a spot. Where the CPU has the buffer mapped it is there; otherwise a page is
  /// mapped, as mapping everything would take longer than all else here, and perhaps nobody needs it.
  Result<std::byte*> reach(Spot& spot);
  /// Visits each spot's bytes as the CPU, in one bracket an object.
  Status as_cpu(Usage usage, const Visit& visit);
  /// Lets the device read or write the 16 bytes of a spot.
  Status as_device(Usage usage, std::uint32_t flags, const Spot& spot, std::byte* data);
  /// Whether numbers written by either side are seen by the other.
  Result<bool> both_ways(std::uint32_t flags);
  Status restore(bool device_has_a_copy);
  [[nodiscard]] bool device_uses_cpu() const { return attachment_.device().has(Capability::AccessesViaCpu); }

  AttachmentState& attachment_;
  std::vector<Spot> spots_;
  std::vector<SpotPage> pages_;
};

void Proof::choose_spots() {
  const auto& frame = attachment_.frame();
  const bool producer = attachment_.device().has(Capability::ProducesOnly);
  for (std::uint32_t i = 0; i < frame.objects().size(); ++i) {
    std::uint64_t begin = 0;
    std::uint64_t end = frame.objects()[i].size();
    if (producer) {
      // A producer need not touch what lies behind the picture.
      begin = end;
      std::uint64_t last = 0;
      for (std::uint32_t p = 0; p < frame.layout().planes.size(); ++p) {
        const auto& plane = frame.layout().planes[p];
        if (plane.object == i) {
          begin = std::min(begin, plane.offset);
          last = std::max(last, plane.offset + extent_of(frame.layout(), p).bytes);
        }
      }
      end = last;
    }
    if (end < begin + sizeof(Nonce)) {
      continue;
    }
    const auto aligned = [](std::uint64_t offset) { return offset & ~std::uint64_t{15}; };
    const std::uint64_t last = aligned(end - sizeof(Nonce));
    for (const std::uint64_t offset : {aligned(begin + 15), aligned(begin + (last - begin) / 2), last}) {
      if (spots_.empty() || spots_.back().object != i || spots_.back().offset < offset) {
        spots_.push_back({.object = i, .offset = offset});
      }
    }
  }
}

Result<std::byte*> Proof::reach(Spot& spot) {
  if (spot.address != nullptr) {
    return spot.address;
  }
  BufferState& buffer = *attachment_.frame().objects()[spot.object].state();
  // Exporters that map by themselves are asked for everything, once, and keep it.
  if (buffer.mapped_address() != nullptr || buffer.has(ExporterOp::Vmap) || buffer.has(ExporterOp::Mmap)) {
    auto address = buffer.cpu_address();
    if (!address) {
      return std::move(address.error());
    }
    spot.address = *address + spot.offset;
    return spot.address;
  }
  const std::uint64_t within = spot.offset % uapi::kPageSize;
  auto page = buffer.map_range(spot.offset - within, uapi::align_up(within + sizeof(Nonce), uapi::kPageSize));
  if (!page) {
    return std::move(page.error());
  }
  pages_.emplace_back(buffer, *page);
  spot.address = page->data() + within;
  return spot.address;
}

Status Proof::as_cpu(Usage usage, const Visit& visit) {
  const auto& objects = attachment_.frame().objects();
  for (auto& spot : spots_) {
    if (auto reached = reach(spot); !reached) {
      return std::move(reached.error());
    }
  }
  for (std::uint32_t i = 0; i < objects.size(); ++i) {
    BufferState& buffer = *objects[i].state();
    if (auto begun = buffer.begin_cpu(usage, Deadline::in(kPatience)); !begun) {
      return begun;
    }
    for (auto& spot : spots_) {
      if (spot.object == i) {
        visit(spot, spot.address);
      }
    }
    if (auto ended = buffer.end_cpu(usage); !ended) {
      return ended;
    }
  }
  return {};
}

Status Proof::as_device(Usage usage, std::uint32_t flags, const Spot& spot, std::byte* data) {
  BufferState& buffer = *attachment_.frame().objects()[spot.object].state();
  auto probe = plugin::sized<cw_probe>();
  probe.flags = flags;
  probe.object = spot.object;
  probe.offset = spot.offset;
  probe.size = sizeof(Nonce);
  probe.data = data;
  probe.deadline_ns = Deadline::in(kPatience).when().time_since_epoch() / std::chrono::nanoseconds(1);
  if (device_uses_cpu()) {
    if (auto begun = buffer.begin_cpu(usage, Deadline::in(kPatience)); !begun) {
      return begun;
    }
  }
  auto probed =
      attachment_.device_state().call([&](const cw_backend& table, cw_device* self, cw_error* error) {
        return writes(usage) ? table.probe_write(self, attachment_.handle(), &probe, error)
                             : table.probe_read(self, attachment_.handle(), &probe, error);
      });
  if (device_uses_cpu()) {
    if (auto ended = buffer.end_cpu(usage); !ended && probed) {
      return ended;
    }
  }
  return probed;
}

Result<bool> Proof::both_ways(std::uint32_t flags) {
  std::vector<Nonce> numbers(spots_.size());
  std::generate(numbers.begin(), numbers.end(), &random_nonce);
  const auto number_of = [&](const Spot& spot) -> Nonce& {
    return numbers[static_cast<std::size_t>(&spot - spots_.data())];
  };
  auto written = as_cpu(Usage::ReadWrite, [&](Spot& spot, std::byte* bytes) {
    std::memcpy(bytes, number_of(spot).data(), sizeof(Nonce));
  });
  if (!written) {
    return std::move(written.error());
  }
  bool seen = true;
  for (const auto& spot : spots_) {
    Nonce found{};
    if (auto read = as_device(Usage::Read, flags, spot, found.data()); !read) {
      return std::move(read.error());
    }
    seen = seen && found == number_of(spot);
  }
  for (const auto& spot : spots_) {
    number_of(spot) = random_nonce();
    if (auto wrote = as_device(Usage::Write, flags, spot, number_of(spot).data()); !wrote) {
      return std::move(wrote.error());
    }
  }
  auto looked = as_cpu(Usage::Read, [&](Spot& spot, std::byte* bytes) {
    seen = seen && std::memcmp(bytes, number_of(spot).data(), sizeof(Nonce)) == 0;
  });
  if (!looked) {
    return std::move(looked.error());
  }
  return seen;
}

Status Proof::restore(bool device_has_a_copy) {
  auto restored = as_cpu(Usage::ReadWrite, [](Spot& spot, std::byte* bytes) {
    std::memcpy(bytes, spot.before.data(), sizeof(Nonce));
  });
  if (restored && device_has_a_copy) {
    for (auto& spot : spots_) {
      if (auto wrote = as_device(Usage::Write, CW_PROBE_MAY_COPY, spot, spot.before.data()); !wrote) {
        return wrote;
      }
    }
  }
  return restored;
}

Result<AliasVerdict> Proof::run() {
  auto saved = as_cpu(Usage::Read, [](Spot& spot, std::byte* bytes) {
    std::memcpy(spot.before.data(), bytes, sizeof(Nonce));
  });
  if (!saved) {
    return std::move(saved.error());
  }
  auto verdict = AliasVerdict::Aliased;
  auto seen = both_ways(0);
  if (seen && !*seen) {
    verdict = AliasVerdict::Unknown;
    seen = both_ways(CW_PROBE_MAY_COPY);
    if (seen && !*seen) {
      verdict = AliasVerdict::Copied;
    }
  }
  auto restored = restore(seen && verdict != AliasVerdict::Aliased);
  if (!seen) {
    return std::move(seen.error());
  }
  if (!restored) {
    return std::move(restored.error());
  }
  return verdict;
}

Result<AliasVerdict> Proof::run_producer() {
  std::vector<Nonce> numbers;
  auto written = as_cpu(Usage::ReadWrite, [&](Spot& spot, std::byte* bytes) {
    std::memcpy(spot.before.data(), bytes, sizeof(Nonce));
    numbers.push_back(random_nonce());
    std::memcpy(bytes, numbers.back().data(), sizeof(Nonce));
  });
  if (!written) {
    return std::move(written.error());
  }
  Status produced = as_device(Usage::Write, CW_PROBE_ANY_CONTENT, spots_.front(), nullptr);
  std::size_t overwritten = 0;
  auto number = numbers.begin();
  auto looked = as_cpu(Usage::ReadWrite, [&](Spot& spot, std::byte* bytes) {
    overwritten += std::memcmp(bytes, number->data(), sizeof(Nonce)) != 0 ? 1U : 0U;
    std::memcpy(bytes, spot.before.data(), sizeof(Nonce));
    ++number;
  });
  if (!produced) {
    return std::move(produced.error());
  }
  if (!looked) {
    return std::move(looked.error());
  }
  if (overwritten == 0) {
    return AliasVerdict::Copied;
  }
  return overwritten == spots_.size() ? AliasVerdict::Aliased : AliasVerdict::Unknown;
}

/// Whose turn has ended may still be at work: what it writes must neither overwrite the numbers nor be
/// overwritten by the bytes that are put back.
Status wait_until_idle(const FrameState& frame) {
  const auto deadline = Deadline::in(kPatience);
  for (BufferState* buffer : frame.in_order()) {
    auto idle = buffer->wait_for_fences(Usage::Write, deadline);
    if (idle) {
      idle = buffer->pay_all_debts(deadline);
    }
    if (!idle) {
      return idle;
    }
  }
  return {};
}

}  // namespace

Result<AliasVerdict> prove_alias(AttachmentState& attachment) {
  const auto& table = attachment.device_state().table();
  const auto& frame = attachment.frame();
  const bool producer = attachment.device().has(Capability::ProducesOnly);
  const bool can_be_asked = table.probe_write != nullptr && (producer || table.probe_read != nullptr);
  if (!can_be_asked || attachment.imported_read_only()) {
    return AliasVerdict::Unknown;
  }
  constexpr auto kForItself = "the alias proof needs the buffer for itself";
  if (auto begun = frame.take_turns(Usage::ReadWrite, TurnsOf::Devices, Deadline::in(kPatience)); !begun) {
    return std::move(begun.error()).within(kForItself);
  }
  Proof proof(attachment);
  Result<AliasVerdict> verdict = AliasVerdict::Unknown;
  if (proof.has_spots()) {
    if (auto idle = wait_until_idle(frame); !idle) {
      verdict = std::move(idle.error()).within(kForItself);
    } else {
      verdict = producer ? proof.run_producer() : proof.run();
    }
  }
  frame.release_turns(Usage::ReadWrite, TurnsOf::Devices);
  if (!verdict && verdict.error().code() == Errc::Unsupported) {
    return AliasVerdict::Unknown;
  }
  return verdict;
}

}  // namespace causeway::core
