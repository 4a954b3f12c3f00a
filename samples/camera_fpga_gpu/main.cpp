// SPDX-License-Identifier: Apache-2.0
//
// A camera's pictures (or a pattern's) through an FPGA that finds edges and a GPU that lays them over the
// picture, to a PNG: three devices on the same memory, no copy in between. The FPGA is simulated. See --help.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <causeway/causeway.hpp>
#include <causeway/fpga_sim.hpp>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "atomic_file.hpp"
#include "gpu.hpp"
#include "options.hpp"
#include "overlay.hpp"
#include "png_file.hpp"
#include "source.hpp"

namespace camera_fpga_gpu {
namespace {

using camera_to_gpu::Clock;
using causeway::Deadline;
using causeway::FramePool;
using causeway::FrameRef;
using causeway::Usage;
namespace fpga_sim = causeway::fpga_sim;

constexpr std::uint32_t kFrames =
    4;  // one is filled while another is computed on; cameras want some in reserve
constexpr std::chrono::seconds kPatience{60};

struct Options {
  camera_to_gpu::Options source;
  std::string out;
  std::string json;
  std::uint32_t frames = 30;
  unsigned bits = 512;
};

/// What each frame took, by stage.
struct Times {
  std::vector<double> fill, fpga, gpu, total;  // milliseconds
};

double since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

double median(std::vector<double> samples) {
  std::ranges::sort(samples);
  return samples.empty() ? 0 : samples[samples.size() / 2];
}

/// Everything that is set up once.
struct Pipeline {
  causeway::Runtime runtime;
  std::unique_ptr<camera_to_gpu::Source> source;
  std::unique_ptr<camera_to_gpu::Gpu> gpu;
  causeway::Device fpga;
  FramePool frames, edges, pictures;
  std::unique_ptr<Overlay> overlay;
  std::unique_ptr<camera_to_gpu::SharedFeed> feed;
  std::vector<fpga_sim::Job> jobs;  // one for each frame of the camera, its descriptors written once
  std::vector<camera_to_gpu::Recording> works;  // the same for the GPU

  static Pipeline create(const Options& options) {
    auto runtime = causeway::Runtime::create().value();
    auto source = camera_to_gpu::open_source(runtime, options.source).value();
    auto gpu = camera_to_gpu::Gpu::open(runtime, options.source.device).value();
    auto fpga = fpga_sim::open(runtime, {.data_bits = options.bits}).value();
    const auto& desc = source->desc();
    const auto negotiate = [&](causeway::Format format, const char* name) {
      return runtime.negotiate({.format = format, .width = desc.width, .height = desc.height})
          .exporter(options.source.exporter)
          .name(name);
    };
    auto input = negotiate(desc.format, "camera");
    if (source->device() != nullptr) {
      input.with(*source->device(), Usage::Capture);
    }
    auto frames = input.with(fpga, Usage::Read)
                      .with(gpu->device(), Usage::StorageRead | Usage::AsBuffer)
                      .allocate(kFrames)
                      .value();
    auto edges = negotiate(causeway::formats::kR8, "edges")
                     .with(fpga, Usage::Write)
                     .with(gpu->device(), Usage::StorageRead | Usage::AsBuffer)
                     .allocate(1)
                     .value();
    auto pictures = negotiate(causeway::formats::kABGR8888, "picture")
                        .with(gpu->device(), Usage::StorageWrite | Usage::AsBuffer)
                        .allocate(1)
                        .value();
    auto overlay = Overlay::create(*gpu).value();
    std::vector<fpga_sim::Job> jobs;
    std::vector<camera_to_gpu::Recording> works;
    for (std::uint32_t i = 0; i < kFrames; ++i) {
      jobs.push_back(fpga_sim::Job::prepare(fpga, frames.frame(i).on(fpga), edges.frame(0).on(fpga),
                                            fpga_sim::Kernel::Sobel)
                         .value());
      works.push_back(overlay->record(frames.frame(i), edges.frame(0), pictures.frame(0)).value());
    }
    auto feed = source->share(frames).value();
    return {runtime,         std::move(source),
            std::move(gpu),  fpga,
            frames,          edges,
            pictures,        std::move(overlay),
            std::move(feed), std::move(jobs),
            std::move(works)};
  }

  /// One picture. Nobody waits for the FPGA but the GPU's turn: the fences of the FPGA's turns tell it.
  void step(Times& times) {
    const auto deadline = Deadline::in(kPatience);
    const auto begin = Clock::now();
    auto filled = feed->next(deadline).value();
    times.fill.push_back(since(begin));
    const FrameRef frame = filled.frame;
    auto then = Clock::now();
    {
      auto reads = frame.on(fpga).begin_access(Usage::Read, deadline).value();
      auto writes = edges.frame(0).on(fpga).begin_access(Usage::Write, deadline).value();
      static_cast<void>(jobs[frame.index()].submit().value());
      static_cast<void>(reads.end().value());
      static_cast<void>(writes.end().value());
    }
    auto looks = frame.on(gpu->device()).begin_access(Usage::Read, deadline).value();
    auto marks = edges.frame(0).on(gpu->device()).begin_access(Usage::Read, deadline).value();
    auto paints = pictures.frame(0).on(gpu->device()).begin_access(Usage::Write, deadline).value();
    times.fpga.push_back(since(then));
    then = Clock::now();
    gpu->run(works[frame.index()], deadline).value();
    for (auto* turn : {&looks, &marks, &paints}) {
      static_cast<void>(turn->end().value());
    }
    times.gpu.push_back(since(then));
    times.total.push_back(since(begin));
  }
};

nlohmann::ordered_json report(const Pipeline& pipeline, const Times& times) {
  const auto& desc = pipeline.source->desc();
  nlohmann::ordered_json json{{"source", pipeline.source->name()},
                              {"size", {{"width", desc.width}, {"height", desc.height}}},
                              {"fpga", pipeline.fpga.name()},
                              {"gpu", pipeline.gpu->device().name()},
                              {"exporter", pipeline.frames.report().exporter},
                              {"frames", times.total.size()},
                              {"copied_bytes", pipeline.runtime.counters().copied_bytes}};
  const std::array<std::pair<const char*, const FramePool*>, 3> pools{
      {{"camera", &pipeline.frames}, {"edges", &pipeline.edges}, {"picture", &pipeline.pictures}}};
  for (const auto& [name, pool] : pools) {
    for (const auto& import : pool->report().imports) {
      json["verdicts"].push_back({{"buffer", name},
                                  {"device", import.device},
                                  {"import_path", import.import_path},
                                  {"verdict", causeway::to_string(import.verdict)}});
    }
  }
  json["median_ms"] = {{"fill", median(times.fill)},
                       {"fpga", median(times.fpga)},
                       {"gpu", median(times.gpu)},
                       {"total", median(times.total)}};
  return json;
}

void print(const nlohmann::ordered_json& json) {
  fmt::print("{} -> {} -> {}: {}x{}, {} frames on {}\n", json["source"].get<std::string>(),
             json["fpga"].get<std::string>(), json["gpu"].get<std::string>(),
             json["size"]["width"].get<int>(), json["size"]["height"].get<int>(), json["frames"].get<int>(),
             json["exporter"].get<std::string>());
  for (const auto& verdict : json["verdicts"]) {
    fmt::print("  {:<8} {}: {}\n", verdict["buffer"].get<std::string>(), verdict["device"].get<std::string>(),
               verdict["verdict"].get<std::string>());
  }
  fmt::print("  copied   {} bytes by the CPU\n  ms a frame (median):",
             json["copied_bytes"].get<std::uint64_t>());
  for (const auto& [stage, took] : json["median_ms"].items()) {
    fmt::print(" {} {:.3f}", stage, took.get<double>());
  }
  fmt::print("\n");
}

void run(const Options& options) {
  auto pipeline = Pipeline::create(options);
  Times times;
  for (std::uint32_t i = 0; i < options.frames; ++i) {
    pipeline.step(times);
  }
  const auto json = report(pipeline, times);
  print(json);
  if (!options.out.empty()) {
    auto file = camera_to_gpu::AtomicFile::create(options.out).value();
    auto access =
        pipeline.pictures.frame(0).frame().begin_cpu_access(Usage::Read, Deadline::in(kPatience)).value();
    const auto& desc = pipeline.source->desc();
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
  CLI::App app("A camera's pictures through a simulated FPGA and a GPU, without a copy.", "camera_fpga_gpu");
  app.add_option("-s,--source", options.source.source,
                 "A camera that offers NV12, a Y4M file, or \"pattern\"");
  app.add_option("--size", size, "Width and height in pixels")->delimiter('x')->check(CLI::Range(2, 8192));
  app.add_option("-n,--frames", options.frames, "How many")->check(CLI::Range(1, 1'000'000));
  app.add_option("--bits", options.bits, "The FPGA's data path")->check(CLI::IsMember({64, 512}));
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
