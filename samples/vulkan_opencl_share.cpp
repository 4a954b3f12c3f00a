// SPDX-License-Identifier: Apache-2.0
//
// One memory under two GPU interfaces: Vulkan paints a picture, OpenCL transforms it in place, the CPU checks
// every pixel. The frame is allocated once and imported by both; nothing is copied, and the counters say so.
//
// For a Vulkan programmer: view->buffers[0] is an ordinary VkBuffer. Who waits for whom, and whom the memory
// belongs to, begin and end of an access submit to the queue by themselves. For an OpenCL programmer:
// view->images[0] and view->buffers[0] are ordinary cl_mem, to be used between begin and end of an access.
#include <causeway/causeway.hpp>
#include <causeway/opencl.hpp>
#include <causeway/vulkan.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

using namespace causeway;

namespace {

constexpr std::uint32_t kWidth = 1280;
constexpr std::uint32_t kHeight = 720;
constexpr std::uint32_t kBars = 8;
constexpr std::uint32_t kColours[kBars] = {0xffffffff, 0xff00ffff, 0xffffff00, 0xff00ff00,
                                           0xffff00ff, 0xff0000ff, 0xffff0000, 0xff101010};  // A B G R
constexpr auto kPatience = std::chrono::seconds(20);

void require(bool good, const char* what) {
  if (!good) {
    throw std::runtime_error(std::string(what) + " failed");
  }
}

// ---------------------------------------------------------------- Vulkan

/// The few functions that filling a buffer takes. None is linked: the device hands out where they come from.
class Painter {
public:
  explicit Painter(const vulkan::Handles& gpu) : gpu_(gpu) {
    load(create_pool_, "vkCreateCommandPool");
    load(destroy_pool_, "vkDestroyCommandPool");
    load(allocate_commands_, "vkAllocateCommandBuffers");
    load(begin_, "vkBeginCommandBuffer");
    load(end_, "vkEndCommandBuffer");
    load(fill_, "vkCmdFillBuffer");
    load(submit_, "vkQueueSubmit");
    load(wait_idle_, "vkQueueWaitIdle");
    const VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, nullptr,
                                       VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT, gpu.queue_family};
    require(create_pool_(gpu_.device, &pool, nullptr, &pool_) == VK_SUCCESS, "vkCreateCommandPool");
    const VkCommandBufferAllocateInfo commands{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, pool_,
                                               VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
    require(allocate_commands_(gpu_.device, &commands, &commands_) == VK_SUCCESS, "vkAllocateCommandBuffers");
  }
  Painter(const Painter&) = delete;
  Painter& operator=(const Painter&) = delete;
  ~Painter() {
    wait_idle_(gpu_.queue);  // a failure elsewhere may have left the painting unfinished
    destroy_pool_(gpu_.device, pool_, nullptr);
  }

  /// Puts colour bars, one below the other, on the queue; who waits for them is the access's concern.
  void paint(const vulkan::View& view) {
    const VkCommandBufferBeginInfo once{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, nullptr,
                                        VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, nullptr};
    require(begin_(commands_, &once) == VK_SUCCESS, "vkBeginCommandBuffer");
    const VkDeviceSize bar = VkDeviceSize{view.plane_strides[0]} * (kHeight / kBars);
    for (std::uint32_t i = 0; i < kBars; ++i) {
      fill_(commands_, view.buffers[0], view.plane_offsets[0] + i * bar, bar, kColours[i]);
    }
    require(end_(commands_) == VK_SUCCESS, "vkEndCommandBuffer");
    VkSubmitInfo submit{VK_STRUCTURE_TYPE_SUBMIT_INFO};
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands_;
    require(submit_(gpu_.queue, 1, &submit, VK_NULL_HANDLE) == VK_SUCCESS, "vkQueueSubmit");
  }

private:
  template <class Function>
  void load(Function& function, const char* name) {
    function = reinterpret_cast<Function>(gpu_.get_instance_proc_addr(gpu_.instance, name));
    require(function != nullptr, name);
  }

  vulkan::Handles gpu_;
  PFN_vkCreateCommandPool create_pool_ = nullptr;
  PFN_vkDestroyCommandPool destroy_pool_ = nullptr;
  PFN_vkAllocateCommandBuffers allocate_commands_ = nullptr;
  PFN_vkBeginCommandBuffer begin_ = nullptr;
  PFN_vkEndCommandBuffer end_ = nullptr;
  PFN_vkCmdFillBuffer fill_ = nullptr;
  PFN_vkQueueSubmit submit_ = nullptr;
  PFN_vkQueueWaitIdle wait_idle_ = nullptr;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
};

// ---------------------------------------------------------------- OpenCL

/// Turns colours over, and darkens every second column of 16 pixels, in place.
class Transformer {
public:
  explicit Transformer(const opencl::Handles& cl) {
    const char* source =
        "__kernel void transform(__global uchar4* pixels, uint pixels_a_row) {"
        "  size_t x = get_global_id(0), at = get_global_id(1) * pixels_a_row + x;"
        "  uchar4 p = pixels[at];"
        "  uchar4 turned = (uchar4)(255 - p.x, 255 - p.y, 255 - p.z, p.w);"
        "  pixels[at] = x / 16 % 2 ? (uchar4)(turned.x / 2, turned.y / 2, turned.z / 2, p.w) : turned; }";
    cl_int result = CL_SUCCESS;
    program_ = clCreateProgramWithSource(cl.context, 1, &source, nullptr, &result);
    require(result == CL_SUCCESS, "clCreateProgramWithSource");
    require(clBuildProgram(program_, 1, &cl.device, "", nullptr, nullptr) == CL_SUCCESS, "clBuildProgram");
    kernel_ = clCreateKernel(program_, "transform", &result);
    require(result == CL_SUCCESS, "clCreateKernel");
  }
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;
  ~Transformer() {
    clReleaseKernel(kernel_);
    clReleaseProgram(program_);
  }

  /// Enqueues the work; who waits for it is the access's concern.
  void enqueue(const opencl::View& view) {
    const cl_uint pixels_a_row = view.plane_strides[0] / 4;
    const std::size_t size[] = {kWidth, kHeight};
    constexpr std::size_t kHandle = sizeof(cl_mem);  // NOLINT(bugprone-sizeof-expression): the handle itself
    require(clSetKernelArg(kernel_, 0, kHandle, &view.buffers[0]) == CL_SUCCESS &&
                clSetKernelArg(kernel_, 1, sizeof(pixels_a_row), &pixels_a_row) == CL_SUCCESS &&
                clEnqueueNDRangeKernel(view.queue, kernel_, 2, nullptr, size, nullptr, 0, nullptr, nullptr) ==
                    CL_SUCCESS,
            "clEnqueueNDRangeKernel");
  }

private:
  cl_program program_ = nullptr;
  cl_kernel kernel_ = nullptr;
};

// ---------------------------------------------------------------- the CPU's own opinion

std::uint32_t expected(std::uint32_t x, std::uint32_t y) {
  const std::uint32_t painted = kColours[y / (kHeight / kBars)];
  std::uint32_t pixel = painted & 0xff000000U;
  for (const unsigned shift : {0U, 8U, 16U}) {
    const std::uint32_t turned = 255U - (painted >> shift & 0xffU);
    pixel |= (x / 16 % 2 != 0 ? turned / 2 : turned) << shift;
  }
  return pixel;
}

int count_wrong_pixels(std::span<const std::byte> bytes, std::uint32_t stride) {
  int wrong = 0;
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    for (std::uint32_t x = 0; x < kWidth; ++x) {
      std::uint32_t pixel = 0;
      std::memcpy(&pixel, &bytes[std::size_t{y} * stride + std::size_t{x} * 4], sizeof(pixel));
      wrong += pixel == expected(x, y) ? 0 : 1;
    }
  }
  return wrong;
}

}  // namespace

int main() try {
  auto runtime = Runtime::create().value();
  auto vulkan_device = vulkan::open(runtime).value();
  auto opencl_device = opencl::open(runtime).value();
  std::printf("%s paints, %s transforms\n", vulkan_device.name().c_str(), opencl_device.name().c_str());

  // One frame that suits both, imported and proved on each, once.
  auto pool = runtime.negotiate({.format = formats::kABGR8888, .width = kWidth, .height = kHeight})
                  .with(vulkan_device, Usage::TransferWrite | Usage::AsBuffer)
                  .with(opencl_device, Usage::StorageRead | Usage::StorageWrite)
                  .allocate(1)
                  .value();
  for (const auto& import : pool.report().imports) {
    std::printf("%s imported %s by %s as %s: %s\n", import.device.c_str(), pool.report().exporter.c_str(),
                import.import_path.c_str(), to_string(import.imported_as), to_string(import.verdict));
  }
  auto lease = pool.acquire(Deadline::now()).value();
  const auto& on_vulkan = lease->on(vulkan_device);
  const auto& on_opencl = lease->on(opencl_device);

  Painter painter(vulkan::handles(vulkan_device).value());
  Transformer transformer(opencl::handles(opencl_device).value());
  for (int round = 0; round < 3; ++round) {
    auto painting = on_vulkan.begin_access(Usage::Write, Deadline::in(kPatience)).value();
    painter.paint(*vulkan::view(on_vulkan).value());
    const auto painted = painting.end().value();

    // What the painter left pending, OpenCL waits for; what OpenCL leaves pending, the CPU's access waits
    // for.
    auto transforming = on_opencl.begin_access(Usage::ReadWrite, painted, Deadline::in(kPatience)).value();
    transformer.enqueue(*opencl::view(on_opencl).value());
    const auto transformed = transforming.end().value();

    auto looking = lease->frame().begin_cpu_access(Usage::Read, Deadline::in(kPatience)).value();
    const int wrong = count_wrong_pixels(looking.plane(0), lease->frame().layout().planes[0].stride);
    looking.end().value();
    std::printf("round %d: %zu fence(s) from OpenCL, %d of %u pixels are wrong\n", round, transformed.size(),
                wrong, kWidth * kHeight);
    if (wrong != 0) {
      return 1;
    }
  }
  const auto counters = runtime.counters();
  std::printf("bytes copied: %llu\n", static_cast<unsigned long long>(counters.copied_bytes));
  return counters.copied_bytes == 0 ? 0 : 1;
} catch (const tl::bad_expected_access<Error>& failure) {
  std::fprintf(stderr, "%s\n", failure.error().message().c_str());
  return 1;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "%s\n", failure.what());
  return 1;
}
