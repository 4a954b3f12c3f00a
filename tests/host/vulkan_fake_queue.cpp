// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_fake_queue.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "host/vulkan_fake_driver.hpp"

namespace causeway::test {
namespace {

/// A semaphore's payload: after an import two of them share it.
struct Payload {
  std::uint64_t value = 0;
  bool timeline = false;
  bool opaque = false;  ///< may be exported as OPAQUE_FD
};

FakeQueue queue;
std::map<VkSemaphore, std::shared_ptr<Payload>> payloads;
std::map<ino_t, std::weak_ptr<Payload>> descriptors;  ///< those that were given out as OPAQUE_FD
std::vector<FakeQueue::Point> undone;
std::uintptr_t last_handle = 0x5000;

template <class Handle>
Handle next_handle() {
  return reinterpret_cast<Handle>(++last_handle);
}

VkResult fail(VkResult& once) {
  return queue.lost ? VK_ERROR_DEVICE_LOST : std::exchange(once, VK_SUCCESS);
}

template <class Struct>
const Struct* find_next(const void* next, VkStructureType type) {
  for (const auto* one = static_cast<const VkBaseInStructure*>(next); one != nullptr; one = one->pNext) {
    if (one->sType == type) {
      return reinterpret_cast<const Struct*>(one);
    }
  }
  return nullptr;
}

bool is_timeline(const void* next) {
  const auto* type = find_next<VkSemaphoreTypeCreateInfo>(next, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
  return type != nullptr && type->semaphoreType == VK_SEMAPHORE_TYPE_TIMELINE;
}

ino_t inode_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

VKAPI_ATTR void VKAPI_CALL external(VkPhysicalDevice, const VkPhysicalDeviceExternalSemaphoreInfo* info,
                                    VkExternalSemaphoreProperties* out) {
  const bool offered =
      is_timeline(info->pNext)
          ? queue.opaque && info->handleType == VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT
          : queue.sync_fd && info->handleType == VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
  out->externalSemaphoreFeatures =
      offered ? VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT | VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT
              : 0U;
}
VKAPI_ATTR VkResult VKAPI_CALL create(VkDevice, const VkSemaphoreCreateInfo* info,
                                      const VkAllocationCallbacks*, VkSemaphore* out) {
  const VkResult result = fail(queue.create_fails);
  if (result == VK_SUCCESS) {
    *out = next_handle<VkSemaphore>();
    auto payload = std::make_shared<Payload>();
    payload->timeline = is_timeline(info->pNext);
    const auto* exported =
        find_next<VkExportSemaphoreCreateInfo>(info->pNext, VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO);
    payload->opaque =
        exported != nullptr && (exported->handleTypes & VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT) != 0;
    payloads[*out] = std::move(payload);
    ++queue.semaphores;
    ++queue.made;
  }
  return result;
}
VKAPI_ATTR void VKAPI_CALL destroy(VkDevice, VkSemaphore semaphore, const VkAllocationCallbacks*) {
  queue.semaphores -= static_cast<int>(payloads.erase(semaphore));
}
VkResult import_opaque(const VkImportSemaphoreFdInfoKHR& info) {
  VkResult result = fail(queue.opaque_import_fails);
  const auto known = descriptors.find(inode_of(info.fd));
  const auto payload = known != descriptors.end() ? known->second.lock() : nullptr;
  const auto target = payloads.find(info.semaphore);
  if (info.flags != 0) {
    queue.mistakes.emplace_back(
        "a temporary import of an OPAQUE_FD timeline (VUID-VkImportSemaphoreFdInfoKHR-flags-03323)");
  }
  if (target == payloads.end() || !target->second->timeline) {
    queue.mistakes.emplace_back("a timeline's payload goes into a semaphore of another type");
  }
  if (result == VK_SUCCESS && payload == nullptr) {
    result = VK_ERROR_INVALID_EXTERNAL_HANDLE;
  }
  if (result == VK_SUCCESS) {
    target->second = payload;
    ++queue.opaque_imports;
  }
  if (result == VK_SUCCESS || queue.closes(result)) {
    ::close(info.fd);
  }
  return result;
}
VKAPI_ATTR VkResult VKAPI_CALL import_fd(VkDevice, const VkImportSemaphoreFdInfoKHR* info) {
  if (info->handleType == VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT) {
    return import_opaque(*info);
  }
  const VkResult result = fail(queue.import_fails);
  if (result == VK_SUCCESS || queue.closes(result)) {
    ::close(info->fd);
  }
  queue.imports += result == VK_SUCCESS ? 1 : 0;
  return result;
}
VKAPI_ATTR VkResult VKAPI_CALL export_fd(VkDevice, const VkSemaphoreGetFdInfoKHR* info, int* out) {
  const VkResult result = fail(queue.export_fails);
  if (result != VK_SUCCESS) {
    return result;
  }
  *out = queue.exports_none ? -1 : ::memfd_create("semaphore", MFD_CLOEXEC);
  if (info->handleType == VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT) {
    const auto& payload = payloads.at(info->semaphore);
    if (!payload->opaque) {
      queue.mistakes.emplace_back(
          "an export in a handle type that was not named at creation "
          "(VUID-VkSemaphoreGetFdInfoKHR-handleType-01132)");
    }
    descriptors[inode_of(*out)] = payload;
    ++queue.opaque_exports;
  } else {
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
  return queue.value(info->pSemaphores[0]) >= info->pValues[0] ? VK_SUCCESS : VK_TIMEOUT;
}
VKAPI_ATTR VkResult VKAPI_CALL counter(VkDevice, VkSemaphore semaphore, std::uint64_t* out) {
  *out = queue.value(semaphore);
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
    const auto found = payloads.find(semaphore);
    if (found != payloads.end()) {
      found->second->value = std::max(found->second->value, point);
    }
  }
  undone.clear();
}

std::uint64_t FakeQueue::value(VkSemaphore semaphore) const {
  const auto found = payloads.find(semaphore);
  return found != payloads.end() ? found->second->value : 0;
}

FakeQueue& FakeQueue::instance() {
  return queue;
}

void FakeQueue::reset() {
  queue = FakeQueue{};
  payloads.clear();
  descriptors.clear();
  undone.clear();
  FakeDriver::reset();
  FakeDriver::instance().more = &find;
}

}  // namespace causeway::test
