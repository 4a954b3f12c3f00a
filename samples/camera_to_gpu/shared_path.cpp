// SPDX-License-Identifier: Apache-2.0
#include "shared_path.hpp"

#include <deque>
#include <optional>
#include <vector>

namespace camera_to_gpu {
namespace {

using causeway::Deadline;
using causeway::Fence;
using causeway::FrameRef;
using causeway::Result;
using causeway::Status;
using causeway::Usage;

// The GPU works on one while the next is filled; a camera needs the rest for itself.
constexpr std::size_t kInFlight = 2;

class SharedPath final : public Path {
public:
  SharedPath(causeway::Runtime& runtime, Gpu& gpu, FrameRef output, std::vector<Recording> work,
             std::unique_ptr<SharedFeed> feed, Histogram* then)
      : runtime_(runtime),
        gpu_(gpu),
        output_(output),
        work_(std::move(work)),
        feed_(std::move(feed)),
        then_(then) {}

  Status step(Deadline deadline, const DoneFn& done) override {
    if (auto room = settle(kInFlight - 1, deadline, done); !room) {
      return room;
    }
    Flight flight;
    auto& times = flight.step.times;
    times.begun = Clock::now();
    auto filled = feed_->next(deadline);
    if (!filled) {
      return std::move(filled.error());
    }
    times.filled = filled->at;
    flight.step.corrupt = filled->corrupt;
    flight.work = &work_.at(filled->frame.index());
    const auto before = runtime_.counters();
    // Whatever is pending on the two is left to the GPU to wait for.
    auto input = filled->frame.on(gpu_.device()).begin_access(Usage::Read, deadline);
    if (!input) {
      return std::move(input.error());
    }
    auto output = output_.on(gpu_.device()).begin_access(Usage::Write, deadline);
    if (!output) {
      return std::move(output.error());
    }
    times.submitted = Clock::now();
    if (auto submitted = gpu_.submit(*flight.work); !submitted) {
      return submitted;
    }
    times.returned = Clock::now();
    if (auto ended = input->end(); !ended) {
      return std::move(ended.error());
    }
    auto fences = output->end();
    if (!fences) {
      return std::move(fences.error());
    }
    if (then_ != nullptr) {
      fences = go_on(deadline);
    }
    if (!fences) {
      return std::move(fences.error());
    }
    flight.fences = std::move(*fences);
    flight.hold = std::move(*filled);  // the source may not fill it before the GPU has read it
    times.released = Clock::now();
    flight.step.cpu_waits = (runtime_.counters() - before).cpu_waits;
    flights_.push_back(std::move(flight));
    return {};
  }

  Status finish(Deadline deadline, const DoneFn& done) override { return settle(0, deadline, done); }

private:
  struct Flight {
    Step step;
    const Recording* work = nullptr;
    std::vector<Fence> fences;
    std::optional<Filled> hold;
  };

  // OpenCL's turn on the picture: what Vulkan left pending there is waited for, and Vulkan will wait for
  // OpenCL before it writes the next one. Nobody here waits.
  Result<std::vector<Fence>> go_on(Deadline deadline) {
    auto turn = output_.on(then_->device()).begin_access(Usage::ReadWrite, deadline);
    if (!turn) {
      return std::move(turn.error());
    }
    auto enqueued = then_->enqueue(output_);
    auto fences = turn->end();
    return enqueued ? std::move(fences) : Result<std::vector<Fence>>(std::move(enqueued.error()));
  }

  // Lets go of those that are done, and waits for the oldest until at most so many are left.
  Status settle(std::size_t most, Deadline deadline, const DoneFn& done) {
    while (!flights_.empty()) {
      auto& oldest = flights_.front();
      for (const auto& fence : oldest.fences) {
        if (flights_.size() <= most && fence.status() == causeway::FenceStatus::Pending) {
          return {};
        }
        if (auto waited = fence.wait(deadline); !waited) {
          return waited;
        }
      }
      oldest.step.times.compute = gpu_.time_of(*oldest.work);
      done(oldest.step);
      flights_.pop_front();
    }
    return {};
  }

  causeway::Runtime& runtime_;
  Gpu& gpu_;
  FrameRef output_;
  std::vector<Recording> work_;  // one for each frame, recorded once
  std::unique_ptr<SharedFeed> feed_;
  Histogram* then_;
  std::deque<Flight> flights_;  // lets go of its frames before the feed does
};

}  // namespace

Result<std::unique_ptr<Path>> shared_path(causeway::Runtime& runtime, Gpu& gpu, Converter& converter,
                                          Source& source, const causeway::FramePool& frames,
                                          const FrameRef& output, Histogram* then) {
  const auto to = gpu_picture(output, gpu.device());
  if (!to) {
    return to.error();
  }
  std::vector<Recording> work;
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
  return std::make_unique<SharedPath>(runtime, gpu, output, std::move(work), std::move(*feed), then);
}

}  // namespace camera_to_gpu
