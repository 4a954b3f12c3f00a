// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_fake_fences.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "host/vulkan_fake_queue.hpp"

namespace causeway::test {
namespace {

enum class State { Unsignalled, Out, Signalled };
std::map<VkFence, State> fences;
std::uintptr_t last_handle = 0x9000;

void refuse_while_out(VkFence fence, const char* mistake) {
  const auto found = fences.find(fence);
  if (found != fences.end() && found->second == State::Out) {
    FakeQueue::instance().mistakes.emplace_back(mistake);
  }
}

VKAPI_ATTR VkResult VKAPI_CALL create(VkDevice, const VkFenceCreateInfo*, const VkAllocationCallbacks*,
                                      VkFence* out) {
  *out = reinterpret_cast<VkFence>(++last_handle);
  fences[*out] = State::Unsignalled;
  return VK_SUCCESS;
}
VKAPI_ATTR void VKAPI_CALL destroy(VkDevice, VkFence fence, const VkAllocationCallbacks*) {
  refuse_while_out(fence, "a fence is destroyed whose batch is out (VUID-vkDestroyFence-fence-01120)");
  fences.erase(fence);
}
VKAPI_ATTR VkResult VKAPI_CALL reset_fences(VkDevice, std::uint32_t count, const VkFence* which) {
  for (std::uint32_t i = 0; i < count; ++i) {
    refuse_while_out(which[i], "a fence is reset whose batch is out (VUID-vkResetFences-pFences-01123)");
    fences[which[i]] = State::Unsignalled;
  }
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL wait(VkDevice, std::uint32_t, const VkFence* which, VkBool32, std::uint64_t) {
  auto& queue = FakeQueue::instance();
  if (queue.lost) {
    return VK_ERROR_DEVICE_LOST;
  }
  if (const VkResult result = std::exchange(queue.fence_wait_fails, VK_SUCCESS); result != VK_SUCCESS) {
    return result;
  }
  return fences[*which] == State::Signalled ? VK_SUCCESS : VK_TIMEOUT;
}

template <class Function>
PFN_vkVoidFunction plain(Function* function) {
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

}  // namespace

void FakeFences::went_out(VkFence fence) {
  refuse_while_out(fence, "a fence is submitted whose batch is out (VUID-vkQueueSubmit-fence-00064)");
  fences[fence] = State::Out;
}

void FakeFences::is_done(VkFence fence) {
  if (const auto found = fences.find(fence); found != fences.end()) {
    found->second = State::Signalled;
  }
}

PFN_vkVoidFunction FakeFences::find(std::string_view name) {
  static const auto table = std::to_array<std::pair<std::string_view, PFN_vkVoidFunction>>({
      {"vkCreateFence", plain(&create)},
      {"vkDestroyFence", plain(&destroy)},
      {"vkResetFences", plain(&reset_fences)},
      {"vkWaitForFences", plain(&wait)},
  });
  const auto* found =
      std::find_if(table.begin(), table.end(), [name](const auto& row) { return row.first == name; });
  return found != table.end() ? found->second : nullptr;
}

void FakeFences::reset() {
  fences.clear();
}

}  // namespace causeway::test
