// SPDX-License-Identifier: Apache-2.0
#pragma once

// One suite for every exporter there is: of the fake kernel in tier "unit", of the real one in the others, so
// that the fake cannot drift from what kernels do.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <causeway/causeway.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "contract/device_exporters.hpp"
#include "support/dma_device.hpp"
#include "support/fake_kernel.hpp"

namespace causeway::test {

inline constexpr std::uint64_t kPage = 4096;

/// Exporters that are no allocators: deferred storage, and an exporter of the user's own over a memfd.
inline constexpr const char* kDeferred = "deferred";
inline constexpr const char* kOwn = "user_written";

[[nodiscard]] bool in_tier(const char* name);
/// True in the tiers whose kernel is a real one.
[[nodiscard]] bool on_real_kernel();
/// What can allocate in this tier, found once.
[[nodiscard]] const std::vector<ExporterInfo>& exporters_here();

template <class T>
T must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message());
  }
  if constexpr (!std::is_void_v<T>) {
    return std::move(*result);
  }
}

/// The parameter is an index into exporters_here(). Every test is one operation, and named as such in the
/// matrix that is printed at the end.
class ExporterContract : public ::testing::TestWithParam<std::size_t> {
protected:
  void SetUp() override;
  void TearDown() override;

  [[nodiscard]] const std::string& exporter() const { return exporters_here().at(GetParam()).name; }
  /// Whose memory it is once it is settled: the exporter, or whom deferred storage comes from here.
  [[nodiscard]] std::string owner() const;
  /// "dma_heap" of "dma_heap:system".
  [[nodiscard]] std::string kind() const { return owner().substr(0, owner().find(':')); }
  [[nodiscard]] bool makes_dma_bufs() const {
    return kind() != "memfd" && kind() != kOwn && owner() != "hugetlb:memfd";
  }
  [[nodiscard]] bool has_memfd_beneath() const {
    return kind() == "memfd" || kind() == "udmabuf" || kind() == "hugetlb";
  }
  /// Its buffers may be larger than the next whole page.
  [[nodiscard]] bool rounds_further() const {
    return kind() == "drm_dumb" || kind() == "gbm" || kind() == "hugetlb" || is_device();
  }
  /// Its buffers are made by DmaBuf::create.
  [[nodiscard]] bool is_created() const { return exporter() == kDeferred || exporter() == kOwn; }
  /// Its buffers are made by Runtime::allocate_on, of the fixture's device.
  [[nodiscard]] bool is_device() const { return exporter() == kCamera || exporter() == kGpu; }

  [[nodiscard]] DmaBuf buffer(std::uint64_t size = kPage, const std::string& name = "contract");
  Runtime& runtime() { return *runtime_; }
  /// Of a device exporter.
  [[nodiscard]] const Device& device() const { return *device_; }
  [[nodiscard]] Runtime another_runtime() const;
  static Deadline soon() { return Deadline::in(std::chrono::seconds(10)); }
  static CpuAccess begin(const DmaBuf& of, Usage usage) {
    return must(must(of.map_cpu()).begin(usage, soon()));
  }

  /// The operation is refused, as it has to be with this exporter; for the matrix.
  static void refused_by_design(const std::string& reason) { RecordProperty("refused", reason); }

  std::unique_ptr<FakeKernel> fake;  // null on a real kernel

private:
  std::unique_ptr<FakeDevices> fake_devices_;
  std::optional<Runtime> runtime_;
  std::optional<Device> device_;
  std::size_t descriptors_before_ = 0;
};

}  // namespace causeway::test
