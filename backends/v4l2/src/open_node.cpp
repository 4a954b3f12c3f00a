// SPDX-License-Identifier: Apache-2.0
#include "open_node.hpp"

#include <fcntl.h>
#include <grp.h>

#include <algorithm>
#include <array>
#include <causeway/plugin/text.hpp>
#include <cctype>
#include <cerrno>
#include <string_view>

namespace causeway::v4l2_backend {
namespace {

constexpr std::string_view kFolder = "/dev";
constexpr std::string_view kPrefix = "video";

bool is_video_node(std::string_view name) {
  return name.size() > kPrefix.size() && name.size() < kPrefix.size() + 6 && name.starts_with(kPrefix) &&
         std::ranges::all_of(name.substr(kPrefix.size()),
                             [](unsigned char c) { return std::isdigit(c) != 0; });
}

unsigned long number_of(std::string_view path) {
  return std::stoul(std::string(path.substr(kFolder.size() + 1 + kPrefix.size())));
}

std::string what_there_is(plugin::Host host) {
  std::string list;
  for (const auto& path : video_nodes(host)) {
    list += (list.empty() ? "" : ", ") + path;
  }
  return list.empty() ? "this system has no /dev/video* node at all: no camera is plugged in, or its driver "
                        "is not loaded"
                      : "the video nodes here are " + list;
}

/// Who may open the node, for the user to join: an O_PATH descriptor needs no permission on the file itself.
std::string owning_group(plugin::Host host, const std::string& path) {
  const auto& calls = host.syscalls();
  const UniqueFd fd(calls.open(calls.context, path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!fd.valid() || calls.fstat(calls.context, fd.get(), &status) < 0) {
    return "a group of its own (see ls -l " + path + ")";
  }
  std::array<char, 4096> room{};
  group entry{};
  group* found = nullptr;
  if (::getgrgid_r(status.st_gid, &entry, room.data(), room.size(), &found) == 0 && found != nullptr) {
    return plugin::words("the group '", found->gr_name, "'");
  }
  return plugin::words("group ", status.st_gid);
}

}  // namespace

std::vector<std::string> video_nodes(plugin::Host host) {
  std::vector<std::string> found;
  const auto& calls = host.syscalls();
  const auto visit = [](void* user, const char* name) {
    if (is_video_node(name)) {
      static_cast<std::vector<std::string>*>(user)->push_back(plugin::words(kFolder, "/", name));
    }
  };
  // No /dev at all, or one that may not be listed: no cameras.
  (void)calls.list_directory(calls.context, std::string(kFolder).c_str(), visit, &found);
  std::ranges::sort(found, {}, number_of);
  return found;
}

Result<Node> open_node(plugin::Host host, const std::string& path) {
  const auto& calls = host.syscalls();
  int opened = -1;
  do {  // a camera's driver may sleep in its open
    opened = calls.open(calls.context, path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  } while (opened < 0 && errno == EINTR);
  if (opened >= 0) {
    return Node(host, UniqueFd(opened), path);
  }
  const int reason = errno;
  switch (reason) {
    case ENOENT:
    case ENOTDIR:
      return Error(Errc::NotFound, "open", plugin::words("there is no ", path, "; ", what_there_is(host)),
                   reason);
    case ENODEV:
    case ENXIO:
      return Error(Errc::NotFound, "open",
                   plugin::words("no driver stands behind ", path, "; ", what_there_is(host)), reason);
    case EACCES:
    case EPERM:
      return Error(Errc::Permission, "open",
                   plugin::words("this user may not open ", path, ", which belongs to ",
                                 owning_group(host, path), ": add the user to it, or run as root"),
                   reason);
    case EBUSY:
      return Error(Errc::Busy, "open",
                   plugin::words("another program has opened ", path, ", which admits one at a time"),
                   reason);
    case EMFILE:
    case ENFILE:
      return Error(Errc::OutOfFds, "open",
                   plugin::words(path, " was not opened: ", reason == EMFILE ? "this process" : "the system",
                                 " has no file descriptor left (see ulimit -n)"),
                   reason);
    default:
      return Error(errc_from_errno(reason), "open",
                   plugin::words(path, " cannot be opened for reading and writing"), reason);
  }
}

}  // namespace causeway::v4l2_backend
