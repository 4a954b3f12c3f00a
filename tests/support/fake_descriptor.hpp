// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <compare>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace causeway::test {

/// What a descriptor stands for, whatever its number: a file's (st_dev, st_ino).
struct Inode {
  dev_t device = 0;
  ino_t number = 0;
  auto operator<=>(const Inode&) const = default;
};
[[nodiscard]] std::optional<Inode> inode_of(int fd);

/// The numbers of the descriptors that the fake kernel holds itself, which are no leaks of the code under
/// test. Threads: thread-safe.
class OwnDescriptors {
public:
  void add(int fd);
  void remove(int fd);
  [[nodiscard]] bool contains(int fd) const;

private:
  mutable std::mutex mutex_;
  std::set<int> fds_;
};

/// A descriptor that the fake kernel holds itself. Threads: reentrant.
class OwnFd {
public:
  OwnFd() = default;
  OwnFd(OwnDescriptors& all, int fd);
  OwnFd(OwnFd&& other) noexcept
      : all_(std::exchange(other.all_, nullptr)), fd_(std::exchange(other.fd_, -1)) {}
  OwnFd& operator=(OwnFd&& other) noexcept {
    std::swap(all_, other.all_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  OwnFd(const OwnFd&) = delete;
  OwnFd& operator=(const OwnFd&) = delete;
  ~OwnFd();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

private:
  OwnDescriptors* all_ = nullptr;
  int fd_ = -1;
};

/// A second open file description of the file behind fd; -1 and errno on failure.
[[nodiscard]] int reopen(int fd, int flags);

/// Marks the open file description behind fd so that description_is_alive() can tell when its last descriptor
/// is gone, in this process or any other: the mark is a lock that the kernel drops just then (F_OFD_SETLK).
[[nodiscard]] bool mark_description(int fd);
/// probe is another description of the same file.
[[nodiscard]] bool description_is_alive(int probe);

/// Which descriptors the code under test was handed, to find those that are still open at the end.
/// Threads: thread-bound (its owner locks).
class HandedOut {
public:
  void add(int fd, const std::string& what);
  /// A duplicate: of a file that came from here, it is known by that file; else by its number alone, since
  /// the original is the business of whoever opened it.
  void add_duplicate(int fd, const std::string& what);
  /// One sentence for each that is open now.
  [[nodiscard]] std::vector<std::string> still_open(const OwnDescriptors& own) const;
  /// Those open now are known and not told again.
  void forget_open(const OwnDescriptors& own);

private:
  struct Open {
    int fd;
    std::string sentence;
  };
  [[nodiscard]] std::vector<Open> find(const OwnDescriptors& own) const;

  std::map<Inode, std::string> files_;         // files of one object each: memfd, dma-buf, sync_file
  std::map<std::string, std::string> events_;  // eventfds share one inode; fdinfo has an id for each
  std::map<int, std::pair<Inode, std::string>>
      numbers_;  // the machine's own files, which others may have open
  std::set<std::pair<int, Inode>> forgotten_;
};

}  // namespace causeway::test
