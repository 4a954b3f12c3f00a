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
#include "host/vulkan_fake_fences.hpp"

namespace causeway::test {
namespace {

/// A semaphore's payload: after an import two of them share it.
struct Payload {
  std::uint64_t value = 0;
  bool timeline = false;
  bool opaque = false;    ///< may be exported as OPAQUE_FD
  bool borrowed = false;  ///< a sync_file's, until it is waited for
};

FakeQueue queue;
std::map<VkSemaphore, std::shared_ptr<Payload>> payloads;
std::map<ino_t, std::weak_ptr<Payload>> descriptors;  ///< those that were given out as OPAQUE_FD
std::vector<FakeQueue::Batch> undone;
std::map<VkCommandBuffer, VkCommandPool> commands_alive;
std::uintptr_t last_handle = 0x5000;

std::shared_ptr<Payload> timeline_of(VkSemaphore semaphore) {
  const auto found = payloads.find(semaphore);
  return found != payloads.end() && found->second->timeline ? found->second : nullptr;
}

/// Whether it may start, at these values of timelines: binary semaphores are as good as signalled.
bool may_start(const FakeQueue::Batch& batch, const std::map<Payload*, std::uint64_t>& values) {
  return std::all_of(batch.waits.begin(), batch.waits.end(), [&](const FakeQueue::Point& wait) {
    const auto timeline = timeline_of(wait.first);
    if (timeline == nullptr) {
      return true;
    }
    const auto known = values.find(timeline.get());
    return (known != values.end() ? known->second : timeline->value) >= wait.second;
  });
}

/// Whether what was submitted will be done without anybody's help.
bool runs_by_itself() {
  std::map<Payload*, std::uint64_t> values;
  for (const auto& batch : undone) {
    if (!may_start(batch, values)) {
      return false;
    }
    for (const auto& [semaphore, point] : batch.signals) {
      if (const auto timeline = timeline_of(semaphore)) {
        values[timeline.get()] = point;
      }
    }
  }
  return true;
}

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
  for (const auto& batch : undone) {
    if (std::any_of(batch.waits.begin(), batch.waits.end(),
                    [semaphore](const auto& wait) { return wait.first == semaphore; })) {
      queue.mistakes.emplace_back(
          "a semaphore is destroyed that a batch waits for (VUID-vkDestroySemaphore-semaphore-05149)");
    }
  }
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
  if (result == VK_SUCCESS) {
    payloads.at(info->semaphore)->borrowed = true;
  }
  return result;
}
VKAPI_ATTR VkResult VKAPI_CALL export_fd(VkDevice, const VkSemaphoreGetFdInfoKHR* info, int* out) {
  const VkResult result = fail(queue.export_fails);
  if (result != VK_SUCCESS) {
    return result;
  }
  *out = queue.exports_none ? -1 : ::memfd_create("semaphore", 0);  // nothing promises close-on-exec
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
    if (!runs_by_itself()) {
      queue.mistakes.emplace_back(
          "an export as SYNC_FD behind a signal that nobody has submitted "
          "(VUID-VkSemaphoreGetFdInfoKHR-handleType-03254)");
    }
    ++queue.exports;
  }
  return result;
}
/// What a batch may not be made of.
void judge(const FakeQueue::Batch& batch) {
  for (VkCommandBuffer one : batch.commands) {
    if (!commands_alive.contains(one)) {
      queue.mistakes.emplace_back(
          "commands are submitted that were freed (VUID-vkQueueSubmit-pCommandBuffers-parameter)");
    }
  }
  for (const auto& wait : batch.waits) {
    payloads.at(wait.first)->borrowed = false;
  }
  for (const auto& signal : batch.signals) {
    if (payloads.at(signal.first)->borrowed) {
      queue.mistakes.emplace_back(
          "a signal of a semaphore that holds a sync_file (VUID-vkQueueSubmit-pSignalSemaphores-00067)");
    }
  }
}
VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue, std::uint32_t count, const VkSubmitInfo* infos,
                                      VkFence fence) {
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
    judge(batch);
    batch.fence = i + 1 == count ? fence : VK_NULL_HANDLE;
    undone.push_back(batch);
    queue.batches.push_back(std::move(batch));
  }
  if (result == VK_SUCCESS && fence != VK_NULL_HANDLE) {
    FakeFences::went_out(fence);
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
  queue.cpu_waits.emplace_back(info->pSemaphores[0], info->pValues[0]);
  return queue.value(info->pSemaphores[0]) >= info->pValues[0] ? VK_SUCCESS : VK_TIMEOUT;
}
VKAPI_ATTR VkResult VKAPI_CALL signal(VkDevice, const VkSemaphoreSignalInfo* info) {
  const VkResult result = fail(queue.signal_fails);
  const auto timeline = timeline_of(info->semaphore);
  if (timeline == nullptr || info->value <= timeline->value) {
    queue.mistakes.emplace_back(
        "a signal of no timeline, or to no larger value (VUID-VkSemaphoreSignalInfo-value-03258)");
  } else if (result == VK_SUCCESS) {
    timeline->value = info->value;
    ++queue.signals;
  }
  if (!queue.holds) {
    queue.run();
  }
  return result;
}
VKAPI_ATTR VkResult VKAPI_CALL counter(VkDevice, VkSemaphore semaphore, std::uint64_t* out) {
  *out = queue.value(semaphore);
  return queue.lost ? VK_ERROR_DEVICE_LOST : VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL create_pool(VkDevice, const VkCommandPoolCreateInfo*,
                                           const VkAllocationCallbacks*, VkCommandPool* out) {
  *out = next_handle<VkCommandPool>();
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL commands(VkDevice, const VkCommandBufferAllocateInfo* info,
                                        VkCommandBuffer* out) {
  const VkResult result = fail(queue.commands_fail);
  for (std::uint32_t i = 0; result == VK_SUCCESS && i < info->commandBufferCount; ++i) {
    out[i] = next_handle<VkCommandBuffer>();
    ++queue.command_buffers;
    commands_alive[out[i]] = info->commandPool;
  }
  return result;
}
VKAPI_ATTR void VKAPI_CALL free_commands(VkDevice, VkCommandPool, std::uint32_t count,
                                         const VkCommandBuffer* which) {
  for (const auto& batch : undone) {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (std::find(batch.commands.begin(), batch.commands.end(), which[i]) != batch.commands.end()) {
        queue.mistakes.emplace_back(
            "commands are freed that a batch is made of (VUID-vkFreeCommandBuffers-pCommandBuffers-00047)");
      }
    }
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    queue.command_buffers -= static_cast<int>(commands_alive.erase(which[i]));
  }
}
/// Whether a batch that is out is made of commands of this pool.
bool in_use(VkCommandPool pool) {
  return std::any_of(undone.begin(), undone.end(), [pool](const FakeQueue::Batch& batch) {
    return std::any_of(batch.commands.begin(), batch.commands.end(), [pool](VkCommandBuffer one) {
      const auto found = commands_alive.find(one);
      return found != commands_alive.end() && found->second == pool;
    });
  });
}
VKAPI_ATTR VkResult VKAPI_CALL reset_pool(VkDevice, VkCommandPool pool, VkCommandPoolResetFlags) {
  if (in_use(pool)) {
    queue.mistakes.emplace_back(
        "a pool is reset whose commands a batch is made of (VUID-vkResetCommandPool-commandPool-00040)");
  }
  return VK_SUCCESS;
}
VKAPI_ATTR void VKAPI_CALL destroy_pool(VkDevice, VkCommandPool pool, const VkAllocationCallbacks*) {
  if (in_use(pool)) {
    queue.mistakes.emplace_back(
        "a pool is destroyed whose commands a batch is made of "
        "(VUID-vkDestroyCommandPool-commandPool-00041)");
  }
  queue.command_buffers -=
      static_cast<int>(std::erase_if(commands_alive, [pool](const auto& one) { return one.second == pool; }));
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
      {"vkSignalSemaphore", plain(&signal)},
      {"vkGetSemaphoreCounterValue", plain(&counter)},
      {"vkAllocateCommandBuffers", plain(&commands)},
      {"vkFreeCommandBuffers", plain(&free_commands)},
      {"vkCreateCommandPool", plain(&create_pool)},
      {"vkResetCommandPool", plain(&reset_pool)},
      {"vkDestroyCommandPool", plain(&destroy_pool)},
  });
  const auto* found =
      std::find_if(table.begin(), table.end(), [name](const auto& row) { return row.first == name; });
  return found != table.end() ? found->second : FakeFences::find(name);
}

}  // namespace

void FakeQueue::run() {
  auto next = undone.begin();
  for (; next != undone.end() && may_start(*next, {}); ++next) {
    for (const auto& [semaphore, point] : next->signals) {
      const auto found = payloads.find(semaphore);
      if (found != payloads.end()) {
        found->second->value = std::max(found->second->value, point);
      }
    }
    if (next->fence != VK_NULL_HANDLE) {
      FakeFences::is_done(next->fence);
    }
  }
  undone.erase(undone.begin(), next);
}

void FakeQueue::reach(VkSemaphore semaphore, std::uint64_t value) {
  payloads.at(semaphore)->value = value;
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
  commands_alive.clear();
  FakeFences::reset();
  FakeDriver::reset();
  FakeDriver::instance().more = &find;
}

}  // namespace causeway::test
