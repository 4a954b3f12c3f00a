// SPDX-License-Identifier: Apache-2.0
#include "converter.hpp"

#include <fmt/format.h>

namespace camera_to_gpu {
namespace {

using causeway::Errc;
using causeway::Error;
using causeway::Result;
using causeway::Status;

constexpr std::uint32_t kSpirv[] = {
#include "to_rgba.comp.inc"
};

constexpr std::uint32_t kGroupWidth = 16;
constexpr std::uint32_t kGroupHeight = 4;
// Sobel's operator gives four times the step in brightness across an edge: this marks steps above 15.
constexpr std::int32_t kEdgeThreshold = 60;

// As in the shader.
struct PushConstants {
  std::uint32_t width, height;
  std::uint32_t offset0, stride0, offset1, stride1;  // bytes
  std::uint32_t picture_offset, picture_stride;      // words
  std::uint32_t red, green, blue;                    // the byte of a pixel
  std::int32_t edge_threshold;
};

}  // namespace

Result<GpuPicture> gpu_picture(const causeway::FrameRef& frame, const causeway::Device& device) {
  const auto found = causeway::vulkan::view(frame.on(device));
  if (!found) {
    return found.error();
  }
  const auto& view = *found;
  GpuPicture picture{.layout = frame.frame().layout()};
  if (view->object_count > picture.objects.size()) {
    return Error(Errc::Unsupported, "gpu_picture",
                 fmt::format("the frame has {} memory objects; the shader takes 1 or 2", view->object_count));
  }
  for (std::uint32_t i = 0; i < view->object_count; ++i) {
    picture.objects.at(i) = {view->buffers[i], view->sizes[i]};
  }
  return picture;
}

Result<std::unique_ptr<Converter>> Converter::create(Gpu& gpu, const PictureFormat& format) {
  std::unique_ptr<Converter> made(new Converter(gpu, format));
  if (auto status = made->prepare_layout(); !status) {
    return std::move(status.error());
  }
  if (auto status = made->prepare_pipeline(); !status) {
    return std::move(status.error());
  }
  return made;
}

Converter::~Converter() {
  const auto& f = gpu_.f();
  f.DeviceWaitIdle(gpu_.vk());
  f.DestroyDescriptorPool(gpu_.vk(), sets_, nullptr);
  f.DestroyPipeline(gpu_.vk(), pipeline_, nullptr);
  f.DestroyShaderModule(gpu_.vk(), module_, nullptr);
  f.DestroyPipelineLayout(gpu_.vk(), layout_, nullptr);
  f.DestroyDescriptorSetLayout(gpu_.vk(), set_layout_, nullptr);
}

Status Converter::prepare_layout() {
  const auto& f = gpu_.f();
  std::array<VkDescriptorSetLayoutBinding, 3> bindings{};
  for (std::uint32_t i = 0; i < bindings.size(); ++i) {
    bindings.at(i) = {.binding = i,
                      .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                      .descriptorCount = 1,
                      .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
  }
  const VkDescriptorSetLayoutCreateInfo set_info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                                 .bindingCount = bindings.size(),
                                                 .pBindings = bindings.data()};
  if (auto status = check(f.CreateDescriptorSetLayout(gpu_.vk(), &set_info, nullptr, &set_layout_),
                          "vkCreateDescriptorSetLayout");
      !status) {
    return status;
  }
  const VkPushConstantRange range{.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = sizeof(PushConstants)};
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
                                  .descriptorCount = Gpu::kMaxRecordings * 3};
  const VkDescriptorPoolCreateInfo pool_info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = Gpu::kMaxRecordings,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &size};
  return check(f.CreateDescriptorPool(gpu_.vk(), &pool_info, nullptr, &sets_), "vkCreateDescriptorPool");
}

Status Converter::prepare_pipeline() {
  const auto& f = gpu_.f();
  const VkShaderModuleCreateInfo module_info{
      .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof(kSpirv), .pCode = kSpirv};
  if (auto status =
          check(f.CreateShaderModule(gpu_.vk(), &module_info, nullptr, &module_), "vkCreateShaderModule");
      !status) {
    return status;
  }
  // Known when the pipeline is made, the format costs no branch in the shader.
  const VkSpecializationMapEntry entry{.constantID = 0, .offset = 0, .size = sizeof(Kind)};
  const VkSpecializationInfo constants{
      .mapEntryCount = 1, .pMapEntries = &entry, .dataSize = sizeof(Kind), .pData = &format_.kind};
  const VkComputePipelineCreateInfo info{
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module_,
                .pName = "main",
                .pSpecializationInfo = &constants},
      .layout = layout_};
  return check(f.CreateComputePipelines(gpu_.vk(), VK_NULL_HANDLE, 1, &info, nullptr, &pipeline_),
               "vkCreateComputePipelines");
}

Result<VkDescriptorSet> Converter::describe(const std::array<GpuBytes, 3>& bytes) {
  const auto limit = gpu_.limits().maxStorageBufferRange;
  for (const auto& one : bytes) {
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
  std::array<VkDescriptorBufferInfo, 3> buffers{};
  std::array<VkWriteDescriptorSet, 3> writes{};
  for (std::uint32_t i = 0; i < writes.size(); ++i) {
    buffers.at(i) = {.buffer = bytes.at(i).buffer, .range = VK_WHOLE_SIZE};
    writes.at(i) = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                    .dstSet = set,
                    .dstBinding = i,
                    .descriptorCount = 1,
                    .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                    .pBufferInfo = &buffers.at(i)};
  }
  gpu_.f().UpdateDescriptorSets(gpu_.vk(), writes.size(), writes.data(), 0, nullptr);
  return set;
}

Result<Recording> Converter::record(const GpuPicture& from, const GpuPicture& to) {
  const auto& first = from.layout.planes.front();
  const auto& last = from.layout.planes.back();  // the chroma of NV12; of packed formats the only plane
  const auto& rgba = to.layout.planes.front();
  const std::array<GpuBytes, 3> bytes{from.objects.at(first.object), from.objects.at(last.object),
                                      to.objects.at(rgba.object)};
  auto set = describe(bytes);
  if (!set) {
    return std::move(set.error());
  }
  const PushConstants constants{.width = from.layout.width,
                                .height = from.layout.height,
                                .offset0 = static_cast<std::uint32_t>(first.offset),
                                .stride0 = first.stride,
                                .offset1 = static_cast<std::uint32_t>(last.offset),
                                .stride1 = last.stride,
                                .picture_offset = static_cast<std::uint32_t>(rgba.offset / 4),
                                .picture_stride = rgba.stride / 4,
                                .red = format_.rgb[0],
                                .green = format_.rgb[1],
                                .blue = format_.rgb[2],
                                .edge_threshold = kEdgeThreshold};
  // Whom the memory belongs to, and who waits for whom, is the access' business around the submission.
  const auto& f = gpu_.f();
  return gpu_.record([&](VkCommandBuffer commands) {
    f.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_);
    f.CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout_, 0, 1, &*set, 0, nullptr);
    f.CmdPushConstants(commands, layout_, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(constants), &constants);
    f.CmdDispatch(commands, (constants.width + kGroupWidth - 1) / kGroupWidth,
                  (constants.height + kGroupHeight - 1) / kGroupHeight, 1);
  });
}

}  // namespace camera_to_gpu
