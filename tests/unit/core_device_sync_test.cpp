// SPDX-License-Identifier: Apache-2.0
//
// SYNC around devices that work through the CPU, and later than their turn: START not before everybody else's
// bytes are there, END not before their own are.
#include <array>
#include <cstddef>
#include <cstring>
#include <thread>

#include "unit/core_queue_harness.hpp"

namespace causeway::test {
namespace {

using CoreDeviceSync = QueueTest;

TEST_F(CoreDeviceSync, EndIsOwedUntilTheDeviceIsDone) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device,via_cpu");
  const auto before = runtime().counters();
  work(view, Usage::Write, "write");
  EXPECT_EQ((runtime().counters() - before).sync_starts, 1U);
  EXPECT_EQ((runtime().counters() - before).sync_ends, 0U);  // it would come too early
  EXPECT_EQ(view.queue().run(), 1U);
  EXPECT_TRUE(must(must(memory.map_cpu()).begin(Usage::Read, soon())).end());
  const auto done = runtime().counters() - before;
  EXPECT_EQ(done.sync_starts, 2U);
  EXPECT_EQ(done.sync_ends, 1U);
  EXPECT_EQ(done.sync_owed, 2U);
  EXPECT_EQ(done.sync_paid, 1U) << "the device's; the CPU's own is owed now";
}

TEST_F(CoreDeviceSync, EndIsPaidBeforeADeviceThatReadsMemory) {
  const auto memory = buffer();
  const auto cpu_like = on_queue(memory, "fences=device,via_cpu,thread");
  const auto hardware = on_queue(memory, "fences=device,waits");
  const auto before = runtime().counters();
  work(cpu_like, Usage::Write, "write");
  auto access = must(hardware.mapping.begin_access(Usage::Read, soon()));
  EXPECT_EQ((runtime().counters() - before).sync_ends, 1U);
  EXPECT_TRUE(access.end());
}

TEST_F(CoreDeviceSync, StartComesAfterWhatWroteMemoryPastTheCaches) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device,via_cpu,waits");
  auto unknown = must(HostEvent::create(runtime()));
  auto coherent = must(HostEvent::create(runtime(), Producer::CacheCoherent));
  const std::array known{coherent.fence()};
  EXPECT_TRUE(must(view.mapping.begin_access(Usage::Read, known, Deadline::now())).end());
  const std::array by_anyone{unknown.fence()};
  EXPECT_TRUE(fails_with(view.mapping.begin_access(Usage::Read, by_anyone, Deadline::now()), Errc::TimedOut));
  const auto shared = buffer(kPage, "memfd");  // no SYNC there, so nothing can come too early
  const auto of_memfd = on(view.device, shared);
  EXPECT_TRUE(must(of_memfd.mapping.begin_access(Usage::Read, by_anyone, Deadline::now())).end());
  must(coherent.signal());
  must(unknown.signal());
}

TEST_F(CoreDeviceSync, DebtIsPaidBeforeTheDescriptorLeaves) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device,via_cpu");
  work(view, Usage::Write, "write");
  EXPECT_TRUE(fails_with(memory.fd(), Errc::Busy));
  EXPECT_EQ(view.queue().run(), 1U);
  const auto before = runtime().counters();
  EXPECT_TRUE(memory.fd());
  EXPECT_EQ((runtime().counters() - before).sync_ends, 1U);
}

// ---- The same where the CPU and devices see separate bytes, which only SYNC carries over

constexpr std::array kOld{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
constexpr std::array kNew{std::byte{9}, std::byte{8}, std::byte{7}, std::byte{6}};
using Four = std::array<std::byte, 4>;

TEST_F(CoreDeviceSync, BytesWrittenLateReachADeviceThatReadsMemory) {
  const auto memory = buffer(kPage, kSeparate);
  const auto cpu = must(memory.map_cpu());
  std::byte* bytes = nullptr;
  {
    auto access = must(cpu.begin(Usage::Write, soon()));
    bytes = access.bytes().data();
    std::memcpy(bytes, kOld.data(), kOld.size());
    must(access.end());
  }
  const auto writer = on_queue(memory, "fences=device,via_cpu");
  auto dma = must(memory.attach(open("dma"), Usage::Read));
  const auto reader = must(dma.map(Direction::ToDevice));
  {
    auto access = must(writer.mapping.begin_access(Usage::Write, soon()));
    writer.queue().submit([bytes] { std::memcpy(bytes, kNew.data(), kNew.size()); });
    EXPECT_TRUE(access.end());
  }
  // Not before the writer is done, since its END is owed until then.
  EXPECT_TRUE(fails_with(reader.begin_access(Usage::Read, Deadline::now()), Errc::TimedOut));
  writer.queue().run();
  auto access = must(reader.begin_access(Usage::Read, soon()));
  Four seen{};
  must(static_cast<const DmaView*>(reader.native(kDmaView))->read(0, 0, seen));
  EXPECT_TRUE(access.end());
  EXPECT_EQ(seen, kNew);
}

TEST_F(CoreDeviceSync, BytesOfADeviceThatWritesMemoryAreThereWhenTheCpuLooks) {
  for (const auto producer : {Producer::Unknown, Producer::CacheCoherent}) {
    const auto memory = buffer(kPage, kSeparate);
    const auto cpu = must(memory.map_cpu());
    std::byte* bytes = nullptr;
    {
      auto access = must(cpu.begin(Usage::Write, soon()));
      bytes = access.bytes().data();
      std::memcpy(bytes, kOld.data(), kOld.size());
      must(access.end());
    }
    const auto fd = must(memory.dup_fd());
    const auto reader = on_queue(memory, "fences=device,via_cpu,waits");
    auto written = must(HostEvent::create(runtime(), producer));
    std::thread hardware;
    const auto write = [&] {
      EXPECT_TRUE(kernel.device_write(fd.get(), 0, kNew));
      must(written.signal());
    };
    const std::array waits_for_it{written.fence()};
    const bool vouched_for = producer == Producer::CacheCoherent;
    if (!vouched_for) {
      hardware = std::thread([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        write();
      });
    }
    auto access = must(reader.mapping.begin_access(Usage::Read, waits_for_it, soon()));
    if (vouched_for) {
      write();
    } else {
      hardware.join();
    }
    Four seen{};
    reader.queue().submit([&] { std::memcpy(seen.data(), bytes, seen.size()); });
    EXPECT_EQ(reader.queue().run(), 1U);
    EXPECT_TRUE(access.end());
    // The safeguard taken away: who vouches wrongly for a producer reads what was there before.
    EXPECT_EQ(seen, vouched_for ? kOld : kNew);
    if (vouched_for) {
      must(must(cpu.begin(Usage::Read, soon())).end());  // closes the device's bracket
      kernel.forget_violations();  // the device wrote within the bracket, as this test wants it
    }
  }
}

}  // namespace
}  // namespace causeway::test
