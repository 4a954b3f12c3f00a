// SPDX-License-Identifier: Apache-2.0
//
// The card's driver with jobs that no plan would make: addresses outside, lengths of 0, an image that is
// never complete. Each ends with one sentence, and leaves a card that works.
#include <gmock/gmock.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <map>
#include <thread>

#include "driver.hpp"
#include "host/fpga_sim_card.hpp"
#include "uapi/real_syscalls.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kBytes = std::uint64_t{16} * 4096;

/// The services that a driver uses, with a look at what became of its events.
class FakeHost {
public:
  FakeHost() {
    table_.abi_version = CW_ABI_VERSION;
    table_.context = this;
    table_.syscalls = &uapi::real_syscalls();
    table_.log = [](void*, std::int32_t, const char*) {};
    table_.count = [](void*, std::int32_t, std::uint64_t) {};
    table_.event_create = [](void* context, cw_fence* event, cw_error* error) -> std::int32_t {
      auto& self = *static_cast<FakeHost*>(context);
      if (self.no_events) {
        return plugin::report(Error(Errc::OutOfFds, "eventfd", "the test has none"), error);
      }
      *event = plugin::sized<cw_fence>();
      event->kind = CW_FENCE_HOST_EVENT;
      event->fd = ::eventfd(0, EFD_CLOEXEC);
      event->handle = static_cast<std::uint64_t>(++self.made);
      return CW_OK;
    };
    table_.event_signal = [](void* context, const cw_fence* event,
                             std::int32_t system_errno) -> std::int32_t {
      static_cast<FakeHost*>(context)->signalled[event->handle] = system_errno;
      ::eventfd_write(event->fd, 1);
      return CW_OK;
    };
    table_.fence_notify = [](void* context, const cw_fence* event, void (*notify)(void*, std::int32_t),
                             void* user, std::uint32_t* added, cw_error* error) -> std::int32_t {
      auto& self = *static_cast<FakeHost*>(context);
      if (event->kind != CW_FENCE_HOST_EVENT) {
        return plugin::report(Error(Errc::Unsupported, "fence_notify", "it is no event"), error);
      }
      *added =
          self.awaited.insert_or_assign(event->handle, [notify, user] { notify(user, 0); }).second ? 1 : 0;
      return CW_OK;
    };
    table_.event_destroy = [](void* context, const cw_fence* event) {
      ++static_cast<FakeHost*>(context)->destroyed;
      ::close(event->fd);
    };
  }
  [[nodiscard]] plugin::Host host() const { return plugin::Host(&table_); }

  bool no_events = false;
  int made = 0;
  int destroyed = 0;
  std::map<std::uint64_t, int> signalled;  // event to errno
  std::map<std::uint64_t, std::function<void()>> awaited;

private:
  cw_host table_ = plugin::sized<cw_host>();
};

class FpgaDriver : public ::testing::TestWithParam<unsigned> {
protected:
  FpgaDriver() : driver_(std::make_unique<rtl::Driver>(host_.host(), GetParam(), 4 * rtl::kPage)) {
    from_ = map(0, true);
    to_ = map(kBytes, true);
    for (std::size_t i = 0; i < kBytes; ++i) {
      memory()[i] = static_cast<std::byte>(i % 251);
    }
  }

  [[nodiscard]] std::byte* memory() const { return memory_.get(); }
  [[nodiscard]] std::vector<cw_sg_entry> map(std::size_t offset, bool writable) {
    std::vector<cw_sg_entry> entries;
    driver_->hardware().between_clocks([&](rtl::Hardware::Inside inside) {
      entries = inside.iommu.map(memory() + offset, kBytes, writable).value();
    });
    return entries;
  }
  /// What a test asks for, with scatter lists of its own to spoil.
  struct Asked {
    rtl::KernelSetting setting;
    std::vector<cw_sg_entry> in, out;
  };
  [[nodiscard]] std::shared_ptr<rtl::Job> job(const Asked& asked, rtl::Job::Memory memory = {}) {
    const rtl::ImageJob image{.setting = asked.setting,
                              .in = {.entries = asked.in, .bytes = asked.setting.width},
                              .out = {.entries = asked.out, .bytes = asked.setting.width}};
    return driver_->prepare(image, memory).value();
  }
  /// One that opens when the event of that number is told.
  [[nodiscard]] std::shared_ptr<rtl::Gate> gate(std::uint64_t event) {
    auto made = std::make_shared<rtl::Gate>(driver_->waker());
    auto fence = plugin::sized<cw_fence>();
    fence.kind = CW_FENCE_HOST_EVENT;
    fence.handle = event;
    EXPECT_TRUE(rtl::Gate::add(made, host_.host(), fence));
    EXPECT_FALSE(made->open());
    return made;
  }
  [[nodiscard]] bool ended_well(rtl::Job& job) {
    const auto waited = driver_->wait(job, soon());
    EXPECT_TRUE(waited) << waited.error().message();
    return waited.has_value();
  }
  [[nodiscard]] Asked good() const {
    const rtl::SgRange all{.entries = from_, .bytes = kBytes};
    return {.setting = rtl::plan_bytes(all, all).setting, .in = from_, .out = to_};
  }
  /// One that waits for a second row that never comes.
  [[nodiscard]] Asked endless() const {
    auto image = good();
    image.setting.height = 2;
    image.setting.in_stride = image.setting.out_stride = kBytes;
    return image;
  }
  /// Submits, and gives the failure.
  [[nodiscard]] std::string failure(const Asked& image) {
    const auto made = job(image);
    EXPECT_TRUE(driver_->submit(*made));
    const auto waited = driver_->wait(*made, soon());
    EXPECT_FALSE(waited);
    EXPECT_EQ(host_.signalled.rbegin()->second, EIO);
    driver_->discard(made);
    return waited ? "" : waited.error().message();
  }
  void expect_works() {
    std::memset(memory() + kBytes, 0, kBytes);
    const auto made = job(good());
    ASSERT_TRUE(driver_->submit(*made));
    const auto waited = driver_->wait(*made, soon());
    EXPECT_TRUE(waited) << waited.error().message();
    EXPECT_EQ(std::memcmp(memory(), memory() + kBytes, kBytes), 0);
    driver_->discard(made);
    EXPECT_EQ(host_.made, host_.destroyed);
  }

  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  FakeHost host_;
  std::unique_ptr<std::byte, Free> memory_{static_cast<std::byte*>(std::aligned_alloc(4096, 2 * kBytes))};
  std::unique_ptr<rtl::Driver> driver_;
  std::vector<cw_sg_entry> from_, to_;
};
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

TEST_P(FpgaDriver, JobsWaitForTheOnesBeforeThem) {
  const auto stuck = job(endless());
  const auto second = job(good());
  EXPECT_EQ(driver_->wait(*second, soon()).error().code(), Errc::WrongState);
  ASSERT_TRUE(driver_->submit(*stuck));
  ASSERT_TRUE(driver_->submit(*second));
  EXPECT_EQ(driver_->submit(*stuck).error().code(), Errc::Busy);
  EXPECT_EQ(driver_->submit(*second).error().code(), Errc::Busy);
  EXPECT_TRUE(driver_->pending(*second));
  const auto late = driver_->wait(*second, Deadline::in(std::chrono::milliseconds(30)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Errc::TimedOut);
  EXPECT_THAT(late.error().message(), HasSubstr("the card works on one before it; it was taken back"));
  EXPECT_EQ(host_.signalled.at(2), ETIMEDOUT);
  EXPECT_EQ(driver_->counts().resets, 0U) << "the one that runs is not concerned";
  EXPECT_TRUE(driver_->pending(*stuck));
  ASSERT_TRUE(driver_->submit(*second));
  driver_->discard(stuck);
  EXPECT_EQ(host_.signalled.at(1), ECANCELED);
  EXPECT_TRUE(ended_well(*second));
  driver_->discard(second);
  EXPECT_EQ(host_.made, host_.destroyed);
}

// The next one is started from the interrupt of the last, while its other ring may still write a status.
TEST_P(FpgaDriver, JobsFollowEachOtherWithoutAPause) {
  std::vector<std::shared_ptr<rtl::Job>> jobs;
  jobs.reserve(4);
  for (int i = 0; i < 4; ++i) {
    jobs.push_back(job(good()));
  }
  for (int round = 0; round < 25; ++round) {
    for (const auto& each : jobs) {
      ASSERT_TRUE(driver_->submit(*each));
    }
    for (const auto& each : jobs) {
      ASSERT_TRUE(ended_well(*each)) << round;
    }
    ASSERT_TRUE(driver_->submit(*jobs[3]));  // the one whose rings the card has
    ASSERT_TRUE(ended_well(*jobs[3])) << round;
  }
  EXPECT_EQ(driver_->counts().resets, 0U);
  for (const auto& each : jobs) {
    driver_->discard(each);
  }
}

// Nobody's thread waits for the event: whoever signals it has the card started.
TEST_P(FpgaDriver, AJobStartsWhenItsGateOpens) {
  const auto waiting = job(good());
  std::memset(memory() + kBytes, 0, kBytes);
  ASSERT_TRUE(driver_->submit(*waiting, {gate(70), gate(71)}));
  host_.awaited.at(70)();
  const auto read = driver_->counts().bytes_read;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(driver_->counts().bytes_read, read);
  EXPECT_EQ(memory()[kBytes + 1], std::byte{0});
  host_.awaited.at(71)();
  EXPECT_TRUE(ended_well(*waiting));
  EXPECT_EQ(std::memcmp(memory(), memory() + kBytes, kBytes), 0);
  driver_->discard(waiting);
}

TEST_P(FpgaDriver, AGateThatNeverOpensEndsAtTheDeadline) {
  const auto waiting = job(good());
  ASSERT_TRUE(driver_->submit(*waiting, {gate(70)}));
  const auto late = driver_->wait(*waiting, Deadline::in(std::chrono::milliseconds(30)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Errc::TimedOut);
  EXPECT_THAT(late.error().message(), HasSubstr("what its turns wait for has not signalled"));
  EXPECT_EQ(driver_->counts().resets, 0U);
  driver_->discard(waiting);
  host_.awaited.at(70)();  // too late, and no harm
  expect_works();
}

TEST_P(FpgaDriver, AnEventMayOutliveTheCard) {
  auto waiting = job(good());
  ASSERT_TRUE(driver_->submit(*waiting, {gate(70)}));
  driver_->discard(waiting);
  waiting.reset();
  driver_.reset();
  host_.awaited.at(70)();
  EXPECT_EQ(host_.made, host_.destroyed);
}

// A job that can start does, unless it shares memory with one before it.
TEST_P(FpgaDriver, WhatSharesNoMemoryOvertakes) {
  const auto first = job(good(), {1, 2});
  const auto same = job(good(), {2, 3});
  const auto other = job(good(), {4, 5});
  ASSERT_TRUE(driver_->submit(*first, {gate(70)}));
  ASSERT_TRUE(driver_->submit(*same));
  ASSERT_TRUE(driver_->submit(*other));
  EXPECT_TRUE(ended_well(*other));
  EXPECT_TRUE(driver_->pending(*first));
  EXPECT_TRUE(driver_->pending(*same)) << "it would read what the first one is to write";
  host_.awaited.at(70)();
  EXPECT_TRUE(ended_well(*same));
  EXPECT_FALSE(driver_->pending(*first));
  for (const auto& each : {first, same, other}) {
    driver_->discard(each);
  }
  EXPECT_EQ(host_.made, host_.destroyed);
}

TEST_P(FpgaDriver, AResetEndsTheWaitingOnesToo) {
  const auto stuck = job(endless());
  const auto second = job(good());
  ASSERT_TRUE(driver_->submit(*stuck));
  ASSERT_TRUE(driver_->submit(*second, {gate(70)}));
  EXPECT_EQ(driver_->wait_idle(Deadline::in(std::chrono::milliseconds(10))).error().code(), Errc::TimedOut);
  driver_->reset();
  EXPECT_EQ(driver_->wait(*stuck, soon()).error().code(), Errc::DeviceLost);
  EXPECT_EQ(driver_->wait(*second, soon()).error().code(), Errc::DeviceLost);
  EXPECT_TRUE(driver_->wait_idle(Deadline::now()));
  host_.awaited.at(70)();
  driver_->discard(stuck);
  driver_->discard(second);
  expect_works();
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

TEST_P(FpgaDriver, AResetEndsTheJob) {
  const auto stuck = job(endless());
  ASSERT_TRUE(driver_->submit(*stuck));
  std::thread other([&] { driver_->reset(); });
  EXPECT_EQ(driver_->wait(*stuck, soon()).error().code(), Errc::DeviceLost);
  other.join();
  driver_->discard(stuck);
  expect_works();
}

TEST_P(FpgaDriver, DiscardingAndClosingEndTheJob) {
  auto stuck = job(endless());
  ASSERT_TRUE(driver_->submit(*stuck));
  pollfd look{.fd = stuck->event->fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&look, 1, 0), 0);
  driver_->discard(stuck);
  EXPECT_EQ(host_.signalled.at(1), ECANCELED);
  stuck.reset();
  driver_.reset();
  EXPECT_EQ(host_.made, host_.destroyed);
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
