// SPDX-License-Identifier: Apache-2.0
// The samples that use Vulkan do what they say, and the validation layer, put over them from outside, has
// nothing to say against it.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "host/vulkan_validation.hpp"
#include "samples/run_program.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// lavapipe exports memory, and has images by modifier and SYNC_FD, where it can open this.
bool has_udmabuf() {
  return ::access("/dev/udmabuf", R_OK | W_OK) == 0;
}

class VulkanSamples : public ::testing::Test {
protected:
  /// Runs a program under the layer, and hands the layer's messages on.
  Ended run(const char* program, const std::vector<std::string>& args = {}) {
    const TempFolder folder;
    const bool validated = validation_wanted();
    if (validated) {
      std::ofstream settings(folder.path("settings"));
      settings << "khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG\n"
                  "khronos_validation.report_flags = error,warn\n"
                  "khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT\n"
                  "khronos_validation.log_filename = "
               << folder.path("messages") << '\n';
      settings.close();
      ::setenv("VK_LAYER_SETTINGS_PATH", folder.path("settings").c_str(), 1);
      ::setenv("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation", 1);
      ::setenv("CAUSEWAY_VULKAN_VALIDATION", "0", 1);  // not a second time, by Causeway itself
    }
    const auto ended = Program(program, args).wait();
    ::unsetenv("VK_INSTANCE_LAYERS");
    ::setenv("CAUSEWAY_VULKAN_VALIDATION", validated ? "1" : "0", 1);
    if (validated) {
      std::ifstream messages(folder.path("messages"));
      EXPECT_TRUE(messages.is_open()) << "the layer was not there";
      for (std::string line; std::getline(messages, line);) {
        if (line.find("Validation Error") != line.npos || line.find("Warning: [") != line.npos) {
          note_validation(line);
        }
      }
    }
    EXPECT_EQ(ended.signal, 0);
    return ended;
  }
};

TEST_F(VulkanSamples, ImportTurnsAPictureOverAndBack) {
  const auto ended = run(VULKAN_IMPORT);
  EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("0 of 230400 pixels are wrong\n0 of 230400 pixels are wrong"),
                               HasSubstr(": Aliased"), HasSubstr("bytes copied by a CPU: 0")));
  if (has_udmabuf()) {
    EXPECT_THAT(ended.out, AllOf(HasSubstr("modifiers of VK_FORMAT_R8G8B8A8_UNORM: LINEAR (1 memory planes)"),
                                 HasSubstr("as VkImage"), HasSubstr("sync_fd out: given")));
  } else {
    EXPECT_THAT(ended.out, AllOf(HasSubstr("none; images in linear tiling, or buffers, remain"),
                                 HasSubstr("exports no semaphores as SYNC_FD")));
  }
}

TEST_F(VulkanSamples, ExportIsReadByAnotherProcess) {
  const auto ended = run(VULKAN_EXPORT);
  if (has_udmabuf()) {
    EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
    EXPECT_THAT(ended.out, AllOf(HasSubstr("modifier in: LINEAR"), HasSubstr("modifier out: LINEAR"),
                                 HasSubstr("the other process reads: 0 of 150000 pixels are wrong")));
  } else {
    EXPECT_EQ(ended.exit_code, 1);
    EXPECT_THAT(ended.err, HasSubstr("exports none: on a CPU, that takes /dev/udmabuf"));
  }
}

TEST_F(VulkanSamples, TheOthersAreSilentUnderTheLayerToo) {
  for (const char* program : {QUICKSTART, VULKAN_OPENCL_SHARE}) {
    const auto ended = run(program);
    EXPECT_EQ(ended.exit_code, 0) << program << '\n' << ended.out << ended.err;
  }
  const TempFolder folder;
  const auto ended =
      run(CAMERA_TO_GPU, {"--size", "64x64", "--frames", "3", "--out", folder.path("frame.png")});
  EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
}

}  // namespace
}  // namespace causeway::test
