// SPDX-License-Identifier: Apache-2.0
//
// What a frame costs must not depend on how many buffers, attachments or threads there are. Each row is
// judged against itself at one.
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "null_kernel.hpp"
#include "suite.hpp"

namespace causeway::bench {
namespace {

/// So many buffers are visited in turn, spread over all that there are: the same for each count, so that the
/// CPU's caches decide nothing.
constexpr std::size_t kVisited = 16;

std::string by_count(std::size_t count) {
  return "n:" + std::to_string(count);
}

/// Buffers on the null kernel, each attached to a null device and mapped; made when a row first needs them,
/// and kept for its repetitions. Threads: thread-bound.
class Crowd {
public:
  explicit Crowd(std::size_t count)
      : runtime_(Runtime::create({.syscalls = NullKernel::table(), .backend_path = ""}).value()),
        device_(runtime_.open_device("null").value()) {
    for (std::size_t i = 0; i < count; ++i) {
      buffers_.push_back(NullKernel::buffer(runtime_, static_cast<int>(i) + 1));
      attachments_.push_back(buffers_.back().attach(device_, Usage::ReadWrite).value());
      mappings_.push_back(attachments_.back().map(Direction::Bidirectional, true).value());
    }
    for (std::size_t i = 0; i < kVisited; ++i) {
      visits_.push_back(i * count / kVisited);
    }
  }

  void access(benchmark::State& state) {
    std::size_t next = 0;
    for (auto _ : state) {
      auto access = mappings_[visits_[next++ % kVisited]].begin_access(Usage::Write, Deadline::now());
      benchmark::DoNotOptimize(access.has_value());
      auto ended = access->end();
      benchmark::DoNotOptimize(ended.has_value());
    }
  }
  void hit_fd(benchmark::State& state) {
    std::size_t next = 0;
    for (auto _ : state) {
      const auto number = static_cast<int>(visits_[next++ % kVisited]) + 1;
      auto found = DmaBuf::from_fd(runtime_, BorrowedFd(number));
      benchmark::DoNotOptimize(found.has_value());
    }
  }

private:
  Runtime runtime_;
  Device device_;
  std::vector<DmaBuf> buffers_;
  std::vector<Attachment> attachments_;
  std::vector<Mapping> mappings_;
  std::vector<std::size_t> visits_;
};

void real_hit_fd(Suite& suite, benchmark::State& state, std::size_t count) {
  std::vector<DmaBuf> buffers;
  std::vector<UniqueFd> fds;
  for (std::size_t i = 0; i < count; ++i) {
    fds.push_back(raw_memfd(4096));
    buffers.push_back(DmaBuf::from_fd(suite.runtime(), fds.back().borrow()).value());
  }
  std::size_t next = 0;
  for (auto _ : state) {
    const std::size_t visited = next++ % kVisited * count / kVisited;
    auto found = DmaBuf::from_fd(suite.runtime(), fds[visited].borrow());
    benchmark::DoNotOptimize(found.has_value());
  }
}

void among_attachments(Suite& suite, benchmark::State& state, std::size_t count) {
  const auto buffer = suite.runtime().allocate(4096, "memfd").value();
  std::vector<Attachment> attachments;
  std::vector<Mapping> mappings;
  for (std::size_t i = 0; i < count; ++i) {
    attachments.push_back(buffer.attach(suite.null_device(), Usage::ReadWrite).value());
    mappings.push_back(attachments.back().map(Direction::Bidirectional).value());
  }
  for (auto _ : state) {
    auto access = mappings.back().begin_access(Usage::Write, Deadline::now());
    benchmark::DoNotOptimize(access.has_value());
    auto ended = access->end();
    benchmark::DoNotOptimize(ended.has_value());
  }
}

/// Each thread has a pool of its own, and they share only the runtime: nothing for one to wait for another.
void on_threads(Suite& suite, benchmark::State& state) {
  auto pool = suite.runtime()
                  .negotiate(FrameDesc::bytes(4096))
                  .with(suite.null_device(), Usage::ReadWrite)
                  .allocate(2)
                  .value();
  for (auto _ : state) {
    auto lease = pool.acquire(Deadline::now());
    auto access = (*lease)->on(suite.null_device()).begin_access(Usage::Write, Deadline::now());
    benchmark::DoNotOptimize(access.has_value());
    auto ended = access->end();
    benchmark::DoNotOptimize(ended.has_value());
  }
}

/// How many descriptors this process may have; raised as far as it may raise it itself.
std::size_t descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 0;
  }
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_max;
}

}  // namespace

void add_scaling_rows(Suite& suite) {
  for (const std::size_t count : {1U, 100U, 10000U, 100000U}) {
    // Both rows of a count share a crowd.
    const auto crowd = std::make_shared<std::unique_ptr<Crowd>>();
    const auto measured = [crowd, count](void (Crowd::*loop)(benchmark::State&)) {
      return [crowd, count, loop](benchmark::State& state) {
        if (*crowd == nullptr) {
          *crowd = std::make_unique<Crowd>(count);
        }
        ((**crowd).*loop)(state);
      };
    };
    suite.add("Scaling/Buffers/access/" + by_count(count), "us", measured(&Crowd::access));
    suite.add("Scaling/Buffers/hit-fd/" + by_count(count), "us", measured(&Crowd::hit_fd));
  }
  const std::size_t most = descriptors();
  for (const std::size_t count : {1U, 100U, 5000U}) {
    const auto row = "Scaling/Memfds/hit-fd/" + by_count(count);
    if (count * 2 + 200 > most) {
      suite.skip(row, "It takes " + std::to_string(count * 2 + 200) + " descriptors, and the limit is " +
                          std::to_string(most) + ".");
      continue;
    }
    suite.add(row, "us", [&suite, count](auto& state) { real_hit_fd(suite, state, count); });
  }
  for (const std::size_t count : {1U, 8U, 64U}) {
    suite.add("Scaling/Attachments/" + by_count(count), "us",
              [&suite, count](auto& state) { among_attachments(suite, state, count); });
  }
  const auto cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  for (const int threads : {1, 2, 4}) {
    const auto row = "Scaling/Threads/" + by_count(static_cast<std::size_t>(threads));
    if (threads > cpus) {
      suite.skip(row, "This machine has " + std::to_string(cpus) + " CPUs.");
      continue;
    }
    suite.add(
        row, "us", [&suite](auto& state) { on_threads(suite, state); }, threads);
  }
}

}  // namespace causeway::bench
