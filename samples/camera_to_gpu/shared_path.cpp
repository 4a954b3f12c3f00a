// SPDX-License-Identifier: Apache-2.0
#include "shared_path.hpp"

#include <vector>

namespace camera_to_gpu {
namespace {

using causeway::Deadline;
using causeway::FrameRef;
using causeway::Result;
using causeway::Usage;

class SharedPath final : public Path {
public:
  SharedPath(Gpu& gpu, FrameRef output, std::vector<VkCommandBuffer> work, std::unique_ptr<SharedFeed> feed)
      : gpu_(gpu), output_(output), work_(std::move(work)), feed_(std::move(feed)) {}

  Result<Step> step(Deadline deadline) override {
    FrameTimes times{.begun = Clock::now()};
    auto filled = feed_->next(deadline);
    if (!filled) {
      return std::move(filled.error());
    }
    times.filled = filled->at;
    auto input = filled->frame.on(gpu_.device()).begin_access(Usage::Read, deadline);
    if (!input) {
      return std::move(input.error());
    }
    auto output = output_.on(gpu_.device()).begin_access(Usage::Write, deadline);
    if (!output) {
      return std::move(output.error());
    }
    times.submitted = Clock::now();
    if (auto ran = gpu_.run(work_.at(filled->frame.index()), deadline); !ran) {
      return std::move(ran.error());
    }
    times.done = Clock::now();
    if (auto ended = input->end(); !ended) {
      return std::move(ended.error());
    }
    if (auto ended = output->end(); !ended) {
      return std::move(ended.error());
    }
    const bool corrupt = filled->corrupt;
    filled = causeway::Error(causeway::Errc::WrongState, "step", "done");  // lets the frame go
    times.released = Clock::now();
    return Step{.times = times, .corrupt = corrupt};
  }

private:
  Gpu& gpu_;
  FrameRef output_;
  std::vector<VkCommandBuffer> work_;  // one for each frame, recorded once
  std::unique_ptr<SharedFeed> feed_;
};

}  // namespace

Result<std::unique_ptr<Path>> shared_path(Gpu& gpu, Converter& converter, Source& source,
                                          const causeway::FramePool& frames, const FrameRef& output) {
  const auto to = gpu_picture(output, gpu.device());
  if (!to) {
    return to.error();
  }
  std::vector<VkCommandBuffer> work;
  for (std::uint32_t i = 0; i < frames.size(); ++i) {
    const auto from = gpu_picture(frames.frame(i), gpu.device());
    if (!from) {
      return from.error();
    }
    const auto recorded = converter.record(*from, *to);
    if (!recorded) {
      return recorded.error();
    }
    work.push_back(*recorded);
  }
  auto feed = source.share(frames);
  if (!feed) {
    return std::move(feed.error());
  }
  return std::make_unique<SharedPath>(gpu, output, std::move(work), std::move(*feed));
}

}  // namespace camera_to_gpu
