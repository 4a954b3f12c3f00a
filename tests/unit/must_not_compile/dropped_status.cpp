// SPDX-License-Identifier: Apache-2.0
#include <causeway/result.hpp>

causeway::Status finish();

int main() {
#ifdef MISTAKE
  finish();
  return 0;
#else
  return finish() ? 0 : 1;
#endif
}
