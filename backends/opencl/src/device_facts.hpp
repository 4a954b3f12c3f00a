// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api.hpp"

namespace causeway::opencl_backend {

/// What is known of an OpenCL device. An immutable value once inspect() has returned.
struct DeviceFacts {
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  std::uint32_t index = 0;  ///< among all devices of all drivers
  std::string name;
  std::string driver;  ///< the platform's name
  std::string driver_version;
  cl_device_type type = 0;
  unsigned version = 0;  ///< 100 * major + minor: 300 is OpenCL 3.0
  std::vector<std::string> extensions;
  bool external_dma_buf = false;    ///< cl_khr_external_memory, with dma-bufs among its handle types
  bool arm_dma_buf = false;         ///< cl_arm_import_memory_dma_buf
  bool sync_fd_semaphores = false;  ///< cl_khr_semaphore, importing CL_SEMAPHORE_HANDLE_SYNC_FD_KHR
  bool sync_fd_exports = false;     ///< the same, exporting it
  bool compiler = false;
  bool images = false;
  bool images_from_buffers = false;     ///< cl_khr_image2d_from_buffer, or part of the version
  std::uint32_t image_pitch_align = 0;  ///< elements, of an image from a buffer; 0: not said
  std::uint32_t image_base_align = 0;   ///< elements, likewise
  std::size_t image_max_width = 0;
  std::size_t image_max_height = 0;
  std::uint64_t base_align = 1;  ///< bytes: where a sub-buffer may start
  std::uint64_t max_allocation = 0;

  [[nodiscard]] bool on_cpu() const noexcept { return (type & CL_DEVICE_TYPE_CPU) != 0; }
  [[nodiscard]] bool has(std::string_view extension) const noexcept;
};

/// Errors: InvalidArgument (the handle is not of a device), Unsupported (OpenCL before 1.2).
[[nodiscard]] Result<DeviceFacts> inspect(const Api& api, cl_platform_id platform, cl_device_id device,
                                          std::uint32_t index);

/// The devices of every installed driver, in the loader's order. A driver that fails is logged and left out;
/// none at all is no error.
[[nodiscard]] Result<std::vector<DeviceFacts>> list_devices(const Api& api, plugin::Host host);

/// The driver's extension functions that this device may be called with.
[[nodiscard]] ExtensionApi load_extensions(const Api& api, const DeviceFacts& facts);

}  // namespace causeway::opencl_backend
