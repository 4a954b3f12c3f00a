// SPDX-License-Identifier: Apache-2.0
// The fake OpenCL driver: platform, devices, contexts and queues.
#include "support/fake_opencl_icd.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "support/fake_opencl_objects.hpp"

namespace causeway::test::fake_opencl {
namespace {

FakeOpenclIcd controls;
cl_icd_dispatch table{};
_cl_platform_id platform{&table};
_cl_device_id device{&table, false};
_cl_device_id bare_device{&table, true};

// Contexts and queues are kept after their last release: the loader itself follows a handle before the driver
// sees it.
std::deque<_cl_context> all_contexts;
std::deque<_cl_command_queue> all_queues;

std::string extensions_of(const _cl_device_id& which) {
  std::string names = "cl_khr_byte_addressable_store";
  if (which.bare) {
    return names;
  }
  names += controls.external_memory ? " cl_khr_external_memory" : "";
  names += controls.arm_import ? " cl_arm_import_memory cl_arm_import_memory_dma_buf" : "";
  names += controls.semaphores
               ? " cl_khr_semaphore cl_khr_external_semaphore cl_khr_external_semaphore_sync_fd"
               : "";
  names += controls.images_from_buffers ? " cl_khr_image2d_from_buffer" : "";
  return names;
}

cl_int give_text(std::string_view text, std::size_t room, void* out, std::size_t* needed) {
  const std::string ended(text);
  return give(ended.c_str(), ended.size() + 1, room, out, needed);
}

cl_int CL_API_CALL get_platform_ids(cl_uint room, cl_platform_id* out, cl_uint* count) {
  if (out != nullptr && room > 0) {
    out[0] = &platform;
  }
  if (count != nullptr) {
    *count = 1;
  }
  return CL_SUCCESS;
}

cl_int CL_API_CALL get_platform_info(cl_platform_id, cl_platform_info what, std::size_t room, void* out,
                                     std::size_t* needed) {
  switch (what) {
    case CL_PLATFORM_NAME: return give_text("Causeway fake OpenCL", room, out, needed);
    case CL_PLATFORM_VENDOR: return give_text("Causeway", room, out, needed);
    case CL_PLATFORM_VERSION: return give_text("OpenCL 3.0 fake", room, out, needed);
    case CL_PLATFORM_PROFILE: return give_text("FULL_PROFILE", room, out, needed);
    case CL_PLATFORM_EXTENSIONS: return give_text("cl_khr_icd", room, out, needed);
    case CL_PLATFORM_ICD_SUFFIX_KHR: return give_text("CWFAKE", room, out, needed);
    default: return CL_INVALID_VALUE;
  }
}

cl_int CL_API_CALL get_device_ids(cl_platform_id, cl_device_type, cl_uint room, cl_device_id* out,
                                  cl_uint* count) {
  const cl_device_id both[] = {&device, &bare_device};
  if (out != nullptr) {
    std::copy_n(both, std::min<cl_uint>(room, 2), out);
  }
  if (count != nullptr) {
    *count = 2;
  }
  return CL_SUCCESS;
}

cl_int CL_API_CALL get_device_info(cl_device_id which, cl_device_info what, std::size_t room, void* out,
                                   std::size_t* needed) {
  const bool memory = !which->bare && controls.external_memory;
  switch (what) {
    case CL_DEVICE_TYPE:
      return give_value<cl_device_type>(controls.gpu ? CL_DEVICE_TYPE_GPU : CL_DEVICE_TYPE_CPU, room, out,
                                        needed);
    case CL_DEVICE_NAME: return give_text(which->bare ? "bare fake" : "able fake", room, out, needed);
    case CL_DEVICE_VERSION: return give_text("OpenCL 3.0 fake", room, out, needed);
    case CL_DRIVER_VERSION: return give_text("1", room, out, needed);
    case CL_DEVICE_EXTENSIONS: return give_text(extensions_of(*which), room, out, needed);
    case CL_DEVICE_PLATFORM: return give_value<cl_platform_id>(&platform, room, out, needed);
    case CL_DEVICE_AVAILABLE:
      return give_value<cl_bool>(controls.available ? CL_TRUE : CL_FALSE, room, out, needed);
    case CL_DEVICE_COMPILER_AVAILABLE:
      return give_value<cl_bool>(controls.compiler ? CL_TRUE : CL_FALSE, room, out, needed);
    case CL_DEVICE_IMAGE_SUPPORT: return give_value<cl_bool>(CL_TRUE, room, out, needed);
    case CL_DEVICE_IMAGE_PITCH_ALIGNMENT:
    case CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT:
      return give_value(controls.image_pitch_align, room, out, needed);
    case CL_DEVICE_IMAGE2D_MAX_WIDTH:
    case CL_DEVICE_IMAGE2D_MAX_HEIGHT: return give_value<std::size_t>(4096, room, out, needed);
    case CL_DEVICE_MEM_BASE_ADDR_ALIGN: return give_value<cl_uint>(8 * 256, room, out, needed);
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE: return give_value<cl_ulong>(cl_ulong{64} << 20U, room, out, needed);
    case CL_DEVICE_EXTERNAL_MEMORY_IMPORT_HANDLE_TYPES_KHR: {
      if (!memory) {
        return CL_INVALID_VALUE;
      }
      const cl_external_memory_handle_type_khr types[] = {CL_EXTERNAL_MEMORY_HANDLE_OPAQUE_FD_KHR,
                                                          CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR};
      return give(types, controls.handle_types ? sizeof(types) : sizeof(types[0]), room, out, needed);
    }
    case CL_DEVICE_SEMAPHORE_IMPORT_HANDLE_TYPES_KHR:
      if (which->bare || !controls.semaphores) {
        return CL_INVALID_VALUE;
      }
      return give_value<cl_external_semaphore_handle_type_khr>(CL_SEMAPHORE_HANDLE_SYNC_FD_KHR, room, out,
                                                               needed);
    case CL_DEVICE_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR:
      if (which->bare || !controls.semaphores || !controls.semaphore_exports) {
        return CL_INVALID_VALUE;
      }
      return give_value<cl_external_semaphore_handle_type_khr>(CL_SEMAPHORE_HANDLE_SYNC_FD_KHR, room, out,
                                                               needed);
    default: return CL_INVALID_VALUE;
  }
}

void* CL_API_CALL extension_address(const char* name) {
  // Whether the device has the extension or not, as some drivers do.
  for (const auto& extension : {&memory_extension, &command_extension, &semaphore_extension}) {
    if (void* found = extension(name); found != nullptr) {
      return found;
    }
  }
  if (std::string_view(name) == "clIcdGetPlatformIDsKHR") {
    return reinterpret_cast<void*>(&get_platform_ids);
  }
  return nullptr;
}
void* CL_API_CALL extension_address_for_platform(cl_platform_id, const char* name) {
  return extension_address(name);
}

cl_context CL_API_CALL create_context(const cl_context_properties* properties, cl_uint count,
                                      const cl_device_id* devices,
                                      void(CL_CALLBACK*)(const char*, const void*, std::size_t, void*), void*,
                                      cl_int* error) {
  if (properties != nullptr && properties[0] != 0 && properties[2] != 0) {
    violation("context properties do not end");
  }
  if (fails_now()) {
    return answer<cl_context>(error, controls.fail_with, nullptr);
  }
  ++controls.contexts;
  return answer(error, CL_SUCCESS,
                &all_contexts.emplace_back(_cl_context{&table, 1, {devices, devices + count}}));
}
cl_int CL_API_CALL retain_context(cl_context context) {
  if (context->references <= 0) {
    return CL_INVALID_CONTEXT;
  }
  ++context->references;
  return CL_SUCCESS;
}
cl_int CL_API_CALL release_context(cl_context context) {
  if (context->references <= 0) {
    violation("a context was released too often");
    return CL_INVALID_CONTEXT;
  }
  controls.contexts -= --context->references == 0 ? 1 : 0;
  return CL_SUCCESS;
}
cl_int CL_API_CALL get_context_info(cl_context context, cl_context_info what, std::size_t room, void* out,
                                    std::size_t* needed) {
  if (context->references <= 0) {
    return CL_INVALID_CONTEXT;
  }
  switch (what) {
    case CL_CONTEXT_REFERENCE_COUNT:
      return give_value(static_cast<cl_uint>(context->references), room, out, needed);
    case CL_CONTEXT_NUM_DEVICES:
      return give_value(static_cast<cl_uint>(context->devices.size()), room, out, needed);
    case CL_CONTEXT_DEVICES:
      return give(static_cast<const void*>(context->devices.data()),
                  context->devices.size() * sizeof(cl_device_id), room, out, needed);
    default: return CL_INVALID_VALUE;
  }
}

cl_command_queue CL_API_CALL create_queue(cl_context context, cl_device_id which,
                                          cl_command_queue_properties properties, cl_int* error) {
  if (context->references <= 0) {
    return answer<cl_command_queue>(error, CL_INVALID_CONTEXT, nullptr);
  }
  if (fails_now()) {
    return answer<cl_command_queue>(error, controls.fail_with, nullptr);
  }
  ++controls.queues;
  ++context->references;
  return answer(error, CL_SUCCESS,
                &all_queues.emplace_back(_cl_command_queue{&table, 1, context, which, properties}));
}
cl_int CL_API_CALL retain_queue(cl_command_queue queue) {
  if (queue->references <= 0) {
    return CL_INVALID_COMMAND_QUEUE;
  }
  ++queue->references;
  return CL_SUCCESS;
}
cl_int CL_API_CALL release_queue(cl_command_queue queue) {
  if (queue->references <= 0) {
    violation("a queue was released too often");
    return CL_INVALID_COMMAND_QUEUE;
  }
  pump();  // the specification's implicit flush
  if (--queue->references == 0) {
    --controls.queues;
    release_context(queue->context);
  }
  return CL_SUCCESS;
}
cl_int CL_API_CALL get_queue_info(cl_command_queue queue, cl_command_queue_info what, std::size_t room,
                                  void* out, std::size_t* needed) {
  if (queue->references <= 0) {
    return CL_INVALID_COMMAND_QUEUE;
  }
  switch (what) {
    case CL_QUEUE_CONTEXT: return give_value(queue->context, room, out, needed);
    case CL_QUEUE_DEVICE: return give_value(queue->device, room, out, needed);
    case CL_QUEUE_PROPERTIES: return give_value(queue->properties, room, out, needed);
    default: return CL_INVALID_VALUE;
  }
}

void fill_table() {
  table.clGetPlatformIDs = &get_platform_ids;
  table.clGetPlatformInfo = &get_platform_info;
  table.clGetDeviceIDs = &get_device_ids;
  table.clGetDeviceInfo = &get_device_info;
  table.clGetExtensionFunctionAddress = &extension_address;
  table.clGetExtensionFunctionAddressForPlatform = &extension_address_for_platform;
  table.clCreateContext = &create_context;
  table.clRetainContext = &retain_context;
  table.clReleaseContext = &release_context;
  table.clGetContextInfo = &get_context_info;
  table.clCreateCommandQueue = &create_queue;
  table.clRetainCommandQueue = &retain_queue;
  table.clReleaseCommandQueue = &release_queue;
  table.clGetCommandQueueInfo = &get_queue_info;
  fill_memory(table);
  fill_kernels(table);
  fill_commands(table);
  fill_events(table);
}

void reset() {
  for (auto& queue : all_queues) {
    queue.commands.clear();
  }
  controls = FakeOpenclIcd{};
  controls.pump = &pump;
  controls.reset = &reset;
}

}  // namespace

FakeOpenclIcd& icd() {
  return controls;
}
const cl_icd_dispatch* dispatch() {
  return &table;
}
void violation(std::string what) {
  controls.violations.push_back(std::move(what));
}
void note(std::string what) {
  constexpr std::size_t kMost = 1000;  // tests of many rounds do not look at them
  if (controls.calls.size() < kMost) {
    controls.calls.push_back(std::move(what));
  }
}
bool fails_now() {
  if (controls.fail_after < 0 || controls.fail_after-- > 0) {
    return false;
  }
  controls.failed = true;
  return true;
}
cl_int give(const void* data, std::size_t bytes, std::size_t room, void* out, std::size_t* needed) {
  if (needed != nullptr) {
    *needed = bytes;
  }
  if (out != nullptr) {
    if (room < bytes) {
      return CL_INVALID_VALUE;
    }
    std::memcpy(out, data, bytes);
  }
  return CL_SUCCESS;
}
void pump() {
  for (auto& queue : all_queues) {
    while (!queue.commands.empty() && !controls.hold) {
      auto& next = queue.commands.front();
      if (next.ready && !next.ready()) {
        break;
      }
      const auto command = std::move(next);
      queue.commands.pop_front();
      if (command.work) {
        command.work();
      }
      if (command.event != nullptr) {
        command.event->state = command.marker ? std::exchange(controls.end_with, CL_COMPLETE) : CL_COMPLETE;
        for (const auto& callback : std::exchange(command.event->callbacks, {})) {
          if (controls.keep_calls) {
            controls.kept_calls.emplace_back([callback, state = command.event->state] {
              callback.function(nullptr, state, callback.data);
            });
          } else {
            callback.function(command.event, command.event->state, callback.data);
          }
        }
        release_event(command.event);
      }
    }
  }
}

}  // namespace causeway::test::fake_opencl

// What the ICD loader looks for (cl_khr_icd), and what tests look for.
extern "C" {
__attribute__((visibility("default"))) cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint room,
                                                                                 cl_platform_id* out,
                                                                                 cl_uint* count) {
  using namespace causeway::test::fake_opencl;  // NOLINT(google-build-using-namespace)
  if (table.clGetPlatformIDs == nullptr) {
    fill_table();
    reset();
  }
  return get_platform_ids(room, out, count);
}
__attribute__((visibility("default"))) void* CL_API_CALL clGetExtensionFunctionAddress(const char* name) {
  return std::string_view(name) == "clIcdGetPlatformIDsKHR"
             ? reinterpret_cast<void*>(&clIcdGetPlatformIDsKHR)
             : causeway::test::fake_opencl::extension_address(name);
}
__attribute__((visibility("default"))) cl_int CL_API_CALL clGetPlatformInfo(cl_platform_id platform,
                                                                            cl_platform_info what,
                                                                            std::size_t room, void* out,
                                                                            std::size_t* needed) {
  return causeway::test::fake_opencl::get_platform_info(platform, what, room, out, needed);
}
__attribute__((visibility("default"))) causeway::test::FakeOpenclIcd* causeway_fake_opencl_icd() {
  return &causeway::test::fake_opencl::icd();
}
}
