// SPDX-License-Identifier: Apache-2.0
#include "sync_file.hpp"

#include <array>
#include <causeway/plugin/descriptor.hpp>

namespace causeway::opencl_backend {

bool SyncFileMaker::able() const noexcept {
  const auto& extensions = context_.extensions;
  return context_.facts.sync_fd_exports && extensions.CreateSemaphoreWithProperties != nullptr &&
         extensions.EnqueueSignalSemaphores != nullptr && extensions.GetSemaphoreHandleForType != nullptr &&
         extensions.ReleaseSemaphore != nullptr;
}

Status SyncFileMaker::prepare() {
  if (queue_) {
    return {};
  }
  cl_int result = CL_SUCCESS;
  cl_command_queue queue =
      context_.api.CreateCommandQueue(context_.context.get(), context_.facts.device, 0, &result);
  if (queue == nullptr || result != CL_SUCCESS) {
    return context_.error("clCreateCommandQueue", result, "making a queue for the fences of others");
  }
  queue_ = QueueHandle(context_.api, queue);
  return {};
}

Result<UniqueFd> SyncFileMaker::make(cl_event event) {
  const std::lock_guard lock(mutex_);
  if (auto status = prepare(); !status) {
    return std::move(status.error());
  }
  const auto& extensions = context_.extensions;
  std::array<cl_semaphore_properties_khr, 9> properties{
      CL_SEMAPHORE_TYPE_KHR, CL_SEMAPHORE_TYPE_BINARY_KHR, CL_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR,
      CL_SEMAPHORE_HANDLE_SYNC_FD_KHR, CL_SEMAPHORE_EXPORT_HANDLE_TYPES_LIST_END_KHR};
  if (context_.shared_context) {  // else it would be for all of the context's devices
    properties[5] = CL_DEVICE_HANDLE_LIST_KHR;
    properties[6] = reinterpret_cast<cl_semaphore_properties_khr>(context_.facts.device);
    properties[7] = CL_DEVICE_HANDLE_LIST_END_KHR;
  }
  cl_int result = CL_SUCCESS;
  cl_semaphore_khr semaphore =
      extensions.CreateSemaphoreWithProperties(context_.context.get(), properties.data(), &result);
  if (semaphore == nullptr || result != CL_SUCCESS) {
    return context_.error("clCreateSemaphoreWithPropertiesKHR", result, "making a semaphore to export");
  }
  const char* command = "clEnqueueSignalSemaphoresKHR";
  result = extensions.EnqueueSignalSemaphores(queue_.get(), 1, &semaphore, nullptr, 1, &event, nullptr);
  if (result == CL_SUCCESS) {
    command = "clFlush";
    result = context_.api.Flush(queue_.get());
  }
  int fd = -1;
  if (result == CL_SUCCESS) {
    // The payload moves into the descriptor, which is ours; a signal that is pending will do.
    command = "clGetSemaphoreHandleForTypeKHR";
    result = extensions.GetSemaphoreHandleForType(semaphore, context_.facts.device,
                                                  CL_SEMAPHORE_HANDLE_SYNC_FD_KHR, sizeof(fd), &fd, nullptr);
  }
  extensions.ReleaseSemaphore(semaphore);
  if (result != CL_SUCCESS) {
    return context_.error(command, result, "making a sync_file of the end of an access");
  }
  if (fd < 0) {
    return Error(
        Errc::Unsupported, command,
        "the driver gave no descriptor, as it may for work that is done already: there is nothing to "
        "wait for any more");
  }
  return plugin::take_from_driver(context_.host, fd);
}

}  // namespace causeway::opencl_backend
