// SPDX-License-Identifier: Apache-2.0
#include "support/vulkan_sampler.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <utility>

namespace causeway::test {
namespace {

constexpr std::uint32_t kShader[] = {
#include "vulkan_sample.comp.inc"
};

/// One use of the device: what it makes is destroyed with it, last one first.
class Work {
public:
  explicit Work(const cw_vulkan_handles_v1& handles) : handles_(handles) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  ~Work() {
    get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(handles_.device);
    while (!undo_.empty()) {
      undo_.back()();
      undo_.pop_back();
    }
  }

  template <class Function>
  Function get(const char* name) const {
    return reinterpret_cast<Function>(handles_.get_instance_proc_addr(handles_.instance, name));
  }
  [[nodiscard]] VkDevice device() const { return handles_.device; }
  [[nodiscard]] const cw_vulkan_handles_v1& handles() const { return handles_; }
  [[nodiscard]] bool sound() const { return sound_; }

  template <class Info, class Handle>
  Handle make(const char* create, const char* destroy, const Info& info, Handle /*kind*/) {
    using Create = VkResult(VKAPI_PTR*)(VkDevice, const Info*, const VkAllocationCallbacks*, Handle*);
    using Destroy = void(VKAPI_PTR*)(VkDevice, Handle, const VkAllocationCallbacks*);
    Handle made = VK_NULL_HANDLE;
    note(get<Create>(create)(device(), &info, nullptr, &made), create);
    undo_.push_back([this, destroy, made] { get<Destroy>(destroy)(device(), made, nullptr); });
    return made;
  }
  void after(std::function<void()> undo) { undo_.push_back(std::move(undo)); }
  void note(VkResult result, const char* what) {
    EXPECT_EQ(result, VK_SUCCESS) << what;
    sound_ = sound_ && result == VK_SUCCESS;
  }

private:
  cw_vulkan_handles_v1 handles_;
  std::vector<std::function<void()>> undo_;
  bool sound_ = true;
};

struct Target {
  VkBuffer buffer;
  const float* floats;
};

Target make_target(Work& work, VkDeviceSize size) {
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = size;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
  const VkBuffer buffer = work.make("vkCreateBuffer", "vkDestroyBuffer", info, VkBuffer{});
  VkMemoryRequirements needs{};
  work.get<PFN_vkGetBufferMemoryRequirements>("vkGetBufferMemoryRequirements")(work.device(), buffer, &needs);
  // lavapipe's one type of memory is visible to the CPU.
  const VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, nullptr, needs.size, 0};
  const VkDeviceMemory memory = work.make("vkAllocateMemory", "vkFreeMemory", allocate, VkDeviceMemory{});
  work.note(work.get<PFN_vkBindBufferMemory>("vkBindBufferMemory")(work.device(), buffer, memory, 0), "bind");
  void* address = nullptr;
  work.note(work.get<PFN_vkMapMemory>("vkMapMemory")(work.device(), memory, 0, VK_WHOLE_SIZE, 0, &address),
            "vkMapMemory");
  return {buffer, static_cast<const float*>(address)};
}

VkSampler make_sampler(Work& work, const Sampled& what, const void* next) {
  VkSamplerCreateInfo info{VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO};
  info.pNext = next;
  info.minFilter = info.magFilter =
      what.conversion != nullptr ? what.conversion->info.chromaFilter : VK_FILTER_NEAREST;
  info.addressModeU = info.addressModeV = info.addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
  return work.make("vkCreateSampler", "vkDestroySampler", info, VkSampler{});
}

VkImageView make_view(Work& work, const Sampled& what, const void* next) {
  VkImageViewCreateInfo info{VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO};
  info.pNext = next;
  info.image = what.image;
  info.viewType = VK_IMAGE_VIEW_TYPE_2D;
  info.format = what.format;
  info.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  return work.make("vkCreateImageView", "vkDestroyImageView", info, VkImageView{});
}

struct Program {
  VkPipeline pipeline;
  VkPipelineLayout layout;
  VkDescriptorSet set;
};

Program make_program(Work& work, const Sampled& what, VkSampler sampler, VkImageView view, VkBuffer target) {
  const std::array<VkDescriptorSetLayoutBinding, 2> bindings{{
      {0, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1, VK_SHADER_STAGE_COMPUTE_BIT, &sampler},
      {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr},
  }};
  const VkDescriptorSetLayoutCreateInfo set_info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, nullptr,
                                                 0, 2, bindings.data()};
  const auto set_layout = work.make("vkCreateDescriptorSetLayout", "vkDestroyDescriptorSetLayout", set_info,
                                    VkDescriptorSetLayout{});
  const VkPushConstantRange size{VK_SHADER_STAGE_COMPUTE_BIT, 0, 8};
  const VkPipelineLayoutCreateInfo layout_info{
      VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, nullptr, 0, 1, &set_layout, 1, &size};
  const auto layout =
      work.make("vkCreatePipelineLayout", "vkDestroyPipelineLayout", layout_info, VkPipelineLayout{});
  const VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, nullptr, 0,
                                             sizeof(kShader), &kShader[0]};
  const auto shader =
      work.make("vkCreateShaderModule", "vkDestroyShaderModule", module_info, VkShaderModule{});
  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                nullptr,
                0,
                VK_SHADER_STAGE_COMPUTE_BIT,
                shader,
                "main",
                nullptr};
  info.layout = layout;
  // Of pipelines several are made by one command, so it is none for make().
  VkPipeline pipeline = VK_NULL_HANDLE;
  work.note(work.get<PFN_vkCreateComputePipelines>("vkCreateComputePipelines")(work.device(), VK_NULL_HANDLE,
                                                                               1, &info, nullptr, &pipeline),
            "vkCreateComputePipelines");
  work.after([&work, pipeline] {
    work.get<PFN_vkDestroyPipeline>("vkDestroyPipeline")(work.device(), pipeline, nullptr);
  });
  const std::array<VkDescriptorPoolSize, 2> sizes{{
      {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
       what.conversion != nullptr ? what.conversion->descriptor_count : 1},
      {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1},
  }};
  const VkDescriptorPoolCreateInfo pool_info{
      VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, nullptr, 0, 1, 2, sizes.data()};
  const auto pool =
      work.make("vkCreateDescriptorPool", "vkDestroyDescriptorPool", pool_info, VkDescriptorPool{});
  const VkDescriptorSetAllocateInfo allocate{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, nullptr, pool, 1,
                                             &set_layout};
  VkDescriptorSet set = VK_NULL_HANDLE;
  work.note(
      work.get<PFN_vkAllocateDescriptorSets>("vkAllocateDescriptorSets")(work.device(), &allocate, &set),
      "vkAllocateDescriptorSets");
  const VkDescriptorImageInfo image{VK_NULL_HANDLE, view, VK_IMAGE_LAYOUT_GENERAL};
  const VkDescriptorBufferInfo buffer{target, 0, VK_WHOLE_SIZE};
  std::array<VkWriteDescriptorSet, 2> writes{};
  for (std::uint32_t binding = 0; binding < 2; ++binding) {
    auto& write = writes.at(binding);
    write = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    write.dstSet = set;
    write.dstBinding = binding;
    write.descriptorCount = 1;
    write.descriptorType = bindings.at(binding).descriptorType;
  }
  writes[0].pImageInfo = &image;
  writes[1].pBufferInfo = &buffer;
  work.get<PFN_vkUpdateDescriptorSets>("vkUpdateDescriptorSets")(work.device(), 2, writes.data(), 0, nullptr);
  return {pipeline, layout, set};
}

void run(Work& work, const Sampled& what, std::uint32_t acquire_from, const Program& program) {
  const auto& handles = work.handles();
  const VkCommandPoolCreateInfo pool_info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, nullptr, 0,
                                          handles.queue_family};
  const auto pool = work.make("vkCreateCommandPool", "vkDestroyCommandPool", pool_info, VkCommandPool{});
  const VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, pool,
                                             VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
  VkCommandBuffer commands = VK_NULL_HANDLE;
  work.note(
      work.get<PFN_vkAllocateCommandBuffers>("vkAllocateCommandBuffers")(work.device(), &allocate, &commands),
      "vkAllocateCommandBuffers");
  const VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  work.get<PFN_vkBeginCommandBuffer>("vkBeginCommandBuffer")(commands, &begin);
  VkImageMemoryBarrier barrier{VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER};
  barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT;
  barrier.oldLayout = VK_IMAGE_LAYOUT_GENERAL;
  barrier.newLayout = VK_IMAGE_LAYOUT_GENERAL;
  barrier.srcQueueFamilyIndex = acquire_from;
  const bool transfers = acquire_from != VK_QUEUE_FAMILY_IGNORED;
  barrier.dstQueueFamilyIndex = transfers ? handles.queue_family : VK_QUEUE_FAMILY_IGNORED;
  barrier.image = what.image;
  barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  const auto wait = work.get<PFN_vkCmdPipelineBarrier>("vkCmdPipelineBarrier");
  wait(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 0, nullptr, 0,
       nullptr, 1, &barrier);
  work.get<PFN_vkCmdBindPipeline>("vkCmdBindPipeline")(commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                                                       program.pipeline);
  work.get<PFN_vkCmdBindDescriptorSets>("vkCmdBindDescriptorSets")(
      commands, VK_PIPELINE_BIND_POINT_COMPUTE, program.layout, 0, 1, &program.set, 0, nullptr);
  const std::array<std::uint32_t, 2> size{what.width, what.height};
  work.get<PFN_vkCmdPushConstants>("vkCmdPushConstants")(
      commands, program.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(size), size.data());
  work.get<PFN_vkCmdDispatch>("vkCmdDispatch")(commands, (what.width + 7) / 8, (what.height + 7) / 8, 1);
  std::swap(barrier.srcQueueFamilyIndex, barrier.dstQueueFamilyIndex);
  barrier.srcAccessMask = std::exchange(barrier.dstAccessMask, 0U);
  const VkMemoryBarrier to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, VK_ACCESS_SHADER_WRITE_BIT,
                                VK_ACCESS_HOST_READ_BIT};
  wait(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
       VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0, 1, &to_host, 0, nullptr, 1,
       &barrier);
  work.note(work.get<PFN_vkEndCommandBuffer>("vkEndCommandBuffer")(commands), "vkEndCommandBuffer");
  VkSubmitInfo submit{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  submit.commandBufferCount = 1;
  submit.pCommandBuffers = &commands;
  work.note(work.get<PFN_vkQueueSubmit>("vkQueueSubmit")(handles.queue, 1, &submit, VK_NULL_HANDLE),
            "submit");
  work.note(work.get<PFN_vkQueueWaitIdle>("vkQueueWaitIdle")(handles.queue), "vkQueueWaitIdle");
}

}  // namespace

std::vector<Texel> sample(const cw_vulkan_handles_v1& device, const Sampled& what,
                          std::uint32_t acquire_from) {
  std::vector<Texel> seen(std::size_t{what.width} * what.height);
  Work work(device);
  const VkSamplerYcbcrConversionInfo through{
      VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_INFO, nullptr,
      what.conversion != nullptr ? what.conversion->conversion : VkSamplerYcbcrConversion{}};
  const void* next = what.conversion != nullptr ? &through : nullptr;
  const Target target = make_target(work, seen.size() * sizeof(Texel));
  const VkSampler sampler = make_sampler(work, what, next);
  const VkImageView view = make_view(work, what, next);
  const Program program = make_program(work, what, sampler, view, target.buffer);
  if (work.sound()) {
    run(work, what, acquire_from, program);
  }
  if (!work.sound()) {
    return {};
  }
  std::memcpy(seen.data(), target.floats, seen.size() * sizeof(Texel));
  return seen;
}

Sampled whole(const cw_vulkan_view_v1& view, const cw_vulkan_conversion_v1* conversion) {
  return {view.image, view.format, view.width, view.height, conversion};
}

Sampled plane(const cw_vulkan_view_v1& view, std::uint32_t p) {
  return {view.plane_images[p], view.plane_formats[p], view.plane_widths[p], view.plane_heights[p], nullptr};
}

}  // namespace causeway::test
