// SPDX-License-Identifier: Apache-2.0
#include "device_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "cl_error.hpp"

namespace causeway::opencl_backend {
namespace {

/// Answers of clGetDeviceInfo; what a device does not answer is as empty as its type.
class Questions {
public:
  Questions(const Api& api, cl_device_id device) : api_(api), device_(device) {}

  template <class T>
  [[nodiscard]] T value(cl_device_info what) const {
    T found{};
    if (api_.GetDeviceInfo(device_, what, sizeof(found), &found, nullptr) != CL_SUCCESS) {
      return T{};
    }
    return found;
  }
  template <class T>
  [[nodiscard]] std::vector<T> list(cl_device_info what) const {
    std::size_t bytes = 0;
    if (api_.GetDeviceInfo(device_, what, 0, nullptr, &bytes) != CL_SUCCESS) {
      return {};
    }
    std::vector<T> found(bytes / sizeof(T));
    if (found.empty() ||
        api_.GetDeviceInfo(device_, what, found.size() * sizeof(T), found.data(), nullptr) != CL_SUCCESS) {
      return {};
    }
    return found;
  }
  [[nodiscard]] std::string text(cl_device_info what) const {
    const auto characters = list<char>(what);
    return {characters.begin(), std::find(characters.begin(), characters.end(), '\0')};
  }

private:
  const Api& api_;
  cl_device_id device_;
};

std::string platform_name(const Api& api, cl_platform_id platform) {
  std::size_t bytes = 0;
  if (api.GetPlatformInfo(platform, CL_PLATFORM_NAME, 0, nullptr, &bytes) != CL_SUCCESS || bytes == 0) {
    return {};
  }
  std::string name(bytes, '\0');
  api.GetPlatformInfo(platform, CL_PLATFORM_NAME, bytes, name.data(), nullptr);
  name.resize(name.find('\0') != std::string::npos ? name.find('\0') : bytes);
  return name;
}

/// "OpenCL 3.0 whatever" is 300 (section 4.2, CL_DEVICE_VERSION).
unsigned version_of(std::string_view text) noexcept {
  constexpr std::string_view kStart = "OpenCL ";
  unsigned major = 0;
  unsigned minor = 0;
  if (text.substr(0, kStart.size()) != kStart) {
    return 0;
  }
  text.remove_prefix(kStart.size());
  const auto [dot, first] = std::from_chars(text.data(), text.data() + text.size(), major);
  if (first != std::errc{} || dot == text.data() + text.size() || *dot != '.') {
    return 0;
  }
  std::from_chars(dot + 1, text.data() + text.size(), minor);
  return 100 * major + minor;
}

template <class T>
bool holds(const std::vector<T>& list, T wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

bool makes_images_from_buffers(const DeviceFacts& facts) {
  if (facts.has("cl_khr_image2d_from_buffer")) {
    return true;
  }
  // Part of OpenCL 2.x; optional again in 3.0, where an alignment of 0 means that it is missing (CL_DEVICE_
  // IMAGE_PITCH_ALIGNMENT).
  return facts.version >= 200 && (facts.version < 300 || facts.image_pitch_align != 0);
}

}  // namespace

bool DeviceFacts::has(std::string_view extension) const noexcept {
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

Result<DeviceFacts> inspect(const Api& api, cl_platform_id platform, cl_device_id device,
                            std::uint32_t index) {
  DeviceFacts facts;
  facts.platform = platform;
  facts.device = device;
  facts.index = index;
  if (const cl_int result =
          api.GetDeviceInfo(device, CL_DEVICE_TYPE, sizeof(facts.type), &facts.type, nullptr);
      result != CL_SUCCESS) {
    return Error(Errc::InvalidArgument, "clGetDeviceInfo",
                 fmt::format("asking the device what it is failed with {}: the handle is of no device",
                             to_string(result)));
  }
  const Questions ask(api, device);
  facts.name = ask.text(CL_DEVICE_NAME);
  facts.driver = platform_name(api, platform);
  facts.driver_version = ask.text(CL_DRIVER_VERSION);
  const auto version = ask.text(CL_DEVICE_VERSION);
  facts.version = version_of(version);
  if (facts.version < 102) {
    return Error(Errc::Unsupported, "clGetDeviceInfo",
                 fmt::format("{} is a device of \"{}\"; OpenCL 1.2 is needed", facts.name, version));
  }
  std::istringstream words(ask.text(CL_DEVICE_EXTENSIONS));
  for (std::string word; words >> word;) {
    facts.extensions.push_back(std::move(word));
  }
  // Intel's driver has the first string alone, so that the handle types decide.
  facts.external_dma_buf =
      facts.has("cl_khr_external_memory") && facts.version >= 300 &&
      holds(ask.list<cl_external_memory_handle_type_khr>(CL_DEVICE_EXTERNAL_MEMORY_IMPORT_HANDLE_TYPES_KHR),
            cl_external_memory_handle_type_khr{CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR});
  facts.arm_dma_buf = facts.has("cl_arm_import_memory_dma_buf");
  facts.sync_fd_semaphores =
      facts.has("cl_khr_semaphore") && facts.has("cl_khr_external_semaphore") &&
      holds(ask.list<cl_external_semaphore_handle_type_khr>(CL_DEVICE_SEMAPHORE_IMPORT_HANDLE_TYPES_KHR),
            cl_external_semaphore_handle_type_khr{CL_SEMAPHORE_HANDLE_SYNC_FD_KHR});
  facts.sync_fd_exports =
      facts.has("cl_khr_semaphore") && facts.has("cl_khr_external_semaphore") &&
      holds(ask.list<cl_external_semaphore_handle_type_khr>(CL_DEVICE_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR),
            cl_external_semaphore_handle_type_khr{CL_SEMAPHORE_HANDLE_SYNC_FD_KHR});
  facts.compiler = ask.value<cl_bool>(CL_DEVICE_COMPILER_AVAILABLE) == CL_TRUE;
  facts.images = ask.value<cl_bool>(CL_DEVICE_IMAGE_SUPPORT) == CL_TRUE;
  facts.image_pitch_align = ask.value<cl_uint>(CL_DEVICE_IMAGE_PITCH_ALIGNMENT);
  facts.image_base_align = ask.value<cl_uint>(CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT);
  facts.images_from_buffers = facts.images && makes_images_from_buffers(facts);
  facts.image_max_width = ask.value<std::size_t>(CL_DEVICE_IMAGE2D_MAX_WIDTH);
  facts.image_max_height = ask.value<std::size_t>(CL_DEVICE_IMAGE2D_MAX_HEIGHT);
  facts.base_align = std::max<std::uint64_t>(ask.value<cl_uint>(CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8, 1);
  facts.max_allocation = ask.value<cl_ulong>(CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  return facts;
}

Result<std::vector<DeviceFacts>> list_devices(const Api& api, plugin::Host host) {
  cl_uint count = 0;
  cl_int result = api.GetPlatformIDs(0, nullptr, &count);
  std::vector<cl_platform_id> platforms(result == CL_SUCCESS ? count : 0);
  if (!platforms.empty()) {
    result = api.GetPlatformIDs(count, platforms.data(), nullptr);
  }
  std::vector<DeviceFacts> found;
  if (result != CL_SUCCESS) {
    auto failure = cl_error("clGetPlatformIDs", result, "listing the OpenCL drivers");
    if (failure.code() == Errc::NotFound) {  // what ocl-icd answers when no driver is installed
      return found;
    }
    return failure;
  }
  std::uint32_t index = 0;
  for (cl_platform_id platform : platforms) {
    count = 0;
    result = api.GetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count);
    std::vector<cl_device_id> devices(result == CL_SUCCESS ? count : 0);
    if (!devices.empty()) {
      result = api.GetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr);
    }
    if (result != CL_SUCCESS) {
      if (result != CL_DEVICE_NOT_FOUND) {
        host.log(CW_LOG_WARNING, fmt::format("the OpenCL driver {} cannot list its devices: {}",
                                             platform_name(api, platform), to_string(result)));
      }
      continue;
    }
    for (cl_device_id device : devices) {
      auto facts = inspect(api, platform, device, index++);
      if (facts) {
        found.push_back(std::move(*facts));
      } else {
        host.log(CW_LOG_INFO, "an OpenCL device is left out: " + facts.error().message());
      }
    }
  }
  return found;
}

ExtensionApi load_extensions(const Api& api, const DeviceFacts& facts) {
  ExtensionApi found;
  const auto get = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
        api.GetExtensionFunctionAddressForPlatform(facts.platform, name));
  };
  if (facts.external_dma_buf) {
    get(found.AcquireExternalMemObjects, "clEnqueueAcquireExternalMemObjectsKHR");
    get(found.ReleaseExternalMemObjects, "clEnqueueReleaseExternalMemObjectsKHR");
  }
  if (facts.arm_dma_buf) {
    get(found.ImportMemoryARM, "clImportMemoryARM");
  }
  if (facts.sync_fd_semaphores) {
    get(found.EnqueueWaitSemaphores, "clEnqueueWaitSemaphoresKHR");
  }
  if (facts.sync_fd_exports) {
    get(found.EnqueueSignalSemaphores, "clEnqueueSignalSemaphoresKHR");
    get(found.GetSemaphoreHandleForType, "clGetSemaphoreHandleForTypeKHR");
  }
  if (facts.sync_fd_semaphores || facts.sync_fd_exports) {
    get(found.CreateSemaphoreWithProperties, "clCreateSemaphoreWithPropertiesKHR");
    get(found.ReleaseSemaphore, "clReleaseSemaphoreKHR");
  }
  return found;
}

}  // namespace causeway::opencl_backend
