// SPDX-License-Identifier: Apache-2.0
#include "overlay.hpp"

namespace camera_fpga_gpu {
namespace {

using camera_to_gpu::check;
using causeway::FrameRef;
using causeway::Result;
using causeway::Status;

constexpr std::uint32_t kSpirv[] = {
#include "overlay.comp.inc"
};

constexpr std::uint32_t kGroupWidth = 16;
constexpr std::uint32_t kGroupHeight = 4;
// Sobel's operator gives four times the step in brightness across an edge: this marks steps above 15.
constexpr std::uint32_t kThreshold = 60;

// As in the shader.
struct Constants {
  std::uint32_t width, height;
  std::uint32_t luma_offset, luma_stride, chroma_offset, chroma_stride;  // bytes
  std::uint32_t edges_offset, edges_stride;                              // bytes
  std::uint32_t picture_offset, picture_stride;                          // words
  std::uint32_t threshold;
};

/// A plane of a frame: the buffer that it lies in, and where.
struct Bytes {
  VkBuffer buffer;
  std::uint32_t offset;
  std::uint32_t stride;
};

Result<Bytes> plane_of(const FrameRef& frame, const causeway::Device& gpu, std::size_t plane) {
  const auto view = causeway::vulkan::view(frame.on(gpu));
  if (!view) {
    return view.error();
  }
  const auto& layout = frame.frame().layout().planes[plane];
  return Bytes{.buffer = (*view)->buffers[layout.object],
               .offset = static_cast<std::uint32_t>(layout.offset),
               .stride = layout.stride};
}

}  // namespace

Result<std::unique_ptr<Overlay>> Overlay::create(camera_to_gpu::Gpu& gpu, std::uint32_t pictures) {
  std::unique_ptr<Overlay> made(new Overlay(gpu));
  if (auto status = made->prepare_layout(pictures); !status) {
    return std::move(status.error());
  }
  if (auto status = made->prepare_pipeline(); !status) {
    return std::move(status.error());
  }
  return made;
}

Overlay::~Overlay() {
  const auto& f = gpu_.f();
  f.DeviceWaitIdle(gpu_.vk());
  f.DestroyDescriptorPool(gpu_.vk(), sets_, nullptr);
  f.DestroyPipeline(gpu_.vk(), pipeline_, nullptr);
  f.DestroyShaderModule(gpu_.vk(), module_, nullptr);
  f.DestroyPipelineLayout(gpu_.vk(), layout_, nullptr);
  f.DestroyDescriptorSetLayout(gpu_.vk(), set_layout_, nullptr);
}

Status Overlay::prepare_layout(std::uint32_t pictures) {
  const auto& f = gpu_.f();
  std::array<VkDescriptorSetLayoutBinding, kBindings> bindings{};
  for (std::uint32_t i = 0; i < kBindings; ++i) {
    bindings.at(i) = {.binding = i,
                      .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                      .descriptorCount = 1,
                      .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
  }
  const VkDescriptorSetLayoutCreateInfo set_info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                                 .bindingCount = kBindings,
                                                 .pBindings = bindings.data()};
  if (auto status = check(f.CreateDescriptorSetLayout(gpu_.vk(), &set_info, nullptr, &set_layout_),
                          "vkCreateDescriptorSetLayout");
      !status) {
    return status;
  }
  const VkPushConstantRange range{.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = sizeof(Constants)};
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
                                  .descriptorCount = pictures * kBindings};
  const VkDescriptorPoolCreateInfo pool_info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = pictures,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &size};
  return check(f.CreateDescriptorPool(gpu_.vk(), &pool_info, nullptr, &sets_), "vkCreateDescriptorPool");
}

Status Overlay::prepare_pipeline() {
  const auto& f = gpu_.f();
  const VkShaderModuleCreateInfo module_info{
      .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof(kSpirv), .pCode = kSpirv};
  if (auto status =
          check(f.CreateShaderModule(gpu_.vk(), &module_info, nullptr, &module_), "vkCreateShaderModule");
      !status) {
    return status;
  }
  const VkComputePipelineCreateInfo info{
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module_,
                .pName = "main"},
      .layout = layout_};
  return check(f.CreateComputePipelines(gpu_.vk(), VK_NULL_HANDLE, 1, &info, nullptr, &pipeline_),
               "vkCreateComputePipelines");
}

Result<camera_to_gpu::Recording> Overlay::record(const FrameRef& frame, const FrameRef& edges,
                                                 const FrameRef& picture) {
  const auto& f = gpu_.f();
  std::array<Bytes, kBindings> bytes{};
  const std::array<std::pair<const FrameRef*, std::size_t>, kBindings> planes{
      {{&frame, 0}, {&frame, 1}, {&edges, 0}, {&picture, 0}}};
  for (std::size_t i = 0; i < kBindings; ++i) {
    const auto plane = plane_of(*planes.at(i).first, gpu_.device(), planes.at(i).second);
    if (!plane) {
      return plane.error();
    }
    bytes.at(i) = *plane;
  }
  const VkDescriptorSetAllocateInfo info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                         .descriptorPool = sets_,
                                         .descriptorSetCount = 1,
                                         .pSetLayouts = &set_layout_};
  VkDescriptorSet set = VK_NULL_HANDLE;
  if (auto status = check(f.AllocateDescriptorSets(gpu_.vk(), &info, &set), "vkAllocateDescriptorSets");
      !status) {
    return std::move(status.error());
  }
  for (std::uint32_t i = 0; i < kBindings; ++i) {
    const VkDescriptorBufferInfo buffer{.buffer = bytes.at(i).buffer, .range = VK_WHOLE_SIZE};
    const VkWriteDescriptorSet write{.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                     .dstSet = set,
                                     .dstBinding = i,
                                     .descriptorCount = 1,
                                     .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                     .pBufferInfo = &buffer};
    f.UpdateDescriptorSets(gpu_.vk(), 1, &write, 0, nullptr);
  }
  const auto& layout = frame.frame().layout();
  const Constants constants{.width = layout.width,
                            .height = layout.height,
                            .luma_offset = bytes[0].offset,
                            .luma_stride = bytes[0].stride,
                            .chroma_offset = bytes[1].offset,
                            .chroma_stride = bytes[1].stride,
                            .edges_offset = bytes[2].offset,
                            .edges_stride = bytes[2].stride,
                            .picture_offset = bytes[3].offset / 4,
                            .picture_stride = bytes[3].stride / 4,
                            .threshold = kThreshold};
  // Whom the memory belongs to, and who waits for whom, is the access' business around the submission.
  return gpu_.record([&](VkCommandBuffer commands) {
    f.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_);
    f.CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout_, 0, 1, &set, 0, nullptr);
    f.CmdPushConstants(commands, layout_, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(constants), &constants);
    f.CmdDispatch(commands, (constants.width + kGroupWidth - 1) / kGroupWidth,
                  (constants.height + kGroupHeight - 1) / kGroupHeight, 1);
  });
}

}  // namespace camera_fpga_gpu
