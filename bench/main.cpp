// SPDX-License-Identifier: Apache-2.0
//
// The suite's program; ./dev bench runs it, and docs/benchmarking.md describes each row.
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string_view>

#include "suite.hpp"

namespace {

/// Google Benchmark reads its own options only after the rows are there.
int repetitions_asked(std::span<char*> arguments) {
  constexpr std::string_view kOption = "--benchmark_repetitions=";
  int asked = 1;
  for (const std::string_view argument : arguments) {
    if (argument.starts_with(kOption)) {
      std::from_chars(argument.data() + kOption.size(), argument.data() + argument.size(), asked);
    }
  }
  return asked;
}

}  // namespace

int main(int argc, char** argv) try {
  causeway::bench::Suite suite(repetitions_asked({argv, static_cast<std::size_t>(argc)}));
  add_import_rows(suite);
  add_map_rows(suite);
  add_sync_rows(suite);
  add_access_rows(suite);
  add_alloc_rows(suite);
  add_fence_rows(suite);
  add_copy_rows(suite);
  add_hop_rows(suite);
  add_camera_hop_rows(suite);
  add_dispatch_rows(suite);
  add_scaling_rows(suite);
#ifdef CAUSEWAY_BENCH_FPGA
  add_fpga_rows(suite);
#endif
#ifdef CAUSEWAY_BENCH_GSTREAMER
  add_gstreamer_peers(suite);
#endif
  suite.describe();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
} catch (const tl::bad_expected_access<causeway::Error>& failure) {
  std::fprintf(stderr, "%s\n", failure.error().message().c_str());
  return 1;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "%s\n", failure.what());
  return 1;
}
