// SPDX-License-Identifier: Apache-2.0
#include "contract/exporter_contract.hpp"

#include <dirent.h>

#include <cstdlib>
#include <cstring>

namespace causeway::test {

namespace {

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) {  // NOLINT(concurrency-mt-unsafe): a stream of our own
    ++count;
  }
  ::closedir(directory);
  return count;
}

Runtime make_runtime(const FakeKernel* fake) {
  return must(Runtime::create({.syscalls = fake != nullptr ? fake->syscalls() : nullptr,
                               .backends = {&testdma_backend},
                               .backend_path = ""}));
}

}  // namespace

bool on_real_kernel() {
  const char* tier = std::getenv("CAUSEWAY_TEST_TIER");
  return tier != nullptr && std::strcmp(tier, "unit") != 0;
}

const std::vector<ExporterInfo>& exporters_here() {
  static const std::vector<ExporterInfo> found = [] {
    const auto fake = on_real_kernel() ? nullptr : std::make_unique<FakeKernel>();
    return make_runtime(fake.get()).exporters();
  }();
  return found;
}

void ExporterContract::SetUp() {
  const auto& info = exporters_here().at(GetParam());
  if (!info.available) {
    GTEST_SKIP() << info.explanation;
  }
  fake = on_real_kernel() ? nullptr : std::make_unique<FakeKernel>();
  descriptors_before_ = open_descriptors();
  runtime_.emplace(another_runtime());
}

void ExporterContract::TearDown() {
  if (!runtime_) {
    return;  // skipped
  }
  runtime_.reset();
  if (fake != nullptr) {
    EXPECT_THAT(fake->verify(), ::testing::IsEmpty());
    EXPECT_EQ(fake->live_dma_bufs(), 0U);
  } else {
    EXPECT_EQ(open_descriptors(), descriptors_before_) << "a descriptor was left open";
  }
}

Runtime ExporterContract::another_runtime() const {
  return make_runtime(fake.get());
}

}  // namespace causeway::test
