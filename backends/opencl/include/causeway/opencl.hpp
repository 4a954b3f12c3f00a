// SPDX-License-Identifier: Apache-2.0
#pragma once

// OpenCL for users of Causeway: the only header that brings OpenCL's in, and it brings CL/cl.h alone.
// Nothing of OpenCL is linked: the functions come from the machine's libOpenCL.so.1, opened when first
// needed.

#include <causeway/opencl_abi.h>
#include <causeway/attachment.hpp>
#include <causeway/device.hpp>
#include <causeway/result.hpp>
#include <string_view>

namespace causeway {

class Runtime;

namespace opencl {

/// A step of the import ladder; documented in opencl_abi.h.
enum class ImportPath : std::uint32_t {
  Any = CW_OPENCL_ANY,                         ///< the first that works
  ExternalMemory = CW_OPENCL_EXTERNAL_MEMORY,  ///< cl_khr_external_memory, "khr-dma-buf"
  ArmImport = CW_OPENCL_ARM_IMPORT,            ///< cl_arm_import_memory, "arm-dma-buf"
  HostPointer = CW_OPENCL_HOST_POINTER,        ///< CL_MEM_USE_HOST_PTR, "host-pointer"
};

/// The caller's device, context and queue. See cw_opencl_adopt_v1 for who owns what and for how long.
/// Threads: reentrant (a value).
struct AdoptInfo {
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  ImportPath path = ImportPath::Any;
};

/// The handles of a device, own or adopted. Lent: they live as long as the Device.
/// Threads: reentrant (a value).
struct Handles {
  cl_platform_id platform;
  cl_device_id device;
  cl_context context;
  cl_command_queue queue;
};

/// A mapping, as OpenCL sees it; documented in opencl_abi.h.
using View = cw_opencl_view_v1;

/// Opens a device of the machine, of any driver that is installed. id: an index, a part of its name in any
/// case, or empty for the best (GPU, accelerator, CPU). Errors: NotFound (no loader, driver or such device),
/// Unsupported (the path that was named is not offered), OutOfMemory. Threads: thread-safe.
[[nodiscard]] Result<Device> open(Runtime& runtime, std::string_view id = {},
                                  ImportPath path = ImportPath::Any);

/// Takes up the caller's device, context and queue. Errors: InvalidArgument (a handle is null, was released
/// where the driver can tell, or does not belong to the others), Unsupported (the path that was named is not
/// offered), NotFound (no loader). Threads: thread-safe.
[[nodiscard]] Result<Device> adopt(Runtime& runtime, const AdoptInfo& info);

/// Errors: InvalidArgument (a device of another backend). Threads: thread-safe.
[[nodiscard]] Result<Handles> handles(const Device& device);

/// The buffers and images of a mapping; lives as long as the mapping. Errors: InvalidArgument (a mapping of
/// another backend, or none). Threads: thread-safe. Costs a comparison of two strings: ask once, not per
/// frame.
[[nodiscard]] Result<const View*> view(const Mapping& mapping);

/// Before Access::end: the access is over when the last command that it enqueued is, whose event this is, so
/// that no marker has to be enqueued for it (on some drivers a marker costs as much as a small kernel).
/// event: of a command on the device's queue. The caller keeps his reference, and may release it. Counts for
/// the end that comes next (threads that read through one frame at once have an attachment each), and saves
/// nothing where that has commands of its own to enqueue, or the queue runs out of order. Errors:
/// InvalidArgument (no mapping of this backend, no event of this queue), WrongState (no access goes on).
/// Threads: as begin_access.
[[nodiscard]] Status end_with(const Mapping& mapping, cl_event event);

}  // namespace opencl
}  // namespace causeway
