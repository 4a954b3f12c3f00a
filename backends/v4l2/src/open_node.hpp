// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <string>
#include <vector>

#include "node.hpp"

namespace causeway::v4l2_backend {

/// The /dev/video* nodes there are, in the order of their numbers. They may be anything: ask each.
[[nodiscard]] std::vector<std::string> video_nodes(plugin::Host host);

/// Opens a node without blocking I/O. Errors: NotFound (naming the nodes that there are), Permission (naming
/// the group that may), Busy, OutOfFds.
[[nodiscard]] Result<Node> open_node(plugin::Host host, const std::string& path);

}  // namespace causeway::v4l2_backend
