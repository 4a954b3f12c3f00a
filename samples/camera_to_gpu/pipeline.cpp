// SPDX-License-Identifier: Apache-2.0
#include "pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "copying_path.hpp"
#include "picture_format.hpp"
#include "shared_path.hpp"
#include "warm_up.hpp"

namespace camera_to_gpu {
namespace {

using causeway::Deadline;
using causeway::Errc;
using causeway::Error;
using causeway::FramePool;
using causeway::Result;
using causeway::Status;
using causeway::Usage;

// One is filled while another is computed on, and a camera wants some in reserve.
constexpr std::uint32_t kInputFrames = 4;
// Each path writes a picture of its own, so that they can be compared.
constexpr std::uint32_t kSharedOutput = 0;
constexpr std::uint32_t kCopyingOutput = 1;
// A camera that is dark needs a second for a frame; an emulated machine needs several for a computation.
constexpr std::chrono::seconds kPatience{20};

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::create(causeway::Runtime& runtime, const Options& options) {
  std::unique_ptr<Pipeline> made(new Pipeline(runtime, options));
  if (auto status = made->prepare(); !status) {
    return std::move(status.error());
  }
  return made;
}

Status Pipeline::prepare() {
  // The source first: most mistakes are found there, and looking costs less than opening a GPU.
  auto source = open_source(runtime_, options_);
  if (!source) {
    return std::move(source.error());
  }
  source_ = std::move(*source);
  auto gpu = Gpu::open(runtime_, options_.device);
  if (!gpu) {
    return std::move(gpu.error());
  }
  gpu_ = std::move(*gpu);
  const auto& format = *find_picture_format(source_->desc().format);
  auto converter = Converter::create(*gpu_, format);
  if (!converter) {
    return std::move(converter.error());
  }
  converter_ = std::move(*converter);
  if (auto status = warm_up(*gpu_, *converter_, format); !status) {
    return status;
  }

  const auto& desc = source_->desc();
  const auto bytes = std::uint64_t{4} * desc.width * desc.height;
  if (const auto most = gpu_->limits().maxStorageBufferRange; bytes > most) {
    return Error(Errc::Unsupported, "the output picture",
                 fmt::format("{}x{} pixels take {} bytes as RGBA; {} writes at most {} bytes of a buffer",
                             desc.width, desc.height, bytes, gpu_->device().name(), most));
  }
  if (options_.then_opencl) {
    auto histogram = Histogram::create(runtime_);
    if (!histogram) {
      return std::move(histogram.error()).within("--then opencl");
    }
    histogram_ = std::move(*histogram);
  }
  // The picture lies in shared memory, too: the CPU writes the PNG from where the GPU wrote.
  auto negotiation = runtime_.negotiate(
      {.format = causeway::formats::kABGR8888, .width = desc.width, .height = desc.height});
  negotiation.with(gpu_->device(), Usage::StorageWrite | Usage::AsBuffer)
      .exporter(options_.exporter)
      .name("camera_to_gpu output");
  if (histogram_ != nullptr) {
    negotiation.with(histogram_->device(), Usage::StorageRead | Usage::StorageWrite | Usage::AsBuffer);
  }
  auto outputs = negotiation.allocate(options_.compare ? 2 : 1);
  if (!outputs) {
    return std::move(outputs.error()).within("the output picture");
  }
  outputs_ = std::move(*outputs);
  return {};
}

Result<FramePool> Pipeline::allocate_input(std::uint32_t frames) const {
  auto negotiation = runtime_.negotiate(source_->desc());
  if (source_->device() != nullptr) {
    negotiation.with(*source_->device(), Usage::Capture);
  }
  negotiation.with(gpu_->device(), Usage::StorageRead | Usage::AsBuffer)
      .exporter(options_.exporter)
      .name("camera_to_gpu input");
  return negotiation.allocate(frames);
}

Status Pipeline::open_path(bool copying, Outcome& outcome) {
  auto& path = copying ? copying_ : shared_;
  if (path != nullptr) {
    return {};
  }
  if (source_->device() != nullptr) {
    // A camera fills one program's buffers at a time.
    (copying ? shared_ : copying_).reset();
  }
  auto opened = [&]() -> Result<std::unique_ptr<Path>> {
    if (copying) {
      return copying_path(runtime_, *gpu_, *converter_, *source_, outputs_->frame(kCopyingOutput));
    }
    auto frames = allocate_input(kInputFrames);
    if (!frames) {
      return std::move(frames.error());
    }
    outcome.input = frames->report();
    return shared_path(runtime_, *gpu_, *converter_, *source_, *frames, outputs_->frame(kSharedOutput),
                       histogram_.get());
  }();
  if (!opened) {
    return std::move(opened.error());
  }
  path = std::move(*opened);
  return {};
}

Status Pipeline::take(bool copying, std::uint32_t frames, std::uint32_t due, Outcome& outcome,
                      const std::atomic<bool>& stop, const ProgressFn& progress) {
  if (auto status = open_path(copying, outcome); !status) {
    return status;
  }
  auto& path = copying ? *copying_ : *shared_;
  auto& done = copying ? *outcome.copying : outcome.shared;
  const auto before = runtime_.counters();
  const auto begun = Clock::now();
  std::uint64_t cpu_waits = 0;
  const auto count = [&](const Path::Step& step) {
    done.stages.add(step.times);
    done.corrupt += step.corrupt ? 1U : 0U;
    cpu_waits += step.cpu_waits;
    progress(copying ? "the usual way" : "shared memory", static_cast<std::uint32_t>(done.stages.frames()),
             due);
  };
  for (std::uint32_t i = 0; i < frames && !stop; ++i) {
    if (auto status = path.step(Deadline::in(kPatience), count); !status) {
      return status;
    }
  }
  if (auto status = path.finish(Deadline::in(kPatience), count); !status) {
    return status;
  }
  done.stages.add_elapsed(Clock::now() - begun);
  const auto counted = runtime_.counters() - before;
  done.copied_bytes += counted.copied_bytes;
  done.cpu_waits += cpu_waits;
  // The usual way's own waits are Vulkan's, and not among the runtime's.
  done.cpu_access_waits += copying ? 0 : counted.cpu_waits - cpu_waits;
  return {};
}

Result<Outcome> Pipeline::run(const std::atomic<bool>& stop, const ProgressFn& progress) {
  const std::uint32_t due = options_.frames.value_or(source_->frames());
  Outcome outcome;
  outcome.output = outputs_->report();
  outcome.shared.stages.reserve(due);
  if (options_.compare) {
    outcome.copying.emplace().stages.reserve(due);
  }
  // In turns, so that whatever else the machine does meets both. A camera must be restarted for each.
  const std::uint32_t most = source_->device() != nullptr ? 3 : 10;
  const std::uint64_t turns = options_.compare ? std::min(due, most) : 1;
  for (std::uint64_t turn = 0; turn < turns && !stop; ++turn) {
    const auto frames = static_cast<std::uint32_t>((turn + 1) * due / turns - turn * due / turns);
    for (const bool copying : {false, true}) {
      if (copying && !options_.compare) {
        break;
      }
      if (auto status = take(copying, frames, due, outcome, stop, progress); !status) {
        return std::move(status.error());
      }
    }
  }
  if (histogram_ != nullptr) {
    const auto counted = histogram_->counted();
    if (!counted) {
      return counted.error();
    }
    outcome.counted_pixels = *counted;
  }
  if (options_.compare && source_->repeatable() && !stop) {
    const auto same = same_picture();
    if (!same) {
      return same.error();
    }
    outcome.same_picture = *same;
  }
  return outcome;
}

Status Pipeline::show(const ShowFn& show) const {
  auto access = outputs_->frame(kSharedOutput).frame().begin_cpu_access(Usage::Read, Deadline::in(kPatience));
  if (!access) {
    return std::move(access.error());
  }
  auto shown = show(access->plane(0), access->stride(0));
  auto ended = access->end();
  return shown ? std::move(ended) : std::move(shown);
}

Result<bool> Pipeline::same_picture() const {
  auto ours = outputs_->frame(kSharedOutput).frame().begin_cpu_access(Usage::Read, Deadline::in(kPatience));
  if (!ours) {
    return std::move(ours.error());
  }
  auto usual = outputs_->frame(kCopyingOutput).frame().begin_cpu_access(Usage::Read, Deadline::in(kPatience));
  if (!usual) {
    return std::move(usual.error());
  }
  const bool same = std::ranges::equal(ours->plane(0), usual->plane(0));
  for (auto* access : {&*ours, &*usual}) {
    if (auto ended = access->end(); !ended) {
      return std::move(ended.error());
    }
  }
  return same;
}

}  // namespace camera_to_gpu
