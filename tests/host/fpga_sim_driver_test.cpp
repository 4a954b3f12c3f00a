// SPDX-License-Identifier: Apache-2.0
//
// The card's driver with jobs that no plan would make: addresses outside, lengths of 0, an image that is
// never complete. Each ends with one sentence, and leaves a card that works.
#include "host/fpga_sim_driver.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Bits, FpgaDriver, ::testing::Values(64U, 512U));

TEST_P(FpgaDriver, ASourceOutside) {
  auto image = good();
  image.in[2].address = 0x7000;
  EXPECT_THAT(failure(image),
              AllOf(HasSubstr("the ring MM2S stopped at descriptor 3 of 4"), HasSubstr("DMADecErr"),
                    HasSubstr("the IOMMU blocked a read of 0x7000, which is not mapped")));
  // It stays as it stopped until it is used again.
  EXPECT_NE(driver_->read_register(rtl::reg::kStatus) & rtl::status::kDmaDecErr, 0U);
  EXPECT_EQ(driver_->faults().count, 1U);
  expect_works();
}

TEST_P(FpgaDriver, ADestinationOutside) {
  auto image = good();
  image.out[1].address = to_[1].address + 4 * rtl::kPage - 64;  // one beat or more is inside
  EXPECT_THAT(failure(image), AllOf(HasSubstr("the ring S2MM stopped at descriptor 2 of 4"),
                                    HasSubstr("blocked a write to")));
  EXPECT_EQ(driver_->faults().last->address, to_[1].address + 4 * rtl::kPage);
  expect_works();
}

TEST_P(FpgaDriver, ADestinationForReadingAlone) {
  auto image = good();
  image.out = map(kBytes, false);
  std::memset(memory() + kBytes, 3, kBytes);
  EXPECT_THAT(failure(image), HasSubstr("which is mapped for reading alone"));
  EXPECT_EQ(memory()[kBytes], std::byte{3});
  expect_works();
}

TEST_P(FpgaDriver, ALengthOfZero) {
  auto image = good();
  image.in[3].length = 0;
  EXPECT_THAT(failure(image), AllOf(HasSubstr("descriptor 4 of 4"), HasSubstr("has length 0")));
  expect_works();
}

TEST_P(FpgaDriver, AnAddressThatIsNoWholeBeat) {
  auto image = good();
  image.out[0].address += 2;
  EXPECT_THAT(failure(image),
              AllOf(HasSubstr("descriptor 1 of 4"), HasSubstr("no multiple of the data path")));
  expect_works();
}

TEST_P(FpgaDriver, ACardThatNeverInterruptsIsReset) {
  const auto stuck = job(endless());
  ASSERT_TRUE(driver_->submit(*stuck));
  while ((driver_->read_register(rtl::reg::kKernelStatus) & rtl::kernel::kMismatch) == 0) {
    std::this_thread::yield();  // until all of the packet was there, however slow this machine is
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto waited = driver_->wait(*stuck, Deadline::in(std::chrono::milliseconds(100)));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(100));
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code(), Errc::TimedOut);
  EXPECT_THAT(waited.error().message(), AllOf(HasSubstr("was reset"), HasSubstr("S2MM_DMASR 0x"),
                                              HasSubstr("size of the kernel's image")));
  EXPECT_EQ(host_.signalled.at(1), ETIMEDOUT);
  EXPECT_EQ(driver_->counts().resets, 1U);
  EXPECT_FALSE(driver_->pending(*stuck));
  EXPECT_EQ(driver_->wait(*stuck, soon()).error().code(), Errc::TimedOut);  // as often as one asks
  driver_->discard(stuck);
  expect_works();
}

// The thread sleeps while nothing can happen: waiting for ever costs nothing.
TEST_P(FpgaDriver, TheClockStandsWhileNothingCanChange) {
  const auto stuck = job(endless());
  ASSERT_TRUE(driver_->submit(*stuck));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const auto before = driver_->counts().clocks;
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(driver_->counts().clocks - before, 20'000U);
  driver_->discard(stuck);
}

// The wall comes up under a transfer: it stops, and writes nothing any more.
TEST_P(FpgaDriver, UnmappedInFlight) {
  std::optional<Error> failure;
  for (int attempt = 0; attempt < 50 && !failure; ++attempt) {  // until it is met in the middle
    auto image = good();
    for (int i = 0; i < 50; ++i) {  // the same memory again and again
      image.in.insert(image.in.end(), from_.begin(), from_.end());
      image.out.insert(image.out.end(), to_.begin(), to_.end());
    }
    image.setting.width *= 51;
    const auto running = job(image);
    const auto before = driver_->counts().bytes_written;
    ASSERT_TRUE(driver_->submit(*running));
    driver_->hardware().between_clocks([&](rtl::Hardware::Inside inside) {
      while (inside.engine.bytes_written() == before) {
        inside.engine.clock();
      }
      inside.iommu.unmap(to_);
    });
    std::memset(memory() + kBytes, 0x5a, kBytes);
    if (const auto waited = driver_->wait(*running, soon()); !waited) {
      failure = waited.error();
    }
    driver_->discard(running);
    EXPECT_TRUE(std::all_of(memory() + kBytes, memory() + 2 * kBytes,
                            [](std::byte byte) { return byte == std::byte{0x5a}; }));
    to_ = map(kBytes, true);
  }
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code(), Errc::Io);
  EXPECT_THAT(failure->message(), AllOf(HasSubstr("blocked a write to"), HasSubstr("not mapped")));
  expect_works();
}

TEST_P(FpgaDriver, WithoutDescriptorsNothingIsSubmitted) {
  const auto made = job(good());
  host_.no_events = true;
  EXPECT_EQ(driver_->submit(*made).error().code(), Errc::OutOfFds);
  EXPECT_FALSE(driver_->pending(*made));
  host_.no_events = false;
  EXPECT_TRUE(driver_->submit(*made));
  EXPECT_TRUE(driver_->wait(*made, soon()));
  driver_->discard(made);
}

// ---------------------------------------------------------------- the IOMMU alone

TEST(FpgaIommu, GivesRunsWithHolesAndTakesThemBack) {
  std::vector<std::byte> memory(8 * rtl::kPage);
  rtl::Iommu iommu(2 * rtl::kPage);
  const auto first = iommu.map(memory.data(), memory.size(), true).value();
  ASSERT_EQ(first.size(), 4U);
  for (std::size_t i = 1; i < first.size(); ++i) {
    EXPECT_GE(first[i].address, first[i - 1].address + first[i - 1].length + rtl::kPage);
  }
  Bytes beat(8);
  EXPECT_EQ(iommu.read(first[1].address + 2 * rtl::kPage - 8, beat), rtl::Response::Okay);
  EXPECT_EQ(iommu.read(first[1].address + 2 * rtl::kPage, beat), rtl::Response::DecodeError);
  EXPECT_EQ(iommu.read(first[0].address - 8, beat), rtl::Response::DecodeError);
  EXPECT_EQ(iommu.read(0, beat), rtl::Response::DecodeError);
  EXPECT_EQ(iommu.read(~std::uint64_t{7}, beat), rtl::Response::DecodeError);
  EXPECT_EQ(iommu.faults(), 4U);
  iommu.unmap(first);
  EXPECT_EQ(iommu.read(first[0].address, beat), rtl::Response::DecodeError);
  // All of it came back as one range: the next one begins where the first did, and is whole.
  rtl::Iommu whole(0);
  const auto a = whole.map(memory.data(), 2 * rtl::kPage, true).value();
  const auto b = whole.map(memory.data(), 2 * rtl::kPage, true).value();
  const auto c = whole.map(memory.data(), 2 * rtl::kPage, true).value();
  whole.unmap(b);
  whole.unmap(a);
  whole.unmap(c);
  EXPECT_EQ(whole.map(memory.data(), memory.size(), true).value()[0].address, a[0].address);
}

TEST(FpgaIommu, SaysWhenAddressesAreUsedUp) {
  rtl::Iommu iommu(0);
  std::byte nothing{};
  const auto large = iommu.map(&nothing, std::uint64_t{1} << 37U, false);
  ASSERT_TRUE(large);
  const auto refused = iommu.map(&nothing, std::uint64_t{1} << 37U, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::OutOfMemory);
  EXPECT_THAT(refused.error().message(), HasSubstr("256 GiB of device addresses"));
  iommu.unmap(*large);
  EXPECT_TRUE(iommu.map(&nothing, std::uint64_t{1} << 37U, false));
}

TEST(FpgaIommu, WritesTheStrobedBytesAlone) {
  std::vector<std::byte> memory(rtl::kPage, std::byte{9});
  rtl::Iommu iommu(0);
  const auto entries = iommu.map(memory.data(), rtl::kPage, true).value();
  const Bytes beat(8, std::byte{1});
  EXPECT_EQ(iommu.write(entries[0].address, beat, 0x81), rtl::Response::Okay);
  EXPECT_EQ(memory[0], std::byte{1});
  EXPECT_EQ(memory[1], std::byte{9});
  EXPECT_EQ(memory[7], std::byte{1});
  iommu.set_writable(entries, false);
  EXPECT_EQ(iommu.write(entries[0].address, beat, 0xff), rtl::Response::DecodeError);
  EXPECT_TRUE(iommu.last_fault()->mapped);
  EXPECT_EQ(memory[1], std::byte{9});
}

}  // namespace
}  // namespace causeway::test
