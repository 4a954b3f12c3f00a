// SPDX-License-Identifier: Apache-2.0
//
// Pictures of a Y4M file. Each is read(2) from the file straight into the shared frame; only the two chroma
// planes, which NV12 wants interleaved, pass through a small buffer on their way.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>
#include <vector>

#include "painter_feed.hpp"
#include "picture_format.hpp"
#include "y4m.hpp"

namespace camera_to_gpu {
namespace {

using causeway::Errc;
using causeway::Error;
using causeway::Result;
using causeway::Status;
using causeway::UniqueFd;

/// The file, checked from end to end when it was opened: the header, and where each picture's bytes start.
struct Y4mFile {
  std::string path;
  UniqueFd fd;
  Y4mHeader header;
  std::vector<std::uint64_t> pictures;
};

// Bytes read, fewer than wanted only at the end of the file.
Result<std::size_t> read_at(const Y4mFile& file, std::uint64_t offset, std::span<std::byte> to) {
  std::size_t done = 0;
  while (done < to.size()) {
    const auto got =
        ::pread(file.fd.get(), to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
    if (got == 0) {
      break;
    }
    if (got < 0 && errno != EINTR) {
      return Error(causeway::errc_from_errno(errno), file.path, "the file cannot be read", errno);
    }
    done += got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  return done;
}

Result<std::string> text_at(const Y4mFile& file, std::uint64_t offset) {
  std::string text(kMaxY4mLine, '\0');
  const auto got = read_at(file, offset, std::as_writable_bytes(std::span(text)));
  if (!got) {
    return got.error();
  }
  text.resize(*got);
  return text;
}

// Walks over all pictures, so that a file that is not what it says is refused before anything starts.
Status find_pictures(Y4mFile& file, std::uint64_t file_bytes) {
  std::uint64_t at = file.header.bytes;
  while (at < file_bytes) {
    const auto line = text_at(file, at);
    if (!line) {
      return line.error();
    }
    const auto line_bytes = y4m_frame_line(*line);
    if (line_bytes == 0) {
      return Error(
          Errc::InvalidArgument, file.path,
          fmt::format("at byte {} a line \"FRAME\" is due for picture {}, and is not there; either the "
                      "header lies about the size, {}x{}, or the file is damaged",
                      at, file.pictures.size(), file.header.width, file.header.height));
    }
    at += line_bytes;
    if (file_bytes - at < file.header.picture_bytes()) {
      return Error(Errc::InvalidArgument, file.path,
                   fmt::format("the file is truncated: picture {} takes {} bytes, and {} are there",
                               file.pictures.size(), file.header.picture_bytes(), file_bytes - at));
    }
    file.pictures.push_back(at);
    at += file.header.picture_bytes();
  }
  if (file.pictures.empty()) {
    return Error(Errc::InvalidArgument, file.path, "the file has a Y4M header, but no picture");
  }
  return {};
}

class Y4mReader final : public Painter {
public:
  explicit Y4mReader(std::shared_ptr<const Y4mFile> file)
      : file_(std::move(file)), chroma_(file_->header.chroma_bytes()) {}

  Status paint(const Canvas& canvas, std::uint64_t number) override {
    // A file that is too short for the frames asked for starts again.
    auto at = file_->pictures[number % file_->pictures.size()];
    const auto& luma = canvas.planes[0];
    const std::size_t width = canvas.width;
    const bool gapless = luma.stride == width;
    const std::uint32_t reads = gapless ? 1 : canvas.height;
    const std::size_t length = gapless ? width * canvas.height : width;
    for (std::uint32_t y = 0; y < reads; ++y, at += length) {
      if (auto status = fill(at, {luma.rows + std::size_t{y} * luma.stride, length}, number); !status) {
        return status;
      }
    }
    if (auto status = fill(at, chroma_, number); !status) {
      return status;
    }
    const std::byte* cb = chroma_.data();
    const std::byte* cr = chroma_.data() + chroma_.size() / 2;
    for (std::uint32_t y = 0; y < canvas.height / 2; ++y) {
      std::byte* row = canvas.planes[1].rows + std::size_t{y} * canvas.planes[1].stride;
      for (std::size_t x = 0; x < width / 2; ++x) {
        row[2 * x] = *cb++;
        row[2 * x + 1] = *cr++;
      }
    }
    return {};
  }

private:
  Status fill(std::uint64_t at, std::span<std::byte> to, std::uint64_t number) const {
    const auto got = read_at(*file_, at, to);
    if (!got) {
      return got.error();
    }
    if (*got < to.size()) {
      return Error(Errc::Io, file_->path,
                   fmt::format("the file shrank while it was read: picture {} is not whole any more",
                               number % file_->pictures.size()));
    }
    return {};
  }

  std::shared_ptr<const Y4mFile> file_;
  std::vector<std::byte> chroma_;
};

class Y4mSource final : public Source {
public:
  explicit Y4mSource(std::shared_ptr<const Y4mFile> file) : file_(std::move(file)) {
    desc_ = {
        .format = causeway::formats::kNV12, .width = file_->header.width, .height = file_->header.height};
  }

  const std::string& name() const override { return file_->path; }
  const causeway::FrameDesc& desc() const override { return desc_; }
  const causeway::Device* device() const override { return nullptr; }
  std::uint32_t frames() const override { return static_cast<std::uint32_t>(file_->pictures.size()); }
  bool repeatable() const override { return true; }
  const char* usual_way() const override { return "read into plain memory"; }
  Result<std::unique_ptr<SharedFeed>> share(causeway::FramePool pool) override {
    return shared_feed(std::make_shared<Y4mReader>(file_), std::move(pool));
  }
  Result<std::unique_ptr<PlainFeed>> plain() override {
    return plain_feed(std::make_shared<Y4mReader>(file_), desc_);
  }

private:
  std::shared_ptr<const Y4mFile> file_;
  causeway::FrameDesc desc_;
};

}  // namespace

OpenedSource open_y4m(const Options& options) {
  const auto& path = options.source;
  if (!options.format.empty() && options.format != "NV12") {
    return Error(Errc::Unsupported, path,
                 fmt::format("a Y4M file is read as NV12; {} is not possible", options.format));
  }
  auto file = std::make_shared<Y4mFile>();
  file->path = path;
  file->fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat found {};
  if (!file->fd.valid() || ::fstat(file->fd.get(), &found) != 0) {
    return Error(causeway::errc_from_errno(errno), path, "the file cannot be opened", errno);
  }
  const auto start = text_at(*file, 0);
  if (!start) {
    return start.error();
  }
  auto header = parse_y4m_header(*start, path);
  if (!header) {
    return std::move(header.error());
  }
  file->header = *header;
  if (options.size && (options.size->width != header->width || options.size->height != header->height)) {
    return Error(Errc::Unsupported, path,
                 fmt::format("the file's pictures are {}x{}; --size {}x{} is not possible", header->width,
                             header->height, options.size->width, options.size->height));
  }
  if (auto status = find_pictures(*file, static_cast<std::uint64_t>(found.st_size)); !status) {
    return std::move(status.error());
  }
  return std::make_unique<Y4mSource>(std::move(file));
}

}  // namespace camera_to_gpu
