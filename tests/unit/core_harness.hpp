// SPDX-License-Identifier: Apache-2.0
#pragma once

// A runtime over the fake kernel, with the test devices, for tests of the core from its public headers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <causeway/causeway.hpp>
#include <cstddef>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/copying_device.hpp"
#include "support/dma_device.hpp"
#include "support/fake_kernel_fixture.hpp"
#include "support/queue_device.hpp"

namespace causeway::test {

inline constexpr std::uint64_t kPage = 4096;
inline constexpr const char* kSystem = "dma_heap:system";
/// The exporter whose CPU and devices see separate bytes.
inline constexpr const char* kSeparate = "dma_heap:vidbuf_cached";

/// The value, or the end of the test with the error's own words: GoogleTest reports the exception.
template <class T>
T must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message());
  }
  if constexpr (!std::is_void_v<T>) {
    return std::move(*result);
  }
}

/// Whether a failure is told as the project promises: what failed, and a sentence of several words.
inline ::testing::AssertionResult is_told(const Error& error) {
  const auto words = 1 + std::count(error.detail().begin(), error.detail().end(), ' ');
  if (error.operation().empty() || words < 4) {
    return ::testing::AssertionFailure() << "This is no sentence: \"" << error.message() << '"';
  }
  if (error.message().find('\n') != std::string::npos || error.message().find('\0') != std::string::npos) {
    return ::testing::AssertionFailure() << "This does not fit into a line: \"" << error.message() << '"';
  }
  return ::testing::AssertionSuccess();
}

/// A failure of that kind, told in a sentence that names each of parts.
template <class T>
::testing::AssertionResult fails_with(const Result<T>& result, Errc code,
                                      std::initializer_list<std::string> parts = {}) {
  if (result) {
    return ::testing::AssertionFailure() << "It succeeded; expected: " << to_string(code);
  }
  const auto& error = result.error();
  if (error.code() != code) {
    return ::testing::AssertionFailure() << "It is \"" << to_string(error.code()) << "\" and should be \""
                                         << to_string(code) << "\": " << error.message();
  }
  if (auto told = is_told(error); !told) {
    return told;
  }
  for (const auto& part : parts) {
    if (error.message().find(part) == std::string::npos) {
      return ::testing::AssertionFailure()
             << "\"" << part << "\" is not named in \"" << error.message() << '"';
    }
  }
  return ::testing::AssertionSuccess();
}

/// What a runtime logged. Threads: thread-safe.
class LogBook {
public:
  struct Entry {
    LogLevel level;
    std::string text;
  };
  void add(LogLevel level, std::string_view text) {
    const std::lock_guard lock(mutex_);
    entries_.push_back({level, std::string(text)});
  }
  [[nodiscard]] std::vector<Entry> entries() const {
    const std::lock_guard lock(mutex_);
    return entries_;
  }
  [[nodiscard]] bool says(LogLevel level, const std::string& part) const {
    const auto all = entries();
    return std::any_of(all.begin(), all.end(), [&](const Entry& entry) {
      return entry.level == level && entry.text.find(part) != std::string::npos;
    });
  }

private:
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

/// Tests keep what they make in local variables, so that it is gone when the fake's books are looked at.
class CoreTest : public FakeKernelTest {
protected:
  explicit CoreTest(FakeConfig config = {}) : FakeKernelTest(std::move(config)) {}

  void SetUp() override { runtime_.emplace(make_runtime(kernel.syscalls())); }
  void TearDown() override {
    runtime_.reset();
    FakeKernelTest::TearDown();
  }

  Runtime make_runtime(const cw_syscalls* table) {
    return must(Runtime::create(
        {.syscalls = table,
         .backends = {&testdma_backend, &copycat_backend, &testqueue_backend, &testqueue12_backend},
         .builtin_backends = false,
         .log = [this](LogLevel level, std::string_view text) { log.add(level, text); }}));
  }
  Runtime& runtime() { return *runtime_; }
  /// A runtime made afresh, after the machine was changed: exporters are found at its start.
  void restart() { runtime_.emplace(make_runtime(kernel.syscalls())); }

  Device open(const std::string& id, std::string_view backend = "testdma") {
    return must(runtime().open_device(backend, {.id = id}));
  }
  DmaBuf buffer(std::uint64_t size = kPage, std::string_view exporter = kSystem,
                std::string_view name = "test") {
    return must(runtime().allocate(size, exporter, name));
  }
  /// A grey picture over one object, or NV12 over two.
  static Frame frame_over(const std::vector<DmaBuf>& objects) {
    FrameLayout layout{.format = formats::kR8, .width = 64, .height = 64, .planes = {{.stride = 64}}};
    if (objects.size() == 2) {
      layout.format = formats::kNV12;
      layout.planes.push_back({.object = 1, .stride = 64});
    }
    return must(Frame::create(layout, objects));
  }
  /// What the kernel knows of a dma-buf. By a descriptor of the test's own, which counts as given away.
  FakeKernel::DmaBufInfo info_of(const DmaBuf& of) {
    const auto fd = must(of.dup_fd());
    return kernel.info(fd.get()).value();
  }
  static Deadline soon() { return Deadline::in(std::chrono::seconds(5)); }

  LogBook log;  // before the runtime, which writes into it to its end

private:
  std::optional<Runtime> runtime_;
};

}  // namespace causeway::test
