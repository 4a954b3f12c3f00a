// SPDX-License-Identifier: Apache-2.0
//
// Each system call fails in turn, found by counting them: the error is told, nothing is left behind, and the
// next attempt works; an interruption is nobody's business but the runtime's. A new call in the core is
// covered by itself.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class CoreFailures : public CoreTest, public ::testing::WithParamInterface<int> {
protected:
  /// Whether the runtime has to make such a call again until it succeeds: all that a signal interrupts, and
  /// ioctl, ppoll and madvise, whose EAGAIN asks for that (dma-buf.h, "restart", ppoll(2), madvise(2)).
  static bool is_repeated(const std::string& failing) {
    const auto is = [&](const char* call) { return failing.find(call) != std::string::npos; };
    return GetParam() == EINTR ||
           (GetParam() == EAGAIN && (is(", ioctl(") || is(", ppoll(") || is(", madvise(")));
  }

  /// The books as they would be told, without the time.
  std::vector<std::string> books() {
    std::vector<std::string> lines;
    for (auto entry : runtime().ledger()) {
      entry.age = {};
      lines.push_back(entry.to_string());
    }
    return lines;
  }

  /// Runs an attempt with each of its calls failing; undisturbed it has to succeed.
  template <class Attempt>
  void with_each_call_failing(Attempt&& attempt) {
    std::size_t told = 0;
    std::size_t runs = 0;
    for_each_failing_call(GetParam(), [&](const std::string& failing) {
      ++runs;
      const auto before = kernel.live_dma_bufs();
      const auto books_before = books();
      const auto result = attempt();
      if (GetParam() == EINTR ||
          failing.find("munmap") == std::string::npos) {  // what the kernel does not unmap stays, of course
        EXPECT_EQ(kernel.live_dma_bufs(), before);
      }
      if (failing.empty() || is_repeated(failing)) {
        EXPECT_TRUE(result) << result.error().message();
      } else if (!result) {
        EXPECT_TRUE(is_told(result.error()));
        EXPECT_EQ(books(), books_before);
        ++told;
      }
    });
    EXPECT_GT(runs, 2U) << "nothing was there to fail";
    if (GetParam() != EINTR) {
      EXPECT_GT(told, 0U) << "no failure was ever told";
    }
    const auto again = attempt();
    EXPECT_TRUE(again) << "the state is as before: " << again.error().message();
  }
};

template <class T>
Status status_of(const Result<T>& result) {
  return result ? Status() : Status(result.error());
}

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
    if (failing.find("UDMABUF_CREATE") != std::string::npos && !is_repeated(failing)) {
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
      auto ended = access->end();
      return ended ? Status() : Status(std::move(ended.error()));
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

TEST_P(CoreFailures, LargeBufferOnHugePages) {
  for (const std::string exporter : {"udmabuf", "memfd"}) {
    SCOPED_TRACE(exporter);
    with_each_call_failing(
        [&] { return status_of(runtime().allocate((std::uint64_t{4} << 20U) + kPage, exporter)); });
  }
}

TEST_P(CoreFailures, Import) {
  const UniqueFd memfd(::memfd_create("foreign", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memfd.get(), kPage), 0);
  with_each_call_failing([&] { return status_of(DmaBuf::from_fd(runtime(), memfd.borrow())); });
  for (const bool writable : {true, false}) {
    // Made anew each time, since every run looks for descriptors that were left open.
    with_each_call_failing([&] {
      const UniqueFd fd(kernel.make_dma_buf({.size = kPage, .writable = writable}));
      return status_of(DmaBuf::from_fd(runtime(), fd.borrow()));
    });
  }
}

TEST_P(CoreFailures, KnownBufferImportedAgain) {
  with_each_call_failing([&]() -> Result<void> {
    auto made = runtime().allocate(kPage, kSystem);
    if (!made) {
      return std::move(made.error());
    }
    auto fd = made->dup_fd();
    if (!fd) {
      return std::move(fd.error());
    }
    return status_of(DmaBuf::from_fd(runtime(), fd->borrow()));
  });
}

TEST_P(CoreFailures, DeferredStorageSettledAndMoved) {
  with_each_call_failing([&]() -> Result<void> {
    auto made = DmaBuf::create(runtime(), DeferredExporter::describe(runtime(), kPage, "deferred"));
    if (!made) {
      return std::move(made.error());
    }
    {
      auto mapping = made->map_cpu();
      if (!mapping) {
        return std::move(mapping.error());
      }
    }
    for (const char* exporter : {"memfd", kSystem, "udmabuf"}) {
      if (auto moved = made->move_to(exporter); !moved) {
        EXPECT_NE(made->exporter(), exporter);
        EXPECT_TRUE(made->map_cpu()) << "it stayed where it was";
        return moved;
      }
    }
    return {};
  });
}

TEST_P(CoreFailures, DeferredStorageAttachedAndMapped) {
  with_each_call_failing([&]() -> Result<void> {
    auto device = runtime().open_device("testdma", {.id = "dma"});
    auto made = DmaBuf::create(runtime(), DeferredExporter::describe(runtime(), kPage, "deferred"));
    if (!device || !made) {
      return std::move(device ? made.error() : device.error());
    }
    auto attachment = made->attach(*device, Usage::ReadWrite);
    if (!attachment) {
      return std::move(attachment.error());
    }
    auto mapping = attachment->try_map(Direction::Bidirectional);
    if (!mapping) {
      EXPECT_FALSE(made->attachments().at(0).mapped);
      return std::move(mapping.error());
    }
    return status_of(made->dup_fd());
  });
}

// On a buffer that lives on: nothing of an attempt that failed is left in it.
TEST_P(CoreFailures, LivingBufferStaysAsItIs) {
  const auto device = open("dma");
  for (const std::string exporter : {"udmabuf", kSystem, "memfd"}) {
    SCOPED_TRACE(exporter);
    const auto check = [&](auto&& attempt) {
      with_each_call_failing([&]() -> Result<void> {
        auto fresh = runtime().allocate(3 * kPage, exporter);
        if (!fresh) {
          return std::move(fresh.error());
        }
        const auto before = books();
        auto result = attempt(*fresh);
        if (!result) {
          EXPECT_EQ(books(), before);
          auto again = attempt(*fresh);
          EXPECT_TRUE(again) << again.error().message();
        }
        return result;
      });
    };
    check([](const DmaBuf& of) { return status_of(of.map_cpu()); });
    check([](const DmaBuf& of) { return status_of(of.mmap(kPage, 2 * kPage)); });
    check([](const DmaBuf& of) { return status_of(of.map_page(2)); });
    check([](const DmaBuf& of) { return status_of(of.reservation().readiness(Usage::Write)); });
    check([](const DmaBuf& of) { return of.reservation().wait(Usage::Read, Deadline::now()); });
    check([&](const DmaBuf& of) -> Result<void> {
      auto attachment = of.attach(device, Usage::ReadWrite);
      if (!attachment) {
        return std::move(attachment.error());
      }
      return status_of(attachment->map(Direction::Bidirectional));
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Errno, CoreFailures, ::testing::Values(EMFILE, ENOMEM, EINTR, EAGAIN),
                         [](const auto& of) { return std::string(::strerrorname_np(of.param)); });

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
