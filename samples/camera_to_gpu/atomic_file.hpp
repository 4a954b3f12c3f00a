// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <cstdio>
#include <memory>
#include <string>

namespace camera_to_gpu {

/// A file that appears under its name when it is complete, or not at all: it is written to a temporary file
/// beside it and renamed. Dropped before commit(), it leaves nothing behind.
class AtomicFile {
public:
  /// Errors: InvalidArgument (the name is taken by something that is not a file), and the system's: the
  /// folder is missing or cannot be written to.
  [[nodiscard]] static causeway::Result<AtomicFile> create(std::string path);

  AtomicFile(AtomicFile&&) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  [[nodiscard]] std::FILE* stream() const noexcept { return stream_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Gives the file its name. Errors: the system's (the disk is full).
  [[nodiscard]] causeway::Status commit();

private:
  struct Close {
    void operator()(std::FILE* stream) const noexcept { std::fclose(stream); }
  };
  AtomicFile(std::string path, std::string temporary, std::FILE* stream)
      : path_(std::move(path)), temporary_(std::move(temporary)), stream_(stream) {}

  std::string path_;
  std::string temporary_;
  std::unique_ptr<std::FILE, Close> stream_;
};

}  // namespace camera_to_gpu
