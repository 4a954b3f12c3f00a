// SPDX-License-Identifier: Apache-2.0
// The fake OpenCL driver: programs and kernels.

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "support/fake_opencl_objects.hpp"

namespace causeway::test::fake_opencl {
namespace {

cl_program CL_API_CALL create_program(cl_context, cl_uint, const char**, const std::size_t*, cl_int* error) {
  if (!icd().compiler) {
    violation("clCreateProgramWithSource: this device has no compiler");
    return answer<cl_program>(error, CL_COMPILER_NOT_AVAILABLE, nullptr);
  }
  if (fails_now()) {
    return answer<cl_program>(error, icd().fail_with, nullptr);
  }
  ++icd().programs;
  return answer(error, CL_SUCCESS, new _cl_program{dispatch()});
}
cl_int CL_API_CALL build_program(cl_program program, cl_uint, const cl_device_id*, const char*,
                                 void(CL_CALLBACK*)(cl_program, void*), void*) {
  if (fails_now()) {
    return icd().fail_with;
  }
  program->built = true;
  return CL_SUCCESS;
}
cl_int CL_API_CALL build_info(cl_program, cl_device_id, cl_program_build_info, std::size_t room, void* out,
                              std::size_t* needed) {
  constexpr const char kLog[] = "the fake compiler's log";
  return give(kLog, sizeof(kLog), room, out, needed);
}
cl_int CL_API_CALL release_program(cl_program program) {
  if (--program->references == 0) {
    --icd().programs;
    delete program;
  }
  return CL_SUCCESS;
}
cl_kernel CL_API_CALL create_kernel(cl_program program, const char* name, cl_int* error) {
  const std::string_view wanted = name;
  if (!program->built || (wanted != "causeway_write" && wanted != "causeway_read")) {
    violation("clCreateKernel: the program is not built, or has no " + std::string(wanted));
    return answer<cl_kernel>(error, CL_INVALID_KERNEL_NAME, nullptr);
  }
  if (fails_now()) {
    return answer<cl_kernel>(error, icd().fail_with, nullptr);
  }
  ++icd().kernels;
  return answer(
      error, CL_SUCCESS,
      new _cl_kernel{dispatch(), 1, wanted == "causeway_write", std::vector<std::vector<std::byte>>(4)});
}
cl_int CL_API_CALL release_kernel(cl_kernel kernel) {
  if (--kernel->references == 0) {
    --icd().kernels;
    delete kernel;
  }
  return CL_SUCCESS;
}
cl_int CL_API_CALL set_argument(cl_kernel kernel, cl_uint index, std::size_t size, const void* value) {
  if (index >= kernel->arguments.size()) {
    return CL_INVALID_ARG_INDEX;
  }
  const auto* bytes = static_cast<const std::byte*>(value);
  kernel->arguments[index].assign(bytes, bytes + size);
  return CL_SUCCESS;
}

template <class T>
T argument(const _cl_kernel& kernel, std::size_t index) {
  T value{};
  constexpr std::size_t kBytes = sizeof(T);  // NOLINT(bugprone-sizeof-expression): a cl_mem is a handle
  if (kernel.arguments[index].size() != kBytes) {
    violation("clEnqueueNDRangeKernel: an argument has another size than its kernel's");
    return value;
  }
  std::memcpy(&value, kernel.arguments[index].data(), kBytes);
  return value;
}

cl_int CL_API_CALL launch(cl_command_queue queue, cl_kernel kernel, cl_uint, const std::size_t*,
                          const std::size_t*, const std::size_t*, cl_uint, const cl_event*, cl_event* event) {
  if (fails_now()) {
    return icd().fail_with;
  }
  note("launch");
  const auto memory = argument<cl_mem>(*kernel, 0);
  const auto first = argument<cl_ulong>(*kernel, 1);
  const auto count = argument<cl_uint>(*kernel, 2);
  std::array<std::byte, 64> words{};  // a uint16
  cl_mem seen = nullptr;
  if (kernel->writes) {
    words = argument<decltype(words)>(*kernel, 3);
  } else {
    seen = argument<cl_mem>(*kernel, 3);
  }
  enqueue(
      queue, nullptr,
      [=, writes = kernel->writes] {
        check_use(memory, "kernel");
        if (!alive(memory) || (first + count) * 4 > memory->size) {
          violation("kernel: bytes outside the buffer");
          return;
        }
        if (writes && (memory->flags & CL_MEM_READ_ONLY) != 0) {
          violation("kernel: writes memory that is read-only");
          return;
        }
        auto* bytes = memory->bytes() + first * 4;
        if (writes) {
          std::memcpy(bytes, words.data(), std::min<std::size_t>(std::size_t{count} * 4, words.size()));
        } else {
          std::memcpy(seen->bytes(), bytes, std::size_t{count} * 4);
        }
      },
      event);
  return CL_SUCCESS;
}

}  // namespace

void fill_kernels(cl_icd_dispatch& table) {
  table.clCreateProgramWithSource = &create_program;
  table.clBuildProgram = &build_program;
  table.clGetProgramBuildInfo = &build_info;
  table.clReleaseProgram = &release_program;
  table.clCreateKernel = &create_kernel;
  table.clReleaseKernel = &release_kernel;
  table.clSetKernelArg = &set_argument;
  table.clEnqueueNDRangeKernel = &launch;
}

}  // namespace causeway::test::fake_opencl
