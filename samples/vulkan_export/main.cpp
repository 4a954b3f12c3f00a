// SPDX-License-Identifier: Apache-2.0
//
// Memory that Vulkan allocated, for others to use. The driver is given the modifiers that the reader takes,
// and says which it chose; the GPU paints; the dma-buf goes to another process, which knows nothing of Vulkan
// and reads it. With it go five numbers, which a descriptor does not tell: format, modifier, size, stride and
// offset.
//
// lavapipe exports where it can open /dev/udmabuf.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "application.hpp"

using namespace causeway;

namespace {

constexpr Format kFormat = formats::kABGR8888;  // in Vulkan's words: VK_FORMAT_R8G8B8A8_UNORM
constexpr std::uint32_t kWidth = 500;
constexpr std::uint32_t kHeight = 300;
constexpr std::uint32_t kColour = 0xff3399ff;
constexpr int kInherited = 3;  // the reader finds the dma-buf there
constexpr auto kPatience = std::chrono::seconds(60);

// ---------------------------------------------------------------- the process that reads

FrameLayout layout_of(std::uint64_t modifier, std::uint32_t stride, std::uint64_t offset) {
  return {.format = kFormat,
          .modifier = Modifier{modifier},
          .width = kWidth,
          .height = kHeight,
          .planes = {{.object = 0, .stride = stride, .offset = offset}}};
}

int read(const FrameLayout& layout) {
  auto runtime = Runtime::create().value();
  auto buffer = DmaBuf::from_fd(runtime, BorrowedFd(kInherited)).value();
  const auto frame = Frame::create(layout, {buffer}).value();  // checks that the planes lie inside
  // Waits for the GPU, should it be at work still: its fence came along inside the dma-buf.
  auto access = frame.begin_cpu_access(Usage::Read, Deadline::in(kPatience)).value();
  int wrong = 0;
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    for (std::uint32_t x = 0; x < kWidth; ++x) {
      std::uint32_t pixel = 0;
      std::memcpy(&pixel, &access.plane(0)[std::size_t{y} * layout.planes[0].stride + std::size_t{x} * 4],
                  sizeof(pixel));
      wrong += pixel == kColour ? 0 : 1;
    }
  }
  access.end().value();
  std::printf("the other process reads: %d of %u pixels are wrong\n", wrong, kWidth * kHeight);
  return wrong == 0 ? 0 : 1;
}

// ---------------------------------------------------------------- the process that paints

/// Those of the driver's modifiers that the reader takes. This reader is a CPU, which wants rows of pixels.
std::vector<Modifier> common_modifiers(const Application& application) {
  constexpr Modifier kOfReader[] = {Modifier::kLinear};
  std::vector<Modifier> common;
  for (const auto& one : application.modifiers_of(VK_FORMAT_R8G8B8A8_UNORM)) {
    const Modifier modifier{one.drmFormatModifier};
    if (std::find(std::begin(kOfReader), std::end(kOfReader), modifier) != std::end(kOfReader)) {
      std::printf("modifier in: %s\n", modifier.to_string().c_str());
      common.push_back(modifier);
    }
  }
  return common;
}

void paint(const Application& application, const Mapping& mapping) {
  auto access = mapping.begin_access(Usage::Write, Deadline::in(kPatience)).value();
  const auto turn = vulkan::turn(mapping).value();
  const auto& view = *vulkan::view(mapping).value();
  VkCommandBuffer commands = application.begin_commands();
  record_transfers(commands, turn, true);
  if (view.kind == CW_VULKAN_IMAGE) {
    VkClearColorValue colour{};
    for (unsigned i = 0; i < 4; ++i) {
      colour.float32[i] = static_cast<float>(kColour >> 8U * i & 0xffU) / 255.0F;
    }
    const VkImageSubresourceRange whole{VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    vkCmdClearColorImage(commands, view.image, VK_IMAGE_LAYOUT_GENERAL, &colour, 1, &whole);
  } else {
    vkCmdFillBuffer(commands, view.buffers[0], 0, VK_WHOLE_SIZE, kColour);
  }
  record_transfers(commands, turn, false);
  application.submit(commands, {turn.waits, turn.wait_count}, {&turn.signal, 1});
  static_cast<void>(access.end().value());  // dup_fd() finds its fences
}

int start_reader(const char* program, const UniqueFd& dma_buf, const FrameLayout& layout) {
  std::string words[] = {program, std::to_string(layout.modifier.value),
                         std::to_string(layout.planes[0].stride), std::to_string(layout.planes[0].offset)};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  // To a process that is not started here, the descriptor goes over a socket (SCM_RIGHTS).
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, dma_buf.get(), kInherited);
  pid_t child = -1;
  const int failed = ::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failed != 0 || ::waitpid(child, &status, 0) != child) {
    throw std::runtime_error("the other process could not be started");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int paint_and_share(const char* program) {
  const Application application;
  auto runtime = Runtime::create().value();
  const auto gpu = vulkan::adopt(runtime, application.adopt_info()).value();
  const auto frame = runtime
                         .allocate_on(gpu,
                                      {.format = kFormat,
                                       .width = kWidth,
                                       .height = kHeight,
                                       .modifiers = common_modifiers(application)},
                                      Usage::Write | Usage::TransferWrite)
                         .value();
  const auto& layout = frame.layout();
  std::printf("modifier out: %s, stride %u, offset %llu, %llu bytes of %s\n",
              layout.modifier.to_string().c_str(), layout.planes[0].stride,
              static_cast<unsigned long long>(layout.planes[0].offset),
              static_cast<unsigned long long>(frame.objects()[0].size()), gpu.name().c_str());

  auto attachment = frame.attach(gpu, Usage::Write | Usage::TransferWrite).value();
  const auto mapping = attachment.map(Direction::FromDevice).value();
  paint(application, mapping);

  // Before the descriptor leaves, the pending painting is put into the dma-buf, as a fence that every process
  // and driver finds there; where the driver makes no sync_file of it, it is waited for.
  const auto dma_buf = frame.objects()[0].dup_fd(Deadline::in(kPatience)).value();
  const int read = start_reader(program, dma_buf, layout);
  application.wait_idle();
  return read;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 4) {
    return read(layout_of(std::strtoull(argv[1], nullptr, 10),
                          static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)),
                          std::strtoull(argv[3], nullptr, 10)));
  }
  return paint_and_share(argv[0]);
} catch (const tl::bad_expected_access<Error>& failure) {
  std::fprintf(stderr, "%s\n", failure.error().message().c_str());
  return 1;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "%s\n", failure.what());
  return 1;
}
