// SPDX-License-Identifier: Apache-2.0
//
// Memory whose CPU and devices see separate bytes, which only the right SYNC carries over. x86 forgives a
// missing SYNC; this does not.
#include <algorithm>
#include <array>

#include "unit/core_harness.hpp"
#include "unit/core_tampering.hpp"

namespace causeway::test {
namespace {

constexpr std::size_t kAt = kPage + 100;
constexpr auto kOfCpu = std::byte{0xc0};
constexpr auto kOfDevice = std::byte{0xde};

class CoreNonCoherent : public CoreTest {
protected:
  CoreNonCoherent() : CoreTest({.udmabuf_coherent = false}) {}

  std::byte device_sees(const DmaBuf& of) {
    const auto fd = must(of.dup_fd());
    std::byte found{};
    EXPECT_TRUE(kernel.device_read(fd.get(), kAt, std::span(&found, 1)));
    return found;
  }
  void device_writes(const DmaBuf& of, std::byte value) {
    const auto fd = must(of.dup_fd());
    EXPECT_TRUE(kernel.device_write(fd.get(), kAt, std::span(&value, 1)));
  }
  static void cpu_writes(const DmaBuf& of, std::byte value) {
    auto access = must(must(of.map_cpu()).begin(Usage::Write, soon()));
    access.bytes()[kAt] = value;
    must(access.end());
  }
  static std::byte cpu_sees(const DmaBuf& of) {
    auto access = must(must(of.map_cpu()).begin(Usage::Read, soon()));
    const auto found = access.bytes()[kAt];
    must(access.end());
    return found;
  }
};

TEST_F(CoreNonCoherent, BytesAreCarriedOverBothWays) {
  for (const char* exporter : {kSeparate, "udmabuf"}) {
    const auto shared = buffer(2 * kPage, exporter);
    EXPECT_FALSE(info_of(shared).coherent);
    cpu_writes(shared, kOfCpu);
    EXPECT_EQ(device_sees(shared), kOfCpu) << exporter;
    device_writes(shared, kOfDevice);
    EXPECT_EQ(cpu_sees(shared), kOfDevice) << exporter;
  }
}

TEST_F(CoreNonCoherent, DeviceSeesTheCpusBytesAfterTheEndOnly) {
  const auto shared = buffer(2 * kPage, kSeparate);
  auto access = must(must(shared.map_cpu()).begin(Usage::Write, soon()));
  access.bytes()[kAt] = kOfCpu;
  EXPECT_EQ(device_sees(shared), std::byte{0});
  EXPECT_TRUE(access.end());
  EXPECT_EQ(device_sees(shared), kOfCpu);
  expect_violation("A device read dma-buf 1 of exporter vidbuf_cached while the CPU held a SYNC bracket");
  expect_violation("was not carried over");
}

TEST_F(CoreNonCoherent, CpuSeesTheDevicesBytesAfterTheStartOnly) {
  const auto shared = buffer(2 * kPage, kSeparate);
  std::span<const std::byte> kept;
  {
    auto access = must(must(shared.map_cpu()).begin(Usage::Read, soon()));
    kept = access.bytes();  // beyond the access: only a test may look there
    EXPECT_TRUE(access.end());
  }
  device_writes(shared, kOfDevice);
  EXPECT_EQ(kept[kAt], std::byte{0});
  auto access = must(must(shared.map_cpu()).begin(Usage::Read, soon()));
  EXPECT_EQ(kept[kAt], kOfDevice);
  EXPECT_TRUE(access.end());
}

TEST_F(CoreNonCoherent, DeviceOfThePoolWorksOnTheSameBytes) {
  for (const char* exporter : {kSeparate, "udmabuf"}) {
    for (const char* id : {"dma", "via-cpu"}) {
      const auto device = open(id);
      auto pool = must(runtime()
                           .negotiate(FrameDesc::bytes(2 * kPage))
                           .with(device, Usage::ReadWrite)
                           .exporter(exporter)
                           .allocate(1));
      EXPECT_EQ(pool.report().imports.at(0).verdict, AliasVerdict::Aliased) << exporter << ' ' << id;
      auto lease = must(pool.acquire(soon()));
      const auto& view = *static_cast<const DmaView*>(lease->on(device).native(kDmaView));
      cpu_writes(lease->frame().objects()[0], kOfCpu);
      std::byte found{};
      auto access = must(lease->on(device).begin_access(Usage::ReadWrite, soon()));
      EXPECT_TRUE(view.read(0, kAt, std::span(&found, 1)));
      EXPECT_EQ(found, kOfCpu) << exporter << ' ' << id;
      EXPECT_TRUE(view.write(0, kAt, std::span(&kOfDevice, 1)));
      EXPECT_TRUE(access.end());
      EXPECT_EQ(cpu_sees(lease->frame().objects()[0]), kOfDevice) << exporter << ' ' << id;
    }
  }
}

// A udmabuf's first START tends no cache, and destroys what a device wrote (FACTS, udmabuf): it has to come
// before any device can have touched the memory.
TEST_F(CoreNonCoherent, UdmabufIsPrimedBeforeDevicesTouchIt) {
  const auto shared = buffer(2 * kPage, "udmabuf");
  device_writes(shared, kOfDevice);
  EXPECT_EQ(cpu_sees(shared), kOfDevice);
}

TEST_F(CoreNonCoherent, UdmabufThatIsNotPrimedIsNoticed) {
  Tampering tampering(kernel);
  tampering.swallow_sync([](std::size_t nth, std::uint64_t) { return nth < 2; });
  auto unprimed = make_runtime(tampering.table());
  const auto shared = must(unprimed.allocate(2 * kPage, "udmabuf"));
  device_writes(shared, kOfDevice);
  EXPECT_EQ(cpu_sees(shared), std::byte{0});
  expect_violation("prime a udmabuf");
}

TEST_F(CoreNonCoherent, WithoutEndsTheDeviceSeesOldBytes) {
  Tampering tampering(kernel);
  tampering.swallow_sync([](std::size_t, std::uint64_t flags) { return (flags & DMA_BUF_SYNC_END) != 0; });
  auto careless = make_runtime(tampering.table());
  const auto shared = must(careless.allocate(2 * kPage, kSeparate));
  cpu_writes(shared, kOfCpu);
  EXPECT_EQ(device_sees(shared), std::byte{0});
  expect_violation("no SYNC END with WRITE came after it");
  expect_violation("while the CPU held a SYNC bracket");
  expect_violation("was still open");
}

TEST_F(CoreNonCoherent, WithoutStartsTheCpuSeesOldBytes) {
  Tampering tampering(kernel);
  tampering.swallow_sync([](std::size_t, std::uint64_t flags) { return (flags & DMA_BUF_SYNC_END) == 0; });
  auto careless = make_runtime(tampering.table());
  const auto shared = must(careless.allocate(2 * kPage, kSeparate));
  EXPECT_EQ(cpu_sees(shared), std::byte{0});
  device_writes(shared, kOfDevice);
  EXPECT_EQ(cpu_sees(shared), std::byte{0});
  expect_violation("came without a START");
}

/// A whole life of a frame: allocated, proved, written by the CPU, worked on by a device, read by the CPU.
/// Returns what the last two saw.
class CoreEverySync : public CoreNonCoherent {
protected:
  std::array<std::byte, 2> live(const cw_syscalls* table, const std::string& exporter, const char* id) {
    auto under_test = make_runtime(table);
    const auto device = must(under_test.open_device("testdma", {.id = id}));
    auto pool = must(under_test.negotiate(FrameDesc::bytes(2 * kPage))
                         .with(device, Usage::ReadWrite)
                         .exporter(exporter)
                         .allocate(1));
    const auto frame = pool.frame(0);
    const auto shared = frame.frame().objects()[0];
    cpu_writes(shared, kOfCpu);
    std::array<std::byte, 2> seen{};
    const auto& view = *static_cast<const DmaView*>(frame.on(device).native(kDmaView));
    auto access = must(frame.on(device).begin_access(Usage::ReadWrite, soon()));
    must(view.read(0, kAt, std::span(seen.data(), 1)));
    must(view.write(0, kAt, std::span(&kOfDevice, 1)));
    must(access.end());
    seen[1] = cpu_sees(shared);
    return seen;
  }
};

TEST_F(CoreEverySync, LeavingAnyOneOutIsNoticed) {
  constexpr std::array kRight{kOfCpu, kOfDevice};
  for (const std::string exporter : {kSeparate, "udmabuf"}) {
    for (const char* id : {"dma", "via-cpu"}) {
      Tampering tampering(kernel);
      tampering.swallow_sync([](std::size_t, std::uint64_t) { return false; });
      ASSERT_EQ(live(tampering.table(), exporter, id), kRight);
      ASSERT_THAT(kernel.verify(), ::testing::IsEmpty());
      const auto all = tampering.seen();
      ASSERT_GE(all, 4U);
      std::size_t wrong_bytes = 0;
      for (std::size_t left_out = 0; left_out < all; ++left_out) {
        Tampering one(kernel);
        one.swallow_sync([&](std::size_t nth, std::uint64_t) { return nth == left_out; });
        bool refused = false;
        std::array<std::byte, 2> seen{};
        try {
          seen = live(one.table(), exporter, id);
        } catch (const std::exception&) {
          refused = true;  // the alias proof, say, found separate bytes
        }
        EXPECT_EQ(one.swallowed(), 1U);
        wrong_bytes += refused || seen != kRight ? 1U : 0U;
        EXPECT_TRUE(refused || seen != kRight || !kernel.verify().empty())
            << "SYNC " << left_out << " of " << all << " can be left out with " << exporter << ", " << id;
        kernel.forget_violations();
      }
      EXPECT_GE(wrong_bytes, 2U) << "at least the CPU's END and its START change what is seen";
    }
  }
}

}  // namespace
}  // namespace causeway::test
