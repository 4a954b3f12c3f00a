// SPDX-License-Identifier: Apache-2.0
// Events that cross to another process, and producers that die in mid-frame.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <causeway/causeway.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "support/pass_fds.hpp"

namespace causeway::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSize = 4096;
constexpr std::byte kHalf{0x11};

/// The value, or the end of the test with the error's own words: GoogleTest reports the exception.
template <class T>
T must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message());
  }
  return std::move(*result);
}

constexpr std::size_t kFds = 2;  // the frame's memory, and the event that says that it is whole

/// A process that makes a frame, tells of it, writes half of it, and then does as it is told: 's' signals,
/// anything else is never asked for: it is killed.
class ProducerProcess {
public:
  explicit ProducerProcess(const char* exporter) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      throw std::runtime_error("no socket pair could be made");
    }
    socket_ = UniqueFd(ends[0]);
    UniqueFd theirs(ends[1]);
    process_ = ::fork();
    if (process_ == 0) {
      socket_.reset();
      ::alarm(60);  // nothing of this test outlives it
      ::_exit(produce(theirs.get(), exporter) ? 0 : 1);
    }
  }
  ProducerProcess(const ProducerProcess&) = delete;
  ProducerProcess& operator=(const ProducerProcess&) = delete;
  ~ProducerProcess() { kill(); }

  [[nodiscard]] std::array<UniqueFd, kFds> take() { return receive_fds<kFds>(socket_.get()); }
  void tell_to_signal() { EXPECT_EQ(::write(socket_.get(), "s", 1), 1); }
  void kill() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
      process_ = 0;
    }
  }

private:
  static bool produce(int socket, const char* exporter) try {
    auto runtime = must(Runtime::create());
    const auto memory = must(runtime.allocate(kSize, exporter));
    const auto fd = must(memory.dup_fd());
    auto event = must(HostEvent::create(runtime));
    const auto told = must(event.fence().dup_event());
    if (!send_fds(socket, std::array{fd.get(), told.get()})) {
      return false;
    }
    auto access = must(must(memory.map_cpu()).begin(Usage::Write, Deadline::in(5s)));
    std::fill_n(access.bytes().begin(), kSize / 2, kHalf);
    char order = 0;
    if (::read(socket, &order, 1) != 1 || order != 's' || !access.end()) {
      return false;
    }
    return event.signal().has_value() && ::read(socket, &order, 1) >= 0;
  } catch (const std::exception&) {
    return false;
  }

  UniqueFd socket_;
  pid_t process_ = 0;
};

/// The frame as the consumer has it: the producer's event holds its readers.
struct Consumed {
  DmaBuf memory;
  Fence written;
};

class FenceKilled : public ::testing::TestWithParam<const char*> {
protected:
  void SetUp() override {
    runtime.emplace(must(Runtime::create()));
    for (const auto& info : runtime->exporters()) {
      if (info.name == GetParam() && !info.available) {
        GTEST_SKIP() << info.explanation;
      }
    }
    if (std::string(GetParam()) != "memfd" && !runtime->allocate(kSize, GetParam())) {
      GTEST_SKIP() << GetParam() << " is not on this machine";
    }
  }
  Consumed consume(ProducerProcess& producer) {
    const auto fds = producer.take();
    auto memory = must(DmaBuf::from_fd(*runtime, fds[0].borrow()));
    auto written = must(Fence::from_event(*runtime, fds[1].borrow()));
    auto slots = must(memory.reservation().reserve(1));
    EXPECT_TRUE(slots.add(written, FenceUsage::Write));
    return {std::move(memory), std::move(written)};
  }
  /// A frame that nobody may read, until it is written anew.
  static void expect_refused_until_written(const DmaBuf& memory) {
    const auto view = must(memory.map_cpu());
    const auto refused = view.begin(Usage::Read, Deadline::in(5s));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::Io) << refused.error().message();
    EXPECT_EQ(refused.error().system_errno(), EOWNERDEAD);
    EXPECT_NE(refused.error().message().find("write it anew"), std::string::npos);
    EXPECT_FALSE(view.begin(Usage::Read, Deadline::in(5s))) << "nor the second time";
    auto writing = must(view.begin(Usage::Write, Deadline::in(5s)));
    std::fill(writing.bytes().begin(), writing.bytes().end(), std::byte{0x22});
    EXPECT_TRUE(writing.end());
    auto reading = must(view.begin(Usage::Read, Deadline::in(5s)));
    EXPECT_EQ(reading.bytes()[kSize - 1], std::byte{0x22});
    EXPECT_TRUE(reading.end());
  }

  std::optional<Runtime> runtime;
};
INSTANTIATE_TEST_SUITE_P(Exporters, FenceKilled, ::testing::Values("memfd", "udmabuf", "dma_heap:system"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), ':', '_');
                           return name;
                         });

TEST_P(FenceKilled, AProducerThatLivesSignals) {
  ProducerProcess producer(GetParam());
  const auto frame = consume(producer);
  EXPECT_EQ(frame.written.status(), FenceStatus::Pending);
  const auto view = must(frame.memory.map_cpu());
  EXPECT_EQ(view.begin(Usage::Read, Deadline::in(10ms)).error().code(), Errc::TimedOut);
  producer.tell_to_signal();
  EXPECT_TRUE(frame.written.wait(Deadline::in(20s)));
  auto reading = must(view.begin(Usage::Read, Deadline::in(5s)));
  EXPECT_EQ(reading.bytes()[0], kHalf);
  EXPECT_TRUE(reading.end());
  producer.kill();
  EXPECT_EQ(frame.written.status(), FenceStatus::Signalled) << "its death afterwards changes nothing";
}

TEST_P(FenceKilled, AProducerKilledInMidFrameIsSeenAndTheFrameRefused) {
  ProducerProcess producer(GetParam());
  const auto frame = consume(producer);
  const auto ready = must(frame.written.readiness());
  EXPECT_EQ(frame.written.status(), FenceStatus::Pending);
  producer.kill();
  pollfd entry{.fd = ready.fd.get(), .events = ready.events, .revents = 0};
  EXPECT_EQ(::poll(&entry, 1, 5'000), 1);
  const auto waited = frame.written.wait(Deadline::never());  // it ends: that is the point
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code(), Errc::Io);
  EXPECT_EQ(waited.error().system_errno(), EOWNERDEAD);
  EXPECT_NE(waited.error().message().find("gone"), std::string::npos) << waited.error().message();
  EXPECT_EQ(frame.written.status(), FenceStatus::Failed);
  expect_refused_until_written(frame.memory);
}

TEST_P(FenceKilled, WhoWaitsWhileItIsKilledIsWoken) {
  ProducerProcess producer(GetParam());
  const auto frame = consume(producer);
  const auto view = must(frame.memory.map_cpu());
  std::optional<Result<CpuAccess>> read;
  std::thread reader([&] { read.emplace(view.begin(Usage::Read, Deadline::never())); });
  std::this_thread::sleep_for(20ms);
  producer.kill();
  reader.join();
  ASSERT_FALSE(*read);
  EXPECT_EQ(read->error().system_errno(), EOWNERDEAD) << read->error().message();
  expect_refused_until_written(frame.memory);
}

/// What the event's pipe is for: a descriptor that somebody else keeps open tells of no death.
TEST(FenceEvents, WithTheWritingEndHeldOpenNobodyWouldKnow) {
  auto runtime = must(Runtime::create());
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const auto fence = must(Fence::from_event(runtime, reading.borrow()));
  const pid_t owner = ::fork();
  if (owner == 0) {
    ::pause();
  }
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  EXPECT_EQ(fence.wait(Deadline::in(50ms)).error().code(), Errc::TimedOut);
  writing.reset();
  EXPECT_EQ(fence.wait(Deadline::in(5s)).error().system_errno(), EOWNERDEAD);
}

}  // namespace
}  // namespace causeway::test
