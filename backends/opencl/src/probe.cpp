// SPDX-License-Identifier: Apache-2.0
#include "probe.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace causeway::opencl_backend {
namespace {

constexpr std::size_t kMostBytes = 64;
constexpr std::int64_t kLastWait = 2'000'000'000;

// The bytes to write come as an argument, so that nothing but the imported memory is involved.
constexpr const char* kSource = R"(
__kernel void causeway_write(__global uint* to, ulong first, uint count, uint16 words) {
  uint all[16];
  vstore16(words, 0, all);
  for (uint i = 0; i < count; ++i) {
    to[first + i] = all[i];
  }
}
__kernel void causeway_read(__global const uint* from, ulong first, uint count, __global uint* to) {
  for (uint i = 0; i < count; ++i) {
    to[i] = from[first + i];
  }
}
)";

std::string build_log(const Context& context, cl_program program) {
  std::size_t bytes = 0;
  context.api.GetProgramBuildInfo(program, context.facts.device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &bytes);
  std::string log(bytes, '\0');
  if (bytes > 0) {
    context.api.GetProgramBuildInfo(program, context.facts.device, CL_PROGRAM_BUILD_LOG, bytes, log.data(),
                                    nullptr);
  }
  log.resize(std::min(log.find_first_of(std::string_view("\n\0", 2)), log.size()));
  return log;
}

}  // namespace

Prober::~Prober() {
  if (running_) {
    // Timed out earlier, and still not done: letting go of what it uses is worse than waiting a little.
    static_cast<void>(wait_until(context_, running_.get(), monotonic_ns() + kLastWait, "a probe"));
  }
}

Status Prober::make_kernel(KernelHandle& kernel, const char* name) {
  cl_int result = CL_SUCCESS;
  cl_kernel made = context_.api.CreateKernel(program_.get(), name, &result);
  if (made == nullptr || result != CL_SUCCESS) {
    return context_.error("clCreateKernel", result, fmt::format("making the kernel {} of the probe", name));
  }
  kernel = KernelHandle(context_.api, made);
  return {};
}

Status Prober::build() {
  const auto& api = context_.api;
  if (!context_.facts.compiler) {
    return Error(
        Errc::Unsupported, "clBuildProgram",
        fmt::format("{} has no compiler (CL_DEVICE_COMPILER_AVAILABLE), so it cannot be asked what it "
                    "sees of the memory",
                    context_.name()));
  }
  cl_int result = CL_SUCCESS;
  cl_program program = api.CreateProgramWithSource(context_.context.get(), 1,
                                                   const_cast<const char**>(&kSource), nullptr, &result);
  if (program == nullptr || result != CL_SUCCESS) {
    return context_.error("clCreateProgramWithSource", result, "making the program of the probe");
  }
  program_ = ProgramHandle(api, program);
  result = api.BuildProgram(program, 1, &context_.facts.device, "", nullptr, nullptr);
  if (result != CL_SUCCESS) {
    return context_.error(
        "clBuildProgram", result,
        fmt::format("compiling the probe for {} (\"{}\")", context_.name(), build_log(context_, program)));
  }
  if (auto status = make_kernel(read_, "causeway_read"); !status) {
    return status;
  }
  cl_mem seen = api.CreateBuffer(context_.context.get(), CL_MEM_READ_WRITE, kMostBytes, nullptr, &result);
  if (seen == nullptr || result != CL_SUCCESS) {
    return context_.error("clCreateBuffer", result, "making a buffer to read probes into");
  }
  seen_ = MemHandle(api, seen);
  return make_kernel(write_, "causeway_write");
}

void Prober::settle() {
  constexpr std::int64_t kPatience = 30'000'000'000;
  if (running_) {
    static_cast<void>(wait_until(context_, running_.get(), monotonic_ns() + kPatience, "an earlier probe"));
    running_.reset();
  }
}

Status Prober::prepare(std::int64_t& deadline_ns) {
  if (running_) {  // a probe that timed out
    if (auto status = wait_until(context_, running_.get(), deadline_ns, "an earlier probe"); !status) {
      return status;
    }
    running_.reset();
  }
  if (write_) {
    return {};
  }
  // The deadline is for the device, not for the compiler.
  const std::int64_t before = monotonic_ns();
  auto status = build();
  deadline_ns += std::min(monotonic_ns() - before, INT64_MAX - deadline_ns);
  return status;
}

template <class... Arguments>
Status Prober::run(const ImportedBuffer& buffer, const cw_probe& probe, std::int64_t deadline_ns,
                   cl_kernel kernel, const Arguments&... arguments) {
  const auto& api = context_.api;
  cl_int result = CL_SUCCESS;
  cl_uint index = 0;
  const auto set = [&](const auto& argument) {
    if (result == CL_SUCCESS) {
      // NOLINTNEXTLINE(bugprone-sizeof-expression): a cl_mem is passed as the handle that it is
      result = api.SetKernelArg(kernel, index++, sizeof(argument), &argument);
    }
  };
  (set(arguments), ...);
  if (result != CL_SUCCESS) {
    return context_.error("clSetKernelArg", result, "preparing a probe");
  }
  const auto copies = (probe.flags & CW_PROBE_MAY_COPY) != 0 ? Copies::MapAndUnmap : Copies::No;
  if (auto status = take_over(context_, {&buffer, 1}, copies); !status) {
    return status;
  }
  // Drivers compile a second time, for this work size, at the first launch.
  const std::int64_t before = monotonic_ns();
  const std::size_t one = 1;
  result =
      api.EnqueueNDRangeKernel(context_.queue.get(), kernel, 1, nullptr, &one, nullptr, 0, nullptr, nullptr);
  deadline_ns += std::min(monotonic_ns() - before, INT64_MAX - deadline_ns);
  Status launched =
      result == CL_SUCCESS ? Status() : context_.error("clEnqueueNDRangeKernel", result, "launching a probe");
  auto end = give_back(context_, {&buffer, 1}, copies);  // what was taken over is given back in any case
  if (!end) {
    return settle_after(context_, std::move(launched ? end.error() : launched.error()));
  }
  running_ = std::move(*end);
  if (!launched) {
    return launched;
  }
  auto status = wait_until(context_, running_.get(), deadline_ns, "a probe");
  if (status || status.error().code() != Errc::TimedOut) {
    running_.reset();
  }
  return status;
}

Status Prober::write(const ImportedBuffer& buffer, const cw_probe& probe) {
  std::int64_t deadline_ns = probe.deadline_ns;
  if (auto status = prepare(deadline_ns); !status) {
    return status;
  }
  cl_uint16 words{};
  std::memcpy(&words, probe.data, std::min<std::size_t>(probe.size, kMostBytes));
  return run(buffer, probe, deadline_ns, write_.get(), buffer.memory.get(), cl_ulong{probe.offset / 4},
             static_cast<cl_uint>(probe.size / 4), words);
}

Status Prober::read(const ImportedBuffer& buffer, cw_probe& probe) {
  std::int64_t deadline_ns = probe.deadline_ns;
  if (auto status = prepare(deadline_ns); !status) {
    return status;
  }
  if (auto status = run(buffer, probe, deadline_ns, read_.get(), buffer.memory.get(),
                        cl_ulong{probe.offset / 4}, static_cast<cl_uint>(probe.size / 4), seen_.get());
      !status) {
    return status;
  }
  const cl_int result = context_.api.EnqueueReadBuffer(context_.queue.get(), seen_.get(), CL_TRUE, 0,
                                                       std::min<std::size_t>(probe.size, kMostBytes),
                                                       probe.data, 0, nullptr, nullptr);
  if (result != CL_SUCCESS) {
    return context_.error("clEnqueueReadBuffer", result, "fetching what a probe saw");
  }
  return {};
}

}  // namespace causeway::opencl_backend
