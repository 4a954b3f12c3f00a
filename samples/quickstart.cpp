// SPDX-License-Identifier: Apache-2.0
#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>
#include <cstdio>
#include <cstring>

using namespace causeway;

int main() try {
  auto runtime = Runtime::create().value();
  auto gpu = vulkan::open(runtime).value();

  // Four frames that CPU and GPU both see: allocated, imported and proved here, once.
  auto frames = runtime.negotiate({.format = formats::kNV12, .width = 1920, .height = 1080})
                    .with(gpu, Usage::StorageRead | Usage::AsBuffer)
                    .allocate(4)
                    .value();

  auto frame = frames.acquire(Deadline::now()).value();
  auto cpu = frame->frame().begin_cpu_access(Usage::Write, Deadline::now()).value();
  std::memset(cpu.plane(0).data(), 128, cpu.plane(0).size());
  cpu.end().value();  // from here on the GPU sees the grey

  const auto* view = vulkan::view(frame->on(gpu)).value();  // a VkBuffer over the same bytes
  std::printf("%s sees %zu bytes of %s: %s\n", gpu.name().c_str(), std::size_t{view->sizes[0]},
              frames.report().exporter.c_str(), to_string(frames.report().imports[0].verdict));
  return 0;
} catch (const tl::bad_expected_access<Error>& failure) {
  std::fprintf(stderr, "%s\n", failure.error().message().c_str());
  return 1;
}
