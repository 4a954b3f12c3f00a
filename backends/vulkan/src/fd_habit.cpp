// SPDX-License-Identifier: Apache-2.0
#include "fd_habit.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <causeway/fd.hpp>

#include "context.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr VkDeviceSize kFileSize = 4096;

UniqueFd private_memfd(const Context& context, unsigned flags) {
  const auto& calls = context.host.syscalls();
  UniqueFd file(calls.memfd_create(calls.context, "causeway-vulkan-trial", MFD_CLOEXEC | flags));
  if (file.valid() && calls.ftruncate(calls.context, file.get(), kFileSize) != 0) {
    file.reset();
  }
  return file;
}

UniqueFd sealed_memfd(const Context& context) {
  const auto& calls = context.host.syscalls();
  UniqueFd file = private_memfd(context, MFD_ALLOW_SEALING);
  if (file.valid() && calls.fcntl(calls.context, file.get(), F_ADD_SEALS, F_SEAL_WRITE) != 0) {
    file.reset();
  }
  return file;
}

UniqueFd private_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return {};
  }
  ::close(ends[1]);
  return UniqueFd(ends[0]);
}

bool same_file(const Context& context, int a, int b) {
  const auto& calls = context.host.syscalls();
  struct stat first {};
  struct stat second {};
  return calls.fstat(calls.context, a, &first) == 0 && calls.fstat(calls.context, b, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// A memory type to try with: the driver's, or any of its ordinary ones if it will not say.
int trial_type(const Context& context, int fd) {
  VkMemoryFdPropertiesKHR properties{VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR, nullptr, 0};
  if (context.api.GetMemoryFdPropertiesKHR(context.device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT, fd,
                                           &properties) != VK_SUCCESS) {
    properties.memoryTypeBits = 0;
  }
  const int type = context.physical.pick_memory_type(properties.memoryTypeBits);
  return type >= 0 ? type : context.physical.pick_memory_type(~0U);
}

struct Trial {
  VkResult result;
  bool closed;  ///< the driver closed the descriptor; of a failed trial only
};

/// Imports a duplicate of file, which nobody else knows, and undoes it. False: it could not be tried.
bool try_import(const Context& context, const UniqueFd& file, VkDeviceSize size,
                const VkAllocationCallbacks* allocator, Trial& trial) {
  const auto& calls = context.host.syscalls();
  const int type = file.valid() ? trial_type(context, file.get()) : -1;
  if (type < 0) {
    return false;
  }
  const int given = calls.fcntl(calls.context, file.get(), F_DUPFD_CLOEXEC, 0);
  if (given < 0) {
    return false;
  }
  const VkImportMemoryFdInfoKHR import{VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR, nullptr,
                                       VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT, given};
  const VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &import, size,
                                  static_cast<std::uint32_t>(type)};
  VkDeviceMemory memory = VK_NULL_HANDLE;
  trial.result = context.api.AllocateMemory(context.device, &info, allocator, &memory);
  if (trial.result == VK_SUCCESS) {
    context.api.FreeMemory(context.device, memory, allocator);
    return true;
  }
  // The number may by now be another thread's, but then it is another file: this one is known to us alone.
  trial.closed = !same_file(context, given, file.get());
  if (!trial.closed) {
    ::close(given);
  }
  return true;
}

// Host memory that runs out at once: leads a driver to VK_ERROR_OUT_OF_HOST_MEMORY.
VKAPI_ATTR void* VKAPI_CALL allocate_nothing(void*, std::size_t, std::size_t, VkSystemAllocationScope) {
  return nullptr;
}
VKAPI_ATTR void* VKAPI_CALL reallocate_nothing(void*, void*, std::size_t, std::size_t,
                                               VkSystemAllocationScope) {
  return nullptr;
}
VKAPI_ATTR void VKAPI_CALL free_nothing(void*, void*) {}

}  // namespace

FdHabit FdHabit::learn(const Context& context) {
  FdHabit habit;
  habit.learnt_ = true;
  const VkAllocationCallbacks no_memory{nullptr,       &allocate_nothing, &reallocate_nothing,
                                        &free_nothing, nullptr,           nullptr};
  const UniqueFd file = private_memfd(context, 0);
  const UniqueFd sealed = sealed_memfd(context);
  const UniqueFd pipe = private_pipe();
  struct Path {
    const UniqueFd& file;
    VkDeviceSize size;
    const VkAllocationCallbacks* allocator;
  };
  for (const Path& path : {Path{file, VkDeviceSize{1} << 20U, nullptr},  // smaller than the allocation
                           Path{sealed, kFileSize, nullptr},             // cannot be mapped for writing
                           Path{pipe, kFileSize, nullptr},               // is no memory
                           Path{file, kFileSize, &no_memory}}) {
    Trial trial{};
    if (try_import(context, path.file, path.size, path.allocator, trial) && trial.result != VK_SUCCESS) {
      habit.note(trial.result, trial.closed);
    }
  }
  return habit;
}

FdHabit FdHabit::learn_of_semaphores(const Context& context) {
  FdHabit habit;
  habit.learnt_ = true;
  const auto& calls = context.host.syscalls();
  const UniqueFd file = private_memfd(context, 0);
  const VkSemaphoreCreateInfo create{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, nullptr, 0};
  VkSemaphore semaphore = VK_NULL_HANDLE;
  if (!file.valid() ||
      context.api.CreateSemaphore(context.device, &create, nullptr, &semaphore) != VK_SUCCESS) {
    return habit;
  }
  const int given = calls.fcntl(calls.context, file.get(), F_DUPFD_CLOEXEC, 0);
  if (given >= 0) {
    const VkImportSemaphoreFdInfoKHR import{
        VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR, nullptr, semaphore, VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
        VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,  given};
    const VkResult result = context.api.ImportSemaphoreFdKHR(context.device, &import);
    if (result != VK_SUCCESS) {  // a driver that takes anything has no such habit to learn
      const bool closed = !same_file(context, given, file.get());
      habit.note(result, closed);
      if (!closed) {
        ::close(given);
      }
    }
  }
  context.api.DestroySemaphore(context.device, semaphore, nullptr);
  return habit;
}

void FdHabit::note(VkResult result, bool closed) {
  const Answer answer = closed ? Answer::Closes : Answer::Leaves;
  const auto known =
      std::find_if(seen_.begin(), seen_.end(), [result](const auto& one) { return one.first == result; });
  if (known == seen_.end()) {
    seen_.emplace_back(result, answer);
  } else if (known->second != answer) {
    known->second = Answer::Unknown;
  }
}

FdHabit::Answer FdHabit::after(VkResult result) const noexcept {
  bool ever_closes = false;
  for (const auto& [met, answer] : seen_) {
    if (met == result) {
      return answer;
    }
    ever_closes = ever_closes || answer != Answer::Leaves;
  }
  return ever_closes ? Answer::Unknown : Answer::Leaves;
}

bool takes_memfd(const Context& context) {
  Trial trial{};
  return try_import(context, private_memfd(context, 0), kFileSize, nullptr, trial) &&
         trial.result == VK_SUCCESS;
}

}  // namespace causeway::vulkan_backend
