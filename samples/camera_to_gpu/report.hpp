// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <string>

#include "atomic_file.hpp"
#include "pipeline.hpp"

namespace camera_to_gpu {

/// For a person.
[[nodiscard]] std::string report_text(const Pipeline& pipeline, const Outcome& outcome);

/// For a program; times in microseconds. Gives the file its name. Errors: Io.
[[nodiscard]] causeway::Status write_report(AtomicFile& file, const Pipeline& pipeline,
                                            const Outcome& outcome);

}  // namespace camera_to_gpu
