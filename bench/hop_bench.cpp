// SPDX-License-Identifier: Apache-2.0
//
// One device's work, then another's on the same memory: what the way from one to the other costs.
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

#include "raw_opencl.hpp"
#include "raw_vulkan.hpp"
#include "suite.hpp"

namespace causeway::bench {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);
constexpr std::uint32_t kPainted = 0x01020304;

enum class Way { VulkanToOpencl, OpenclToVulkan };

std::uint32_t first_word(const std::byte* data) {
  std::uint32_t word = 0;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

/// The two devices, and what Vulkan reads into.
struct Devices {
  RawVulkan vulkan;
  RawOpencl opencl;
  std::unique_ptr<RawVulkan::Buffer> scratch;
  explicit Devices(Suite& suite)
      : vulkan(*suite.vulkan()), opencl(*suite.opencl()), scratch(vulkan.own_buffer(RawVulkan::kWorkBytes)) {}

  /// on_vulkan: a VkBuffer, or the mapping of a device that takes its turns.
  template <class OnVulkan>
  void prepare(Way way, const OnVulkan& on_vulkan, cl_mem on_opencl) {
    opencl.bind(on_opencl);
    if (way == Way::VulkanToOpencl) {
      vulkan.record_fill(on_vulkan, kPainted);
    } else {
      vulkan.record_read(on_vulkan, scratch->get());
    }
  }
  /// After a hop whose memory was zero before: what the second device saw of the first one's work.
  void check(Way way, const std::byte* memory) const {
    const bool seen =
        way == Way::VulkanToOpencl ? first_word(memory) == kPainted + 1 : first_word(scratch->map()) == 1;
    require(seen, "the second device did not see what the first one wrote: this is no zero-copy");
  }
};

void by_us(Suite& suite, benchmark::State& state, Way way, std::uint64_t bytes, Queue queue) {
  const auto gpu = queue == Queue::Callers ? callers_own(*suite.vulkan(), suite.runtime()) : *suite.vulkan();
  const auto pool = aliased_pool(suite.runtime(), bytes, {gpu, *suite.opencl()});
  const auto frame = pool.frame(0);
  const auto& on_vulkan = frame.on(gpu);
  const auto& on_opencl = frame.on(*suite.opencl());
  Devices devices(suite);
  const auto on_opencl_memory = opencl::view(on_opencl).value()->buffers[0];
  if (queue == Queue::Callers) {
    devices.prepare(way, on_vulkan, on_opencl_memory);
  } else {
    devices.prepare(way, vulkan::view(on_vulkan).value()->buffers[0], on_opencl_memory);
  }
  const auto vulkan_turn = [&](Usage usage) {
    auto access = on_vulkan.begin_access(usage, Deadline::never()).value();
    if (queue == Queue::Callers) {
      devices.vulkan.submit(vulkan::turn(on_vulkan).value());
    } else {
      devices.vulkan.submit_and_wait();
    }
    return access.end().value();
  };
  const auto opencl_turn = [&] {
    auto access = on_opencl.begin_access(Usage::ReadWrite, Deadline::never()).value();
    devices.opencl.enqueue_last(on_opencl);
    return access.end().value();
  };
  // The turn of the second device waits for the first one's; then its own end is waited for.
  const auto hop = [&] {
    std::vector<Fence> ends;
    if (way == Way::VulkanToOpencl) {
      vulkan_turn(Usage::Write);
      ends = opencl_turn();
    } else {
      opencl_turn();
      ends = vulkan_turn(Usage::Read);
    }
    for (const auto& fence : ends) {
      fence.wait(Deadline::never()).value();
    }
  };
  {
    auto clearing = frame.frame().begin_cpu_access(Usage::Write, Deadline::now()).value();
    std::memset(clearing.bytes().data(), 0, RawVulkan::kWorkBytes);
    clearing.end().value();
    hop();
    auto looking = frame.frame().begin_cpu_access(Usage::Read, Deadline::in(kPatience)).value();
    devices.check(way, looking.bytes().data());
    looking.end().value();
  }
  for (auto _ : state) {
    hop();
  }
}

void raw(Suite& suite, benchmark::State& state, Way way, std::uint64_t bytes) {
  const auto fd = raw_memfd(bytes);
  const RawMapping mapping(fd.borrow(), bytes, 0);
  touch_pages(mapping.data(), bytes);
  std::memset(mapping.data(), 0, RawVulkan::kWorkBytes);
  Devices devices(suite);
  const auto on_vulkan = devices.vulkan.import(fd.borrow(), bytes);
  const auto on_opencl = devices.opencl.over(mapping.data(), bytes);
  devices.prepare(way, on_vulkan->get(), on_opencl.get());
  const auto hop = [&] {
    if (way == Way::VulkanToOpencl) {
      devices.vulkan.submit_and_wait();
      devices.opencl.enqueue();
      devices.opencl.finish();
    } else {
      devices.opencl.enqueue();
      devices.opencl.finish();
      devices.vulkan.submit_and_wait();
    }
  };
  hop();
  devices.check(way, mapping.data());
  for (auto _ : state) {
    hop();
  }
}

/// Each device has memory of its own; the whole frame is copied in between, once, out of a mapping or into
/// one that is kept.
void by_copying(Suite& suite, benchmark::State& state, Way way, std::uint64_t bytes) {
  Devices devices(suite);
  const auto on_vulkan = devices.vulkan.own_buffer(bytes);
  std::byte* mapped = on_vulkan->map();
  touch_pages(mapped, bytes);
  const auto on_opencl = devices.opencl.own_buffer(bytes);
  devices.prepare(way, on_vulkan->get(), on_opencl.get());
  devices.opencl.warm_up();
  for (auto _ : state) {
    if (way == Way::VulkanToOpencl) {
      devices.vulkan.submit_and_wait();
      devices.opencl.upload(on_opencl.get(), mapped, bytes);
      devices.opencl.enqueue();
      devices.opencl.finish();
    } else {
      devices.opencl.enqueue();
      devices.opencl.download(mapped, on_opencl.get(), bytes);
      devices.vulkan.submit_and_wait();
    }
  }
}

}  // namespace

void add_hop_rows(Suite& suite) {
  const auto add = [&suite](Way way, std::uint64_t bytes, Queue queue) {
    const auto row = std::string("Hop/") +
                     (way == Way::VulkanToOpencl ? "Vulkan-to-OpenCL/" : "OpenCL-to-Vulkan/") +
                     (queue == Queue::Ours ? "on-our-queue/" : "") + by_size(bytes);
    if (!suite.vulkan() || !suite.opencl()) {
      suite.skip(row, suite.vulkan() ? suite.no_opencl() : suite.no_vulkan());
      return;
    }
    if (!suite.vulkan()->has(Capability::ImportsMemfd)) {
      suite.skip(row, "The Vulkan driver takes no memfd for a dma-buf.");
      return;
    }
    suite.add_handing_over(
        row, "us", [&suite, way, bytes, queue](auto& state) { by_us(suite, state, way, bytes, queue); });
    suite.add_handing_over(row, "raw", [&suite, way, bytes](auto& state) { raw(suite, state, way, bytes); });
    suite.add_handing_over(row, "peer:copy",
                           [&suite, way, bytes](auto& state) { by_copying(suite, state, way, bytes); });
  };
  for (const auto way : {Way::VulkanToOpencl, Way::OpenclToVulkan}) {
    for (const auto bytes : kSizes) {
      add(way, bytes, Queue::Callers);
    }
    add(way, kFrameBytes, Queue::Ours);
  }
}

}  // namespace causeway::bench
