// SPDX-License-Identifier: Apache-2.0
#include "contract/exporter_contract.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "host/vulkan_validation.hpp"

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

/// The shortest exporter that a user can write: the mandatory operations, over pages of its own.
class UserWritten final : public Exporter {
public:
  UserWritten(UniqueFd pages, std::uint64_t size) : pages_(std::move(pages)), size_(size) {}
  [[nodiscard]] std::string_view exp_name() const noexcept override { return kOwn; }
  [[nodiscard]] Result<Backing> map_dma_buf(std::span<const AttachmentRequest> /*attachments*/,
                                            Direction /*direction*/) override {
    return Backing{.fd = pages_.borrow(), .size = size_};
  }
  void unmap_dma_buf(Direction /*direction*/) noexcept override {}
  void release() noexcept override { pages_.reset(); }

private:
  UniqueFd pages_;
  std::uint64_t size_;
};

UniqueFd pages_of(const FakeKernel* fake, const std::string& name, std::uint64_t size) {
  UniqueFd pages(fake != nullptr ? fake->syscalls()->memfd_create(fake->syscalls()->context, name.c_str(),
                                                                  MFD_CLOEXEC | MFD_ALLOW_SEALING)
                                 : ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!pages.valid() || ::ftruncate(pages.get(), static_cast<off_t>(size)) != 0 ||
      ::fcntl(pages.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    throw std::runtime_error("no memfd for the user's exporter");
  }
  return pages;
}

Runtime make_runtime(const FakeKernel* fake) {
  auto options = watched_options();  // some of the exporters are Vulkan devices
  options.syscalls = fake != nullptr ? fake->syscalls() : nullptr;
  options.backends = {&testdma_backend};
  options.backend_path = "";
  return must(Runtime::create(options));
}

/// Whether a device exports memory here: tried once, as Runtime::exporters() tries the others.
ExporterInfo try_device(Runtime& runtime, const std::string& kind, bool fake) {
  const auto device = open_exporting_device(runtime, kind, fake);
  const auto made = device ? allocate_on(runtime, *device, kPage, "trial") : Result<DmaBuf>(device.error());
  return {.name = kind,
          .available = made.has_value(),
          .explanation = made ? device->name() + " exports its memory." : made.error().message()};
}

}  // namespace

bool in_tier(const char* name) {
  const char* tier = std::getenv("CAUSEWAY_TEST_TIER");
  return tier != nullptr && std::strcmp(tier, name) == 0;
}

bool on_real_kernel() {
  return std::getenv("CAUSEWAY_TEST_TIER") != nullptr && !in_tier("unit");
}

const std::vector<ExporterInfo>& exporters_here() {
  static const std::vector<ExporterInfo> found = [] {
    const auto fake = on_real_kernel() ? nullptr : std::make_unique<FakeKernel>();
    const auto devices = fake ? std::make_unique<FakeDevices>(*fake) : nullptr;
    auto runtime = make_runtime(fake.get());
    auto all = runtime.exporters();
    for (const char* kind : {kCamera, kGpu}) {
      all.push_back(try_device(runtime, kind, fake != nullptr));
    }
    all.push_back({.name = kDeferred, .available = true, .explanation = "Settles on one of the others."});
    all.push_back({.name = kOwn, .available = true, .explanation = "Is part of these tests."});
    return all;
  }();
  return found;
}

std::string ExporterContract::owner() const {
  if (exporter() != kDeferred) {
    return exporter();
  }
  // The first rung of the ladder that stands; nobody is attached who would want another.
  const auto& all = exporters_here();
  return std::find_if(all.begin(), all.end(), [](const ExporterInfo& info) { return info.available; })->name;
}

DmaBuf ExporterContract::buffer(std::uint64_t size, const std::string& name) {
  if (is_device()) {
    return must(allocate_on(runtime(), *device_, size, name));
  }
  if (!is_created()) {
    return must(runtime().allocate(size, exporter(), name));
  }
  const std::uint64_t pages = (size + kPage - 1) / kPage * kPage;
  if (exporter() == kDeferred) {
    auto made = must(DmaBuf::create(runtime(), DeferredExporter::describe(runtime(), pages, name)));
    must(made.map_cpu());  // settles it
    return made;
  }
  auto exporter = std::make_unique<UserWritten>(pages_of(fake.get(), name, pages), pages);
  return must(DmaBuf::create(runtime(), {.exporter = std::move(exporter), .size = pages, .name = name}));
}

void ExporterContract::SetUp() {
  const auto& info = exporters_here().at(GetParam());
  if (!info.available) {
    GTEST_SKIP() << info.explanation;
  }
  fake = on_real_kernel() ? nullptr : std::make_unique<FakeKernel>();
  if (fake != nullptr) {
    fake_devices_ = std::make_unique<FakeDevices>(*fake);
  }
  descriptors_before_ = open_descriptors();
  runtime_.emplace(another_runtime());
  if (is_device()) {
    device_.emplace(must(open_exporting_device(runtime(), exporter(), fake != nullptr)));
  }
}

void ExporterContract::TearDown() {
  if (!runtime_) {
    return;  // skipped
  }
  device_.reset();
  runtime_.reset();
  if (fake != nullptr) {
    fake_devices_.reset();
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
