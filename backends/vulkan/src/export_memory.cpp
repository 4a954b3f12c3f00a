// SPDX-License-Identifier: Apache-2.0
#include "export_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <causeway/format.hpp>
#include <causeway/plugin/descriptor.hpp>
#include <cerrno>
#include <limits>
#include <span>
#include <vector>

#include "export_layout.hpp"
#include "image_support.hpp"
#include "import_buffer.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr auto kHandle = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;

constexpr std::array<VkImageAspectFlagBits, CW_MAX_PLANES> kMemoryPlanes = {
    VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_1_BIT_EXT,
    VK_IMAGE_ASPECT_MEMORY_PLANE_2_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_3_BIT_EXT};

constexpr VkExternalMemoryHandleTypeFlags handle_types(bool opaque) noexcept {
  return kHandle |
         (opaque ? VkExternalMemoryHandleTypeFlags{VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT} : 0U);
}

/// Why nothing can be exported, where that is so (section 11.2.6, VkExternalMemoryFeatureFlagBits).
Status check_exports(const Context& context) {
  if (!context.extensions.dma_buf()) {
    return Error(Errc::Unsupported, "allocate",
                 fmt::format("{} exports no memory: VK_KHR_external_memory_fd and "
                             "VK_EXT_external_memory_dma_buf are not both enabled",
                             context.name()));
  }
  const VkPhysicalDeviceExternalBufferInfo question{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
                                                    nullptr, 0, kBufferUsage, kHandle};
  VkExternalBufferProperties answer{VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES, nullptr, {}};
  context.instance_api.GetPhysicalDeviceExternalBufferProperties(context.physical.handle, &question, &answer);
  if ((answer.externalMemoryProperties.externalMemoryFeatures & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT) ==
      0) {
    return Error(
        Errc::Unsupported, "vkGetPhysicalDeviceExternalBufferProperties",
        fmt::format("{} imports dma-bufs, but exports none{}; allocate from an exporter, and attach "
                    "that to the device",
                    context.name(), context.physical.on_cpu() ? ": on a CPU, that takes /dev/udmabuf" : ""));
  }
  return {};
}

/// Whether such a buffer's memory may leave as OPAQUE_FD, too, and not for one buffer alone
/// (VkExternalMemoryProperties::compatibleHandleTypes).
bool exports_opaque(const Context& context) {
  VkPhysicalDeviceExternalBufferInfo question{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO, nullptr,
                                              0, kBufferUsage, kHandle};
  VkExternalBufferProperties answer{VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES, nullptr, {}};
  constexpr VkExternalMemoryHandleTypeFlags kBoth = kHandle | VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
  for (const auto handle : {kHandle, VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT}) {
    question.handleType = handle;
    context.instance_api.GetPhysicalDeviceExternalBufferProperties(context.physical.handle, &question,
                                                                   &answer);
    const auto& properties = answer.externalMemoryProperties;
    if ((properties.externalMemoryFeatures & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT) == 0 ||
        (properties.externalMemoryFeatures & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0 ||
        (properties.compatibleHandleTypes & kBoth) != kBoth) {
      return false;
    }
  }
  return true;
}

/// The memory types to try, best first: what the CPU reaches through its cache, what it reaches, any.
std::vector<std::uint32_t> candidates(const PhysicalDevice& physical, std::uint32_t bits) {
  std::vector<std::uint32_t> types;
  for (const VkMemoryPropertyFlags wanted :
       {VkMemoryPropertyFlags{VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT},
        VkMemoryPropertyFlags{VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT}, VkMemoryPropertyFlags{0}}) {
    std::uint32_t suited = 0;
    for (std::uint32_t type = 0; type < physical.memory.memoryTypeCount; ++type) {
      const bool has = (physical.memory.memoryTypes[type].propertyFlags & wanted) == wanted;
      suited |= has ? bits & (1U << type) : 0U;
    }
    const int type = physical.pick_memory_type(suited);
    if (type >= 0 && std::find(types.begin(), types.end(), static_cast<std::uint32_t>(type)) == types.end()) {
      types.push_back(static_cast<std::uint32_t>(type));
    }
  }
  return types;
}

/// The modifiers that the caller accepts, best first.
std::span<const std::uint64_t> accepted(const cw_allocate_info& info) {
  return info.modifier_count != 0 ? std::span(info.modifiers, info.modifier_count)
                                  : std::span(&info.image.modifier, 1);
}

bool accepts_linear(const cw_allocate_info& info) {
  const auto modifiers = accepted(info);
  return info.image.format == 0 || std::find(modifiers.begin(), modifiers.end(), 0U) != modifiers.end();
}

/// Those of the accepted modifiers with which the driver exports such an image, in the caller's order.
std::vector<VkDrmFormatModifierPropertiesEXT> common_modifiers(const Context& context, const ImageWish& wish,
                                                               const cw_allocate_info& info) {
  std::vector<VkDrmFormatModifierPropertiesEXT> common;
  if (context.api.GetImageDrmFormatModifierPropertiesEXT == nullptr) {
    return common;  // where the planes lie could not be asked
  }
  const auto offered = exportable_modifiers(context, wish);
  for (const std::uint64_t modifier : accepted(info)) {
    const auto found = std::find_if(offered.begin(), offered.end(), [modifier](const auto& one) {
      return one.drmFormatModifier == modifier;
    });
    if (found != offered.end()) {
      common.push_back(*found);
    }
  }
  return common;
}

/// Hands the memory out: its descriptor, and how large it turned out to be.
Status hand_out(const Context& context, const ExportedMemory& memory, std::uint64_t needed,
                cw_allocation& out) {
  auto fd = memory.descriptor();
  if (!fd) {
    return std::move(fd.error());
  }
  const auto& calls = context.host.syscalls();
  const std::int64_t size = calls.lseek(calls.context, fd->get(), 0, SEEK_END);
  if (size < 0) {
    const int why = errno;
    return Error(errc_from_errno(why), "lseek", "the size of the exported dma-buf cannot be found out", why);
  }
  if (static_cast<std::uint64_t>(size) < needed) {
    return Error(Errc::Io, "vkGetMemoryFdKHR",
                 fmt::format("{} exported {} bytes, and {} are needed", context.name(), size, needed));
  }
  out.object_count = 1;
  out.fds[0] = fd->release();
  out.sizes[0] = static_cast<std::uint64_t>(size);
  return {};
}

Status export_bytes(const Context& context, const ExportLayout& layout, ExportedMemory& memory,
                    cw_allocation& out) {
  if (context.physical.max_allocation != 0 && layout.size > context.physical.max_allocation) {
    return Error(Errc::OutOfMemory, "allocate",
                 fmt::format("{} bytes were asked for, and {} allocates at most {} at once", layout.size,
                             context.name(), context.physical.max_allocation));
  }
  if (auto status = memory.make_buffer(layout.size); !status) {
    return status;
  }
  if (auto status = memory.back(); !status) {
    return status;
  }
  out.modifier = 0;
  out.plane_count = layout.plane_count;
  std::copy(layout.planes.begin(), layout.planes.end(), &out.planes[0]);
  if (auto status = hand_out(context, memory, layout.size, out); !status) {
    return status;
  }
  struct stat status {};
  const auto& calls = context.host.syscalls();
  if (calls.fstat(calls.context, out.fds[0], &status) == 0) {
    memory.make_known({status.st_dev, status.st_ino});
  }
  return {};
}

/// Which of the modifiers the driver chose, and where it put the planes.
Result<std::uint64_t> read_layout(const Context& context, VkImage image, const cw_image_desc& desc,
                                  std::span<const VkDrmFormatModifierPropertiesEXT> offered,
                                  cw_allocation& out) {
  VkImageDrmFormatModifierPropertiesEXT chosen{VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_PROPERTIES_EXT,
                                               nullptr, 0};
  if (const VkResult result =
          context.api.GetImageDrmFormatModifierPropertiesEXT(context.device, image, &chosen);
      result != VK_SUCCESS) {
    return vk_error("vkGetImageDrmFormatModifierPropertiesEXT", result, "asking for the chosen modifier");
  }
  const auto row = std::find_if(offered.begin(), offered.end(), [&](const auto& one) {
    return one.drmFormatModifier == chosen.drmFormatModifier;
  });
  if (row == offered.end()) {
    return Error(Errc::Io, "vkGetImageDrmFormatModifierPropertiesEXT",
                 fmt::format("{} chose modifier {}, which was not in the list", context.name(),
                             Modifier{chosen.drmFormatModifier}.to_string()));
  }
  out.modifier = chosen.drmFormatModifier;
  out.plane_count = row->drmFormatModifierPlaneCount;
  const auto format = info_of(Format{desc.format});
  std::uint64_t end = 0;
  for (std::uint32_t p = 0; p < out.plane_count; ++p) {
    const VkImageSubresource plane{static_cast<VkImageAspectFlags>(kMemoryPlanes.at(p)), 0, 0};
    VkSubresourceLayout layout{};
    context.api.GetImageSubresourceLayout(context.device, image, &plane, &layout);
    if (layout.rowPitch > std::numeric_limits<std::uint32_t>::max()) {
      return Error(Errc::Unsupported, "vkGetImageSubresourceLayout",
                   fmt::format("plane {} has a stride of {} bytes, which is more than a frame can have", p,
                               layout.rowPitch));
    }
    out.planes[p] = {0, static_cast<std::uint32_t>(layout.rowPitch), layout.offset};
    // Tiled planes are longer than their rows say; those the driver measures itself.
    const bool linear = out.modifier == 0 && format && p < format->plane_count;
    end = std::max(end, layout.offset + (linear ? layout.rowPitch * format->rows(p, desc.height) : 0U));
  }
  return end;
}

Status export_image(const Context& context, const cw_allocate_info& info, const ImageWish& wish,
                    std::span<const VkDrmFormatModifierPropertiesEXT> offered, ExportedMemory& memory,
                    cw_allocation& out) {
  std::vector<std::uint64_t> modifiers;
  for (const auto& one : offered) {
    modifiers.push_back(one.drmFormatModifier);
  }
  const VkImageDrmFormatModifierListCreateInfoEXT list{
      VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT, nullptr,
      static_cast<std::uint32_t>(modifiers.size()), modifiers.data()};
  const VkExternalMemoryImageCreateInfo external{VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO, &list,
                                                 kHandle};
  VkImageCreateInfo create{VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO};
  create.pNext = &external;
  create.imageType = VK_IMAGE_TYPE_2D;
  create.format = wish.format;
  create.extent = wish.extent;
  create.mipLevels = 1;
  create.arrayLayers = 1;
  create.samples = VK_SAMPLE_COUNT_1_BIT;
  create.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
  create.usage = wish.usage;
  create.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  create.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;
  if (auto status = memory.make_image(create); !status) {
    return status;
  }
  auto end = read_layout(context, memory.image(), info.image, offered, out);
  if (!end) {
    return std::move(end.error());
  }
  if (auto status = memory.back(); !status) {
    return status;
  }
  return hand_out(context, memory, *end, out);
}

}  // namespace

Status ExportedMemory::make_buffer(VkDeviceSize size) {
  opaque_ = exports_opaque(context_);
  const VkExternalMemoryBufferCreateInfo external{VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
                                                  nullptr, handle_types(opaque_)};
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.pNext = &external;
  info.size = size;
  info.usage = kBufferUsage;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  const VkResult result = context_.api.CreateBuffer(context_.device, &info, nullptr, &buffer_);
  if (result != VK_SUCCESS) {
    buffer_ = VK_NULL_HANDLE;
    return vk_error("vkCreateBuffer", result, fmt::format("making a buffer of {} bytes to export", size));
  }
  return {};
}

Status ExportedMemory::make_image(const VkImageCreateInfo& info) {
  const VkResult result = context_.api.CreateImage(context_.device, &info, nullptr, &image_);
  if (result != VK_SUCCESS) {
    image_ = VK_NULL_HANDLE;
    return vk_error(
        "vkCreateImage", result,
        fmt::format("making an image of {} x {} pixels to export", info.extent.width, info.extent.height));
  }
  return {};
}

VkMemoryRequirements ExportedMemory::requirements() const {
  VkMemoryRequirements2 found{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, nullptr, {}};
  if (image_ != VK_NULL_HANDLE) {
    const VkImageMemoryRequirementsInfo2 which{VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2, nullptr,
                                               image_};
    context_.api.GetImageMemoryRequirements2(context_.device, &which, &found);
  } else {
    const VkBufferMemoryRequirementsInfo2 which{VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2, nullptr,
                                                buffer_};
    context_.api.GetBufferMemoryRequirements2(context_.device, &which, &found);
  }
  return found.memoryRequirements;
}

Status ExportedMemory::bind() const {
  const VkResult result = image_ != VK_NULL_HANDLE
                              ? context_.api.BindImageMemory(context_.device, image_, memory_.get(), 0)
                              : context_.api.BindBufferMemory(context_.device, buffer_, memory_.get(), 0);
  if (result != VK_SUCCESS) {
    return vk_error(image_ != VK_NULL_HANDLE ? "vkBindImageMemory" : "vkBindBufferMemory", result,
                    "giving the memory to be exported to what it is for");
  }
  return {};
}

Status ExportedMemory::back() {
  const auto needs = requirements();
  const VkMemoryDedicatedAllocateInfo dedicated{VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, nullptr,
                                                image_, buffer_};
  const VkExportMemoryAllocateInfo exported{VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
                                            opaque_ ? nullptr : &dedicated, handle_types(opaque_)};
  const auto types = candidates(context_.physical, needs.memoryTypeBits);
  VkResult result = VK_ERROR_FEATURE_NOT_PRESENT;
  for (const std::uint32_t type : types) {
    const VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &exported, needs.size, type};
    VkDeviceMemory memory = VK_NULL_HANDLE;
    result = context_.api.AllocateMemory(context_.device, &info, nullptr, &memory);
    if (result == VK_SUCCESS) {
      memory_ = Memory(context_, memory);
      allocated_ = needs.size;
      type_ = type;
      return bind();
    }
    if (result == VK_ERROR_DEVICE_LOST) {
      break;
    }
  }
  return vk_error("vkAllocateMemory", result,
                  fmt::format("allocating {} bytes to be exported as a dma-buf, of memory types {:#x},",
                              needs.size, needs.memoryTypeBits));
}

Result<UniqueFd> ExportedMemory::descriptor() const {
  const VkMemoryGetFdInfoKHR info{VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR, nullptr, memory_.get(), kHandle};
  int raw = -1;
  const VkResult result = context_.api.GetMemoryFdKHR(context_.device, &info, &raw);
  if (result == VK_ERROR_TOO_MANY_OBJECTS) {
    return Error(Errc::OutOfFds, "vkGetMemoryFdKHR", "no descriptor is left for the exported dma-buf");
  }
  if (result != VK_SUCCESS) {
    return vk_error("vkGetMemoryFdKHR", result, "exporting the memory as a dma-buf");
  }
  if (raw < 0) {
    return Error(Errc::Io, "vkGetMemoryFdKHR",
                 fmt::format("{} succeeded in exporting, and gave no descriptor", context_.name()));
  }
  return plugin::take_from_driver(context_.host, raw);
}

void ExportedMemory::make_known(ObjectId id) {
  known_ = id;
  PeerMemory::of_process().add(id, {&context_, memory_.get(), allocated_, type_, opaque_});
}

Result<std::unique_ptr<ExportedMemory>> export_memory(const Context& context, const cw_allocate_info& info,
                                                      cw_allocation& out) {
  if (auto status = check_exports(context); !status) {
    return std::move(status.error());
  }
  auto memory = std::make_unique<ExportedMemory>(context);
  std::string why_no_image = "plain bytes are no image";
  if (info.image.format != 0) {
    const auto wish = image_wish(context, info.image, info.usage);
    if (wish) {
      const auto common = common_modifiers(context, *wish, info);
      if (!common.empty()) {
        if (auto status = export_image(context, info, *wish, common, *memory, out); !status) {
          return std::move(status.error());
        }
        return memory;
      }
      why_no_image =
          fmt::format("of the {} modifiers accepted, {} exports an image of {} x {} pixels in none",
                      accepted(info).size(), context.name(), info.image.width, info.image.height);
    } else {
      why_no_image = wish.error().detail();
    }
  }
  if (!accepts_linear(info)) {
    return Error(
        Errc::Unsupported, "allocate",
        fmt::format("{} cannot be allocated as an image, and LINEAR, which could be had as bytes, is "
                    "not among the modifiers: {}",
                    Format{info.image.format}.to_string(), why_no_image));
  }
  auto layout = export_layout(context, info.image, info.usage);
  if (!layout) {
    return std::move(layout.error());
  }
  if (auto status = export_bytes(context, *layout, *memory, out); !status) {
    return std::move(status.error());
  }
  return memory;
}

}  // namespace causeway::vulkan_backend
