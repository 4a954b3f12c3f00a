// SPDX-License-Identifier: Apache-2.0
#include "atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <causeway/fd.hpp>
#include <cerrno>
#include <cstdlib>

namespace camera_to_gpu {
namespace {

using causeway::Errc;
using causeway::Error;
using causeway::Result;
using causeway::Status;
using causeway::UniqueFd;

Error cannot_write(const std::string& path, const char* what, int system_errno) {
  return Error(causeway::errc_from_errno(system_errno), path, fmt::format("the file cannot be {}", what),
               system_errno);
}

}  // namespace

Result<AtomicFile> AtomicFile::create(std::string path) {
  struct stat found {};
  // Renaming would replace whatever has the name: a device node, even.
  if (::stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode)) {
    return Error(Errc::InvalidArgument, path,
                 S_ISDIR(found.st_mode) ? "this is a folder; the name of a file is needed"
                                        : "this is not an ordinary file, and would be replaced");
  }
  const auto slash = path.rfind('/');
  const auto name_at = slash == std::string::npos ? 0 : slash + 1;
  if (name_at == path.size()) {
    return Error(Errc::InvalidArgument, path.empty() ? "output" : path, "the name of a file is missing");
  }
  std::string temporary = path.substr(0, name_at) + "." + path.substr(name_at) + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) {
    return cannot_write(path, "created", errno);
  }
  // mkostemp gives it to the owner alone; an ordinary file gets what the umask leaves.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  std::FILE* stream = ::fchmod(fd.get(), 0666 & ~mask) == 0 ? ::fdopen(fd.get(), "wb") : nullptr;
  if (stream == nullptr) {
    const int reason = errno;
    ::unlink(temporary.c_str());
    return cannot_write(path, "created", reason);
  }
  static_cast<void>(fd.release());  // the stream's now
  return AtomicFile(std::move(path), std::move(temporary), stream);
}

AtomicFile::~AtomicFile() {
  if (stream_ != nullptr) {
    ::unlink(temporary_.c_str());
  }
}

Status AtomicFile::commit() {
  const bool written = std::ferror(stream_.get()) == 0 && std::fflush(stream_.get()) == 0;
  if (!written || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return cannot_write(path_, written ? "renamed into place" : "written", errno);
  }
  stream_.reset();
  return {};
}

}  // namespace camera_to_gpu
