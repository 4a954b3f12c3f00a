// SPDX-License-Identifier: Apache-2.0
#include "support/fake_descriptor.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace causeway::test {

namespace {

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

std::string eventfd_id(int fd) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd));
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("eventfd-id:")) {
      return line;
    }
  }
  return {};
}

// Files that belong to one object alone, so that every descriptor of them came from here.
bool is_private_file(int fd) {
  struct stat status {};
  struct statfs system {};
  if (::fstat(fd, &status) != 0 || ::fstatfs(fd, &system) != 0) {
    return false;
  }
  return S_ISFIFO(status.st_mode) || (system.f_type == TMPFS_MAGIC && status.st_nlink == 0);
}

std::vector<int> open_descriptors() {
  std::vector<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    found.push_back(std::stoi(entry.path().filename().string()));
  }
  return found;  // the directory's own descriptor is closed by now; asking for its inode tells
}

}  // namespace

std::optional<Inode> inode_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return std::nullopt;
  }
  return Inode{status.st_dev, status.st_ino};
}

void OwnDescriptors::add(int fd) {
  const std::lock_guard lock(mutex_);
  fds_.insert(fd);
}
void OwnDescriptors::remove(int fd) {
  const std::lock_guard lock(mutex_);
  fds_.erase(fd);
}
bool OwnDescriptors::contains(int fd) const {
  const std::lock_guard lock(mutex_);
  return fds_.contains(fd);
}

OwnFd::OwnFd(OwnDescriptors& all, int fd) : all_(&all), fd_(fd) {
  if (fd_ >= 0) {
    all_->add(fd_);
  }
}
OwnFd::~OwnFd() {
  if (fd_ >= 0) {
    all_->remove(fd_);
    ::close(fd_);
  }
}

int reopen(int fd, int flags) {
  return ::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), flags | O_CLOEXEC);
}

bool mark_description(int fd) {
  // A read lock wants a readable description, a write lock a writable one.
  const bool readable = (::fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY;
  auto lock = whole_file(readable ? F_RDLCK : F_WRLCK);
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool description_is_alive(int probe) {
  auto lock = whole_file(F_WRLCK);
  return ::fcntl(probe, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

void HandedOut::add(int fd, const std::string& what) {
  const auto inode = inode_of(fd);
  if (!inode) {
    return;
  }
  forgotten_.erase({fd, *inode});
  numbers_.erase(fd);
  if (files_.contains(*inode)) {
    return;  // a duplicate: the first name says where the object came from
  }
  if (auto id = eventfd_id(fd); !id.empty()) {
    events_.emplace(std::move(id), what);
  } else if (is_private_file(fd)) {
    files_.emplace(*inode, what);
  } else {
    numbers_.emplace(fd, std::pair(*inode, what));
  }
}

void HandedOut::add_duplicate(int fd, const std::string& what) {
  const auto inode = inode_of(fd);
  if (!inode) {
    return;
  }
  forgotten_.erase({fd, *inode});
  numbers_.erase(fd);
  if (!files_.contains(*inode) && !events_.contains(eventfd_id(fd))) {
    numbers_.emplace(fd, std::pair(*inode, what));
  }
}

std::vector<HandedOut::Open> HandedOut::find(const OwnDescriptors& own) const {
  std::vector<Open> found;
  for (const int fd : open_descriptors()) {
    const auto inode = inode_of(fd);
    if (!inode || own.contains(fd) || forgotten_.contains({fd, *inode})) {
      continue;
    }
    const std::string* what = nullptr;
    if (const auto file = files_.find(*inode); file != files_.end()) {
      what = &file->second;
    } else if (const auto number = numbers_.find(fd);
               number != numbers_.end() && number->second.first == *inode) {
      what = &number->second.second;
    } else if (const auto event = events_.find(eventfd_id(fd)); event != events_.end()) {
      what = &event->second;
    }
    if (what != nullptr) {
      found.push_back({fd, "Descriptor " + std::to_string(fd) + " was never closed: " + *what + "."});
    }
  }
  return found;
}

std::vector<std::string> HandedOut::still_open(const OwnDescriptors& own) const {
  std::vector<std::string> sentences;
  for (auto& open : find(own)) {
    sentences.push_back(std::move(open.sentence));
  }
  return sentences;
}

void HandedOut::forget_open(const OwnDescriptors& own) {
  for (const auto& open : find(own)) {
    if (const auto inode = inode_of(open.fd)) {
      forgotten_.insert({open.fd, *inode});
    }
  }
}

}  // namespace causeway::test
