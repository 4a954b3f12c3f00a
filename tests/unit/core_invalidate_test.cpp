// SPDX-License-Identifier: Apache-2.0
//
// Mapping::invalidate(): a driver that goes on showing what it imported is made to import anew.
#include "support/copying_device.hpp"
#include "unit/core_queue_harness.hpp"

namespace causeway::test {
namespace {

class CoreInvalidate : public QueueTest {
protected:
  /// On a device that took a copy when it was attached, and works on that.
  Mapping stale(const DmaBuf& memory) {
    attachments_.push_back(must(memory.attach(open("never", "copycat"), Usage::ReadWrite)));
    return must(attachments_.back().map(Direction::Bidirectional, true));
  }
  static void write(const DmaBuf& memory, std::byte value) {
    auto access = must(must(memory.map_cpu()).begin(Usage::Write, soon()));
    access.bytes()[7] = value;
    must(access.end());
  }
  void TearDown() override {
    attachments_.clear();
    QueueTest::TearDown();
  }

private:
  std::vector<Attachment> attachments_;
};

TEST_F(CoreInvalidate, DeviceSeesWhatWasWrittenSinceItsImport) {
  const auto memory = buffer();
  const auto mapping = stale(memory);
  for (const auto value : {std::byte{1}, std::byte{2}}) {
    write(memory, value);
    EXPECT_NE(copycat_sees(mapping.native(kCopycatView), 7), value) << "without it the device sees its copy";
    must(mapping.invalidate(soon()));
    EXPECT_EQ(copycat_sees(mapping.native(kCopycatView), 7), value);
    EXPECT_EQ(mapping.import_path(), "dma-buf");
    EXPECT_TRUE(must(mapping.begin_access(Usage::Read, soon())).end());
  }
}

TEST_F(CoreInvalidate, IsRefusedWhileSomebodyUsesTheMemory) {
  const auto memory = buffer();
  const auto mapping = stale(memory);
  auto access = must(must(memory.map_cpu()).begin(Usage::Read, soon()));
  EXPECT_TRUE(fails_with(mapping.invalidate(soon()), Errc::Busy, {"anew"}));
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(mapping.invalidate(soon()));
  EXPECT_TRUE(fails_with(Mapping().invalidate(soon()), Errc::WrongState));
}

TEST_F(CoreInvalidate, WaitsForWhatTheDeviceWasGiven) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  work(view, Usage::Write, "write");
  EXPECT_TRUE(fails_with(view.mapping.invalidate(Deadline::now()), Errc::TimedOut, {"still at work"}));
  EXPECT_EQ(view.queue().run(), 1U);
  EXPECT_TRUE(view.mapping.invalidate(Deadline::now()));
}

TEST_F(CoreInvalidate, FailedImportIsToldAndMayBeTriedAgain) {
  const auto memory = buffer();
  auto attachment = must(memory.attach(open("dma"), Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  kernel.fail_next("F_DUPFD_CLOEXEC", EMFILE);
  EXPECT_TRUE(fails_with(mapping.invalidate(soon()), Errc::OutOfFds));
  EXPECT_EQ(mapping.native(kDmaView), nullptr);
  EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Write, soon()), Errc::WrongState, {"anew"}));
  EXPECT_TRUE(must(must(memory.map_cpu()).begin(Usage::Write, soon())).end()) << "nobody has a turn";
  must(mapping.invalidate(soon()));
  EXPECT_NE(mapping.native(kDmaView), nullptr);
  EXPECT_TRUE(must(mapping.begin_access(Usage::Write, soon())).end());
}

TEST_F(CoreInvalidate, MappingWithoutAnImportCanBeDropped) {
  const auto memory = buffer();
  auto attachment = must(memory.attach(open("dma"), Usage::ReadWrite));
  {
    const auto mapping = must(attachment.map(Direction::Bidirectional));
    kernel.fail_next("F_DUPFD_CLOEXEC", EMFILE);
    EXPECT_FALSE(mapping.invalidate(soon()));
  }
  EXPECT_TRUE(attachment.map(Direction::Bidirectional)) << "it can be mapped again";
}

}  // namespace
}  // namespace causeway::test
