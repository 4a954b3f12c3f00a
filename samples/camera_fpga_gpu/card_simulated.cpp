// SPDX-License-Identifier: Apache-2.0
#include <causeway/fpga_sim.hpp>
#include <utility>
#include <vector>

#include "card.hpp"

namespace camera_fpga_gpu {
namespace {

using causeway::FrameRef;
using causeway::Result;
using causeway::Status;
namespace fpga_sim = causeway::fpga_sim;

class SimulatedCard final : public Card {
public:
  explicit SimulatedCard(causeway::Device device) : device_(std::move(device)) {}

  const causeway::Device& device() const override { return device_; }
  const char* kernel() const override { return "sobel"; }

  Status prepare(const FrameRef& picture, const FrameRef& edges) override {
    auto job =
        fpga_sim::Job::prepare(device_, picture.on(device_), edges.on(device_), fpga_sim::Kernel::Sobel);
    if (!job) {
      return std::move(job.error());
    }
    jobs_.push_back(std::move(*job));
    return {};
  }
  // The card itself waits for what the turns wait for, where that is an event.
  Status start(std::uint32_t pair, causeway::Deadline /*deadline*/) override {
    const auto submitted = jobs_[pair].submit();
    return submitted ? Status() : submitted.error();
  }

private:
  causeway::Device device_;
  std::vector<fpga_sim::Job> jobs_;  // their descriptors are written once
};

}  // namespace

Result<std::unique_ptr<Card>> open_simulated(causeway::Runtime& runtime, unsigned bits) {
  auto device = fpga_sim::open(runtime, {.data_bits = bits});
  if (!device) {
    return std::move(device.error());
  }
  return std::unique_ptr<Card>(std::make_unique<SimulatedCard>(std::move(*device)));
}

}  // namespace camera_fpga_gpu
