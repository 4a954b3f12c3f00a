// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace causeway::test {

/// What a program said, and how it ended.
struct Ended {
  int exit_code = -1;  ///< -1 if a signal ended it
  int signal = 0;
  std::string out;
  std::string err;
};

/// A program that runs beside the test; killed if it is still there when this object goes.
class Program {
public:
  /// Starts path with args. open_files: its limit on descriptors (ulimit -n), if given.
  Program(const std::string& path, const std::vector<std::string>& args,
          std::optional<unsigned> open_files = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const;
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Waits until it has ended, killing it after the timeout.
  Ended wait(std::chrono::seconds timeout = std::chrono::seconds(100));

private:
  std::filesystem::path folder_;  // its output lies in files, so that it never waits for us
  pid_t pid_ = -1;
};

/// A folder of the test's own, gone with this object.
class TempFolder {
public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  /// The names of the files in it, hidden ones too.
  [[nodiscard]] std::vector<std::string> files() const;

private:
  std::filesystem::path folder_;
};

}  // namespace causeway::test
