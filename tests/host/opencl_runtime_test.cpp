// SPDX-License-Identifier: Apache-2.0
// The typed header, over the whole library, on PoCL.
#include <gmock/gmock.h>

#include <causeway/fence.hpp>
#include <causeway/host_event.hpp>
#include <causeway/opencl.hpp>
#include <causeway/runtime.hpp>
#include <chrono>
#include <cstring>

#include "host/opencl_harness.hpp"

namespace causeway::test {
namespace {

Runtime make_runtime() {
  auto runtime = Runtime::create();
  EXPECT_TRUE(runtime) << runtime.error().message();
  return *runtime;
}

/// What this machine can allocate from: memfd anywhere, udmabuf and a heap in the guest.
std::vector<std::string> exporters_here(Runtime& runtime) {
  std::vector<std::string> names;
  for (const auto& exporter : runtime.exporters()) {
    const bool wanted =
        exporter.name == "memfd" || exporter.name == "udmabuf" || exporter.name == "dma_heap:system";
    if (exporter.available && wanted) {
      names.push_back(exporter.name);
    }
  }
  return names;
}

TEST(OpenclRuntime, FramesOfEveryExporterAreProvedAndSeen) {
  auto runtime = make_runtime();
  auto device = opencl::open(runtime, pocl_id());
  ASSERT_TRUE(device) << device.error().message();
  EXPECT_TRUE(device->has(Capability::AccessesViaCpu));
  const auto exporters = exporters_here(runtime);
  ASSERT_FALSE(exporters.empty());
  for (const auto& exporter : exporters) {
    SCOPED_TRACE(exporter);
    auto pool = runtime.negotiate({.format = formats::kABGR8888, .width = 160, .height = 90})
                    .with(*device, Usage::StorageRead | Usage::StorageWrite)
                    .exporter(exporter)
                    .allocate(3);
    ASSERT_TRUE(pool) << pool.error().message();
    EXPECT_EQ(pool->report().imports.at(0).verdict, AliasVerdict::Aliased);
    EXPECT_EQ(pool->report().imports.at(0).import_path, "host-pointer");
    auto lease = pool->acquire(Deadline::now());
    ASSERT_TRUE(lease) << lease.error().message();
    const auto frame = (*lease)->frame();
    const auto& mapping = (*lease)->on(*device);
    auto view = opencl::view(mapping);
    ASSERT_TRUE(view) << view.error().message();
    ASSERT_NE((*view)->images[0], nullptr);
    {
      auto cpu = frame.begin_cpu_access(Usage::Write, Deadline::now());
      ASSERT_TRUE(cpu) << cpu.error().message();
      std::memset(cpu->plane(0).data(), 0x33, cpu->plane(0).size());
      ASSERT_TRUE(cpu->end());
    }
    {
      auto access = mapping.begin_access(Usage::ReadWrite, Deadline::in(std::chrono::seconds(10)));
      ASSERT_TRUE(access) << access.error().message();
      run_kernel(**view,
                 "__kernel void work(read_write image2d_t image) {"
                 "  int2 at = (int2)(get_global_id(0), get_global_id(1));"
                 "  write_imagef(image, at, 1.0f - read_imagef(image, at)); }",
                 {(*view)->images, 1}, 160, 90);
      ASSERT_TRUE(access->end());
    }
    auto cpu = frame.begin_cpu_access(Usage::Read, Deadline::in(std::chrono::seconds(10)));
    ASSERT_TRUE(cpu) << cpu.error().message();
    for (std::uint32_t y = 0; y < 90; ++y) {
      for (std::uint32_t x = 0; x < 160 * 4; ++x) {
        ASSERT_EQ(cpu->plane(0)[y * (*view)->plane_strides[0] + x], std::byte{0xcc});
      }
    }
    ASSERT_TRUE(cpu->end());
  }
  EXPECT_EQ(runtime.counters().copied_bytes, 0U);
}

// PoCL works through the CPU's caches, and so does whoever signals: nobody has to wait on the CPU for SYNC.
TEST(OpenclRuntime, KernelsWaitForAFenceAndTheCpuForTheirs) {
  auto runtime = make_runtime();
  auto device = opencl::open(runtime, pocl_id());
  ASSERT_TRUE(device) << device.error().message();
  auto buffer = runtime.allocate(4096);
  ASSERT_TRUE(buffer) << buffer.error().message();
  auto attachment = buffer->attach(*device, Usage::ReadWrite);
  ASSERT_TRUE(attachment) << attachment.error().message();
  auto mapping = attachment->map(Direction::Bidirectional);
  ASSERT_TRUE(mapping) << mapping.error().message();
  const auto& view = **opencl::view(*mapping);
  cl_int result = CL_SUCCESS;
  const char* source = "__kernel void add(__global uint* all) { all[get_global_id(0)] += 1; }";
  cl_program program = clCreateProgramWithSource(view.context, 1, &source, nullptr, &result);
  ASSERT_EQ(clBuildProgram(program, 1, &view.device, "", nullptr, nullptr), CL_SUCCESS);
  cl_kernel kernel = clCreateKernel(program, "add", &result);
  ASSERT_EQ(set_argument(kernel, 0, view.buffers[0]), CL_SUCCESS);
  const auto waits_before = runtime.counters().cpu_waits;
  auto start = HostEvent::create(runtime, Producer::CacheCoherent);
  ASSERT_TRUE(start) << start.error().message();
  std::vector<Fence> last{start->fence()};
  constexpr std::size_t kAll = 1024;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {  // each waits for the one before, and the first for us
    auto access = mapping->begin_access(Usage::ReadWrite, last, Deadline::in(std::chrono::seconds(10)));
    ASSERT_TRUE(access) << access.error().message();
    ASSERT_EQ(clEnqueueNDRangeKernel(view.queue, kernel, 1, nullptr, &kAll, nullptr, 0, nullptr, nullptr),
              CL_SUCCESS);
    auto ended = access->end();
    ASSERT_TRUE(ended) << ended.error().message();
    ASSERT_EQ(ended->size(), 1U);
    EXPECT_EQ(ended->front().kind(), FenceKind::Device);
    last = std::move(*ended);
  }
  EXPECT_EQ(last.front().status(), FenceStatus::Pending);
  EXPECT_EQ(runtime.counters().cpu_waits, waits_before) << "nothing has waited on the CPU so far";
  ASSERT_TRUE(start->signal());
  auto cpu = buffer->map_cpu();
  ASSERT_TRUE(cpu) << cpu.error().message();
  auto looking = cpu->begin(Usage::Read, Deadline::in(std::chrono::seconds(20)));
  ASSERT_TRUE(looking) << looking.error().message();
  for (std::size_t i = 0; i < kAll; ++i) {
    std::uint32_t seen = 0;
    std::memcpy(&seen, &looking->bytes()[i * 4], sizeof(seen));
    ASSERT_EQ(seen, std::uint32_t{kRounds}) << "at " << i;
  }
  ASSERT_TRUE(looking->end());
  EXPECT_EQ(last.front().status(), FenceStatus::Signalled);
  clReleaseKernel(kernel);
  clReleaseProgram(program);
}

TEST(OpenclRuntime, HandlesOfAnOwnDeviceWork) {
  auto runtime = make_runtime();
  auto device = opencl::open(runtime, pocl_id(), opencl::ImportPath::HostPointer);
  ASSERT_TRUE(device) << device.error().message();
  auto handles = opencl::handles(*device);
  ASSERT_TRUE(handles) << handles.error().message();
  EXPECT_EQ(clFinish(handles->queue), CL_SUCCESS);
}

TEST(OpenclRuntime, OtherDevicesAndMappingsAreRefused) {
  auto runtime = make_runtime();
  auto other = runtime.open_device("null");
  ASSERT_TRUE(other) << other.error().message();
  const auto handles = opencl::handles(*other);
  ASSERT_FALSE(handles);
  EXPECT_EQ(handles.error().code(), Errc::InvalidArgument);
  const auto view = opencl::view(Mapping());
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code(), Errc::InvalidArgument);
}

TEST(OpenclRuntime, DevicesOfEveryDriverAreListed) {
  auto runtime = make_runtime();
  auto devices = runtime.devices("opencl");
  ASSERT_TRUE(devices) << devices.error().message();
  std::vector<std::string> drivers;
  for (const auto& device : *devices) {
    drivers.push_back(device.driver);
  }
  EXPECT_THAT(drivers, ::testing::IsSupersetOf({"Portable Computing Language"}));
}

}  // namespace
}  // namespace causeway::test
