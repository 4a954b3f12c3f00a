// SPDX-License-Identifier: Apache-2.0
#include "pipeline.hpp"

#include <chrono>
#include <utility>

namespace camera_fpga_gpu {
namespace {

using camera_to_gpu::Clock;
using causeway::Deadline;
using causeway::FramePool;
using causeway::Usage;

constexpr std::uint32_t kFrames =
    4;  // one is filled while another is computed on; cameras want some in reserve
constexpr std::chrono::seconds kPatience{60};

double milliseconds(Clock::duration span) {
  return std::chrono::duration<double, std::milli>(span).count();
}

auto negotiate(causeway::Runtime& runtime, const Options& options, const causeway::FrameDesc& desc,
               causeway::Format format, const char* name) {
  return runtime.negotiate({.format = format, .width = desc.width, .height = desc.height})
      .exporter(options.source.exporter)
      .name(name);
}

FramePool camera_frames(causeway::Runtime& runtime, const Options& options,
                        const camera_to_gpu::Source& source, const causeway::Device& fpga,
                        const causeway::Device& gpu) {
  const auto& desc = source.desc();
  auto asked = negotiate(runtime, options, desc, desc.format, "camera");
  if (source.device() != nullptr) {
    asked.with(*source.device(), Usage::Capture);
  }
  return asked.with(fpga, Usage::Read)
      .with(gpu, Usage::StorageRead | Usage::AsBuffer)
      .allocate(kFrames)
      .value();
}

}  // namespace

Pipeline::Pipeline(const Options& options)
    : runtime_(causeway::Runtime::create().value()),
      source_(camera_to_gpu::open_source(runtime_, options.source).value()),
      gpu_(camera_to_gpu::Gpu::open(runtime_, options.source.device).value()),
      card_(options.vfio.empty() ? open_simulated(runtime_, options.bits).value()
                                 : open_edu(runtime_, options.vfio).value()),
      frames_(camera_frames(runtime_, options, *source_, card_->device(), gpu_->device())),
      edges_(negotiate(runtime_, options, source_->desc(), causeway::formats::kR8, "edges")
                 .with(card_->device(), Usage::Write)
                 .with(gpu_->device(), Usage::StorageRead | Usage::AsBuffer)
                 .allocate(kFrames)
                 .value()),
      pictures_(negotiate(runtime_, options, source_->desc(), causeway::formats::kABGR8888, "picture")
                    .with(gpu_->device(), Usage::StorageWrite | Usage::AsBuffer)
                    .allocate(1)
                    .value()),
      overlay_(Overlay::create(*gpu_).value()),
      begun_(kFrames),
      feed_(source_->share(frames_).value()) {
  for (std::uint32_t i = 0; i < kFrames; ++i) {
    card_->prepare(frames_.frame(i), edges_.frame(i)).value();
    works_.push_back(overlay_->record(frames_.frame(i), edges_.frame(i), pictures_.frame(0)).value());
  }
}

Pipeline::~Pipeline() = default;

// The program goes from one begin to the next submission; who computes when is between the devices.
void Pipeline::step(Times& times) {
  const auto deadline = Deadline::in(kPatience);
  const auto& fpga = card_->device();
  const auto& gpu = gpu_->device();
  const auto begin = Clock::now();
  auto filled = feed_->next(deadline).value();
  times.fill.push_back(milliseconds(Clock::now() - begin));
  const auto index = filled.frame.index();
  note(index, times);  // this frame's last round is over, or it would not have been filled anew

  const auto waits = [this] { return runtime_.counters().cpu_waits; };
  const auto before = waits();
  Begun& begun = begun_[index];
  begun = {.at = Clock::now(), .fence = {}, .pending = true};
  {
    auto reads = filled.frame.on(fpga).begin_access(Usage::Read, deadline).value();
    auto writes = edges_.frame(index).on(fpga).begin_access(Usage::Write, deadline).value();
    card_->start(index, deadline).value();
    static_cast<void>(reads.end().value());
    const auto fences = writes.end().value();
    if (!fences.empty()) {
      begun.fence = fences.front();
    }
  }
  const auto between = waits();
  auto looks = filled.frame.on(gpu).begin_access(Usage::Read, deadline).value();
  auto marks = edges_.frame(index).on(gpu).begin_access(Usage::Read, deadline).value();
  auto paints = pictures_.frame(0).on(gpu).begin_access(Usage::Write, deadline).value();
  gpu_->submit(works_[index]).value();
  for (auto* turn : {&looks, &marks, &paints}) {
    static_cast<void>(turn->end().value());
  }
  times.fpga_waits += between - before;
  times.gpu_waits += waits() - between;
}

void Pipeline::note(std::uint32_t index, Times& times) {
  Begun& begun = begun_[index];
  if (!std::exchange(begun.pending, false)) {
    return;
  }
  auto ended = Clock::now();
  if (begun.fence) {
    begun.fence->wait(Deadline::in(kPatience)).value();
    ended = begun.fence->signalled_at().value_or(ended);
  }
  times.fpga.push_back(milliseconds(ended - begun.at));
  times.gpu.push_back(milliseconds(gpu_->time_of(works_[index])));
}

Times Pipeline::run(std::uint32_t frames) {
  Times times;
  const auto begin = Clock::now();
  for (std::uint32_t i = 0; i < frames; ++i) {
    step(times);
  }
  // The last picture is there when the GPU's turn on it is over; so is all that came before.
  auto access = pictures_.frame(0).frame().begin_cpu_access(Usage::Read, Deadline::in(kPatience)).value();
  access.end().value();
  for (std::uint32_t i = 0; i < kFrames; ++i) {
    note(i, times);
  }
  times.total = milliseconds(Clock::now() - begin);
  return times;
}

}  // namespace camera_fpga_gpu
