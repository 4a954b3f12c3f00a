// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/fake_descriptor.hpp"
#include "support/fake_kernel.hpp"

namespace causeway::test {

struct FakeFence::State {
  std::string name;
  std::atomic<bool> signalled = false;
  int error = 0;
};
using Fences = std::vector<std::shared_ptr<FakeFence::State>>;

/// The sync_files of the fake kernel. Each is the reading end of a pipe, into which a byte is written when
/// its last fence has signalled: pollable as a real one, and with an inode of its own.
/// Threads: thread-bound (its owner locks).
class SyncFiles {
public:
  explicit SyncFiles(OwnDescriptors& own) : own_(own) {}

  /// A new descriptor, which is the caller's; -1 and errno on failure. No fences: signalled.
  [[nodiscard]] int create(std::string name, Fences fences);
  [[nodiscard]] std::optional<Fences> fences_of(int fd) const;
  /// Makes readable what waited for fences that have signalled meanwhile, and drops files that nobody holds.
  void update();

  /// SYNC_IOC_FILE_INFO and SYNC_IOC_MERGE: 0 or -errno. made gets the new descriptor of a merge.
  [[nodiscard]] int ioctl(int fd, unsigned long request, void* argument, int& made);

private:
  struct File {
    std::string name;
    Fences fences;
    OwnFd writing_end;
    bool readable = false;
  };
  [[nodiscard]] int report(const File& file, void* argument) const;

  OwnDescriptors& own_;
  std::map<Inode, File> files_;
};

[[nodiscard]] bool all_signalled(const Fences& fences);

}  // namespace causeway::test
