// SPDX-License-Identifier: Apache-2.0
//
// Exporters of the user's own: the kernel's dma_buf_ops, called when and as often as the kernel would.
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "core_harness.hpp"

namespace causeway::test {
namespace {

/// What an exporter was asked, in order, readable after it is gone.
using Calls = std::shared_ptr<std::vector<std::string>>;

/// An exporter that writes down what it is asked.
class Recorder final : public Exporter {
public:
  Recorder(Calls calls, std::uint64_t size, ExporterOp operations)
      : calls_(std::move(calls)), size_(size), operations_(static_cast<std::uint32_t>(operations)) {
    pages_.reset(::memfd_create("recorder", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(pages_.get(), static_cast<off_t>(size)), 0);
  }

  std::string_view exp_name() const noexcept override { return "recorder"; }
  Result<Backing> map_dma_buf(std::span<const AttachmentRequest> attachments, Direction) override {
    calls_->push_back("map " + std::to_string(attachments.size()));
    return Backing{.fd = pages_.borrow(), .size = size_};
  }
  void unmap_dma_buf(Direction) noexcept override { calls_->emplace_back("unmap"); }
  void release() noexcept override { calls_->emplace_back("release"); }
  std::uint32_t operations() const noexcept override { return operations_; }
  Status attach(const AttachmentRequest& request) override {
    calls_->emplace_back("attach");
    if (writes(request.usage)) {
      return Error(Errc::Unsupported, "Recorder::attach", "this memory is for looking at alone");
    }
    return {};
  }
  void detach(const AttachmentRequest&) noexcept override { calls_->emplace_back("detach"); }
  Status begin_cpu_access(Usage, Deadline) override {
    calls_->emplace_back("begin");
    return {};
  }
  Status end_cpu_access(Usage) override {
    calls_->emplace_back("end");
    return {};
  }
  Result<std::byte*> vmap() override {
    calls_->emplace_back("vmap");
    return bytes_.data();
  }
  void vunmap(std::byte* address) noexcept override {
    calls_->push_back(address == bytes_.data() ? "vunmap" : "vunmap of something else");
  }
  Result<std::byte*> mmap(std::uint64_t offset, std::uint64_t) override {
    calls_->emplace_back("mmap");
    return bytes_.data() + offset;
  }
  void munmap(std::byte*, std::uint64_t) noexcept override { calls_->emplace_back("munmap"); }

private:
  Calls calls_;
  std::uint64_t size_;
  std::uint32_t operations_;
  UniqueFd pages_;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(2 * kPage);
};

class CoreExporter : public CoreTest {
protected:
  Result<DmaBuf> record(ExporterOp operations, std::uint64_t size = 2 * kPage) {
    return DmaBuf::create(
        runtime(), {.exporter = std::make_unique<Recorder>(calls, 2 * kPage, operations), .size = size});
  }
  const Calls calls = std::make_shared<std::vector<std::string>>();
  static constexpr auto kNothing = ExporterOp{};
};

TEST_F(CoreExporter, ReleaseComesOnceAfterTheLastReferenceAttachmentsIncluded) {
  auto device = open("via-cpu");
  {
    Mapping mapping;
    {
      const std::vector<DmaBuf> handles(2, must(record(kNothing)));
      auto attachment = must(handles[1].attach(device, Usage::ReadWrite));
      mapping = must(attachment.map(Direction::Bidirectional));
    }
    EXPECT_THAT(*calls, ::testing::Not(::testing::Contains("release")));
  }
  EXPECT_THAT(*calls, ::testing::ElementsAre("map 0", "unmap", "map 1", "unmap", "release"));
}

TEST_F(CoreExporter, WithoutOptionalOperationsTheRuntimeHasItsOwn) {
  auto buffer = must(record(kNothing));
  auto cpu = must(buffer.map_cpu());
  auto access = must(cpu.begin(Usage::Write, soon()));
  access.bytes()[0] = std::byte{7};
  EXPECT_TRUE(access.end());
  auto part = must(buffer.mmap(0, kPage));
  EXPECT_EQ(part.bytes()[0], std::byte{7});
  EXPECT_THAT(*calls, ::testing::ElementsAre("map 0", "unmap"));
}

TEST_F(CoreExporter, OptionalOperationsAreCalledWhereTheyAreThere) {
  {
    auto buffer = must(record(ExporterOp::CpuAccess | ExporterOp::Vmap | ExporterOp::Mmap));
    calls->clear();
    const auto first = must(buffer.map_cpu());
    const auto second = must(buffer.map_cpu());
    auto access = must(second.begin(Usage::Read, soon()));
    EXPECT_TRUE(access.end());
    const auto page = must(buffer.map_page(1));
    EXPECT_EQ(page.bytes().size(), kPage);
  }
  EXPECT_THAT(*calls, ::testing::ElementsAre("vmap", "begin", "end", "mmap", "munmap", "vunmap", "release"));
}

TEST_F(CoreExporter, DevicesAreRefusedInItsOwnWords) {
  auto device = open("via-cpu");
  auto buffer = must(record(ExporterOp::Attach));
  EXPECT_TRUE(fails_with(buffer.attach(device, Usage::Write), Errc::Unsupported, {"looking at alone"}));
  EXPECT_THAT(buffer.attachments(), ::testing::IsEmpty());
  {
    const auto viewer = must(buffer.attach(device, Usage::Read));
    EXPECT_THAT(buffer.attachments(), ::testing::SizeIs(1));
  }
  EXPECT_THAT(buffer.attachments(), ::testing::IsEmpty());
  EXPECT_THAT(*calls, ::testing::ElementsAre("map 0", "unmap", "attach", "attach", "detach"));
}

TEST_F(CoreExporter, WhatCannotBeIsRefusedAndReleased) {
  EXPECT_TRUE(fails_with(DmaBuf::create(runtime(), {.size = kPage}), Errc::InvalidArgument, {"exporter"}));
  EXPECT_TRUE(fails_with(record(kNothing, 0), Errc::InvalidArgument, {"0 bytes"}));
  EXPECT_TRUE(fails_with(record(kNothing, 100), Errc::InvalidArgument, {"100", "page"}));
  EXPECT_TRUE(fails_with(record(kNothing, 4 * kPage), Errc::InvalidArgument, {"recorder", "16384"}));
  EXPECT_EQ(std::count(calls->begin(), calls->end(), "release"), 3);
}

TEST_F(CoreExporter, MemoryThatIsAnotherBufferIsRefused) {
  // An exporter over a descriptor of a buffer that the runtime has already.
  class Thief final : public Exporter {
  public:
    explicit Thief(UniqueFd fd) : fd_(std::move(fd)) {}
    std::string_view exp_name() const noexcept override { return "thief"; }
    Result<Backing> map_dma_buf(std::span<const AttachmentRequest>, Direction) override {
      return Backing{.fd = fd_.borrow(), .size = kPage, .is_dma_buf = true};
    }
    void unmap_dma_buf(Direction) noexcept override {}
    void release() noexcept override {}

  private:
    UniqueFd fd_;
  };
  auto owner = buffer();
  auto stolen =
      DmaBuf::create(runtime(), {.exporter = std::make_unique<Thief>(must(owner.dup_fd())), .size = kPage});
  EXPECT_TRUE(fails_with(stolen, Errc::Busy, {"thief", "from_fd"}));
  EXPECT_TRUE(must(DmaBuf::from_fd(runtime(), must(owner.fd()))) == owner);
}

TEST_F(CoreExporter, RangesStayWithinTheBuffer) {
  auto buffer = must(record(kNothing));
  EXPECT_TRUE(fails_with(buffer.mmap(0, 3 * kPage), Errc::InvalidArgument, {"12288", "8192"}));
  EXPECT_TRUE(fails_with(buffer.mmap(~std::uint64_t{4095}, 2 * kPage), Errc::InvalidArgument));
  EXPECT_TRUE(fails_with(buffer.mmap(1, kPage), Errc::InvalidArgument, {"whole pages"}));
  EXPECT_TRUE(fails_with(buffer.mmap(0, 0), Errc::InvalidArgument));
  EXPECT_TRUE(fails_with(buffer.map_page(2), Errc::InvalidArgument, {"page 2"}));
  EXPECT_TRUE(fails_with(buffer.map_page(~std::uint64_t{0}), Errc::InvalidArgument));
}

}  // namespace
}  // namespace causeway::test
