// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "card.hpp"
#include "gpu.hpp"
#include "options.hpp"
#include "overlay.hpp"
#include "source.hpp"

namespace camera_fpga_gpu {

struct Options {
  camera_to_gpu::Options source;
  std::string out;
  std::string json;
  std::uint32_t frames = 30;
  unsigned bits = 512;
  std::string vfio;  ///< the PCI address of a card edu, instead of the simulated card
};

/// What the frames took, by stage, and how often the CPU had to wait for a device in its place.
struct Times {
  std::vector<double> fill, fpga, gpu;  ///< milliseconds, of each frame
  double total = 0;                     ///< of the whole loop, milliseconds
  std::uint64_t fpga_waits = 0;         ///< before the FPGA's part
  std::uint64_t gpu_waits = 0;          ///< between it and the GPU's
};

/// Camera, FPGA and GPU over the same memory, set up once.
class Pipeline {
public:
  /// Throws tl::bad_expected_access<Error>, as the other functions here.
  explicit Pipeline(const Options& options);
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;
  ~Pipeline();

  /// Hands so many pictures from stage to stage; the devices wait for each other, by fences.
  [[nodiscard]] Times run(std::uint32_t frames);

  [[nodiscard]] const camera_to_gpu::Source& source() const { return *source_; }
  [[nodiscard]] const Card& card() const { return *card_; }
  [[nodiscard]] const causeway::Device& gpu() const { return gpu_->device(); }
  [[nodiscard]] const causeway::FramePool& frames() const { return frames_; }
  [[nodiscard]] const causeway::FramePool& edges() const { return edges_; }
  [[nodiscard]] const causeway::FramePool& pictures() const { return pictures_; }
  [[nodiscard]] std::uint64_t copied_bytes() const { return runtime_.counters().copied_bytes; }

private:
  /// What is known of a frame when its devices are done.
  struct Begun {
    camera_to_gpu::Clock::time_point at;
    std::optional<causeway::Fence> fence;  ///< of the card's turn; none: it was done at once
    bool pending = false;
  };
  void step(Times& times);
  /// Waits for the devices' part of a frame, and notes what it took.
  void note(std::uint32_t index, Times& times);

  causeway::Runtime runtime_;
  std::unique_ptr<camera_to_gpu::Source> source_;
  std::unique_ptr<camera_to_gpu::Gpu> gpu_;
  std::unique_ptr<Card> card_;
  causeway::FramePool frames_, edges_, pictures_;
  std::unique_ptr<Overlay> overlay_;
  std::vector<camera_to_gpu::Recording> works_;  // one for each frame of the camera, as the card's
  std::vector<Begun> begun_;
  std::unique_ptr<camera_to_gpu::SharedFeed> feed_;
};

}  // namespace camera_fpga_gpu
