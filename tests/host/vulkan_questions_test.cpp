// SPDX-License-Identifier: Apache-2.0
// What a program asks before it has a device, and several devices in one process.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <causeway/runtime.hpp>
#include <causeway/vulkan.hpp>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_fake_driver.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StrEq;

TEST(VulkanQuestions, TheRequiredExtensionsSufficeAndAreAmongTheWanted) {
  const CallerDevice bare({});
  ASSERT_TRUE(bare.made()) << bare.why();
  const auto& raw = bare.words();
  const auto required =
      vulkan::required_extensions(raw.get_instance_proc_addr, raw.instance, raw.physical_device);
  ASSERT_TRUE(required) << required.error().message();
  EXPECT_THAT(*required, ElementsAre(StrEq(VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME),
                                     StrEq(VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME)));
  const auto wanted =
      vulkan::wanted_extensions(raw.get_instance_proc_addr, raw.instance, raw.physical_device);
  ASSERT_TRUE(wanted) << wanted.error().message();
  for (const char* name : *required) {
    EXPECT_TRUE(std::any_of(wanted->begin(), wanted->end(),
                            [&](const char* one) { return std::string_view(one) == name; }));
  }
  const VulkanHost host;
  EXPECT_THAT(OpenedDevice(host, raw).opened().text, HasSubstr("vulkan::required_extensions()"));
  const CallerDevice caller(*required);
  ASSERT_TRUE(caller.made()) << caller.why();
  const OpenedDevice device(host, caller.words());
  EXPECT_TRUE(device.opened()) << device.opened();
}

TEST(VulkanQuestions, FeaturesAreThoseThatTheDeviceHas) {
  const CallerDevice bare({});
  ASSERT_TRUE(bare.made()) << bare.why();
  const auto& raw = bare.words();
  const auto features =
      vulkan::wanted_features(raw.get_instance_proc_addr, raw.instance, raw.physical_device);
  ASSERT_TRUE(features) << features.error().message();
  EXPECT_TRUE(features->timeline_semaphore);
  EXPECT_TRUE(features->synchronization2);
  EXPECT_TRUE(features->sampler_ycbcr_conversion);
}

TEST(VulkanQuestions, AFeatureWithoutItsExtensionIsNotWanted) {
  FakeDriver::reset();  // offers neither of the extensions, and has no features
  const auto raw = FakeDriver::words();
  const auto features =
      vulkan::wanted_features(raw.get_instance_proc_addr, raw.instance, raw.physical_device);
  ASSERT_TRUE(features) << features.error().message();
  EXPECT_FALSE(features->timeline_semaphore);
  EXPECT_FALSE(features->synchronization2);
}

// lavapipe is no device of the kernel.
TEST(VulkanQuestions, ADriverWithoutTheExtensionHasNoNodes) {
  const CallerDevice bare({});
  ASSERT_TRUE(bare.made()) << bare.why();
  const auto& raw = bare.words();
  const auto nodes = vulkan::drm_nodes(raw.get_instance_proc_addr, raw.instance, raw.physical_device);
  ASSERT_FALSE(nodes);
  EXPECT_EQ(nodes.error().code(), Errc::Unsupported);
  EXPECT_THAT(nodes.error().detail(), AllOf(HasSubstr("llvmpipe"), HasSubstr("VK_EXT_physical_device_drm"),
                                            HasSubstr("name or index")));
  const auto found = vulkan::find_physical_device(raw.get_instance_proc_addr, raw.instance, "/dev/null");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::NotFound);
  EXPECT_THAT(found.error().detail(), AllOf(HasSubstr("'/dev/null' (1:3)"), HasSubstr("llvmpipe")));
  const VulkanHost host;
  const OpenedDevice opened(host, "/dev/null");
  EXPECT_EQ(opened.opened().status, CW_NOT_FOUND);
  EXPECT_THAT(opened.opened().text, HasSubstr("VK_EXT_physical_device_drm"));
}

TEST(VulkanQuestions, ADeviceIsFoundByItsNode) {
  FakeDriver::reset();
  struct stat status {};
  ASSERT_EQ(::stat("/dev/null", &status), 0);
  FakeDriver::instance().drm_node = {static_cast<std::int64_t>(::major(status.st_rdev)),
                                     static_cast<std::int64_t>(::minor(status.st_rdev))};
  const auto raw = FakeDriver::words();
  const auto nodes = vulkan::drm_nodes(raw.get_instance_proc_addr, raw.instance, raw.physical_device);
  ASSERT_TRUE(nodes) << nodes.error().message();
  EXPECT_EQ(nodes->primary, (vulkan::DrmNodes::Number{1, 3}));
  EXPECT_FALSE(nodes->render);
  const auto found = vulkan::find_physical_device(raw.get_instance_proc_addr, raw.instance, "/dev/null");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(*found, raw.physical_device);
  const auto other = vulkan::find_physical_device(raw.get_instance_proc_addr, raw.instance, "/dev/zero");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), Errc::NotFound);
  EXPECT_THAT(other.error().detail(), HasSubstr("fake driver is 1:3 and none"));
  const auto file = vulkan::find_physical_device(raw.get_instance_proc_addr, raw.instance, "/proc/self/maps");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), Errc::InvalidArgument);
  const auto nowhere =
      vulkan::find_physical_device(raw.get_instance_proc_addr, raw.instance, "/dev/dri/card77");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code(), Errc::NotFound);
}

TEST(VulkanQuestions, NullHandlesAreRefused) {
  EXPECT_EQ(vulkan::required_extensions(nullptr, nullptr, nullptr).error().code(), Errc::InvalidArgument);
  EXPECT_EQ(vulkan::wanted_features(nullptr, nullptr, nullptr).error().code(), Errc::InvalidArgument);
  EXPECT_EQ(vulkan::drm_nodes(nullptr, nullptr, nullptr).error().code(), Errc::InvalidArgument);
  EXPECT_EQ(vulkan::find_physical_device(nullptr, nullptr, "/dev/null").error().code(),
            Errc::InvalidArgument);
}

// ---------------------------------------------------------------- several devices

TEST(VulkanDevices, SeveralInOneProcessShareOneMemory) {
  const VulkanHost host;
  const VulkanHost other_host;
  const std::vector<const char*> extensions{VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
                                            VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME};
  const CallerDevice one(extensions);  // each an instance of its own
  const CallerDevice two(extensions);
  ASSERT_TRUE(one.made() && two.made()) << one.why() << two.why();
  {
    const auto memory = TestMemory::memfd(16384);
    const OpenedDevice own(host, "llvmpipe");
    const OpenedDevice elsewhere(other_host, "llvmpipe");
    auto adopted = std::make_unique<OpenedDevice>(host, one.words());
    const OpenedDevice adopted_too(other_host, two.words());
    const Attached on_own(own, AttachWords(memory.object()));
    const Attached on_elsewhere(elsewhere, AttachWords(memory.object()));
    auto on_adopted = std::make_unique<Attached>(*adopted, AttachWords(memory.object()));
    const Attached on_adopted_too(adopted_too, AttachWords(memory.object()));
    const auto passes_from = [&](const Attached& writer, unsigned seed) {
      const auto bytes = pattern(64, seed);
      ASSERT_TRUE(writer.write(4096, bytes));
      for (const Attached* reader : std::initializer_list<const Attached*>{
               &on_own, &on_elsewhere, on_adopted.get(), &on_adopted_too}) {
        if (reader != nullptr) {
          std::vector<std::byte> seen(bytes.size());
          ASSERT_TRUE(reader->read(4096, seen));
          EXPECT_EQ(seen, bytes);
        }
      }
    };
    passes_from(on_own, 1);
    passes_from(on_elsewhere, 2);
    passes_from(*on_adopted, 3);
    passes_from(on_adopted_too, 4);
    on_adopted.reset();
    adopted.reset();  // the others go on
    EXPECT_TRUE(one.works());
    passes_from(on_own, 5);
    passes_from(on_adopted_too, 6);
  }
  EXPECT_TRUE(two.works());
  for (const auto& complaints :
       {host.complaints(), other_host.complaints(), one.complaints(), two.complaints()}) {
    EXPECT_THAT(complaints, IsEmpty());
  }
}

}  // namespace
}  // namespace causeway::test
