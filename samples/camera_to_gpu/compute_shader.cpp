// SPDX-License-Identifier: Apache-2.0
#include "compute_shader.hpp"

#include <fmt/format.h>

#include <vector>

namespace camera_to_gpu {
namespace {

using causeway::Errc;
using causeway::Error;
using causeway::Result;
using causeway::Status;

constexpr std::uint32_t kGroupWidth = 16;
constexpr std::uint32_t kGroupHeight = 4;

}  // namespace

Result<std::unique_ptr<ComputeShader>> ComputeShader::create(Gpu& gpu, const Words& words) {
  std::unique_ptr<ComputeShader> made(new ComputeShader(gpu));
  if (auto status = made->prepare_layout(words); !status) {
    return std::move(status.error());
  }
  if (auto status = made->prepare_pipeline(words); !status) {
    return std::move(status.error());
  }
  return made;
}

ComputeShader::~ComputeShader() {
  const auto& f = gpu_.f();
  f.DeviceWaitIdle(gpu_.vk());
  f.DestroyDescriptorPool(gpu_.vk(), sets_, nullptr);
  f.DestroyPipeline(gpu_.vk(), pipeline_, nullptr);
  f.DestroyShaderModule(gpu_.vk(), module_, nullptr);
  f.DestroyPipelineLayout(gpu_.vk(), layout_, nullptr);
  f.DestroyDescriptorSetLayout(gpu_.vk(), set_layout_, nullptr);
}

Status ComputeShader::prepare_layout(const Words& words) {
  const auto& f = gpu_.f();
  std::vector<VkDescriptorSetLayoutBinding> bindings(words.buffers);
  for (std::uint32_t i = 0; i < words.buffers; ++i) {
    bindings[i] = {.binding = i,
                   .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                   .descriptorCount = 1,
                   .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
  }
  const VkDescriptorSetLayoutCreateInfo set_info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                                 .bindingCount = words.buffers,
                                                 .pBindings = bindings.data()};
  if (auto status = check(f.CreateDescriptorSetLayout(gpu_.vk(), &set_info, nullptr, &set_layout_),
                          "vkCreateDescriptorSetLayout");
      !status) {
    return status;
  }
  const VkPushConstantRange range{.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = words.constant_bytes};
  const VkPipelineLayoutCreateInfo layout_info{.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                               .setLayoutCount = 1,
                                               .pSetLayouts = &set_layout_,
                                               .pushConstantRangeCount = 1,
                                               .pPushConstantRanges = &range};
  if (auto status =
          check(f.CreatePipelineLayout(gpu_.vk(), &layout_info, nullptr, &layout_), "vkCreatePipelineLayout");
      !status) {
    return status;
  }
  const VkDescriptorPoolSize size{.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                  .descriptorCount = Gpu::kMaxRecordings * words.buffers};
  const VkDescriptorPoolCreateInfo pool_info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = Gpu::kMaxRecordings,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &size};
  return check(f.CreateDescriptorPool(gpu_.vk(), &pool_info, nullptr, &sets_), "vkCreateDescriptorPool");
}

Status ComputeShader::prepare_pipeline(const Words& words) {
  const auto& f = gpu_.f();
  const VkShaderModuleCreateInfo module_info{.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                             .codeSize = words.spirv.size_bytes(),
                                             .pCode = words.spirv.data()};
  if (auto status =
          check(f.CreateShaderModule(gpu_.vk(), &module_info, nullptr, &module_), "vkCreateShaderModule");
      !status) {
    return status;
  }
  const std::uint32_t value = words.specialization.value_or(0);
  const VkSpecializationMapEntry entry{.constantID = 0, .offset = 0, .size = sizeof(value)};
  const VkSpecializationInfo constants{
      .mapEntryCount = 1, .pMapEntries = &entry, .dataSize = sizeof(value), .pData = &value};
  const VkComputePipelineCreateInfo info{
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module_,
                .pName = "main",
                .pSpecializationInfo = words.specialization ? &constants : nullptr},
      .layout = layout_};
  return check(f.CreateComputePipelines(gpu_.vk(), VK_NULL_HANDLE, 1, &info, nullptr, &pipeline_),
               "vkCreateComputePipelines");
}

Result<VkDescriptorSet> ComputeShader::describe(std::span<const GpuBytes> buffers) {
  const auto limit = gpu_.limits().maxStorageBufferRange;
  for (const auto& one : buffers) {
    if (one.size > limit) {
      return Error(Errc::Unsupported, "vkUpdateDescriptorSets",
                   fmt::format("the picture takes {} bytes; {} reads at most {} bytes of a buffer", one.size,
                               gpu_.device().name(), limit));
    }
  }
  const VkDescriptorSetAllocateInfo info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                         .descriptorPool = sets_,
                                         .descriptorSetCount = 1,
                                         .pSetLayouts = &set_layout_};
  VkDescriptorSet set = VK_NULL_HANDLE;
  if (auto status =
          check(gpu_.f().AllocateDescriptorSets(gpu_.vk(), &info, &set), "vkAllocateDescriptorSets");
      !status) {
    return std::move(status.error());
  }
  for (std::uint32_t i = 0; i < buffers.size(); ++i) {
    const VkDescriptorBufferInfo buffer{.buffer = buffers[i].buffer, .range = VK_WHOLE_SIZE};
    const VkWriteDescriptorSet write{.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                     .dstSet = set,
                                     .dstBinding = i,
                                     .descriptorCount = 1,
                                     .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                     .pBufferInfo = &buffer};
    gpu_.f().UpdateDescriptorSets(gpu_.vk(), 1, &write, 0, nullptr);
  }
  return set;
}

Result<Recording> ComputeShader::record(std::span<const GpuBytes> buffers,
                                        std::span<const std::byte> constants, std::uint32_t width,
                                        std::uint32_t height) {
  auto set = describe(buffers);
  if (!set) {
    return std::move(set.error());
  }
  // Whom the memory belongs to, and who waits for whom, is the access' business around the submission.
  const auto& f = gpu_.f();
  return gpu_.record([&](VkCommandBuffer commands) {
    f.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_);
    f.CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout_, 0, 1, &*set, 0, nullptr);
    f.CmdPushConstants(commands, layout_, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                       static_cast<std::uint32_t>(constants.size()), constants.data());
    f.CmdDispatch(commands, (width + kGroupWidth - 1) / kGroupWidth,
                  (height + kGroupHeight - 1) / kGroupHeight, 1);
  });
}

}  // namespace camera_to_gpu
