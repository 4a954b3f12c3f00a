// SPDX-License-Identifier: Apache-2.0
#include <causeway/result.hpp>

causeway::Result<int> answer();
causeway::Status use(int);

int main() {
#ifdef MISTAKE
  answer().and_then(use);
  return 0;
#else
  return answer().and_then(use) ? 0 : 1;
#endif
}
