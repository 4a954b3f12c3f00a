// SPDX-License-Identifier: Apache-2.0
#include <causeway/result.hpp>

causeway::Result<int> answer();

int main() {
#ifdef MISTAKE
  answer();
  return 0;
#else
  return answer().has_value() ? 0 : 1;
#endif
}
