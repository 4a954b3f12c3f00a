// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "cl_error.hpp"

namespace causeway::opencl_backend {

Error Context::error(std::string_view command, cl_int code, std::string_view attempt) const {
  if (code == CL_OUT_OF_RESOURCES) {
    cl_bool available = CL_FALSE;
    const cl_int asked =
        api.GetDeviceInfo(facts.device, CL_DEVICE_AVAILABLE, sizeof(available), &available, nullptr);
    if (asked != CL_SUCCESS || available != CL_TRUE) {
      return Error(Errc::DeviceLost, std::string(command),
                   fmt::format("{} failed with CL_OUT_OF_RESOURCES, and {} is no longer available", attempt,
                               facts.name));
    }
  }
  return cl_error(command, code, attempt);
}

Status equip(Context& context, std::uint32_t path) {
  const auto& api = context.api;
  context.extensions = load_extensions(api, context.facts);
  auto ladder = make_ladder(context.facts, context.extensions, api, path);
  if (!ladder) {
    return std::move(ladder.error());
  }
  context.ladder = std::move(*ladder);
  context.asked_path = path;
  cl_uint devices = 1;
  api.GetContextInfo(context.context.get(), CL_CONTEXT_NUM_DEVICES, sizeof(devices), &devices, nullptr);
  context.shared_context = devices > 1;
  if (!context.facts.images) {
    return {};
  }
  cl_uint count = 0;
  cl_int result = api.GetSupportedImageFormats(context.context.get(), CL_MEM_READ_WRITE,
                                               CL_MEM_OBJECT_IMAGE2D, 0, nullptr, &count);
  if (result == CL_SUCCESS && count > 0) {
    context.image_formats.resize(count);
    result = api.GetSupportedImageFormats(context.context.get(), CL_MEM_READ_WRITE, CL_MEM_OBJECT_IMAGE2D,
                                          count, context.image_formats.data(), nullptr);
  }
  if (result != CL_SUCCESS) {
    return context.error("clGetSupportedImageFormats", result, "asking for the image formats");
  }
  return {};
}

cw_device_info describe(const DeviceFacts& facts, std::span<const ImportPath> ladder, std::uint32_t more) {
  const bool dma_buf = ladder.front() != ImportPath::HostPointer;
  const bool host_pointer = ladder.back() == ImportPath::HostPointer;
  auto info = plugin::sized<cw_device_info>();
  // CW_CAP_IMPLICIT_FENCES and CW_CAP_COHERENT stay unset: of no driver is there evidence.
  info.capabilities =
      more | (dma_buf ? CW_CAP_IMPORTS_DMA_BUF : 0U) | (host_pointer ? CW_CAP_IMPORTS_HOST_POINTER : 0U);
  plugin::copy_text(info.id, std::to_string(facts.index));
  plugin::copy_text(info.name, facts.name);
  plugin::copy_text(info.driver, facts.driver);
  plugin::copy_text(info.driver_version, facts.driver_version);
  return info;
}

}  // namespace causeway::opencl_backend
