// SPDX-License-Identifier: Apache-2.0
#include <causeway/fd.hpp>

int look_at(causeway::BorrowedFd fd) {
  return fd.get();
}

int main() {
#ifdef MISTAKE
  return look_at(0);
#else
  return look_at(causeway::BorrowedFd(0));
#endif
}
