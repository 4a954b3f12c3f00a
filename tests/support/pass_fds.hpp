// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <array>
#include <causeway/fd.hpp>
#include <cstddef>
#include <cstring>
#include <stdexcept>

namespace causeway::test {

/// Sends descriptors over a socket to another process, which has duplicates of them then (unix(7),
/// SCM_RIGHTS). False if they could not be sent.
template <std::size_t N>
bool send_fds(int socket, const std::array<int, N>& fds) {
  char byte = 0;
  iovec data{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(fds))> room{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(fds));
  std::memcpy(CMSG_DATA(header), fds.data(), sizeof(fds));
  return ::sendmsg(socket, &message, 0) == 1;
}

/// Receives what send_fds sent. Throws std::runtime_error if nothing came.
template <std::size_t N>
std::array<UniqueFd, N> receive_fds(int socket) {
  char byte = 0;
  iovec data{.iov_base = &byte, .iov_len = 1};
  std::array<int, N> fds{};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(fds))> room{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || message.msg_controllen < CMSG_LEN(sizeof(fds))) {
    throw std::runtime_error("the other process sent no descriptors");
  }
  std::memcpy(fds.data(), CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fds));
  std::array<UniqueFd, N> owned;
  for (std::size_t i = 0; i < N; ++i) {
    owned.at(i).reset(fds.at(i));
  }
  return owned;
}

}  // namespace causeway::test
