// SPDX-License-Identifier: Apache-2.0
#include "import_image.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace causeway::opencl_backend {
namespace {

Error unable(std::string text) {
  return Error(Errc::Unsupported, "attach", std::move(text));
}

Status check(const Context& context, const ImportedBuffer& buffer, const PlaneImage& wish,
             const cw_plane_layout& plane) {
  const auto& facts = context.facts;
  const bool known = std::any_of(
      context.image_formats.begin(), context.image_formats.end(), [&](const cl_image_format& offered) {
        return offered.image_channel_order == wish.format.image_channel_order &&
               offered.image_channel_data_type == wish.format.image_channel_data_type;
      });
  if (!known) {
    return unable(fmt::format("{} has no images of channel order {:#x} and type {:#x}", context.name(),
                              wish.format.image_channel_order, wish.format.image_channel_data_type));
  }
  if (wish.width > facts.image_max_width || wish.height > facts.image_max_height) {
    return unable(fmt::format("an image on {} has at most {} x {} elements, and this one {} x {}",
                              context.name(), facts.image_max_width, facts.image_max_height, wish.width,
                              wish.height));
  }
  const std::uint64_t row = std::uint64_t{wish.width} * wish.element_bytes;
  if (plane.stride < row || plane.stride % wish.element_bytes != 0) {
    return unable(
        fmt::format("its stride is {}; {} elements of {} bytes need a multiple of {} of at least {}",
                    plane.stride, wish.width, wish.element_bytes, wish.element_bytes, row));
  }
  const std::uint64_t end = plane.offset + std::uint64_t{plane.stride} * (wish.height - 1U) + row;
  if (end > buffer.size) {
    return unable(fmt::format("it ends at byte {} of an object of {} bytes", end, buffer.size));
  }
  return {};
}

/// A driver that silently works with another pitch would read the wrong pixels.
Status check_pitch(const Context& context, cl_mem image, const cw_plane_layout& plane) {
  std::size_t pitch = 0;
  const cl_int result = context.api.GetImageInfo(image, CL_IMAGE_ROW_PITCH, sizeof(pitch), &pitch, nullptr);
  if (result != CL_SUCCESS || pitch != plane.stride) {
    return unable(
        fmt::format("its stride is {}, and {} would work with {}", plane.stride, context.name(), pitch));
  }
  return {};
}

cl_image_desc describe(const PlaneImage& wish, const cw_plane_layout& plane) {
  cl_image_desc description{};
  description.image_type = CL_MEM_OBJECT_IMAGE2D;
  description.image_width = wish.width;
  description.image_height = wish.height;
  description.image_row_pitch = plane.stride;
  return description;
}

Result<MemHandle> create(const Context& context, cl_mem_flags flags, const PlaneImage& wish,
                         const cl_image_desc& description, void* address) {
  cl_int result = CL_SUCCESS;
  cl_mem image =
      context.api.CreateImage(context.context.get(), flags, &wish.format, &description, address, &result);
  if (image == nullptr || result != CL_SUCCESS) {
    return context.error("clCreateImage", result,
                         fmt::format("making an image of {} x {} elements with stride {}", wish.width,
                                     wish.height, description.image_row_pitch));
  }
  return MemHandle(context.api, image);
}

Result<ImportedImage> from_buffer(const Context& context, const ImportedBuffer& buffer,
                                  const PlaneImage& wish, const cw_plane_layout& plane) {
  // Alignments are in elements (CL_DEVICE_IMAGE_PITCH_ALIGNMENT, CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT).
  const std::uint64_t pitch_align =
      std::uint64_t{std::max(context.facts.image_pitch_align, 1U)} * wish.element_bytes;
  if (plane.stride % pitch_align != 0) {
    return unable(fmt::format("its stride is {}, and images from buffers on {} need a multiple of {}",
                              plane.stride, context.name(), pitch_align));
  }
  const cl_mem_flags access = buffer.writable ? CL_MEM_READ_WRITE : CL_MEM_READ_ONLY;
  ImportedImage made;
  auto description = describe(wish, plane);
  description.mem_object = buffer.memory.get();
  if (plane.offset != 0) {
    if (buffer.path == ImportPath::ArmImport) {
      return unable("it starts behind the first byte, and cl_arm_import_memory makes no sub-buffers");
    }
    const std::uint64_t base =
        std::uint64_t{std::max(context.facts.image_base_align, 1U)} * wish.element_bytes;
    const std::uint64_t align = std::max<std::uint64_t>(std::lcm(context.facts.base_align, base), 1);
    if (plane.offset % align != 0) {
      return unable(
          fmt::format("it starts at byte {}, and images within buffers on {} start at a multiple of {}",
                      plane.offset, context.name(), align));
    }
    const cl_buffer_region region{plane.offset, buffer.size - plane.offset};
    cl_int result = CL_SUCCESS;
    cl_mem window = context.api.CreateSubBuffer(buffer.memory.get(), access, CL_BUFFER_CREATE_TYPE_REGION,
                                                &region, &result);
    if (window == nullptr || result != CL_SUCCESS) {
      return context.error("clCreateSubBuffer", result,
                           fmt::format("taking the bytes of a buffer from {} on", plane.offset));
    }
    made.window = MemHandle(context.api, window);
    description.mem_object = window;
  }
  auto image = create(context, access, wish, description, nullptr);
  if (!image) {
    return std::move(image.error());
  }
  made.image = std::move(*image);
  return made;
}

Result<ImportedImage> from_address(const Context& context, const ImportedBuffer& buffer,
                                   const PlaneImage& wish, const cw_plane_layout& plane) {
  const cl_mem_flags access = buffer.writable ? CL_MEM_READ_WRITE : CL_MEM_READ_ONLY;
  auto image = create(context, access | CL_MEM_USE_HOST_PTR, wish, describe(wish, plane),
                      buffer.address + plane.offset);
  if (!image) {
    return std::move(image.error());
  }
  return ImportedImage{MemHandle(), std::move(*image)};
}

}  // namespace

Result<ImportedImage> import_image(const Context& context, const ImportedBuffer& buffer,
                                   const PlaneImage& wish, const cw_plane_layout& plane) {
  if (!context.facts.images) {
    return unable(fmt::format("{} has no images", context.name()));
  }
  if (auto status = check(context, buffer, wish, plane); !status) {
    return std::move(status.error());
  }
  if (!context.facts.images_from_buffers && buffer.address == nullptr) {
    return unable(
        fmt::format("{} makes no images from buffers (cl_khr_image2d_from_buffer)", context.name()));
  }
  auto made = context.facts.images_from_buffers ? from_buffer(context, buffer, wish, plane)
                                                : from_address(context, buffer, wish, plane);
  if (!made) {
    return made;
  }
  if (auto status = check_pitch(context, made->image.get(), plane); !status) {
    return std::move(status.error());
  }
  return made;
}

}  // namespace causeway::opencl_backend
