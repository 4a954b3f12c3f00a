// SPDX-License-Identifier: Apache-2.0
// OpenGL ES among real fences and real DRM nodes.
#include <gmock/gmock.h>
#include <poll.h>

#include <atomic>
#include <thread>

#include "guest/vgem_fence.hpp"
#include "host/gl_harness.hpp"

namespace causeway::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr std::uint32_t kSide = 64;

class GuestGl : public ::testing::Test {
protected:
  void draw_white() {
    const CurrentContext current(device);
    Canvas(made.view().texture, kSide, kSide).draw("vec4 colour(vec2 at) { return vec4(1.0); }");
  }
  /// Without a turn: what is there at this moment.
  [[nodiscard]] std::byte peek() { return cpu.bytes()[kSide * 4]; }

  Runtime runtime = must(Runtime::create());
  Device device = must(gl::open(runtime, kSoftware));
  GlFrame made{runtime,
               device,
               "udmabuf",
               {.format = formats::kABGR8888, .width = kSide, .height = kSide},
               Usage::Render};
  CpuRange cpu = must(made.frame().objects()[0].mmap(0, made.frame().objects()[0].size()));
};

TEST_F(GuestGl, ADrawRunsOnlyAfterTheFenceItWaitsFor) {
  ASSERT_TRUE(device.has(Capability::WaitsSyncFile)) << "llvmpipe makes sync_files where there is udmabuf";
  const auto before = runtime.counters();
  PendingSyncFile vgem;
  const auto fence = must(Fence::from_sync_file(runtime, vgem.fd(), Producer::CacheCoherent));
  std::atomic<bool> signalled = false;
  // llvmpipe's wait is one of this thread, inside the driver.
  std::thread producer([&] {
    std::this_thread::sleep_for(1s);
    EXPECT_EQ(peek(), std::byte{0}) << "drawn before the fence";
    signalled = true;
    EXPECT_TRUE(vgem.signal());
  });
  auto turn = must(made.mapping().begin_access(Usage::Write, std::array{fence}, soon()));
  EXPECT_EQ((runtime.counters() - before).cpu_waits, 0U) << "it is the device that waits";
  draw_white();
  for (const auto& end : must(turn.end())) {
    EXPECT_TRUE(end.wait(soon()));
  }
  EXPECT_TRUE(signalled);
  EXPECT_EQ(peek(), std::byte{255});
  producer.join();
}

// So that the test above is known to see: the same without the wait.
TEST_F(GuestGl, WithoutTheWaitItRunsBeforeTheFence) {
  PendingSyncFile vgem;
  auto turn = must(made.mapping().begin_access(Usage::Write, soon()));
  draw_white();
  for (const auto& end : must(turn.end())) {
    EXPECT_TRUE(end.wait(soon()));
  }
  EXPECT_EQ(peek(), std::byte{255});
  pollfd entry{vgem.fd().get(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 0) << "it is still pending";
  EXPECT_TRUE(vgem.signal());
}

// Software rendering behind a DRM node without a 3D driver: with virtio-gpu every import fails, with vgem
// drawing crashes. Who takes the refusal out sees it in GlPixels, with such a device.
TEST_F(GuestGl, DevicesThatCannotImportAreRefused) {
  for (const char* driver : {"vgem", "virtio_gpu"}) {
    const auto node = drm_node("card", driver);
    ASSERT_TRUE(node) << driver;
    const auto refused = gl::open(runtime, *node);
    ASSERT_FALSE(refused) << *node;
    EXPECT_EQ(refused.error().code(), Errc::Unsupported);
    EXPECT_THAT(refused.error().message(), HasSubstr("the driver is kms_swrast"));
    EXPECT_THAT(refused.error().message(), HasSubstr(*node));
  }
  const auto best = must(gl::open(runtime));
  EXPECT_THAT(best.name(), HasSubstr("llvmpipe"));
}

}  // namespace
}  // namespace causeway::test
