// SPDX-License-Identifier: Apache-2.0
#pragma once

// The sample's driver for QEMU's card edu, under the names that the tests have for it.

#include "../samples/camera_fpga_gpu/edu.hpp"

namespace causeway::test {

namespace edu = ::edu;
using Edu = ::edu::Card;

}  // namespace causeway::test
