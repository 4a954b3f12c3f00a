// SPDX-License-Identifier: Apache-2.0
#include "host/opencl_harness.hpp"

#include <algorithm>
#include <utility>

#include "uapi/real_syscalls.hpp"

namespace causeway::test {
namespace {

std::string id_of_driver(const std::string& part) {
  const OpenclHost host;
  std::vector<cw_device_info> found(16);
  auto count = static_cast<std::uint32_t>(found.size());
  EXPECT_EQ(opencl_table().enumerate(host.raw(), found.data(), &count, nullptr), CW_OK);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (std::string(found[i].driver).find(part) != std::string::npos) {
      return found[i].id;
    }
  }
  ADD_FAILURE() << "no OpenCL driver is called " << part << "; ./dev setup installs PoCL";
  return "none";
}

struct OpenWords {
  cw_opencl_open_v1 raw = plugin::sized<cw_opencl_open_v1>();
  explicit OpenWords(std::uint32_t path) { raw.path = path; }
};
/// words: lives until the device is open, as a temporary of that call.
cw_open_info by_path(const std::string& id, const OpenWords& words) {
  auto info = plugin::sized<cw_open_info>();
  info.id = id.c_str();
  info.adopt_interface = CW_OPENCL_OPEN_V1;
  info.adopt = &words.raw;
  return info;
}
cw_open_info adopting(const cw_opencl_adopt_v1& words) {
  auto info = plugin::sized<cw_open_info>();
  info.adopt_interface = CW_OPENCL_ADOPT_V1;
  info.adopt = &words;
  return info;
}

}  // namespace

OpenclHost::OpenclHost() : TableHost(uapi::real_syscalls()) {
  table_.fence_wait = [](void* context, const cw_fence*, std::int64_t, cw_error*) -> std::int32_t {
    auto& self = static_cast<OpenclHost&>(*static_cast<TableHost*>(context));
    EXPECT_TRUE(self.may_wait) << "this backend leaves such waits to the host";
    self.count_cpu_waits(1);
    return CW_OK;
  };
}

OpenclHost::~OpenclHost() {
  EXPECT_EQ(live_events(), 0U) << "events were left behind";
}

std::string pocl_id() {
  static const std::string id = id_of_driver("Portable Computing Language");
  return id;
}

OpenclDevice::OpenclDevice(const OpenclHost& host, const std::string& id, std::uint32_t path)
    : TableDevice(opencl_table(), *host.raw(), by_path(id, OpenWords(path))) {}

OpenclDevice::OpenclDevice(const OpenclHost& host, const cw_opencl_adopt_v1& adopt)
    : TableDevice(opencl_table(), *host.raw(), adopting(adopt)) {}

cw_opencl_handles_v1 OpenclDevice::handles() const {
  const auto* functions =
      static_cast<const cw_opencl_device_v1*>(table().get_interface(raw(), CW_OPENCL_DEVICE_V1));
  auto handles = plugin::sized<cw_opencl_handles_v1>();
  functions->handles(raw(), &handles);
  return handles;
}

Outcome OpenclDevice::wait(const cw_fence& fence, std::int64_t deadline_ns) const {
  return attempt([&](cw_error* error) { return table().fence_wait(raw(), &fence, deadline_ns, error); });
}

Outcome OpenclDevice::export_fence(const cw_fence& fence, cw_fence& out) const {
  out = plugin::sized<cw_fence>();
  return attempt([&](cw_error* error) { return table().fence_export(raw(), &fence, &out, error); });
}

Outcome OpenclDevice::wait_idle(std::int64_t deadline_ns) const {
  return attempt([&](cw_error* error) { return table().wait_idle(raw(), deadline_ns, error); });
}

Outcome OpenclAttached::begin(std::span<const cw_fence> waits) const {
  auto words = plugin::sized<cw_access_begin>();
  words.usage = CW_USAGE_READ | CW_USAGE_WRITE;
  words.waits = waits.data();
  words.wait_count = static_cast<std::uint32_t>(waits.size());
  return attempt(
      [&](cw_error* error) { return device().table().begin_access(device().raw(), raw(), &words, error); });
}

Outcome OpenclAttached::end(cw_fence* fence, std::span<const cw_fence> given) const {
  auto words = plugin::sized<cw_access_end>();
  words.signals = fence;
  words.signal_capacity = fence != nullptr ? 1 : 0;
  words.given = given.data();
  words.given_count = static_cast<std::uint32_t>(given.size());
  if (fence != nullptr) {
    *fence = plugin::sized<cw_fence>();
  }
  auto outcome = attempt(
      [&](cw_error* error) { return device().table().end_access(device().raw(), raw(), &words, error); });
  EXPECT_LE(words.signal_count, words.signal_capacity);
  EXPECT_EQ(words.signal_count == 1, fence != nullptr && fence->kind != CW_FENCE_NONE);
  return outcome;
}

void run_kernel(const cw_opencl_view_v1& view, const char* source, std::span<const cl_mem> memory,
                std::size_t width, std::size_t height) {
  cl_int result = CL_SUCCESS;
  cl_program program = clCreateProgramWithSource(view.context, 1, &source, nullptr, &result);
  ASSERT_EQ(result, CL_SUCCESS);
  ASSERT_EQ(clBuildProgram(program, 1, &view.device, "", nullptr, nullptr), CL_SUCCESS);
  cl_kernel kernel = clCreateKernel(program, "work", &result);
  ASSERT_EQ(result, CL_SUCCESS);
  for (cl_uint i = 0; i < memory.size(); ++i) {
    ASSERT_EQ(set_argument(kernel, i, memory[i]), CL_SUCCESS);
  }
  const std::size_t size[] = {width, height};
  ASSERT_EQ(clEnqueueNDRangeKernel(view.queue, kernel, 2, nullptr, size, nullptr, 0, nullptr, nullptr),
            CL_SUCCESS);
  ASSERT_EQ(clFinish(view.queue), CL_SUCCESS);
  clReleaseKernel(kernel);
  clReleaseProgram(program);
}

}  // namespace causeway::test
