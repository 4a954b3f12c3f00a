// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <causeway/causeway.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "converter.hpp"
#include "gpu.hpp"
#include "histogram.hpp"
#include "options.hpp"
#include "path.hpp"
#include "source.hpp"
#include "stages.hpp"

namespace camera_to_gpu {

/// What one path did.
struct PathOutcome {
  Stages stages;
  std::uint64_t copied_bytes = 0;  ///< by the CPU, of all frames together
  std::uint64_t corrupt = 0;       ///< frames that the camera marked as damaged
  std::uint64_t cpu_waits = 0;     ///< of the CPU for a device, while frames go from one device to the next
  /// Of the CPU before it touches memory itself: to fill a frame again, or to look at the last picture.
  std::uint64_t cpu_access_waits = 0;

  [[nodiscard]] std::uint64_t copied_bytes_per_frame() const noexcept {
    return stages.frames() == 0 ? 0 : copied_bytes / stages.frames();
  }
  [[nodiscard]] double per_frame(std::uint64_t count) const noexcept {
    return stages.frames() == 0 ? 0 : static_cast<double>(count) / static_cast<double>(stages.frames());
  }
};

/// What a run did.
struct Outcome {
  PathOutcome shared;
  std::optional<PathOutcome> copying;
  std::optional<bool> same_picture;  ///< both paths, of a source that repeats itself, ended with equal bytes
  causeway::AllocationReport input;
  causeway::AllocationReport output;
  std::uint64_t counted_pixels = 0;  ///< by OpenCL, of the last picture
};

/// Tells how far it is: the path, and the frames done and due on it.
using ProgressFn = std::function<void(const char* path, std::uint32_t done, std::uint32_t due)>;

/// From the source through the GPU's shader to a picture that the CPU can read.
class Pipeline {
public:
  /// runtime must outlive it. Errors: those of the GPU, of the source and of the negotiation.
  [[nodiscard]] static causeway::Result<std::unique_ptr<Pipeline>> create(causeway::Runtime& runtime,
                                                                          const Options& options);

  /// Takes all frames, or as many as there are until stop becomes true.
  [[nodiscard]] causeway::Result<Outcome> run(const std::atomic<bool>& stop, const ProgressFn& progress);

  [[nodiscard]] const Source& source() const noexcept { return *source_; }
  [[nodiscard]] const Gpu& gpu() const noexcept { return *gpu_; }
  /// Null unless it was asked for.
  [[nodiscard]] const Histogram* histogram() const noexcept { return histogram_.get(); }
  /// Shows the last picture of the zero-copy path, as rows of R G B A bytes where the GPU wrote them.
  using ShowFn = std::function<causeway::Status(std::span<const std::byte> rows, std::uint32_t stride)>;
  [[nodiscard]] causeway::Status show(const ShowFn& show) const;

private:
  Pipeline(causeway::Runtime& runtime, const Options& options) : runtime_(runtime), options_(options) {}
  [[nodiscard]] causeway::Status prepare();
  [[nodiscard]] causeway::Result<causeway::FramePool> allocate_input(std::uint32_t frames) const;
  [[nodiscard]] causeway::Status open_path(bool copying, Outcome& outcome);
  [[nodiscard]] causeway::Status take(bool copying, std::uint32_t frames, std::uint32_t due, Outcome& outcome,
                                      const std::atomic<bool>& stop, const ProgressFn& progress);
  [[nodiscard]] causeway::Result<bool> same_picture() const;

  causeway::Runtime& runtime_;
  const Options& options_;
  std::unique_ptr<Gpu> gpu_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Converter> converter_;
  std::unique_ptr<Histogram> histogram_;
  std::optional<causeway::FramePool> outputs_;
  std::unique_ptr<Path> shared_;
  std::unique_ptr<Path> copying_;
};

}  // namespace camera_to_gpu
