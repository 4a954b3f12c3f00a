// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "card.hpp"
#include "edu.hpp"

namespace camera_fpga_gpu {
namespace {

using causeway::Deadline;
using causeway::Errc;
using causeway::Error;
using causeway::FrameRef;
using causeway::Result;
using causeway::Status;

class EduCard final : public Card {
public:
  explicit EduCard(causeway::Device device) : device_(std::move(device)), edu_(device_) {}

  const causeway::Device& device() const override { return device_; }
  const char* kernel() const override { return "copy"; }

  // Transfers of 4096 bytes at most, from where the luma is to where the edges shall be.
  Status prepare(const FrameRef& picture, const FrameRef& edges) override {
    const auto& from = picture.frame().layout().planes[0];
    const auto& to = edges.frame().layout().planes[0];
    if (from.stride != to.stride) {
      return Error(Errc::Unsupported, "edu",
                   "the card copies bytes as they lie, and the picture's rows are " +
                       std::to_string(from.stride) + " bytes apart, those of the edges " +
                       std::to_string(to.stride) + "; take a width that is a multiple of 64");
    }
    std::vector<Transfer> transfers;
    const std::uint64_t bytes = std::uint64_t{to.stride} * edges.frame().layout().height;
    for (std::uint64_t at = 0; at < bytes;) {
      const auto source = causeway::fpga::iova(picture.on(device_), from.object, from.offset + at);
      const auto target = causeway::fpga::iova(edges.on(device_), to.object, to.offset + at);
      if (!source || !target) {
        return source ? target.error() : source.error();
      }
      const std::uint64_t length =
          std::min({std::uint64_t{edu::kMost}, source->length, target->length, bytes - at});
      transfers.push_back({source->address, target->address, static_cast<std::uint32_t>(length)});
      at += length;
    }
    pairs_.push_back(std::move(transfers));
    return {};
  }

  // The last transfer's interrupt is left to whoever waits for the edges.
  Status start(std::uint32_t pair, Deadline deadline) override {
    Status status;
    for (const auto& transfer : pairs_[pair]) {
      if (std::exchange(running_, false)) {
        status = edu_.finish(deadline);
      }
      if (status) {
        status = edu_.move(false, transfer.source, transfer.bytes, deadline);
      }
      if (status) {
        status = edu_.start(true, transfer.target, transfer.bytes);
      }
      if (!status) {
        return status;
      }
      running_ = true;
    }
    return status;
  }

private:
  struct Transfer {
    std::uint64_t source;
    std::uint64_t target;
    std::uint32_t bytes;
  };
  causeway::Device device_;
  edu::Card edu_;
  std::vector<std::vector<Transfer>> pairs_;
  bool running_ = false;
};

}  // namespace

Result<std::unique_ptr<Card>> open_edu(causeway::Runtime& runtime, const std::string& address) {
  auto device = causeway::fpga_vfio::open(runtime, edu::open_info(address));
  if (!device) {
    return std::move(device.error());
  }
  return std::unique_ptr<Card>(std::make_unique<EduCard>(std::move(*device)));
}

}  // namespace camera_fpga_gpu
