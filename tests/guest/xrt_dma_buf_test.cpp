// SPDX-License-Identifier: Apache-2.0
//
// The kernel's own dma-bufs into the fake of XRT's library: what the fake kernel of the tier unit says of
// descriptors, identities and bytes holds on Linux, too.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <causeway/causeway.hpp>
#include <causeway/fpga_xrt.hpp>
#include <cstring>
#include <optional>

#include "support/backend_harness.hpp"
#include "support/fake_xrt.hpp"

namespace causeway::test {
namespace {

/// A descriptor's memory, mapped for as long as this lives.
class Mapped {
public:
  explicit Mapped(int fd)
      : size_(static_cast<std::size_t>(std::max<off_t>(::lseek(fd, 0, SEEK_END), 0))),
        memory_(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) {}
  ~Mapped() {
    if (memory_ != MAP_FAILED) {
      ::munmap(memory_, size_);
    }
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  [[nodiscard]] std::span<std::byte> bytes() const {
    return memory_ == MAP_FAILED ? std::span<std::byte>()
                                 : std::span(static_cast<std::byte*>(memory_), size_);
  }

private:
  std::size_t size_;
  void* memory_;
};

class XrtOnLinux : public ::testing::Test {
protected:
  void SetUp() override {
    void* library = ::dlopen(CAUSEWAY_FAKE_XRT, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << ::dlerror();
    xrt = reinterpret_cast<FakeXrt* (*)()>(::dlsym(library, kFakeXrtControls))();
    xrt->reset();
    xrt->size_of = [](int fd) { return Mapped(fd).bytes().size(); };
    xrt->read = [](int fd, std::size_t offset, std::span<std::byte> out) {
      const Mapped memory(fd);
      std::memcpy(out.data(), memory.bytes().data() + offset, out.size());
      return true;
    };
    xrt->write = [](int fd, std::size_t offset, std::span<const std::byte> bytes) {
      const Mapped memory(fd);
      std::memcpy(memory.bytes().data() + offset, bytes.data(), bytes.size());
      return true;
    };
    descriptors_ = open_descriptors();
    runtime.emplace(Runtime::create().value());
  }
  void TearDown() override {
    runtime.reset();
    EXPECT_EQ(xrt->buffers, 0);
    EXPECT_EQ(xrt->devices, 0);
    EXPECT_EQ(xrt->violations, std::vector<std::string>());
    EXPECT_EQ(open_descriptors(), descriptors_) << "descriptors leaked";
  }

  FakeXrt* xrt = nullptr;
  std::optional<Runtime> runtime;

private:
  std::map<int, std::string> descriptors_;
};

TEST_F(XrtOnLinux, AFrameIntoTheCardAndBackIntoAnotherDmaBuf) {
  const auto card = fpga_xrt::open(*runtime, {.library = CAUSEWAY_FAKE_XRT}).value();
  auto pool = runtime->negotiate({.format = formats::kNV12, .width = 322, .height = 180})
                  .with(card, Usage::ReadWrite)
                  .allocate(2)
                  .value();
  EXPECT_EQ(pool.report().exporter, "udmabuf");
  const FrameRef from = pool.frame(0);
  const FrameRef to = pool.frame(1);
  {
    auto access = from.frame().begin_cpu_access(Usage::Write, Deadline::now()).value();
    for (std::size_t i = 0; i < access.bytes(0).size(); ++i) {
      access.bytes(0)[i] = static_cast<std::byte>(i * 31 + i / 4096);
    }
    access.end().value();
  }
  auto reads = from.on(card).begin_access(Usage::Read, Deadline::now()).value();
  auto writes = to.on(card).begin_access(Usage::Write, Deadline::now()).value();
  *xrt->card_bytes(fpga_xrt::buffer(card, to.on(card)).value()) =
      *xrt->card_bytes(fpga_xrt::buffer(card, from.on(card)).value());  // the card's kernel
  EXPECT_TRUE(reads.end());
  EXPECT_TRUE(writes.end());
  auto seen = from.frame().begin_cpu_access(Usage::Read, Deadline::now()).value();
  auto moved = to.frame().begin_cpu_access(Usage::Read, Deadline::now()).value();
  for (std::uint32_t p = 0; p < 2; ++p) {
    for (std::uint32_t row = 0; row < 180 / (p + 1); ++row) {
      const auto at = std::size_t{row} * seen.stride(p);
      ASSERT_EQ(std::memcmp(seen.plane(p).data() + at, moved.plane(p).data() + at, 322), 0)
          << p << " " << row;
    }
  }
  seen.end().value();
  moved.end().value();
}

// The kernel knows one dma-buf by many descriptors; so does the backend.
TEST_F(XrtOnLinux, ADmaBufThatCameInTwiceIsImportedOnce) {
  const auto card = fpga_xrt::open(*runtime, {.library = CAUSEWAY_FAKE_XRT}).value();
  const auto memory = runtime->allocate(8192, "udmabuf").value();
  const auto again = DmaBuf::from_fd(*runtime, memory.fd(Deadline::now()).value()).value();
  auto first = memory.attach(card, Usage::Read).value();
  auto second = again.attach(card, Usage::Read).value();
  EXPECT_EQ(xrt->calls["xrtBOImport"], 1);
  EXPECT_EQ(xrt->buffers, 1);
}

}  // namespace
}  // namespace causeway::test
