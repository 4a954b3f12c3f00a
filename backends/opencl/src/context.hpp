// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "api.hpp"
#include "device_facts.hpp"
#include "handle.hpp"
#include "ladder.hpp"

namespace causeway::opencl_backend {

/// True if a device works through CPU mappings, so that the host has to bracket it with SYNC: a CPU, or a
/// device that takes nothing but host pointers.
[[nodiscard]] inline bool works_through_cpu(const DeviceFacts& facts,
                                            std::span<const ImportPath> ladder) noexcept {
  return facts.on_cpu() || ladder.front() == ImportPath::HostPointer;
}

/// An OpenCL device to work on, with context and queue, made by us or adopted; of both it holds one
/// reference.
///
/// Threads: as rule 6 of backend_abi.h; immutable once open() has returned.
struct Context {
  Context(plugin::Host services, const Api& functions) : host(services), api(functions) {}

  plugin::Host host;
  const Api& api;
  ExtensionApi extensions;
  DeviceFacts facts;
  ContextHandle context;
  QueueHandle queue;
  bool adopted = false;
  bool shared_context = false;  ///< it has other devices, too
  bool out_of_order = false;    ///< the queue
  std::uint32_t asked_path = CW_OPENCL_ANY;
  std::vector<ImportPath> ladder;
  std::vector<cl_image_format> image_formats;  ///< that kernels may read and write

  [[nodiscard]] const char* name() const noexcept { return facts.name.c_str(); }

  [[nodiscard]] bool accesses_via_cpu() const noexcept { return works_through_cpu(facts, ladder); }
  /// As cl_error, but CL_OUT_OF_RESOURCES, which has many meanings, is DeviceLost if the device is not
  /// available any more (CL_DEVICE_AVAILABLE).
  [[nodiscard]] Error error(std::string_view command, cl_int code, std::string_view attempt) const;
};

/// Makes context and queue on a device of the machine. id: as opencl::open.
[[nodiscard]] Result<std::unique_ptr<Context>> open_own_device(plugin::Host host, std::string_view id,
                                                               std::uint32_t path);
/// Takes up the caller's.
[[nodiscard]] Result<std::unique_ptr<Context>> adopt(plugin::Host host, const cw_opencl_adopt_v1& info);

/// What both have in common once device, context and queue are there: extensions, ladder, formats.
[[nodiscard]] Status equip(Context& context, std::uint32_t path);

/// For enumerate() and info(). more: capabilities beside those of the ladder.
[[nodiscard]] cw_device_info describe(const DeviceFacts& facts, std::span<const ImportPath> ladder,
                                      std::uint32_t more);

}  // namespace causeway::opencl_backend
