// SPDX-License-Identifier: Apache-2.0
#pragma once

// A runtime over the fake kernel, and cards behind a fake of XRT's library.

#include <dlfcn.h>

#include <causeway/fpga_xrt.hpp>

#include "support/fake_xrt.hpp"
#include "unit/core_harness.hpp"

namespace causeway::test {

/// The controls of the fake, which stays loaded.
inline FakeXrt& fake_xrt() {
  static FakeXrt* const controls = [] {
    void* library = ::dlopen(CAUSEWAY_FAKE_XRT, RTLD_NOW | RTLD_LOCAL);
    return library == nullptr ? nullptr
                              : reinterpret_cast<FakeXrt* (*)()>(::dlsym(library, kFakeXrtControls))();
  }();
  return *controls;
}

class XrtTest : public FakeKernelTest {
protected:
  void SetUp() override {
    xrt.reset();
    xrt.size_of = [this](int fd) {
      const auto info = kernel.info(fd);
      return info ? std::size_t{info->size} : 0U;
    };
    xrt.read = [this](int fd, std::size_t offset, std::span<std::byte> out) {
      return kernel.device_read(fd, offset, out);
    };
    xrt.write = [this](int fd, std::size_t offset, std::span<const std::byte> bytes) {
      return kernel.device_write(fd, offset, bytes);
    };
    xrt.make_dma_buf = [this](std::size_t size) {
      return kernel.make_dma_buf({.size = size, .exporter = "xocl"});
    };
    runtime.emplace(must(
        Runtime::create({.syscalls = kernel.syscalls(),
                         .backends = {&testdma_backend},
                         .backend_path = "",
                         .log = [this](LogLevel level, std::string_view text) { log.add(level, text); }})));
  }
  void TearDown() override {
    runtime.reset();
    EXPECT_EQ(xrt.buffers, 0) << "buffers of XRT's were not freed";
    EXPECT_EQ(xrt.devices, 0) << "devices of XRT's were not closed";
    EXPECT_THAT(xrt.violations, ::testing::IsEmpty());
    xrt.reset();
    FakeKernelTest::TearDown();
  }

  [[nodiscard]] Result<Device> try_open(fpga_xrt::OpenInfo info = {}) {
    info.library = info.library.empty() ? CAUSEWAY_FAKE_XRT : info.library;
    return fpga_xrt::open(*runtime, info);
  }
  [[nodiscard]] Device open(fpga_xrt::OpenInfo info = {}) { return must(try_open(std::move(info))); }

  /// A buffer, attached to a card and mapped for it.
  struct Shared {
    DmaBuf memory;
    Attachment attachment;
    Mapping mapping;
  };
  [[nodiscard]] Shared share(const Device& card, const DmaBuf& memory, Usage usage = Usage::ReadWrite,
                             Direction direction = Direction::Bidirectional) {
    auto attachment = must(memory.attach(card, usage));
    auto mapping = must(attachment.map(direction));
    return {memory, std::move(attachment), std::move(mapping)};
  }
  [[nodiscard]] Shared buffer(const Device& card, std::uint64_t size = 2 * kPage) {
    return share(card, must(runtime->allocate(size)));
  }
  static void fill(const DmaBuf& memory, std::uint8_t value) {
    auto mapped = must(memory.map_cpu());
    auto access = must(mapped.begin(Usage::Write, Deadline::now()));
    std::fill(access.bytes().begin(), access.bytes().end(), std::byte{value});
    must(access.end());
  }
  [[nodiscard]] static std::vector<std::byte> bytes_of(const DmaBuf& memory) {
    auto mapped = must(memory.map_cpu());
    auto access = must(mapped.begin(Usage::Read, Deadline::now()));
    std::vector<std::byte> bytes(access.bytes().begin(), access.bytes().end());
    must(access.end());
    return bytes;
  }
  /// What the card's kernels would find.
  [[nodiscard]] std::vector<std::byte>& card_bytes(const Device& card, const Mapping& mapping,
                                                   std::uint32_t object = 0) {
    return *xrt.card_bytes(must(fpga_xrt::buffer(card, mapping, object)));
  }

  FakeXrt& xrt = fake_xrt();
  LogBook log;
  std::optional<Runtime> runtime;
};

}  // namespace causeway::test
