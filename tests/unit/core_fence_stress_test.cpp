// SPDX-License-Identifier: Apache-2.0
//
// Producers and consumers on four threads over one pool, with devices that work later: no frame is torn, and
// none is stale. The same with one fence dropped must fail, so that the test is known to see.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <causeway/causeway.hpp>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "support/queue_device.hpp"
#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kFrames = 20'000;
#else
constexpr std::uint64_t kFrames = 100'000;
#endif
constexpr std::size_t kThreads = 4;
constexpr std::uint32_t kPoolSize = 6;
constexpr std::size_t kWords = 64;  // of a frame: in each the frame's number, mixed with the word's place

/// What was found in frames.
struct Findings {
  std::atomic<std::uint64_t> read{0};
  std::atomic<std::uint64_t> torn{0};   // words of two frames in one
  std::atomic<std::uint64_t> stale{0};  // whole, but not the one that was written last
};

std::uint64_t word(std::uint64_t number, std::size_t place) {
  return number * 0x9E37'79B9'7F4A'7C15U + place;
}

/// Writes in an order, and with pauses, that leave a frame half-made for long.
void write_frame(std::span<std::byte> bytes, std::uint64_t number) {
  for (std::size_t i = 0; i < kWords; ++i) {
    const auto value = word(number, i);
    std::memcpy(bytes.data() + i * sizeof(value), &value, sizeof(value));
    if (i == kWords / 2) {
      std::this_thread::yield();
    }
  }
}

void read_frame(std::span<const std::byte> bytes, std::uint64_t number, Findings& found) {
  std::size_t right = 0;
  bool whole = true;
  std::uint64_t first = 0;
  std::memcpy(&first, bytes.data(), sizeof(first));
  for (std::size_t i = 0; i < kWords; ++i) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + i * sizeof(value), sizeof(value));
    right += value == word(number, i) ? 1U : 0U;
    whole = whole && value == first + i;
    if (i == kWords / 2) {
      std::this_thread::yield();
    }
  }
  ++found.read;
  found.torn += whole ? 0U : 1U;
  found.stale += whole && right != kWords ? 1U : 0U;
}

/// A frame of the pool as the stress sees it: its bytes, and the number that was written last, which belongs
/// to whoever has a turn.
struct Slot {
  std::span<std::byte> bytes;
  std::atomic<std::uint64_t> number{0};
};

class FenceStress {
public:
  explicit FenceStress(const std::string& first_device)
      : runtime_(must(Runtime::create({.backends = {&testqueue_backend}, .builtin_backends = false}))),
        devices_{must(runtime_.open_device("testqueue", {.id = first_device})),
                 must(runtime_.open_device("testqueue", {.id = "fences=event,waits,thread"}))},
        pool_(must(runtime_.negotiate(FrameDesc::bytes(4096))
                       .with(devices_[0], Usage::ReadWrite)
                       .with(devices_[1], Usage::ReadWrite)
                       .exporter("memfd")
                       .allocate(kPoolSize))) {
    for (std::uint32_t i = 0; i < kPoolSize; ++i) {
      auto access = must(pool_.frame(i).frame().begin_cpu_access(Usage::Write, Deadline::never()));
      slots_[i].bytes = access.bytes();
      write_frame(slots_[i].bytes, 0);
      must(access.end());
    }
  }

  void run(std::uint64_t frames) {
    std::atomic<std::uint64_t> next{1};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 dice(static_cast<unsigned>(t));
        for (std::uint64_t number = next++; number <= frames; number = next++) {
          step(dice, number);
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
    for (std::uint32_t i = 0; i < kPoolSize; ++i) {
      must(pool_.frame(i).frame().objects().front().reservation().wait(Usage::Write, soon()));
    }
    while (QueueDevice::of(devices_[0]).left() + QueueDevice::of(devices_[1]).left() != 0) {
      std::this_thread::yield();
    }
  }

  Findings found;

private:
  static Deadline soon() { return Deadline::in(std::chrono::seconds(60)); }

  /// One turn of somebody on some frame.
  void step(std::mt19937& dice, std::uint64_t number) {
    const auto i = static_cast<std::uint32_t>(dice() % kPoolSize);
    const bool writing = dice() % 3 == 0;
    const auto who = dice() % 5;
    for (;;) {
      if (who == 0 ? cpu_turn(i, writing, number) : device_turn(i, who % 2, writing, number)) {
        return;
      }
      std::this_thread::yield();  // somebody else has the turn
    }
  }

  bool cpu_turn(std::uint32_t i, bool writing, std::uint64_t number) {
    auto access = pool_.frame(i).frame().begin_cpu_access(writing ? Usage::Write : Usage::Read, soon());
    if (!access) {
      EXPECT_EQ(access.error().code(), Errc::Busy) << access.error().message();
      return access.error().code() != Errc::Busy;
    }
    auto& slot = slots_[i];
    if (writing) {
      write_frame(slot.bytes, number);
      slot.number = number;
    } else {
      read_frame(slot.bytes, slot.number, found);
    }
    EXPECT_TRUE(access->end());
    return true;
  }

  bool device_turn(std::uint32_t i, std::size_t which, bool writing, std::uint64_t number) {
    // The device's queue is one: begin, submit and end of one access belong together.
    const std::lock_guard lock(queue_mutexes_[which]);
    auto access =
        pool_.frame(i).on(devices_[which]).begin_access(writing ? Usage::Write : Usage::Read, soon());
    if (!access) {
      EXPECT_EQ(access.error().code(), Errc::Busy) << access.error().message();
      return access.error().code() != Errc::Busy;
    }
    auto& slot = slots_[i];
    auto& queue = QueueDevice::of(devices_[which]);
    if (writing) {
      queue.submit([&slot, number] { write_frame(slot.bytes, number); });
      slot.number = number;
    } else {
      queue.submit([this, &slot, expected = slot.number.load()] { read_frame(slot.bytes, expected, found); });
    }
    EXPECT_TRUE(access->end());
    return true;
  }

  Runtime runtime_;
  std::array<Device, 2> devices_;
  FramePool pool_;
  std::array<Slot, kPoolSize> slots_;
  std::array<std::mutex, 2> queue_mutexes_;
};

TEST(CoreFenceStress, NoFrameIsTornAndNoneIsStale) {
  FenceStress stress("fences=device,export,waits,thread");
  stress.run(kFrames);
  EXPECT_GT(stress.found.read, kFrames / 2);
  EXPECT_EQ(stress.found.torn, 0U);
  EXPECT_EQ(stress.found.stale, 0U);
}

#ifndef __SANITIZE_THREAD__  // what follows is a data race by intention
TEST(CoreFenceStress, DroppedFenceIsSeen) {
  FenceStress stress("fences=none,waits,thread");
  stress.run(kFrames / 5);
  EXPECT_GT(stress.found.torn + stress.found.stale, 0U);
}
#endif

}  // namespace
}  // namespace causeway::test
