// SPDX-License-Identifier: Apache-2.0
//
// Jobs of the card's driver among each other: their order, what they wait for, and what ends them early.
#include <thread>

#include "host/fpga_sim_driver.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;

using FpgaQueue = FpgaDriver;
INSTANTIATE_TEST_SUITE_P(Bits, FpgaQueue, ::testing::Values(64U, 512U));

TEST_P(FpgaQueue, JobsWaitForTheOnesBeforeThem) {
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
TEST_P(FpgaQueue, JobsFollowEachOtherWithoutAPause) {
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
TEST_P(FpgaQueue, AJobStartsWhenItsGateOpens) {
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

TEST_P(FpgaQueue, AGateThatNeverOpensEndsAtTheDeadline) {
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

TEST_P(FpgaQueue, AnEventMayOutliveTheCard) {
  auto waiting = job(good());
  ASSERT_TRUE(driver_->submit(*waiting, {gate(70)}));
  driver_->discard(waiting);
  waiting.reset();
  driver_.reset();
  host_.awaited.at(70)();
  EXPECT_EQ(host_.made, host_.destroyed);
}

// A job that can start does, unless it shares memory with one before it.
TEST_P(FpgaQueue, WhatSharesNoMemoryOvertakes) {
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

TEST_P(FpgaQueue, AResetEndsTheWaitingOnesToo) {
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

TEST_P(FpgaQueue, AResetEndsTheJob) {
  const auto stuck = job(endless());
  ASSERT_TRUE(driver_->submit(*stuck));
  std::thread other([&] { driver_->reset(); });
  EXPECT_EQ(driver_->wait(*stuck, soon()).error().code(), Errc::DeviceLost);
  other.join();
  driver_->discard(stuck);
  expect_works();
}

TEST_P(FpgaQueue, DiscardingAndClosingEndTheJob) {
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

}  // namespace
}  // namespace causeway::test
