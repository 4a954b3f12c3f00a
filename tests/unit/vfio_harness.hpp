// SPDX-License-Identifier: Apache-2.0
#pragma once

// A runtime over the fake kernel with a card behind its VFIO, and the hardware of that card.

#include <array>
#include <causeway/fpga_vfio.hpp>

#include "guest/vfio_edu.hpp"
#include "support/fake_vfio.hpp"
#include "unit/core_harness.hpp"

namespace causeway::test {

inline Deadline soon() {
  return Deadline::in(std::chrono::seconds(20));
}
inline Deadline shortly() {
  return Deadline::in(std::chrono::milliseconds(30));
}

class VfioTest : public FakeKernelTest {
protected:
  void SetUp() override {
    runtime.emplace(must(
        Runtime::create({.syscalls = kernel.syscalls(),
                         .backends = {&testdma_backend},
                         .backend_path = "",
                         .log = [this](LogLevel level, std::string_view text) { log.add(level, text); }})));
  }
  void TearDown() override {
    runtime.reset();
    EXPECT_TRUE(vfio.mapped().empty()) << "something is still mapped for the card";
    FakeKernelTest::TearDown();
  }

  [[nodiscard]] Result<Device> try_open(const fpga_vfio::OpenInfo& info = edu::open_info("0000:00:04.0")) {
    return fpga_vfio::open(*runtime, info);
  }
  [[nodiscard]] Device open(const fpga_vfio::OpenInfo& info = edu::open_info("0000:00:04.0")) {
    return must(try_open(info));
  }

  /// What the card does when it is started: one transfer, and its interrupt. False if the IOMMU blocked it.
  bool work() {
    const auto command = vfio.read_register(edu::kCommand);
    const auto count = std::min(vfio.read_register(edu::kCount), edu::kMost);
    const bool from_card = (command & edu::kFromCard) != 0;
    const auto memory = std::span(own_memory).first(count);
    const bool moved = from_card ? vfio.dma_write(vfio.read_register(edu::kDestination), memory)
                                 : vfio.dma_read(vfio.read_register(edu::kSource), memory);
    vfio.write_register(edu::kCommand, command & ~edu::kRun);
    if (interrupts && (command & edu::kWithInterrupt) != 0) {
      vfio.raise(0);
    }
    return moved;
  }

  /// A buffer, attached to a device and mapped for it.
  struct Buffer {
    DmaBuf memory;
    Attachment attachment;
    Mapping mapping;
  };
  [[nodiscard]] Buffer buffer(const Device& device, std::uint64_t size = 2 * kPage,
                              Direction direction = Direction::Bidirectional) {
    auto memory = must(runtime->allocate(size));
    auto attachment = must(memory.attach(device, Usage::ReadWrite));
    auto mapping = must(attachment.map(direction));
    return {std::move(memory), std::move(attachment), std::move(mapping)};
  }
  static void fill(const DmaBuf& memory, std::uint8_t seed) {
    auto mapped = must(memory.map_cpu());
    auto access = must(mapped.begin(Usage::Write, soon()));
    for (std::size_t i = 0; i < access.bytes().size(); ++i) {
      access.bytes()[i] = static_cast<std::byte>(seed + i * 7 + i / kPage);
    }
    must(access.end());
  }
  [[nodiscard]] static std::vector<std::byte> bytes_of(const DmaBuf& memory) {
    auto mapped = must(memory.map_cpu());
    auto access = must(mapped.begin(Usage::Read, soon()));
    std::vector<std::byte> bytes(access.bytes().begin(), access.bytes().end());
    must(access.end());
    return bytes;
  }

  FakeVfio vfio{kernel};
  LogBook log;
  std::optional<Runtime> runtime;
  std::array<std::byte, edu::kMost> own_memory{};
  bool interrupts = true;
};

}  // namespace causeway::test
