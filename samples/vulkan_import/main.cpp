// SPDX-License-Identifier: Apache-2.0
//
// Memory from elsewhere, used by an application's own Vulkan: its own device, its own command buffers, its
// own submissions. For Vulkan programmers who have not shared memory with another driver before, in the order
// in which the specification asks for it:
//
//   1. which modifiers the driver can import               VK_EXT_image_drm_format_modifier
//   2. import of a dma-buf as VkImage, at its own stride    VK_EXT_external_memory_dma_buf
//   3. ownership from and to the other drivers              VK_EXT_queue_family_foreign
//   4. semaphores that stand for other drivers' work        VK_KHR_external_semaphore_fd, SYNC_FD
//
// The device is made in ../vulkan_application.
//
// The CPU plays the camera: it draws into a frame. The GPU turns the picture over into a second frame, and
// back into the first; the CPU checks every pixel. Where the driver imports no images (lavapipe without
// /dev/udmabuf) the same frames are VkBuffers.
#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "application.hpp"

using namespace causeway;

namespace {

constexpr std::uint32_t kWidth = 640;
constexpr std::uint32_t kHeight = 360;
constexpr auto kPatience = std::chrono::seconds(60);

// ---------------------------------------------------------------- what came in

/// Turns the picture over, from one frame into another. Images stay in VK_IMAGE_LAYOUT_GENERAL: that is how
/// the other drivers hand them over, and copies work in it.
void record_flip(VkCommandBuffer commands, const vulkan::View& from, const vulkan::View& to) {
  if (from.kind == CW_VULKAN_IMAGE && to.kind == CW_VULKAN_IMAGE) {
    VkImageBlit all{};
    all.srcSubresource = all.dstSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    all.srcOffsets[0] = {0, static_cast<std::int32_t>(kHeight), 0};
    all.srcOffsets[1] = {static_cast<std::int32_t>(kWidth), 0, 1};
    all.dstOffsets[1] = {static_cast<std::int32_t>(kWidth), static_cast<std::int32_t>(kHeight), 1};
    vkCmdBlitImage(commands, from.image, VK_IMAGE_LAYOUT_GENERAL, to.image, VK_IMAGE_LAYOUT_GENERAL, 1, &all,
                   VK_FILTER_NEAREST);
    return;
  }
  std::vector<VkBufferCopy> rows;
  for (VkDeviceSize y = 0; y < kHeight; ++y) {
    rows.push_back({from.plane_offsets[0] + y * from.plane_strides[0],
                    to.plane_offsets[0] + (kHeight - 1 - y) * to.plane_strides[0], VkDeviceSize{kWidth} * 4});
  }
  vkCmdCopyBuffer(commands, from.buffers[0], to.buffers[0], kHeight, rows.data());
}

// ---------------------------------------------------------------- a turn of the GPU's

/// One submission that reads a frame and writes another. Gives the fences of the written one.
std::vector<Fence> flip(const Application& application, const Mapping& from, const Mapping& to,
                        std::span<const Fence> waits) {
  // A turn on each frame. Nobody waits here: what is still pending becomes semaphores.
  auto reading = from.begin_access(Usage::Read, waits, Deadline::in(kPatience)).value();
  auto writing = to.begin_access(Usage::Write, Deadline::in(kPatience)).value();
  const auto read_turn = vulkan::turn(from).value();
  const auto write_turn = vulkan::turn(to).value();

  VkCommandBuffer commands = application.begin_commands();
  record_transfers(commands, read_turn, true);  // 3.
  record_transfers(commands, write_turn, true);
  record_flip(commands, *vulkan::view(from).value(), *vulkan::view(to).value());
  record_transfers(commands, read_turn, false);
  record_transfers(commands, write_turn, false);

  // 4. A sync_fd of another driver is a binary semaphore here, imported for this one wait; work of this
  // device is a point of a timeline semaphore. Both stand in VkSemaphoreSubmitInfo.
  std::vector<VkSemaphoreSubmitInfo> semaphores(read_turn.waits, read_turn.waits + read_turn.wait_count);
  semaphores.insert(semaphores.end(), write_turn.waits, write_turn.waits + write_turn.wait_count);
  const VkSemaphoreSubmitInfo signals[] = {read_turn.signal, write_turn.signal};
  application.submit(commands, semaphores, signals);
  std::printf("3., 4. submitted: waits for %zu semaphore(s), signals 2\n", semaphores.size());

  // Submitted, so the turns can end. Their fences tell others when the GPU is done; whoever begins a turn
  // here waits for them without being told.
  static_cast<void>(reading.end().value());
  return writing.end().value();
}

// ---------------------------------------------------------------- the CPU's part

std::uint32_t pixel_at(std::uint32_t x, std::uint32_t y) {
  return 0xff000000U | (x * 255 / kWidth) << 16U | (y * 255 / kHeight) << 8U | (x / 20 + y / 20) % 2 * 200;
}

void draw(const Frame& frame) {
  auto access = frame.begin_cpu_access(Usage::Write, Deadline::in(kPatience)).value();
  const std::size_t stride = frame.layout().planes[0].stride;
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    for (std::uint32_t x = 0; x < kWidth; ++x) {
      const std::uint32_t pixel = pixel_at(x, y);
      std::memcpy(&access.plane(0)[y * stride + std::size_t{x} * 4], &pixel, sizeof(pixel));
    }
  }
  access.end().value();
}

int count_wrong(const Frame& frame, bool flipped) {
  // Waits for the GPU, on the CPU and counted: here it is the CPU that wants to know.
  auto access = frame.begin_cpu_access(Usage::Read, Deadline::in(kPatience)).value();
  const std::size_t stride = frame.layout().planes[0].stride;
  int wrong = 0;
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    for (std::uint32_t x = 0; x < kWidth; ++x) {
      std::uint32_t pixel = 0;
      std::memcpy(&pixel, &access.plane(0)[y * stride + std::size_t{x} * 4], sizeof(pixel));
      wrong += pixel == pixel_at(x, flipped ? kHeight - 1 - y : y) ? 0 : 1;
    }
  }
  access.end().value();
  std::printf("%d of %u pixels are wrong\n", wrong, kWidth * kHeight);
  return wrong;
}

}  // namespace

int main() try {
  const Application application;
  std::printf("1. modifiers of VK_FORMAT_R8G8B8A8_UNORM:");
  const auto modifiers = application.modifiers_of(VK_FORMAT_R8G8B8A8_UNORM);
  for (const auto& one : modifiers) {
    std::printf(" %s (%u memory planes)", Modifier{one.drmFormatModifier}.to_string().c_str(),
                one.drmFormatModifierPlaneCount);
  }
  std::printf("%s\n", modifiers.empty() ? " none; images in linear tiling, or buffers, remain" : "");

  auto runtime = Runtime::create().value();
  const auto gpu = vulkan::adopt(runtime, application.adopt_info()).value();

  // 2. Two frames in a layout that this GPU can import, from whichever allocator of the machine suits;
  // imported, and seen to be the same memory, once.
  auto pool = runtime.negotiate({.format = formats::kABGR8888, .width = kWidth, .height = kHeight})
                  .with(gpu, Usage::TransferRead | Usage::TransferWrite)
                  .allocate(2)
                  .value();
  auto first = pool.acquire(Deadline::now()).value();
  auto second = pool.acquire(Deadline::now()).value();
  const auto& import = pool.report().imports.at(0);
  std::printf("2. %s on %s, imported by %s as %s: %s\n", pool.report().exporter.c_str(), gpu.name().c_str(),
              import.import_path.c_str(),
              vulkan::view(first->on(gpu)).value()->kind == CW_VULKAN_IMAGE ? "VkImage" : "VkBuffer",
              to_string(import.verdict));

  draw(first->frame());
  const auto flipped = flip(application, first->on(gpu), second->on(gpu), {});

  // Out: what the GPU does, for another driver (a display's IN_FENCE_FD, an encoder, another process).
  // In: what another driver does. Here it is the same one, by way of the descriptor.
  std::vector<Fence> waits;
  for (const auto& fence : flipped) {
    auto sync_fd = fence.dup_sync_file();
    std::printf("4. sync_fd out: %s\n", sync_fd ? "given" : sync_fd.error().message().c_str());
    waits.push_back(sync_fd ? Fence::from_sync_file(runtime, sync_fd->borrow()).value() : fence);
  }
  flip(application, second->on(gpu), first->on(gpu), waits);

  const int wrong = count_wrong(second->frame(), true) + count_wrong(first->frame(), false);
  application.wait_idle();
  const auto counters = runtime.counters();
  std::printf("bytes copied by a CPU: %llu\n", static_cast<unsigned long long>(counters.copied_bytes));
  return wrong == 0 && counters.copied_bytes == 0 ? 0 : 1;
} catch (const tl::bad_expected_access<Error>& failure) {
  std::fprintf(stderr, "%s\n", failure.error().message().c_str());
  return 1;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "%s\n", failure.what());
  return 1;
}
