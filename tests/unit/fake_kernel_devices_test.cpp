// SPDX-License-Identifier: Apache-2.0
//
// The test devices (support/dma_device.hpp, support/copying_device.hpp) do through the runtime what they are
// there for. What the runtime itself has to do stands in unit_core and in the contract.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <causeway/runtime.hpp>
#include <chrono>
#include <cstddef>
#include <string>

#include "support/copying_device.hpp"
#include "support/dma_device.hpp"
#include "support/fake_kernel_fixture.hpp"

namespace causeway::test {
namespace {

using namespace std::chrono_literals;

constexpr FrameDesc kImage{.format = formats::kXRGB8888, .width = 60, .height = 50};
constexpr auto kMine = std::byte{0x3c};
constexpr auto kDevices = std::byte{0xde};

class FakeKernelDevices : public FakeKernelTest {
protected:
  Runtime make_runtime() {
    auto runtime = Runtime::create({.syscalls = kernel.syscalls(),
                                    .backends = {&testdma_backend, &copycat_backend},
                                    .builtin_backends = false,
                                    .log = [](LogLevel, std::string_view) {}});
    EXPECT_TRUE(runtime) << (runtime ? "" : runtime.error().message());
    return std::move(*runtime);
  }
  static Device open(Runtime& runtime, const char* backend, std::string id) {
    auto device = runtime.open_device(backend, {.id = std::move(id)});
    EXPECT_TRUE(device) << (device ? "" : device.error().message());
    return std::move(*device);
  }
  // A pool of one frame for one device, on that exporter ("" for the ladder).
  Result<FramePool> allocate(const std::string& backend, const std::string& id,
                             const std::string& exporter = {}) {
    auto runtime = make_runtime();
    const auto device = open(runtime, backend.c_str(), id);
    auto negotiation = runtime.negotiate(kImage);
    negotiation.with(device, Usage::ReadWrite);
    if (!exporter.empty()) {
      negotiation.exporter(exporter);
    }
    return negotiation.allocate(1);
  }
  void expect_exporter(const std::string& id, const std::string& exporter) {
    const auto pool = allocate("testdma", id);
    ASSERT_TRUE(pool) << pool.error().message();
    EXPECT_EQ(pool->report().exporter, exporter);
  }
};

TEST_F(FakeKernelDevices, AllAreEnumerated) {
  auto runtime = make_runtime();
  EXPECT_EQ(runtime.devices("testdma")->size(), 4U);
  EXPECT_EQ(runtime.devices("copycat")->size(), 2U);
  EXPECT_EQ(runtime.open_device("testdma", {.id = "warp-drive"}).error().code(), Errc::NotFound);
  EXPECT_EQ(runtime.open_device("testdma", {.id = "dma,fail_open=4"}).error().code(), Errc::Permission);
}

TEST_F(FakeKernelDevices, WellBehavedOnesAreProvedOnEveryExporter) {
  for (const char* exporter : {"udmabuf", "dma_heap:system", "dma_heap:vidbuf_cached", "memfd"}) {
    for (const char* id : {"dma", "via-cpu"}) {
      const auto pool = allocate("testdma", id, exporter);
      ASSERT_TRUE(pool) << id << " on " << exporter << ": " << pool.error().message();
      EXPECT_EQ(pool->report().imports.at(0).verdict, AliasVerdict::Aliased) << id << " on " << exporter;
    }
  }
}

TEST_F(FakeKernelDevices, NeverCopyingBackIsFoundOut) {
  const auto pool = allocate("copycat", "never");
  ASSERT_FALSE(pool);
  EXPECT_NE(pool.error().message().find("copy"), std::string::npos) << pool.error().message();
}

TEST_F(FakeKernelDevices, CopyingOnDemandIsNotTakenForAliased) {
  const auto pool = allocate("copycat", "may-copy");
  ASSERT_TRUE(pool) << pool.error().message();
  EXPECT_EQ(pool->report().imports.at(0).verdict, AliasVerdict::Unknown);
}

// From the CPU to the device, back, and from one device to another, where nothing but SYNC carries the bytes:
// a single missing START or END loses data here, or is told by the fake kernel.
void hand_over(const Frame& frame, const Mapping& device, const Mapping& other) {
  const auto deadline = Deadline::in(5s);
  const auto view_of = [](const Mapping& mapping) {
    return static_cast<const DmaView*>(mapping.native(kDmaView));
  };
  {
    auto cpu = frame.begin_cpu_access(Usage::Write, deadline);
    ASSERT_TRUE(cpu) << cpu.error().message();
    std::fill(cpu->bytes().begin(), cpu->bytes().end(), kMine);
    ASSERT_TRUE(cpu->end());
  }
  std::array<std::byte, 4> seen{};
  {
    auto access = device.begin_access(Usage::ReadWrite, deadline);
    ASSERT_TRUE(access) << access.error().message();
    ASSERT_TRUE(view_of(device)->read(0, 100, seen));
    ASSERT_TRUE(view_of(device)->write(0, 200, std::array{kDevices}));
    ASSERT_TRUE(access->end());
  }
  EXPECT_EQ(seen, (std::array{kMine, kMine, kMine, kMine}));
  {
    auto access = other.begin_access(Usage::Read, deadline);
    ASSERT_TRUE(access) << access.error().message();
    ASSERT_TRUE(view_of(other)->read(0, 198, seen));
    ASSERT_TRUE(access->end());
  }
  EXPECT_EQ(seen, (std::array{kMine, kMine, kDevices, kMine}));
  auto cpu = frame.begin_cpu_access(Usage::Read, deadline);
  ASSERT_TRUE(cpu) << cpu.error().message();
  EXPECT_EQ(cpu->bytes()[200], kDevices);
  EXPECT_EQ(cpu->bytes()[201], kMine);
  ASSERT_TRUE(cpu->end());
}

TEST_F(FakeKernelDevices, AllHandOverWhereNothingIsCoherent) {
  kernel.configure([](FakeConfig& config) { config.udmabuf_coherent = false; });
  auto runtime = make_runtime();
  const auto dma = open(runtime, "testdma", "dma");
  const auto via_cpu = open(runtime, "testdma", "via-cpu");
  for (const char* exporter : {"udmabuf", "dma_heap:vidbuf_cached"}) {
    SCOPED_TRACE(exporter);
    const auto pool = runtime.negotiate(kImage)
                          .with(dma, Usage::ReadWrite)
                          .with(via_cpu, Usage::ReadWrite)
                          .exporter(exporter)
                          .allocate(1);
    ASSERT_TRUE(pool) << pool.error().message();
    const auto frame = pool->frame(0);
    hand_over(frame.frame(), frame.on(dma), frame.on(via_cpu));
    hand_over(frame.frame(), frame.on(via_cpu), frame.on(dma));
  }
}

TEST_F(FakeKernelDevices, RefusalsLeadDownTheLadder) {
  expect_exporter("dma", "udmabuf");
  expect_exporter("dma,refuse=udmabuf", "dma_heap:system");
  kernel.configure([](FakeConfig& config) { config.heaps.clear(); });
  expect_exporter("dma,refuse=udmabuf", "memfd");
  const auto none = allocate("testdma", "no-memfd,refuse=udmabuf");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::Unsupported) << none.error().message();
}

TEST_F(FakeKernelDevices, PinnableOneGetsTheMemfdBeneath) {
  expect_exporter("pinnable", "udmabuf");
  kernel.configure([](FakeConfig& config) { config.udmabuf = false; });
  expect_exporter("pinnable", "memfd");
}

TEST_F(FakeKernelDevices, StridesAreAsAskedFor) {
  const auto aligned = allocate("testdma", "dma,stride_align=256");
  ASSERT_TRUE(aligned) << aligned.error().message();
  EXPECT_EQ(aligned->frame(0).frame().layout().planes.at(0).stride, 256U);
  const auto exact = allocate("testdma", "dma,exact_stride=320");
  ASSERT_TRUE(exact) << exact.error().message();
  EXPECT_EQ(exact->frame(0).frame().layout().planes.at(0).stride, 320U);
}

TEST_F(FakeKernelDevices, SizesAreLimitedBeforehandOrAtAttach) {
  EXPECT_FALSE(allocate("testdma", "dma,max_object=4096"));
  const auto trial = allocate("testdma", "dma,attach_max=4096");
  ASSERT_FALSE(trial);
  EXPECT_NE(trial.error().message().find("at most 4096 bytes"), std::string::npos) << trial.error().message();
}

TEST_F(FakeKernelDevices, FailuresComeWhenAsked) {
  EXPECT_EQ(allocate("testdma", "dma,fail_query=9").error().code(), Errc::DeviceLost);
  for (const char* id : {"dma,fail_attach=12", "dma,fail_map=12", "dma,fail_attach=5,after=1"}) {
    static_cast<void>(allocate("testdma", id));  // whatever it answers, nothing may be left behind
  }
}

}  // namespace
}  // namespace causeway::test
