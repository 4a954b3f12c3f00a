// SPDX-License-Identifier: Apache-2.0
#include "vulkan_functions.hpp"

#include <fmt/format.h>

namespace camera_to_gpu {

using causeway::Errc;
using causeway::Error;
using causeway::Result;
using causeway::Status;

Result<VulkanFunctions> VulkanFunctions::load(const causeway::vulkan::Handles& handles) {
  VulkanFunctions f{};
  const char* missing = nullptr;
  const auto instance = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
        handles.get_instance_proc_addr(handles.instance, name));
    missing = function == nullptr ? name : missing;
  };
  PFN_vkGetDeviceProcAddr get_device_proc_addr = nullptr;
  instance(get_device_proc_addr, "vkGetDeviceProcAddr");
  if (missing != nullptr) {
    return Error(Errc::Unsupported, missing, "the Vulkan driver does not have this function");
  }
  const auto device = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
        get_device_proc_addr(handles.device, name));
    missing = function == nullptr ? name : missing;
  };
  instance(f.GetPhysicalDeviceProperties, "vkGetPhysicalDeviceProperties");
  instance(f.GetPhysicalDeviceMemoryProperties, "vkGetPhysicalDeviceMemoryProperties");
  device(f.CreateBuffer, "vkCreateBuffer");
  device(f.DestroyBuffer, "vkDestroyBuffer");
  device(f.GetBufferMemoryRequirements, "vkGetBufferMemoryRequirements");
  device(f.AllocateMemory, "vkAllocateMemory");
  device(f.FreeMemory, "vkFreeMemory");
  device(f.BindBufferMemory, "vkBindBufferMemory");
  device(f.MapMemory, "vkMapMemory");
  device(f.CreateShaderModule, "vkCreateShaderModule");
  device(f.DestroyShaderModule, "vkDestroyShaderModule");
  device(f.CreateDescriptorSetLayout, "vkCreateDescriptorSetLayout");
  device(f.DestroyDescriptorSetLayout, "vkDestroyDescriptorSetLayout");
  device(f.CreatePipelineLayout, "vkCreatePipelineLayout");
  device(f.DestroyPipelineLayout, "vkDestroyPipelineLayout");
  device(f.CreateComputePipelines, "vkCreateComputePipelines");
  device(f.DestroyPipeline, "vkDestroyPipeline");
  device(f.CreateDescriptorPool, "vkCreateDescriptorPool");
  device(f.DestroyDescriptorPool, "vkDestroyDescriptorPool");
  device(f.AllocateDescriptorSets, "vkAllocateDescriptorSets");
  device(f.UpdateDescriptorSets, "vkUpdateDescriptorSets");
  device(f.CreateCommandPool, "vkCreateCommandPool");
  device(f.DestroyCommandPool, "vkDestroyCommandPool");
  device(f.AllocateCommandBuffers, "vkAllocateCommandBuffers");
  device(f.BeginCommandBuffer, "vkBeginCommandBuffer");
  device(f.EndCommandBuffer, "vkEndCommandBuffer");
  device(f.CmdBindPipeline, "vkCmdBindPipeline");
  device(f.CmdBindDescriptorSets, "vkCmdBindDescriptorSets");
  device(f.CmdPushConstants, "vkCmdPushConstants");
  device(f.CmdDispatch, "vkCmdDispatch");
  device(f.CmdCopyBuffer, "vkCmdCopyBuffer");
  device(f.CmdPipelineBarrier, "vkCmdPipelineBarrier");
  device(f.CreateFence, "vkCreateFence");
  device(f.DestroyFence, "vkDestroyFence");
  device(f.ResetFences, "vkResetFences");
  device(f.WaitForFences, "vkWaitForFences");
  device(f.CreateQueryPool, "vkCreateQueryPool");
  device(f.DestroyQueryPool, "vkDestroyQueryPool");
  device(f.GetQueryPoolResults, "vkGetQueryPoolResults");
  device(f.CmdResetQueryPool, "vkCmdResetQueryPool");
  device(f.CmdWriteTimestamp, "vkCmdWriteTimestamp");
  device(f.QueueSubmit, "vkQueueSubmit");
  device(f.DeviceWaitIdle, "vkDeviceWaitIdle");
  if (missing != nullptr) {
    return Error(Errc::Unsupported, missing, "the Vulkan driver does not have this function");
  }
  return f;
}

Status check(VkResult result, const char* function) {
  switch (result) {
    case VK_SUCCESS: return {};
    case VK_TIMEOUT: return Error(Errc::TimedOut, function, "the GPU was not done within the deadline");
    case VK_ERROR_DEVICE_LOST: return Error(Errc::DeviceLost, function, "the GPU was lost");
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return Error(Errc::OutOfMemory, function,
                   result == VK_ERROR_OUT_OF_HOST_MEMORY ? "the Vulkan driver ran out of memory"
                                                         : "the GPU ran out of memory");
    default:
      return Error(Errc::Io, function,
                   fmt::format("Vulkan answered with result {}", static_cast<int>(result)));
  }
}

}  // namespace camera_to_gpu
