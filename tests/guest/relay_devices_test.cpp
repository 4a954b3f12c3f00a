// SPDX-License-Identifier: Apache-2.0
// One frame under a camera, Vulkan and OpenCL: each takes its turn on the same bytes, nobody waits but for
// fences, and the CPU looks at the end.
#include <CL/cl.h>

#include <array>
#include <atomic>
#include <causeway/opencl.hpp>
#include <causeway/vulkan.hpp>
#include <cstring>
#include <thread>

#include "guest/v4l2_vivid.hpp"
#include "guest/vgem_fence.hpp"
#include "host/vulkan_commands.hpp"
#include "host/vulkan_validation.hpp"

namespace causeway::test {
namespace {

constexpr std::uint32_t kFilledRows = 16;
constexpr std::uint32_t kFilled = 0x30201000;  // B G R X: 0, 16, 32, 48

/// An application's kernel that turns every byte over, in place.
class Inverter {
public:
  explicit Inverter(const opencl::Handles& cl) {
    const char* source =
        "__kernel void invert(__global uint* words) { words[get_global_id(0)] ^= 0xffffffffu; }";
    cl_int result = CL_SUCCESS;
    program_ = clCreateProgramWithSource(cl.context, 1, &source, nullptr, &result);
    EXPECT_EQ(clBuildProgram(program_, 1, &cl.device, "", nullptr, nullptr), CL_SUCCESS);
    kernel_ = clCreateKernel(program_, "invert", &result);
    EXPECT_EQ(result, CL_SUCCESS);
  }
  Inverter(const Inverter&) = delete;
  Inverter& operator=(const Inverter&) = delete;
  ~Inverter() {
    clReleaseKernel(kernel_);
    clReleaseProgram(program_);
  }
  void enqueue(const opencl::View& view) {
    const std::size_t words = kWidth * kHeight;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): the handle itself
    EXPECT_EQ(clSetKernelArg(kernel_, 0, sizeof(cl_mem), &view.buffers[0]), CL_SUCCESS);
    EXPECT_EQ(clEnqueueNDRangeKernel(view.queue, kernel_, 1, nullptr, &words, nullptr, 0, nullptr, nullptr),
              CL_SUCCESS);
  }

private:
  cl_program program_ = nullptr;
  cl_kernel kernel_ = nullptr;
};

class Relay : public V4l2Guest, public ::testing::WithParamInterface<const char*> {
protected:
  [[nodiscard]] RuntimeOptions options() const override { return watched_options(); }
  void SetUp() override {
    // Drivers have descriptors of their own, from their first device on.
    auto warm = Runtime::create(options()).value();
    static_cast<void>(vulkan::open(warm));
    static_cast<void>(opencl::open(warm));
    V4l2Guest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    if (const auto reason = why_no(GetParam())) {
      GTEST_SKIP() << *reason;
    }
    camera = v4l2::open(*runtime, kSinglePlanar).value();
    gpu = vulkan::open(*runtime).value();
    cl = opencl::open(*runtime).value();
    pool = runtime->negotiate({.format = formats::kXRGB8888, .width = kWidth, .height = kHeight})
               .with(*camera, Usage::Capture)
               .with(*gpu, Usage::TransferWrite | Usage::AsBuffer)
               .with(*cl, Usage::StorageRead | Usage::StorageWrite | Usage::AsBuffer)
               .exporter(GetParam())
               .allocate(3)
               .value();
    EXPECT_TRUE(v4l2::set_interval(*camera, {1, 10}));
    commands.emplace(vulkan::handles(*gpu).value());
    inverter.emplace(opencl::handles(*cl).value());
  }
  void TearDown() override {
    inverter.reset();
    commands.reset();
    pool.reset();
    cl.reset();
    gpu.reset();
    camera.reset();
    V4l2Guest::TearDown();
  }

  /// Vulkan's turn: the topmost rows.
  void fill(const FrameRef& frame, std::span<const Fence> waits) {
    const auto& mapping = frame.on(*gpu);
    auto turn = mapping.begin_access(Usage::Write, waits, Deadline::in(60s)).value();
    const auto& view = *vulkan::view(mapping).value();
    commands->submit([&](VkCommandBuffer recorded) {
      commands->get<PFN_vkCmdFillBuffer>("vkCmdFillBuffer")(recorded, view.buffers[0], view.plane_offsets[0],
                                                            VkDeviceSize{view.plane_strides[0]} * kFilledRows,
                                                            kFilled);
    });
    EXPECT_TRUE(turn.end());
  }
  /// OpenCL's turn: all of it.
  void invert(const FrameRef& frame) {
    const auto& mapping = frame.on(*cl);
    auto turn = mapping.begin_access(Usage::ReadWrite, Deadline::in(60s)).value();
    inverter->enqueue(*opencl::view(mapping).value());
    EXPECT_TRUE(turn.end());
  }
  /// The camera's bars and Vulkan's rows, both turned over by OpenCL.
  static void expect_all_three(const Frame& frame) {
    auto access = frame.begin_cpu_access(Usage::Read, Deadline::in(60s)).value();
    for (const std::uint32_t y : {0U, kFilledRows - 1}) {
      for (const std::uint32_t x : {0U, kWidth - 1}) {
        std::uint32_t seen = 0;
        std::memcpy(&seen, &access.plane(0)[std::size_t{y} * access.stride(0) + std::size_t{x} * 4],
                    sizeof(seen));
        EXPECT_EQ(seen, ~kFilled) << x << ", " << y;
      }
    }
    for (std::size_t b = 0; b < kRgbBars.size(); ++b) {
      const Pixel pixel = pixel_of(access, frame.layout(), b);
      for (std::size_t c = 0; c < pixel.size(); ++c) {
        EXPECT_NEAR(pixel.at(c), 255 - kRgbBars.at(b).at(c), 1) << "bar " << b << ", component " << c;
      }
    }
    EXPECT_TRUE(access.end());
  }

  std::optional<Device> camera;
  std::optional<Device> gpu;
  std::optional<Device> cl;
  std::optional<FramePool> pool;
  std::optional<VulkanCommands> commands;
  std::optional<Inverter> inverter;
};

TEST_P(Relay, CarriesOneFrameThroughAllDevices) {
  EXPECT_EQ(pool->report().imports.size(), 3U);
  for (const auto& import : pool->report().imports) {
    EXPECT_EQ(import.verdict, AliasVerdict::Aliased) << import.device;
  }
  const auto before = runtime->counters();
  {
    auto stream = v4l2::Stream::start(*camera, *pool).value();
    for (int i = 0; i < 6; ++i) {  // each frame twice: the camera takes it back from OpenCL and the CPU
      auto captured = stream.next(Deadline::in(10s)).value();
      fill(captured.frame(), {});
      invert(captured.frame());
      expect_all_three(captured.frame().frame());
      EXPECT_TRUE(captured.release());
    }
  }
  EXPECT_EQ((runtime->counters() - before).copied_bytes, 0U);
}

TEST_P(Relay, WaitsForAPendingFenceAtItsHead) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  auto captured = stream.next(Deadline::in(10s)).value();
  PendingSyncFile head;
  const auto fence = Fence::from_sync_file(*runtime, head.fd(), Producer::CacheCoherent).value();
  fill(captured.frame(), std::array{fence});  // submitted, and not run
  std::atomic<bool> signalled = false;
  std::thread producer([&] {
    std::this_thread::sleep_for(1s);
    signalled = true;
    EXPECT_TRUE(head.signal());
  });
  EXPECT_FALSE(signalled) << "Vulkan's part waits on the device";
  // PoCL waits for no sync_file by itself (cl_khr_semaphore), so this thread does; with lavapipe it is there,
  // in the driver, that it waits for the sync_file to be made.
  invert(captured.frame());
  EXPECT_TRUE(signalled) << "OpenCL began before Vulkan was done";
  producer.join();
  expect_all_three(captured.frame().frame());
  EXPECT_TRUE(captured.release());
}

// So that the test above is known to see: work that is enqueued without a turn does not wait.
TEST_P(Relay, IsOutOfOrderWithoutTurns) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  auto captured = stream.next(Deadline::in(10s)).value();
  PendingSyncFile head;
  const auto fence = Fence::from_sync_file(*runtime, head.fd(), Producer::CacheCoherent).value();
  fill(captured.frame(), std::array{fence});
  const auto& view = *opencl::view(captured.frame().on(*cl)).value();
  inverter->enqueue(view);
  EXPECT_EQ(clFinish(view.queue), CL_SUCCESS);
  EXPECT_TRUE(head.signal()) << "it was still pending";
  auto access = captured.frame().frame().begin_cpu_access(Usage::Read, Deadline::in(60s)).value();
  std::uint32_t seen = 0;
  std::memcpy(&seen, access.plane(0).data(), sizeof(seen));
  EXPECT_EQ(seen, kFilled) << "Vulkan came last";
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(captured.release());
}

INSTANTIATE_TEST_SUITE_P(Of, Relay, ::testing::Values(kUdmabuf, kHeap), [](const auto& info) {
  return std::string(info.param) == kUdmabuf ? "udmabuf" : "dma_heap_system";
});

}  // namespace
}  // namespace causeway::test
