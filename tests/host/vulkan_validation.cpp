// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_validation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

namespace causeway::test {
namespace {

constexpr std::string_view kMark = "Vulkan validation: ";

constexpr std::string_view kNoFeatureList =
    "the layer looks features of modifiers up in VkDrmFormatModifierPropertiesList2EXT, which lavapipe "
    "leaves "
    "unfilled; VkDrmFormatModifierPropertiesListEXT, which it fills, has the feature";

constexpr auto kFalsePositives = std::to_array<FalsePositive>({
    {"VUID-vkCmdClearColorImage-image-01993", "", kNoFeatureList},
    {"VUID-vkCmdCopyImageToBuffer-srcImage-01998", "", kNoFeatureList},
    {"VUID-vkCmdBlitImage-srcImage-01999", "", kNoFeatureList},
    {"VUID-vkCmdBlitImage-dstImage-02000", "", kNoFeatureList},
    {"UNASSIGNED-CoreValidation-DrawState-InvalidImageLayout", "For optimal performance",
     "advice, and no fault: an image that is shared stays in GENERAL, the one layout that all drivers know"},
    {"UNASSIGNED-CoreValidation-DrawState-InvalidImageLayout", "VK_IMAGE_LAYOUT_UNDEFINED",
     "an imported image is acquired from FOREIGN in GENERAL, in which the others left it; the layer knows "
     "only its "
     "initialLayout, UNDEFINED, since it did not see their part of the transfer"},
    {"UNASSIGNED-VkSemaphore-state-timeout", "most likely a validation bug",
     "a lock of the layer's own (1.3.239): a thread in vkWaitSemaphores or vkGetSemaphoreCounterValue holds "
     "it "
     "while it waits for the layer to see vkSignalSemaphore, which wants it on another thread; 10 s later "
     "both go on"},
});

struct Messages {
  std::mutex mutex;
  std::vector<std::string> all;
};
Messages& messages() {
  static Messages one;
  return one;
}

class AfterEachTest : public ::testing::EmptyTestEventListener {
  void OnTestEnd(const ::testing::TestInfo& /*test*/) override { expect_no_complaints(); }
};

[[maybe_unused]] const bool kListens = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new AfterEachTest);
  return true;
}();

}  // namespace

bool validation_wanted() {
#ifdef __SANITIZE_ADDRESS__
  constexpr const char* kDefault = "0";
#else
  constexpr const char* kDefault = "1";
#endif
  ::setenv("CAUSEWAY_VULKAN_VALIDATION", kDefault, 0);
  const char* wanted = std::getenv("CAUSEWAY_VULKAN_VALIDATION");
  return wanted != nullptr && std::strcmp(wanted, "1") == 0;
}

std::span<const FalsePositive> false_positives() {
  return kFalsePositives;
}

bool is_false_positive(std::string_view message) {
  return std::any_of(kFalsePositives.begin(), kFalsePositives.end(), [message](const FalsePositive& one) {
    return message.find(one.id) != message.npos && message.find(one.part) != message.npos;
  });
}

void note_validation(std::string_view message) {
  const std::lock_guard lock(messages().mutex);
  messages().all.emplace_back(message);
}

void note_log_line(std::string_view line) {
  if (const auto at = line.find(kMark); at != line.npos) {
    note_validation(line.substr(at + kMark.size()));
  }
}

std::vector<std::string> take_complaints() {
  std::vector<std::string> taken;
  {
    const std::lock_guard lock(messages().mutex);
    taken = std::exchange(messages().all, {});
  }
  std::erase_if(taken, [](const std::string& one) { return is_false_positive(one); });
  return taken;
}

void expect_no_complaints() {
  for (const auto& complaint : take_complaints()) {
    ADD_FAILURE() << "the validation layer says: " << complaint;
  }
}

RuntimeOptions watched_options() {
  static_cast<void>(validation_wanted());
  RuntimeOptions options;
  options.log = [](LogLevel, std::string_view line) { note_log_line(line); };
  return options;
}

Runtime watched_runtime() {
  auto runtime = Runtime::create(watched_options());
  EXPECT_TRUE(runtime) << runtime.error().message();
  return *runtime;
}

}  // namespace causeway::test
