// SPDX-License-Identifier: Apache-2.0
//
// An exporter of one's own: memory that does not come from one of Causeway's allocators is shared with
// devices.
//
// Here it is a picture store: pages that some other part of a program keeps in shared memory. Devices may
// look at the pictures, and none may paint over them. It is the kernel's struct dma_buf_ops as a class: three
// mandatory operations, and the optional ones that operations() names.
#include <causeway/causeway.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

using namespace causeway;

namespace {

class PictureStore final : public Exporter {
public:
  /// Takes pages over: a memfd of that many bytes.
  PictureStore(UniqueFd pages, std::uint64_t size) : pages_(std::move(pages)), size_(size) {}

  // ---- mandatory

  std::string_view exp_name() const noexcept override { return "picture_store"; }

  /// The storage exists from the start, so there is nothing to settle. One that defers it would look at what
  /// the attachments need, and choose.
  Result<Backing> map_dma_buf(std::span<const AttachmentRequest> /*attachments*/,
                              Direction /*direction*/) override {
    ++mappings_;
    return Backing{.fd = pages_.borrow(), .size = size_, .is_dma_buf = false};
  }

  void unmap_dma_buf(Direction /*direction*/) noexcept override { --mappings_; }

  /// Called once, after the last handle, attachment and mapping is gone.
  void release() noexcept override {
    std::printf("released with %d mapping(s) left\n", mappings_);
    pages_.reset();
  }

  // ---- optional

  std::uint32_t operations() const noexcept override {
    return static_cast<std::uint32_t>(ExporterOp::Attach | ExporterOp::CpuAccess);
  }

  /// A device that wants to write is not welcome. Whoever asks gets the reason as a sentence.
  Status attach(const AttachmentRequest& request) override {
    if (writes(request.usage)) {
      return Error(Errc::Unsupported, "PictureStore::attach",
                   "pictures of the store are shown, not painted over; attach " + request.device.name() +
                       " for reading");
    }
    return {};
  }
  void detach(const AttachmentRequest& request) noexcept override {
    std::printf("%s went away\n", request.device.name().c_str());
  }

  /// Pages of plain shared memory need no care. An exporter of uncached memory would tend its caches here.
  Status begin_cpu_access(Usage usage, Deadline /*deadline*/) override {
    std::printf("the CPU comes to %s\n", writes(usage) ? "write" : "read");
    return {};
  }
  Status end_cpu_access(Usage /*usage*/) override { return {}; }

private:
  UniqueFd pages_;
  std::uint64_t size_;
  int mappings_ = 0;
};

/// The picture: 64 by 64 pixels of grey, one page.
constexpr std::uint32_t kSide = 64;
constexpr std::uint64_t kBytes = std::uint64_t{kSide} * kSide;

/// Prints the sentence and ends the program if there is no value.
template <class T>
T value_or_exit(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message().c_str());
    std::exit(1);
  }
  return std::move(*result);
}

void require(const Status& status) {
  if (!status) {
    std::fprintf(stderr, "%s\n", status.error().message().c_str());
    std::exit(1);
  }
}

UniqueFd pages_of_a_picture() {
  UniqueFd pages(::memfd_create("picture", MFD_CLOEXEC));
  if (!pages.valid() || ::ftruncate(pages.get(), static_cast<off_t>(kBytes)) != 0) {
    std::perror("memfd_create");
    std::exit(1);
  }
  return pages;
}

}  // namespace

int main() {
  auto runtime = value_or_exit(Runtime::create());
  const auto device = value_or_exit(runtime.open_device("null"));

  auto buffer = value_or_exit(DmaBuf::create(
      runtime, {.exporter = std::make_unique<PictureStore>(pages_of_a_picture(), kBytes), .size = kBytes}));

  // The bytes as an image: from here on it is a frame like any other.
  const auto frame = value_or_exit(Frame::create(
      {.format = formats::kR8, .width = kSide, .height = kSide, .planes = {{.object = 0, .stride = kSide}}},
      {buffer}));
  {
    auto access = value_or_exit(frame.begin_cpu_access(Usage::Write, Deadline::now()));
    std::memset(access.plane(0).data(), 0x80, access.plane(0).size());
    require(access.end());
  }

  auto viewer = value_or_exit(frame.attach(device, Usage::Read));
  const auto view = value_or_exit(viewer.map(Direction::ToDevice));
  std::printf("%s sees the picture: %s\n", device.name().c_str(), to_string(view.verdict()));

  // The safeguard: painters are refused, in the exporter's own words.
  const auto painter = frame.attach(device, Usage::Write);
  if (painter) {
    std::fprintf(stderr, "a painter was let in\n");
    return 1;
  }
  std::printf("refused: %s\n", painter.error().message().c_str());

  for (const auto& entry : runtime.ledger()) {
    std::printf("ledger: %s\n", entry.to_string().c_str());
  }
  return view.verdict() == AliasVerdict::Aliased ? 0 : 1;
}
