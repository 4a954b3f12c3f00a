// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <causeway/opencl.hpp>
#include <cstdint>
#include <memory>

namespace camera_to_gpu {

/// A second GPU interface on the same picture: OpenCL counts how often each brightness of red, green and blue
/// occurs, and draws the three curves into the picture's lower left, in place.
class Histogram {
public:
  /// Opens the best OpenCL device, and compiles. Errors: NotFound (no OpenCL), the driver's.
  [[nodiscard]] static causeway::Result<std::unique_ptr<Histogram>> create(causeway::Runtime& runtime);
  ~Histogram();
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  [[nodiscard]] const causeway::Device& device() const noexcept { return device_; }
  /// Puts the work on the device's queue, between begin and end of an access; the access knows who waits for
  /// whom. Errors: the driver's.
  [[nodiscard]] causeway::Status enqueue(const causeway::FrameRef& picture);
  /// The pixels that were counted in the last picture: its width times its height. Waits for the queue.
  [[nodiscard]] causeway::Result<std::uint64_t> counted() const;

private:
  Histogram(causeway::Device device, const causeway::opencl::Handles& cl)
      : device_(std::move(device)), cl_(cl) {}
  [[nodiscard]] causeway::Status prepare();
  [[nodiscard]] causeway::Status run(cl_mem pixels, const causeway::PlaneLayout& plane, std::uint32_t width,
                                     std::uint32_t height);

  causeway::Device device_;
  causeway::opencl::Handles cl_;
  cl_program program_ = nullptr;
  cl_kernel clear_ = nullptr;
  cl_kernel count_ = nullptr;
  cl_kernel draw_ = nullptr;
  cl_mem bins_ = nullptr;  ///< 256 of red, of green, of blue; the most of all of them
};

}  // namespace camera_to_gpu
