// SPDX-License-Identifier: Apache-2.0
//
// A camera's pictures (or a pattern's) through an FPGA that finds edges and a GPU that lays them over the
// picture, to a PNG: three devices on the same memory, no copy in between. The FPGA is simulated, or QEMU's
// card edu behind VFIO. See --help.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "atomic_file.hpp"
#include "pipeline.hpp"
#include "png_file.hpp"

namespace camera_fpga_gpu {
namespace {

using causeway::Deadline;
using causeway::FramePool;

double median(std::vector<double> samples) {
  std::ranges::sort(samples);
  return samples.empty() ? 0 : samples[samples.size() / 2];
}

nlohmann::ordered_json report(const Pipeline& pipeline, const Times& times, std::uint32_t frames) {
  const auto& desc = pipeline.source().desc();
  nlohmann::ordered_json json{{"source", pipeline.source().name()},
                              {"size", {{"width", desc.width}, {"height", desc.height}}},
                              {"fpga", pipeline.card().device().name()},
                              {"fpga_kernel", pipeline.card().kernel()},
                              {"gpu", pipeline.gpu().name()},
                              {"exporter", pipeline.frames().report().exporter},
                              {"frames", frames},
                              {"copied_bytes", pipeline.copied_bytes()},
                              {"cpu_waits", {{"fpga", times.fpga_waits}, {"gpu", times.gpu_waits}}}};
  const std::array<std::pair<const char*, const FramePool*>, 3> pools{
      {{"camera", &pipeline.frames()}, {"edges", &pipeline.edges()}, {"picture", &pipeline.pictures()}}};
  for (const auto& [name, pool] : pools) {
    for (const auto& import : pool->report().imports) {
      json["verdicts"].push_back({{"buffer", name},
                                  {"device", import.device},
                                  {"import_path", import.import_path},
                                  {"imported_as", causeway::to_string(import.imported_as)},
                                  {"verdict", causeway::to_string(import.verdict)}});
    }
  }
  // Stages overlap: the whole, by frames, may be less than their sum.
  json["median_ms"] = {
      {"fill", median(times.fill)}, {"fpga", median(times.fpga)}, {"gpu", median(times.gpu)}};
  json["ms_a_frame"] = times.total / frames;
  return json;
}

void print(const nlohmann::ordered_json& json) {
  fmt::print("{} -> {} ({}) -> {}: {}x{}, {} frames on {}\n", json["source"].get<std::string>(),
             json["fpga"].get<std::string>(), json["fpga_kernel"].get<std::string>(),
             json["gpu"].get<std::string>(), json["size"]["width"].get<int>(),
             json["size"]["height"].get<int>(), json["frames"].get<int>(),
             json["exporter"].get<std::string>());
  for (const auto& verdict : json["verdicts"]) {
    fmt::print("  {:<8} {}: {}\n", verdict["buffer"].get<std::string>(), verdict["device"].get<std::string>(),
               verdict["verdict"].get<std::string>());
  }
  fmt::print(
      "  copied   {} bytes by the CPU\n  waited   on the CPU in the FPGA's place {} times, in the GPU's {}\n"
      "  ms (median):",
      json["copied_bytes"].get<std::uint64_t>(), json["cpu_waits"]["fpga"].get<std::uint64_t>(),
      json["cpu_waits"]["gpu"].get<std::uint64_t>());
  for (const auto& [stage, took] : json["median_ms"].items()) {
    fmt::print(" {} {:.3f}", stage, took.get<double>());
  }
  fmt::print("; {:.3f} a frame\n", json["ms_a_frame"].get<double>());
}

void run(const Options& options) {
  Pipeline pipeline(options);
  const auto times = pipeline.run(options.frames);
  const auto json = report(pipeline, times, options.frames);
  print(json);
  if (!options.out.empty()) {
    auto file = camera_to_gpu::AtomicFile::create(options.out).value();
    auto access = pipeline.pictures()
                      .frame(0)
                      .frame()
                      .begin_cpu_access(causeway::Usage::Read, Deadline::in(std::chrono::seconds(60)))
                      .value();
    const auto& desc = pipeline.source().desc();
    camera_to_gpu::write_png(file, access.plane(0), desc.width, desc.height, access.stride(0)).value();
    access.end().value();
  }
  if (!options.json.empty()) {
    auto file = camera_to_gpu::AtomicFile::create(options.json).value();
    fmt::print(file.stream(), "{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    file.commit().value();
  }
}

}  // namespace
}  // namespace camera_fpga_gpu

int main(int argc, char** argv) {
  camera_fpga_gpu::Options options;
  options.source.format = "NV12";
  std::array<std::uint32_t, 2> size{640, 480};
  CLI::App app("A camera's pictures through an FPGA and a GPU, without a copy.", "camera_fpga_gpu");
  app.add_option("-s,--source", options.source.source,
                 "A camera that offers NV12, a Y4M file, or \"pattern\"");
  app.add_option("--size", size, "Width and height in pixels")->delimiter('x')->check(CLI::Range(2, 8192));
  app.add_option("-n,--frames", options.frames, "How many")->check(CLI::Range(1, 1'000'000));
  auto* bits =
      app.add_option("--bits", options.bits, "The FPGA's data path")->check(CLI::IsMember({64, 512}));
  app.add_option("--vfio", options.vfio,
                 "The PCI address of QEMU's card edu, bound to vfio-pci, instead of the simulated FPGA. It "
                 "copies, so bright places are marked instead of edges")
      ->excludes(bits);
  app.add_option("--exporter", options.source.exporter,
                 "Who makes the memory; default: the first that suits all");
  app.add_option("-o,--out", options.out, "Write the last picture here as PNG");
  app.add_option("--json", options.json, "Write the report here as JSON");
  try {
    app.parse(argc, argv);
    options.source.size = camera_to_gpu::Size{size[0], size[1]};
    camera_fpga_gpu::run(options);
    return 0;
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong);
  } catch (const tl::bad_expected_access<causeway::Error>& failure) {
    fmt::print(stderr, "camera_fpga_gpu: {}\n", failure.error().message());
  } catch (const std::exception& failure) {
    fmt::print(stderr, "camera_fpga_gpu: {}\n", failure.what());
  }
  return 1;
}
