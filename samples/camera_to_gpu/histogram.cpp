// SPDX-License-Identifier: Apache-2.0
#include "histogram.hpp"

#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

namespace camera_to_gpu {
namespace {

using causeway::Errc;
using causeway::Error;
using causeway::PlaneLayout;
using causeway::Result;
using causeway::Status;

constexpr std::size_t kBins = 256;
constexpr std::size_t kChannels = 3;
constexpr std::size_t kNumbers = kBins * kChannels + 1;  // the last: the most of them

// Pixels are 4 bytes, R first; first and row are counted in pixels.
const char* const kKernels = R"(
__kernel void clear(__global uint* bins) { bins[get_global_id(0)] = 0; }

__kernel void count(__global const uchar4* pixels, uint first, uint row, __global uint* bins) {
  const uchar4 pixel = pixels[first + get_global_id(1) * row + get_global_id(0)];
  const uint red = atomic_inc(&bins[pixel.x]) + 1;
  const uint green = atomic_inc(&bins[256 + pixel.y]) + 1;
  const uint blue = atomic_inc(&bins[512 + pixel.z]) + 1;
  atomic_max(&bins[768], max(red, max(green, blue)));
}

/* One work item a pixel of the box, from the picture's lower left upwards. Within a curve its colour is full; what
   lies behind is dimmed. */
__kernel void draw(__global uchar4* pixels, uint first, uint row, uint height, __global const uint* bins) {
  const uint x = get_global_id(0), up = get_global_id(1);
  const uint bin = x * 256 / get_global_size(0), most = max(bins[768], 1u);
  const ulong box = get_global_size(1);
  __global uchar4* pixel = &pixels[first + (height - 1 - up) * row + x];
  const uchar4 dimmed = *pixel / (uchar4)(4, 4, 4, 1);
  *pixel = (uchar4)(up < bins[bin] * box / most ? 255 : dimmed.x, up < bins[256 + bin] * box / most ? 255 : dimmed.y,
                    up < bins[512 + bin] * box / most ? 255 : dimmed.z, dimmed.w);
}
)";

Status check(cl_int result, const char* command) {
  if (result == CL_SUCCESS) {
    return {};
  }
  return Error(Errc::Io, command, fmt::format("OpenCL answers {}", result));
}

template <class T>
cl_int set(cl_kernel kernel, cl_uint index, const T& value) {
  constexpr std::size_t kBytes = sizeof(T);  // NOLINT(bugprone-sizeof-expression): a cl_mem is a handle
  return clSetKernelArg(kernel, index, kBytes, &value);
}

template <class... Arguments>
Status enqueue_kernel(cl_command_queue queue, cl_kernel kernel, std::array<std::size_t, 2> size,
                      const Arguments&... arguments) {
  cl_uint index = 0;
  cl_int result = CL_SUCCESS;
  ((result = result == CL_SUCCESS ? set(kernel, index++, arguments) : result), ...);
  if (auto status = check(result, "clSetKernelArg"); !status) {
    return status;
  }
  return check(clEnqueueNDRangeKernel(queue, kernel, 2, nullptr, size.data(), nullptr, 0, nullptr, nullptr),
               "clEnqueueNDRangeKernel");
}

}  // namespace

Result<std::unique_ptr<Histogram>> Histogram::create(causeway::Runtime& runtime) {
  auto device = causeway::opencl::open(runtime);
  if (!device) {
    return std::move(device.error());
  }
  const auto handles = causeway::opencl::handles(*device);
  if (!handles) {
    return handles.error();
  }
  std::unique_ptr<Histogram> made(new Histogram(std::move(*device), *handles));
  if (auto status = made->prepare(); !status) {
    return std::move(status.error());
  }
  return made;
}

Histogram::~Histogram() {
  clFinish(cl_.queue);
  for (cl_kernel kernel : {clear_, count_, draw_}) {
    if (kernel != nullptr) {
      clReleaseKernel(kernel);
    }
  }
  if (program_ != nullptr) {
    clReleaseProgram(program_);
  }
  if (bins_ != nullptr) {
    clReleaseMemObject(bins_);
  }
}

Status Histogram::prepare() {
  cl_int result = CL_SUCCESS;
  const char* source = kKernels;
  program_ = clCreateProgramWithSource(cl_.context, 1, &source, nullptr, &result);
  if (result == CL_SUCCESS) {
    result = clBuildProgram(program_, 1, &cl_.device, "", nullptr, nullptr);
  }
  for (const auto& [kernel, name] : {std::pair{&clear_, "clear"}, {&count_, "count"}, {&draw_, "draw"}}) {
    *kernel = result == CL_SUCCESS ? clCreateKernel(program_, name, &result) : nullptr;
  }
  if (auto status = check(result, "clBuildProgram"); !status) {
    return status;
  }
  bins_ = clCreateBuffer(cl_.context, CL_MEM_READ_WRITE, kNumbers * sizeof(cl_uint), nullptr, &result);
  if (auto status = check(result, "clCreateBuffer"); !status) {
    return status;
  }
  // Drivers compile once more at the first launch: not in the first frame.
  cl_mem pixels = clCreateBuffer(cl_.context, CL_MEM_READ_WRITE, 16, nullptr, &result);
  if (auto status = check(result, "clCreateBuffer"); !status) {
    return status;
  }
  auto tried = run(pixels, {.stride = 8}, 2, 2);
  clFinish(cl_.queue);
  clReleaseMemObject(pixels);
  return tried;
}

Status Histogram::run(cl_mem pixels, const PlaneLayout& plane, std::uint32_t width, std::uint32_t height) {
  const auto first = static_cast<cl_uint>(plane.offset / 4);
  const cl_uint row = plane.stride / 4;
  const std::array<std::size_t, 2> box{std::min<std::size_t>(width, kBins), std::max(height / 4, 1U)};
  if (auto status = enqueue_kernel(cl_.queue, clear_, {kNumbers, 1}, bins_); !status) {
    return status;
  }
  if (auto status = enqueue_kernel(cl_.queue, count_, {width, height}, pixels, first, row, bins_); !status) {
    return status;
  }
  return enqueue_kernel(cl_.queue, draw_, box, pixels, first, row, cl_uint{height}, bins_);
}

Status Histogram::enqueue(const causeway::FrameRef& picture) {
  const auto view = causeway::opencl::view(picture.on(device_));
  if (!view) {
    return view.error();
  }
  const auto& layout = picture.frame().layout();
  const auto& plane = layout.planes.front();
  return run((*view)->buffers[plane.object], plane, layout.width, layout.height);
}

Result<std::uint64_t> Histogram::counted() const {
  std::vector<cl_uint> bins(kNumbers);
  if (auto status = check(clEnqueueReadBuffer(cl_.queue, bins_, CL_TRUE, 0, bins.size() * sizeof(cl_uint),
                                              bins.data(), 0, nullptr, nullptr),
                          "clEnqueueReadBuffer");
      !status) {
    return std::move(status.error());
  }
  std::uint64_t pixels = 0;
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    pixels += bins[bin];
  }
  return pixels;
}

}  // namespace camera_to_gpu
