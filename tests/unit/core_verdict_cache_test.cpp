// SPDX-License-Identifier: Apache-2.0
//
// A proof speaks for its kind: what a driver was seen to do with one buffer is not tried again with the next
// like it, and is tried again with whatever differs.
#include "core/verdict_cache.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class CoreVerdictCache : public CoreTest {
protected:
  Result<AliasVerdict> verdict_on(const Device& device, const DmaBuf& shared,
                                  Usage usage = Usage::ReadWrite) {
    auto attachment = must(shared.attach(device, usage));
    auto mapping = attachment.map(Direction::Bidirectional);
    if (!mapping) {
      return std::move(mapping.error());
    }
    return mapping->verdict();
  }
  /// How many proofs body costs.
  template <class Body>
  std::uint64_t proofs(Body body) {
    const auto before = runtime().counters();
    body();
    return (runtime().counters() - before).alias_proofs;
  }
};

TEST_F(CoreVerdictCache, PoolIsProvedOnceForEachDevice) {
  EXPECT_EQ(proofs([&] {
              const auto pool = must(runtime()
                                         .negotiate(FrameDesc::bytes(kPage))
                                         .with(open("dma"), Usage::ReadWrite)
                                         .with(open("via-cpu"), Usage::ReadWrite)
                                         .allocate(8));
              for (const auto& import : pool.report().imports) {
                EXPECT_EQ(import.verdict, AliasVerdict::Aliased);
              }
            }),
            2U);
}

TEST_F(CoreVerdictCache, NextOfItsKindIsNotProvedAgain) {
  const auto device = open("dma");
  EXPECT_EQ(proofs([&] { EXPECT_EQ(must(verdict_on(device, buffer())), AliasVerdict::Aliased); }), 1U);
  EXPECT_EQ(proofs([&] { EXPECT_EQ(must(verdict_on(device, buffer())), AliasVerdict::Aliased); }), 0U);
}

TEST_F(CoreVerdictCache, WhateverDiffersIsProved) {
  const auto device = open("dma");
  must(verdict_on(device, buffer(kPage, "udmabuf")));
  EXPECT_EQ(proofs([&] { must(verdict_on(device, buffer(kPage, kSystem))); }), 1U) << "the exporter";
  EXPECT_EQ(proofs([&] { must(verdict_on(device, buffer(kPage, kSeparate))); }), 1U) << "the heap";
  EXPECT_EQ(proofs([&] { must(verdict_on(device, buffer(2 * kPage, "udmabuf"))); }), 1U) << "the size";
  EXPECT_EQ(proofs([&] { must(verdict_on(device, buffer(kPage, "udmabuf"), Usage::Read)); }), 1U)
      << "the usage";
  EXPECT_EQ(proofs([&] { must(verdict_on(open("via-cpu"), buffer(kPage, "udmabuf"))); }), 1U) << "the device";
  EXPECT_EQ(proofs([&] { must(verdict_on(open("dma"), buffer(kPage, "udmabuf"))); }), 1U)
      << "the device, opened anew: its driver may be another one";
}

TEST_F(CoreVerdictCache, OtherLayoutIsProved) {
  const auto device = open("dma");
  const auto shared = buffer(2 * kPage);
  EXPECT_EQ(proofs([&] { must(verdict_on(device, shared)); }), 1U);
  EXPECT_EQ(proofs([&] {
              auto attachment = must(frame_over({shared}).attach(device, Usage::ReadWrite));
              must(attachment.map(Direction::Bidirectional));
            }),
            1U);
}

TEST_F(CoreVerdictCache, ForeignDmaBufsAreProvedEachTime) {
  const auto device = open("dma");
  auto elsewhere = must(Runtime::create({.syscalls = kernel.syscalls()}));
  for (int i = 0; i < 2; ++i) {
    const auto theirs = must(elsewhere.allocate(kPage, "udmabuf"));
    const auto fd = must(theirs.dup_fd());
    const auto ours = must(DmaBuf::from_fd(runtime(), fd.borrow()));
    EXPECT_EQ(proofs([&] { must(verdict_on(device, ours)); }), 1U) << "nobody knows who made it";
  }
}

TEST_F(CoreVerdictCache, ForeignSharedMemoryIsOfOneKind) {
  const auto device = open("via-cpu");
  auto elsewhere = must(Runtime::create({.syscalls = kernel.syscalls()}));
  const auto proofs_for = [&](std::uint64_t size) {
    const auto theirs = must(elsewhere.allocate(size, "memfd"));
    const auto fd = must(theirs.dup_fd());
    const auto ours = must(DmaBuf::from_fd(runtime(), fd.borrow()));
    return proofs([&] { EXPECT_EQ(must(verdict_on(device, ours)), AliasVerdict::Aliased); });
  };
  EXPECT_EQ(proofs_for(kPage), 1U);
  EXPECT_EQ(proofs_for(kPage), 0U);
  EXPECT_EQ(proofs_for(2 * kPage), 1U) << "the size";
  EXPECT_EQ(proofs([&] { must(verdict_on(device, buffer(kPage, "memfd"))); }), 1U) << "memory of our own";
}

TEST_F(CoreVerdictCache, WhatNobodyMayWriteBorrowsNoVerdict) {
  const auto device = open("via-cpu");
  const auto& table = *kernel.syscalls();
  const auto memory = [&] {
    UniqueFd memfd(table.memfd_create(table.context, "memory", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(memfd.get(), kPage), 0);
    return memfd;
  };
  const auto writable = memory();
  EXPECT_EQ(must(verdict_on(device, must(DmaBuf::from_fd(runtime(), writable.borrow())), Usage::Read)),
            AliasVerdict::Aliased);
  const auto behind = memory();
  const UniqueFd reader(
      ::open(("/proc/self/fd/" + std::to_string(behind.get())).c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(must(verdict_on(device, must(DmaBuf::from_fd(runtime(), reader.borrow())), Usage::Read)),
            AliasVerdict::Unknown);
}

TEST_F(CoreVerdictCache, CopyIsRefusedEachTime) {
  const auto device = open("never", "copycat");
  EXPECT_EQ(proofs([&] { EXPECT_TRUE(fails_with(verdict_on(device, buffer()), Errc::WouldCopy)); }), 1U);
  EXPECT_EQ(proofs([&] { EXPECT_TRUE(fails_with(verdict_on(device, buffer()), Errc::WouldCopy)); }), 0U);
}

TEST_F(CoreVerdictCache, FailedProofIsNoVerdict) {
  const auto device = open("dma,fail_probe=9,after=0");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(proofs([&] { EXPECT_TRUE(fails_with(verdict_on(device, buffer()), Errc::DeviceLost)); }), 1U);
  }
}

TEST(CoreVerdictCacheAlone, ForgetsTheOldestKind) {
  core::VerdictCache cache;
  const auto kind = [](std::size_t number) {
    core::ImportKind made;
    made.import_path = std::to_string(number);
    return made;
  };
  for (std::size_t i = 0; i <= core::VerdictCache::kCapacity; ++i) {
    cache.keep(kind(i), AliasVerdict::Aliased);
  }
  EXPECT_FALSE(cache.find(kind(0)));
  EXPECT_EQ(cache.find(kind(1)), AliasVerdict::Aliased);
  EXPECT_EQ(cache.find(kind(core::VerdictCache::kCapacity)), AliasVerdict::Aliased);
}

}  // namespace
}  // namespace causeway::test
