// SPDX-License-Identifier: Apache-2.0
#include "raw_opencl.hpp"

#include <string>

namespace causeway::bench {
namespace {

void check(cl_int result, const char* command) {
  if (result != CL_SUCCESS) {
    throw std::runtime_error(std::string(command) + " answered " + std::to_string(result));
  }
}

}  // namespace

RawOpencl::RawOpencl(const Device& device) : cl_(opencl::handles(device).value()) {
  const char* source = "__kernel void touch(__global uint* words) { words[get_global_id(0) * 1024] += 1; }";
  cl_int result = CL_SUCCESS;
  program_ = clCreateProgramWithSource(cl_.context, 1, &source, nullptr, &result);
  check(result, "clCreateProgramWithSource");
  check(clBuildProgram(program_, 1, &cl_.device, "", nullptr, nullptr), "clBuildProgram");
  kernel_ = clCreateKernel(program_, "touch", &result);
  check(result, "clCreateKernel");
}

RawOpencl::~RawOpencl() {
  clReleaseKernel(kernel_);
  clReleaseProgram(program_);
}

RawOpencl::Buffer RawOpencl::over(std::byte* address, std::uint64_t bytes) const {
  cl_int result = CL_SUCCESS;
  cl_mem memory =
      clCreateBuffer(cl_.context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, address, &result);
  check(result, "clCreateBuffer");
  return Buffer(memory);
}

RawOpencl::Buffer RawOpencl::own_buffer(std::uint64_t bytes) const {
  cl_int result = CL_SUCCESS;
  cl_mem memory = clCreateBuffer(cl_.context, CL_MEM_READ_WRITE, bytes, nullptr, &result);
  check(result, "clCreateBuffer");
  return Buffer(memory);
}

void RawOpencl::bind(cl_mem memory) const {
  constexpr std::size_t kHandle = sizeof(cl_mem);  // NOLINT(bugprone-sizeof-expression): the handle itself
  check(clSetKernelArg(kernel_, 0, kHandle, &memory), "clSetKernelArg");
}

void RawOpencl::launch(cl_event* end) const {
  constexpr std::size_t kPages = 16;
  check(clEnqueueNDRangeKernel(cl_.queue, kernel_, 1, nullptr, &kPages, nullptr, 0, nullptr, end),
        "clEnqueueNDRangeKernel");
}

void RawOpencl::enqueue() const {
  launch(nullptr);
}

void RawOpencl::enqueue_last(const Mapping& mapping) const {
  cl_event end = nullptr;
  launch(&end);
  opencl::end_with(mapping, end).value();
  check(clReleaseEvent(end), "clReleaseEvent");
}

void RawOpencl::finish() const {
  check(clFinish(cl_.queue), "clFinish");
}

void RawOpencl::warm_up() const {
  enqueue();
  finish();
}

void RawOpencl::upload(cl_mem to, const std::byte* from, std::uint64_t bytes) const {
  check(clEnqueueWriteBuffer(cl_.queue, to, CL_TRUE, 0, bytes, from, 0, nullptr, nullptr),
        "clEnqueueWriteBuffer");
}

void RawOpencl::download(std::byte* to, cl_mem from, std::uint64_t bytes) const {
  check(clEnqueueReadBuffer(cl_.queue, from, CL_TRUE, 0, bytes, to, 0, nullptr, nullptr),
        "clEnqueueReadBuffer");
}

}  // namespace causeway::bench
