// SPDX-License-Identifier: Apache-2.0
//
// The alias proof: whether device and CPU see the same bytes is tried, never believed.
#include <algorithm>

#include "unit/core_harness.hpp"
#include "unit/core_producer.hpp"

namespace causeway::test {
namespace {

class CoreAlias : public CoreTest {
protected:
  void SetUp() override {
    CoreTest::SetUp();
    Producer::behaviour() = Producer::Behaviour::Honest;
  }
  static void fill(const DmaBuf& of) {
    auto access = must(must(of.map_cpu()).begin(Usage::Write, soon()));
    for (std::size_t i = 0; i < access.bytes().size(); ++i) {
      access.bytes()[i] = pattern(i);
    }
    must(access.end());
  }
  static std::byte pattern(std::size_t i) { return static_cast<std::byte>(i * 7 + i / kPage); }
  /// Where the memory differs from what fill() left.
  static std::vector<std::size_t> changed(const DmaBuf& of) {
    std::vector<std::size_t> found;
    auto access = must(must(of.map_cpu()).begin(Usage::Read, soon()));
    for (std::size_t i = 0; i < access.bytes().size(); ++i) {
      if (access.bytes()[i] != pattern(i)) {
        found.push_back(i);
      }
    }
    must(access.end());
    return found;
  }
  Result<AliasVerdict> prove(const DmaBuf& shared, const Device& device, bool allow_copy = false) {
    auto attachment = must(shared.attach(device, Usage::ReadWrite));
    auto mapping = attachment.map(Direction::Bidirectional, allow_copy);
    if (!mapping) {
      return std::move(mapping.error());
    }
    EXPECT_TRUE(mapping->valid());
    return mapping->verdict();
  }
};

TEST_F(CoreAlias, HonestDevicesAreAliased) {
  for (const char* id : {"dma", "via-cpu"}) {
    const auto device = open(id);
    for (const char* exporter : {"udmabuf", kSystem, kSeparate, "memfd"}) {
      const auto shared = buffer(5 * kPage, exporter);
      fill(shared);
      EXPECT_EQ(must(prove(shared, device)), AliasVerdict::Aliased) << id << ' ' << exporter;
      EXPECT_TRUE(changed(shared).empty()) << id << ' ' << exporter;
    }
  }
}

TEST_F(CoreAlias, DeviceThatNeedsAnOperationThatMayCopyIsUnknown) {
  const auto device = open("may-copy", "copycat");
  const auto shared = buffer(5 * kPage);
  fill(shared);
  EXPECT_EQ(must(prove(shared, device)), AliasVerdict::Unknown) << "it maps, and is reported";
  EXPECT_TRUE(changed(shared).empty());
}

TEST_F(CoreAlias, CopyingDeviceIsFoundOut) {
  const auto device = open("never", "copycat");
  const auto shared = buffer(5 * kPage);
  fill(shared);
  EXPECT_TRUE(fails_with(prove(shared, device), Errc::WouldCopy, {"copying device never", "allow_copy"}));
  EXPECT_TRUE(changed(shared).empty()) << "also after the refusal";
  EXPECT_EQ(must(prove(shared, device, true)), AliasVerdict::Copied) << "accepted, and reported";
  EXPECT_TRUE(changed(shared).empty());
}

TEST_F(CoreAlias, RefusedMappingCanBeTriedAgain) {
  const auto device = open("never", "copycat");
  const auto shared = buffer();
  auto attachment = must(shared.attach(device, Usage::ReadWrite));
  EXPECT_TRUE(fails_with(attachment.map(Direction::Bidirectional), Errc::WouldCopy));
  const auto mapping = must(attachment.map(Direction::Bidirectional, true));
  EXPECT_EQ(mapping.verdict(), AliasVerdict::Copied);
  auto access = must(must(shared.map_cpu()).begin(Usage::Write, soon()));
  EXPECT_TRUE(access.end()) << "the proof gave its turn back";
}

TEST_F(CoreAlias, NegotiationRefusesCopiesToo) {
  const auto device = open("never", "copycat");
  auto negotiation = runtime().negotiate(FrameDesc::bytes(kPage));
  negotiation.with(device, Usage::Read);
  EXPECT_TRUE(
      fails_with(negotiation.allocate(1), Errc::WouldCopy, {"copying device never", "udmabuf", "memfd"}));
  const auto pool = must(negotiation.allow_copy().allocate(2));
  EXPECT_EQ(pool.report().imports.at(0).verdict, AliasVerdict::Copied);
  EXPECT_EQ(pool.report().imports.at(0).device, "copying device never");
  EXPECT_EQ(pool.report().imports.at(0).backend, "copycat");
  EXPECT_EQ(pool.report().imports.at(0).import_path, "dma-buf");
  EXPECT_EQ(pool.frame(1).on(device).verdict(), AliasVerdict::Copied);
}

TEST_F(CoreAlias, EveryObjectOfAFrameIsProved) {
  const auto left = buffer(2 * kPage);
  const auto right = buffer(2 * kPage);
  fill(left);
  fill(right);
  const auto device = open("dma");
  auto attachment = must(frame_over({left, right}).attach(device, Usage::ReadWrite));
  EXPECT_EQ(must(attachment.map(Direction::Bidirectional)).verdict(), AliasVerdict::Aliased);
  EXPECT_TRUE(changed(left).empty());
  EXPECT_TRUE(changed(right).empty());
}

TEST_F(CoreAlias, BusyBufferIsLeftAlone) {
  const auto device = open("dma");
  const auto shared = buffer(2 * kPage);
  fill(shared);
  auto attachment = must(shared.attach(device, Usage::ReadWrite));
  auto access = must(must(shared.map_cpu()).begin(Usage::Read, soon()));
  EXPECT_TRUE(fails_with(attachment.map(Direction::Bidirectional), Errc::Busy, {"alias proof"}));
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(changed(shared).empty());
  EXPECT_EQ(must(attachment.map(Direction::Bidirectional)).verdict(), AliasVerdict::Aliased);
}

TEST_F(CoreAlias, DeviceThatFailsAtItIsAnErrorAndTheBytesAreBack) {
  const auto shared = buffer(5 * kPage);
  fill(shared);
  for (int after = 0; after < 6; ++after) {  // three places, each read and written
    const auto device = open("dma,fail_probe=9,after=" + std::to_string(after));
    EXPECT_TRUE(fails_with(prove(shared, device), Errc::DeviceLost, {"told to fail"})) << after;
    EXPECT_TRUE(changed(shared).empty()) << after;
  }
  auto access = must(must(shared.map_cpu()).begin(Usage::Write, soon()));
  EXPECT_TRUE(access.end());
}

TEST_F(CoreAlias, DeviceThatCannotBeAskedIsUnknown) {
  const auto device = open("dma,fail_probe=2");  // CW_UNSUPPORTED
  const auto shared = buffer();
  EXPECT_EQ(must(prove(shared, device)), AliasVerdict::Unknown);
}

TEST_F(CoreAlias, ProofOfASmallPictureIsWithinIt) {
  const auto device = open("dma");
  auto pool = must(runtime()
                       .negotiate({.format = formats::kR8, .width = 1, .height = 1})
                       .with(device, Usage::ReadWrite)
                       .allocate(1));
  EXPECT_EQ(pool.report().imports.at(0).verdict, AliasVerdict::Aliased);
}

// ---- Sources, which write what they like

class CoreAliasProducer : public CoreAlias {
protected:
  Result<AliasVerdict> prove_producer(const DmaBuf& shared, bool allow_copy = false) {
    auto made = must(Runtime::create(
        {.syscalls = kernel.syscalls(), .backends = {&producer_backend}, .builtin_backends = false}));
    const auto fd = must(shared.dup_fd());
    const auto there = must(DmaBuf::from_fd(made, fd.borrow()));
    const auto source = must(made.open_device("producer"));
    auto attachment = must(frame_over({there}).attach(source, Usage::Capture));
    auto mapping = attachment.map(Direction::FromDevice, allow_copy);
    if (!mapping) {
      return std::move(mapping.error());
    }
    return mapping->verdict();
  }
};

TEST_F(CoreAliasProducer, WritingSourceIsAliased) {
  const auto shared = buffer(2 * kPage);
  fill(shared);
  EXPECT_EQ(must(prove_producer(shared)), AliasVerdict::Aliased);
  const auto left = changed(shared);
  EXPECT_TRUE(std::all_of(left.begin(), left.end(), [](std::size_t at) { return at < kPage; }))
      << "behind the picture of one page nothing was touched";
}

TEST_F(CoreAliasProducer, SourceThatWritesElsewhereIsFoundOut) {
  const auto shared = buffer(2 * kPage);
  fill(shared);
  Producer::behaviour() = Producer::Behaviour::WritesElsewhere;
  EXPECT_TRUE(fails_with(prove_producer(shared), Errc::WouldCopy));
  EXPECT_EQ(must(prove_producer(shared, true)), AliasVerdict::Copied);
  EXPECT_TRUE(changed(shared).empty());
}

TEST_F(CoreAliasProducer, SourceThatWritesHalfIsUnknown) {
  const auto shared = buffer(2 * kPage);
  Producer::behaviour() = Producer::Behaviour::WritesHalf;
  EXPECT_EQ(must(prove_producer(shared)), AliasVerdict::Unknown);
}

TEST_F(CoreAliasProducer, SourceThatFailsIsAnErrorAndTheBytesAreBack) {
  const auto shared = buffer(2 * kPage);
  fill(shared);
  Producer::behaviour() = Producer::Behaviour::Fails;
  EXPECT_TRUE(fails_with(prove_producer(shared), Errc::TimedOut, {"no picture"}));
  EXPECT_TRUE(changed(shared).empty());
}

}  // namespace
}  // namespace causeway::test
