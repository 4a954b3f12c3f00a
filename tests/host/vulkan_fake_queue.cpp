// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_fake_queue.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>

#include "host/vulkan_fake_driver.hpp"

namespace causeway::test {
namespace {

FakeQueue queue;
std::map<VkSemaphore, std::uint64_t> values;
std::vector<FakeQueue::Point> undone;
std::uintptr_t last_handle = 0x5000;

template <class Handle>
Handle next_handle() {
  return reinterpret_cast<Handle>(++last_handle);
}

VkResult fail(VkResult& once) {
  return queue.lost ? VK_ERROR_DEVICE_LOST : std::exchange(once, VK_SUCCESS);
}

VKAPI_ATTR void VKAPI_CALL external(VkPhysicalDevice, const VkPhysicalDeviceExternalSemaphoreInfo*,
                                    VkExternalSemaphoreProperties* out) {
  out->externalSemaphoreFeatures = queue.sync_fd ? VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT |
                                                       VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT
                                                 : 0U;
}
VKAPI_ATTR VkResult VKAPI_CALL create(VkDevice, const VkSemaphoreCreateInfo*, const VkAllocationCallbacks*,
                                      VkSemaphore* out) {
  const VkResult result = fail(queue.create_fails);
  if (result == VK_SUCCESS) {
    *out = next_handle<VkSemaphore>();
    values[*out] = 0;
    ++queue.semaphores;
    ++queue.made;
  }
  return result;
}
VKAPI_ATTR void VKAPI_CALL destroy(VkDevice, VkSemaphore semaphore, const VkAllocationCallbacks*) {
  queue.semaphores -= static_cast<int>(values.erase(semaphore));
}
VKAPI_ATTR VkResult VKAPI_CALL import_fd(VkDevice, const VkImportSemaphoreFdInfoKHR* info) {
  const VkResult result = fail(queue.import_fails);
  if (result == VK_SUCCESS || queue.closes(result)) {
    ::close(info->fd);
  }
  queue.imports += result == VK_SUCCESS ? 1 : 0;
  return result;
}
VKAPI_ATTR VkResult VKAPI_CALL export_fd(VkDevice, const VkSemaphoreGetFdInfoKHR*, int* out) {
  const VkResult result = fail(queue.export_fails);
  if (result == VK_SUCCESS) {
    *out = queue.exports_none ? -1 : ::memfd_create("sync_file", MFD_CLOEXEC);
    ++queue.exports;
  }
  return result;
}
VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue, std::uint32_t count, const VkSubmitInfo* infos, VkFence) {
  const VkResult result = fail(queue.submit_fails);
  for (std::uint32_t i = 0; result == VK_SUCCESS && i < count; ++i) {
    const auto& info = infos[i];
    const auto* points = static_cast<const VkTimelineSemaphoreSubmitInfo*>(info.pNext);
    FakeQueue::Batch batch;
    for (std::uint32_t w = 0; w < info.waitSemaphoreCount; ++w) {
      batch.waits.emplace_back(info.pWaitSemaphores[w],
                               points != nullptr ? points->pWaitSemaphoreValues[w] : 0);
    }
    batch.commands.assign(info.pCommandBuffers, info.pCommandBuffers + info.commandBufferCount);
    for (std::uint32_t s = 0; s < info.signalSemaphoreCount; ++s) {
      batch.signals.emplace_back(info.pSignalSemaphores[s],
                                 points != nullptr ? points->pSignalSemaphoreValues[s] : 0);
    }
    undone.insert(undone.end(), batch.signals.begin(), batch.signals.end());
    queue.batches.push_back(std::move(batch));
  }
  if (!queue.holds) {
    queue.run();
  }
  return result;
}
VKAPI_ATTR VkResult VKAPI_CALL wait(VkDevice, const VkSemaphoreWaitInfo* info, std::uint64_t) {
  if (queue.lost) {
    return VK_ERROR_DEVICE_LOST;
  }
  return values[info->pSemaphores[0]] >= info->pValues[0] ? VK_SUCCESS : VK_TIMEOUT;
}
VKAPI_ATTR VkResult VKAPI_CALL counter(VkDevice, VkSemaphore semaphore, std::uint64_t* out) {
  *out = values[semaphore];
  return queue.lost ? VK_ERROR_DEVICE_LOST : VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL commands(VkDevice, const VkCommandBufferAllocateInfo* info,
                                        VkCommandBuffer* out) {
  const VkResult result = fail(queue.commands_fail);
  for (std::uint32_t i = 0; result == VK_SUCCESS && i < info->commandBufferCount; ++i) {
    out[i] = next_handle<VkCommandBuffer>();
    ++queue.command_buffers;
  }
  return result;
}
VKAPI_ATTR void VKAPI_CALL free_commands(VkDevice, VkCommandPool, std::uint32_t count,
                                         const VkCommandBuffer*) {
  queue.command_buffers -= static_cast<int>(count);
}

template <class Function>
PFN_vkVoidFunction plain(Function* function) {
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

PFN_vkVoidFunction find(std::string_view name) {
  static const auto table = std::to_array<std::pair<std::string_view, PFN_vkVoidFunction>>({
      {"vkGetPhysicalDeviceExternalSemaphoreProperties", plain(&external)},
      {"vkCreateSemaphore", plain(&create)},
      {"vkDestroySemaphore", plain(&destroy)},
      {"vkImportSemaphoreFdKHR", plain(&import_fd)},
      {"vkGetSemaphoreFdKHR", plain(&export_fd)},
      {"vkQueueSubmit", plain(&submit)},
      {"vkWaitSemaphores", plain(&wait)},
      {"vkGetSemaphoreCounterValue", plain(&counter)},
      {"vkAllocateCommandBuffers", plain(&commands)},
      {"vkFreeCommandBuffers", plain(&free_commands)},
  });
  const auto* found =
      std::find_if(table.begin(), table.end(), [name](const auto& row) { return row.first == name; });
  return found != table.end() ? found->second : nullptr;
}

}  // namespace

void FakeQueue::run() {
  for (const auto& [semaphore, point] : undone) {
    values[semaphore] = std::max(values[semaphore], point);
  }
  undone.clear();
}

std::uint64_t FakeQueue::value(VkSemaphore semaphore) const {
  const auto found = values.find(semaphore);
  return found != values.end() ? found->second : 0;
}

FakeQueue& FakeQueue::instance() {
  return queue;
}

void FakeQueue::reset() {
  queue = FakeQueue{};
  values.clear();
  undone.clear();
  FakeDriver::reset();
  FakeDriver::instance().more = &find;
}

}  // namespace causeway::test
