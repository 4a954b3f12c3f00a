// SPDX-License-Identifier: Apache-2.0
#include "support/fake_fence.hpp"

#include <fcntl.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace causeway::test {

namespace {

template <std::size_t N>
void copy_name(char (&field)[N], const std::string& name) {  // NOLINT: the kernel's struct has an array
  std::memset(field, 0, N);
  std::memcpy(field, name.data(), std::min(name.size(), N - 1));
}

int status_of(const FakeFence::State& fence) {
  if (!fence.signalled) {
    return 0;
  }
  return fence.error != 0 ? -fence.error : 1;
}

bool has_reader(int writing_end) {
  pollfd end{.fd = writing_end, .events = POLLOUT, .revents = 0};
  return ::poll(&end, 1, 0) >= 0 && (end.revents & POLLERR) == 0;
}

}  // namespace

bool all_signalled(const Fences& fences) {
  return std::all_of(fences.begin(), fences.end(), [](const auto& fence) { return fence->signalled.load(); });
}

int SyncFiles::create(std::string name, Fences fences) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return -1;
  }
  OwnFd writing_end(own_, ends[1]);
  const auto inode = inode_of(ends[0]);
  files_.insert_or_assign(*inode, File{std::move(name), std::move(fences), std::move(writing_end)});
  update();
  return ends[0];
}

std::optional<Fences> SyncFiles::fences_of(int fd) const {
  const auto inode = inode_of(fd);
  const auto found = inode ? files_.find(*inode) : files_.end();
  return found != files_.end() ? std::optional(found->second.fences) : std::nullopt;
}

void SyncFiles::update() {
  for (auto entry = files_.begin(); entry != files_.end();) {
    File& file = entry->second;
    if (!has_reader(file.writing_end.get())) {
      entry = files_.erase(entry);
      continue;
    }
    if (!file.readable && all_signalled(file.fences)) {
      file.readable = ::write(file.writing_end.get(), "!", 1) == 1;
    }
    ++entry;
  }
}

int SyncFiles::ioctl(int fd, unsigned long request, void* argument, int& made) {
  const auto inode = inode_of(fd);
  const auto found = inode ? files_.find(*inode) : files_.end();
  if (found == files_.end()) {
    return -ENOTTY;
  }
  if (request == SYNC_IOC_FILE_INFO) {
    return report(found->second, argument);
  }
  if (request != SYNC_IOC_MERGE) {
    return -ENOTTY;
  }
  auto& merge = *static_cast<sync_merge_data*>(argument);
  const auto other = fences_of(merge.fd2);
  if (merge.flags != 0 || merge.pad != 0) {
    return -EINVAL;
  }
  if (!other) {
    return -ENOENT;
  }
  Fences both = found->second.fences;
  both.insert(both.end(), other->begin(), other->end());
  made = create(std::string(merge.name, ::strnlen(merge.name, sizeof(merge.name))), std::move(both));
  if (made < 0) {
    return -errno;
  }
  merge.fence = made;
  return 0;
}

int SyncFiles::report(const File& file, void* argument) const {
  auto& info = *static_cast<sync_file_info*>(argument);
  if (info.flags != 0 || info.pad != 0) {
    return -EINVAL;
  }
  const auto asked = info.num_fences;
  info.status = 1;
  for (const auto& fence : file.fences) {
    const int status = status_of(*fence);
    info.status = status <= 0 && info.status > 0 ? status : std::min(info.status, status);
  }
  copy_name(info.name, file.name);
  info.num_fences = static_cast<std::uint32_t>(file.fences.size());
  if (asked == 0) {
    return 0;  // sync_file_ioctl_fence_info(): a first call asks only how many there are
  }
  if (asked < info.num_fences) {
    return -EINVAL;
  }
  auto* out = reinterpret_cast<sync_fence_info*>(info.sync_fence_info);
  for (const auto& fence : file.fences) {
    *out = {};
    copy_name(out->obj_name, fence->name);
    copy_name(out->driver_name, "fake");
    out->status = status_of(*fence);
    ++out;
  }
  return 0;
}

}  // namespace causeway::test
