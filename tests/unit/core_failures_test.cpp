// SPDX-License-Identifier: Apache-2.0
//
// Each system call fails in turn, found by counting them: the error is told, nothing is left behind, and the
// next attempt works. A new call in the core is covered by itself.
#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class CoreFailures : public CoreTest, public ::testing::WithParamInterface<int> {
protected:
  /// Runs an attempt with each of its calls failing; undisturbed it has to succeed.
  template <class Attempt>
  void with_each_call_failing(Attempt&& attempt) {
    std::size_t told = 0;
    std::size_t runs = 0;
    for_each_failing_call(GetParam(), [&](const std::string& failing) {
      ++runs;
      const auto before = kernel.live_dma_bufs();
      const auto result = attempt();
      if (failing.find("munmap") == std::string::npos) {  // what the kernel does not unmap stays, of course
        EXPECT_EQ(kernel.live_dma_bufs(), before);
      }
      if (failing.empty()) {
        EXPECT_TRUE(result) << result.error().message();
      } else if (!result) {
        EXPECT_TRUE(is_told(result.error()));
        ++told;
      }
    });
    EXPECT_GT(runs, 2U) << "nothing was there to fail";
    EXPECT_GT(told, 0U) << "no failure was ever told";
    const auto again = attempt();
    EXPECT_TRUE(again) << "the state is as before: " << again.error().message();
  }
};

TEST_P(CoreFailures, AllocateByNegotiation) {
  for (const std::string exporter : {"udmabuf", kSystem, "memfd"}) {
    SCOPED_TRACE(exporter);
    with_each_call_failing([&]() -> Result<void> {
      auto device = runtime().open_device("testdma", {.id = "dma"});
      auto through_cpu = runtime().open_device("testdma", {.id = "via-cpu"});
      if (!device || !through_cpu) {
        return std::move((device ? through_cpu : device).error());
      }
      auto pool = runtime()
                      .negotiate({.format = formats::kNV12, .width = 64, .height = 64})
                      .with(*device, Usage::Read)
                      .with(*through_cpu, Usage::Write)
                      .exporter(exporter)
                      .allocate(2);
      return pool ? Status() : Status(std::move(pool.error()));
    });
  }
}

TEST_P(CoreFailures, WholeLadderGoesOn) {
  // One failing call costs a rung at most, so that the ladder as a whole bears every one of them.
  for_each_failing_call(GetParam(), [&](const std::string& failing) {
    const auto device = open("dma");
    const auto pool = runtime().negotiate(FrameDesc::bytes(kPage)).with(device, Usage::ReadWrite).allocate(1);
    ASSERT_TRUE(pool) << pool.error().message();
    if (failing.find("UDMABUF_CREATE") != std::string::npos) {
      EXPECT_EQ(pool->report().exporter, kSystem);
      EXPECT_EQ(pool->report().refused.size(), 1U);
    }
  });
}

TEST_P(CoreFailures, BufferByHandMappedAndUsed) {
  for (const std::string exporter : {"udmabuf", kSystem, "memfd"}) {
    SCOPED_TRACE(exporter);
    with_each_call_failing([&]() -> Result<void> {
      auto made = runtime().allocate(kPage, exporter);
      if (!made) {
        return std::move(made.error());
      }
      auto mapping = made->map_cpu();
      if (!mapping) {
        return std::move(mapping.error());
      }
      auto access = mapping->begin(Usage::Write, soon());
      if (!access) {
        return std::move(access.error());
      }
      access->bytes().front() = std::byte{1};
      return access->end();
    });
  }
}

TEST_P(CoreFailures, AttachedMappedAndUsed) {
  for (const char* id : {"dma", "via-cpu"}) {
    SCOPED_TRACE(id);
    with_each_call_failing([&]() -> Result<void> {
      auto device = runtime().open_device("testdma", {.id = id});
      auto made = runtime().allocate(kPage, kSystem);
      if (!device || !made) {
        return std::move(device ? made.error() : device.error());
      }
      auto attachment = made->attach(*device, Usage::ReadWrite);
      if (!attachment) {
        return std::move(attachment.error());
      }
      auto mapping = attachment->map(Direction::Bidirectional);
      if (!mapping) {
        return std::move(mapping.error());
      }
      auto access = mapping->begin_access(Usage::Write, soon());
      if (!access) {
        return std::move(access.error());
      }
      return access->end();
    });
  }
}

TEST_P(CoreFailures, RuntimeItself) {
  for_each_failing_call(GetParam(), [&](const std::string&) {
    auto made = make_runtime(kernel.syscalls());
    for (const auto& exporter : made.exporters()) {
      EXPECT_NE(exporter.explanation.find(' '), std::string::npos) << exporter.name;
    }
    EXPECT_TRUE(made.devices());
  });
}

INSTANTIATE_TEST_SUITE_P(Errno, CoreFailures, ::testing::Values(EMFILE, ENOMEM),
                         [](const auto& of) { return of.param == EMFILE ? "EMFILE" : "ENOMEM"; });

// Interruptions are nobody's business but the runtime's: with each call interrupted once, all of it works.
TEST_F(CoreTest, InterruptedCallsAreRepeatedEverywhere) {
  for (const int interruption : {EINTR, EAGAIN}) {
    for (const char* call : {"UDMABUF_CREATE", "DMA_HEAP_IOCTL_ALLOC", "DMA_BUF_IOCTL_SYNC", "ppoll"}) {
      kernel.fail_next(call, interruption);
      const std::string exporter = std::string(call) == "DMA_HEAP_IOCTL_ALLOC" ? kSystem : "udmabuf";
      auto made = runtime().allocate(kPage, exporter);
      ASSERT_TRUE(made) << call << ": " << made.error().message();
      auto access = must(must(made->map_cpu()).begin(Usage::Write, soon()));
      EXPECT_TRUE(access.end());
      kernel.stop_failing();
    }
  }
}

TEST_F(CoreTest, FullTableIsOneErrorOfItsKind) {
  kernel.fail_always("open", EMFILE);
  kernel.fail_always("memfd_create", EMFILE);
  EXPECT_TRUE(fails_with(runtime().negotiate(FrameDesc::bytes(kPage)).allocate(1), Errc::OutOfFds,
                         {"udmabuf", kSystem, kSeparate, "memfd", "ulimit -n"}));
  EXPECT_TRUE(fails_with(runtime().allocate(kPage), Errc::OutOfFds, {"udmabuf", "memfd"}));
  kernel.stop_failing();
  EXPECT_TRUE(runtime().allocate(kPage));
}

}  // namespace
}  // namespace causeway::test
