// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace camera_to_gpu {
namespace {

using Json = nlohmann::ordered_json;

struct NamedStage {
  const char* key;
  const char* words;
  Spread (Stages::*spread)() const;
};
constexpr std::array<NamedStage, 4> kStages{{{"fill", "fill", &Stages::fill},
                                             {"hand_over", "hand over", &Stages::hand_over},
                                             {"compute", "compute", &Stages::compute},
                                             {"total", "total", &Stages::total}}};

double microseconds(std::int64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1000;
}
double milliseconds(std::int64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1'000'000;
}
double ratio(Spread ours, Spread usual) {
  return usual.median > 0 ? static_cast<double>(ours.median) / static_cast<double>(usual.median) : 0;
}

Json stages_json(const Stages& stages) {
  Json json;
  for (const auto& stage : kStages) {
    const auto spread = (stages.*stage.spread)();
    json[stage.key] = {{"median_us", microseconds(spread.median)}, {"p99_us", microseconds(spread.p99)}};
  }
  return json;
}

using Reports = std::array<std::pair<const char*, const causeway::AllocationReport*>, 2>;
Reports reports(const Outcome& outcome) {
  return {{{"input", &outcome.input}, {"output", &outcome.output}}};
}

std::string memory_text(const Outcome& outcome) {
  std::string text = fmt::format("  memory   {}\n", outcome.input.exporter);
  for (const auto& refusal : outcome.input.refused) {
    text += fmt::format("           not {}: {}\n", refusal.exporter, refusal.reason);
  }
  for (const auto& [buffer, report] : reports(outcome)) {
    for (const auto& import : report->imports) {
      text += fmt::format("  {:<8} {} by {} as {}: {}\n", buffer, import.device,
                          import.import_path.empty() ? "itself" : import.import_path,
                          causeway::to_string(import.imported_as), causeway::to_string(import.verdict));
    }
  }
  return text;
}

std::string stages_text(const Stages& stages) {
  std::string text = fmt::format("  {:<12}{:>12}{:>12}\n", "ms a frame", "median", "99 %");
  for (const auto& stage : kStages) {
    const auto spread = (stages.*stage.spread)();
    text += fmt::format("  {:<12}{:>12.3f}{:>12.3f}\n", stage.words, milliseconds(spread.median),
                        milliseconds(spread.p99));
  }
  return text;
}

std::string comparison_text(const Stages& ours, const Stages& usual) {
  std::string text =
      fmt::format("  {:<12}{:>24}{:>24}\n  {:<12}{:>12}{:>12}{:>12}{:>12}{:>10}\n", "", "shared memory",
                  "the usual way", "ms a frame", "median", "99 %", "median", "99 %", "ratio");
  for (const auto& stage : kStages) {
    const auto a = (ours.*stage.spread)();
    const auto b = (usual.*stage.spread)();
    text += fmt::format("  {:<12}{:>12.3f}{:>12.3f}{:>12.3f}{:>12.3f}{:>10.4f}\n", stage.words,
                        milliseconds(a.median), milliseconds(a.p99), milliseconds(b.median),
                        milliseconds(b.p99), ratio(a, b));
  }
  return text;
}

}  // namespace

std::string report_text(const Pipeline& pipeline, const Outcome& outcome) {
  const auto& desc = pipeline.source().desc();
  const auto& ours = outcome.shared;
  std::string text = fmt::format("{}: {} {}x{}, {} frame{}, on {}\n", pipeline.source().name(),
                                 desc.format.to_string(), desc.width, desc.height, ours.stages.frames(),
                                 ours.stages.frames() == 1 ? "" : "s", pipeline.gpu().device().name());
  text += memory_text(outcome);
  if (pipeline.histogram() != nullptr) {
    text += fmt::format("  then     {} counted {} pixels and drew their histogram\n",
                        pipeline.histogram()->device().name(), outcome.counted_pixels);
  }
  text += fmt::format("  copied   {} bytes a frame by the CPU", ours.copied_bytes_per_frame());
  if (outcome.copying) {
    text += fmt::format("; the usual way {} ({})", outcome.copying->copied_bytes_per_frame(),
                        pipeline.source().usual_way());
  }
  text += fmt::format("\n  CPU waits {:g} a frame between devices, {:g} before its own accesses",
                      ours.per_frame(ours.cpu_waits), ours.per_frame(ours.cpu_access_waits));
  if (outcome.copying) {
    text += fmt::format("; the usual way {:g}", outcome.copying->per_frame(outcome.copying->cpu_waits));
  }
  text += "\n";
  if (ours.corrupt != 0) {
    text += fmt::format("  damaged  {} frames, says the camera\n", ours.corrupt);
  }
  text += "\n";
  if (!outcome.copying) {
    return text + stages_text(ours.stages) + fmt::format("  {:.1f} frames a second\n", ours.stages.fps());
  }
  text += comparison_text(ours.stages, outcome.copying->stages);
  text += fmt::format("  {:.1f} frames a second; the usual way {:.1f}\n", ours.stages.fps(),
                      outcome.copying->stages.fps());
  if (outcome.same_picture) {
    text += *outcome.same_picture ? "  Both ways gave the same picture, byte for byte.\n"
                                  : "  The two ways gave DIFFERENT pictures.\n";
  }
  return text;
}

causeway::Status write_report(AtomicFile& file, const Pipeline& pipeline, const Outcome& outcome) {
  const auto& desc = pipeline.source().desc();
  const auto& device = pipeline.gpu().device();
  const auto& ours = outcome.shared;
  Json json;
  json["source"] = pipeline.source().name();
  json["size"] = {{"width", desc.width}, {"height", desc.height}};
  json["format"] = desc.format.to_string();
  json["frames"] = ours.stages.frames();
  json["device"] = {{"name", device.name()}, {"driver", device.driver()}};
  json["exporter"] = outcome.input.exporter;
  json["refused"] = Json::array();
  for (const auto& refusal : outcome.input.refused) {
    json["refused"].push_back({{"exporter", refusal.exporter}, {"reason", refusal.reason}});
  }
  json["verdicts"] = Json::array();
  for (const auto& [buffer, report] : reports(outcome)) {
    for (const auto& import : report->imports) {
      json["verdicts"].push_back({{"buffer", buffer},
                                  {"device", import.device},
                                  {"backend", import.backend},
                                  {"import_path", import.import_path},
                                  {"imported_as", causeway::to_string(import.imported_as)},
                                  {"verdict", causeway::to_string(import.verdict)}});
    }
  }
  if (pipeline.histogram() != nullptr) {
    json["then"] = {{"device", pipeline.histogram()->device().name()},
                    {"driver", pipeline.histogram()->device().driver()},
                    {"counted_pixels", outcome.counted_pixels}};
  }
  json["copied_bytes_per_frame"] = ours.copied_bytes_per_frame();
  json["cpu_waits_per_frame"] = ours.per_frame(ours.cpu_waits);
  json["cpu_access_waits_per_frame"] = ours.per_frame(ours.cpu_access_waits);
  json["corrupt_frames"] = ours.corrupt;
  json["stages"] = stages_json(ours.stages);
  json["fps"] = ours.stages.fps();
  if (outcome.copying) {
    const auto& usual = *outcome.copying;
    json["copying"] = {{"stages", stages_json(usual.stages)},
                       {"fps", usual.stages.fps()},
                       {"copied_bytes_per_frame", usual.copied_bytes_per_frame()},
                       {"cpu_waits_per_frame", usual.per_frame(usual.cpu_waits)}};
    json["ratio"] = {{"hand_over", ratio(ours.stages.hand_over(), usual.stages.hand_over())},
                     {"total", ratio(ours.stages.total(), usual.stages.total())}};
  }
  if (outcome.same_picture) {
    json["same_picture"] = *outcome.same_picture;
  }
  // A device's name need not be UTF-8; what is not is replaced, not thrown over.
  const auto text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), file.stream());  // commit() sees the stream's error
  return file.commit();
}

}  // namespace camera_to_gpu
