// SPDX-License-Identifier: Apache-2.0
// The fake OpenCL driver: semaphores (cl_khr_semaphore, cl_khr_external_semaphore_sync_fd).
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "support/fake_opencl_objects.hpp"

namespace causeway::test::fake_opencl {
namespace {

/// What ends a list of properties: in a context of several devices that of the one comes before.
bool names_its_device(cl_context context, const cl_semaphore_properties_khr* rest) {
  return context->devices.size() == 1 ? rest[0] == 0
                                      : rest[0] == CL_DEVICE_HANDLE_LIST_KHR &&
                                            rest[2] == CL_DEVICE_HANDLE_LIST_END_KHR && rest[3] == 0;
}

cl_semaphore_khr create_exportable(cl_context context, const cl_semaphore_properties_khr* properties,
                                   cl_int* error) {
  const bool ended = names_its_device(context, &properties[5]);
  if (properties[3] != CL_SEMAPHORE_HANDLE_SYNC_FD_KHR ||
      properties[4] != CL_SEMAPHORE_EXPORT_HANDLE_TYPES_LIST_END_KHR || !ended || !icd().semaphore_exports) {
    violation("clCreateSemaphoreWithPropertiesKHR: not the properties of an export, or they do not end");
    return answer<cl_semaphore_khr>(error, CL_INVALID_PROPERTY, nullptr);
  }
  if (fails_now()) {
    return answer<cl_semaphore_khr>(error, icd().fail_with, nullptr);
  }
  ++icd().semaphores_live;
  ++icd().taken_descriptors;
  return answer(error, CL_SUCCESS,
                new _cl_semaphore_khr{dispatch(), 1, ::eventfd(0, EFD_CLOEXEC), true, false});
}
cl_semaphore_khr CL_API_CALL create_semaphore(cl_context context,
                                              const cl_semaphore_properties_khr* properties, cl_int* error) {
  if (properties[0] == CL_SEMAPHORE_TYPE_KHR && properties[1] == CL_SEMAPHORE_TYPE_BINARY_KHR &&
      properties[2] == CL_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR) {
    return create_exportable(context, properties, error);
  }
  if (properties[0] != CL_SEMAPHORE_TYPE_KHR || properties[1] != CL_SEMAPHORE_TYPE_BINARY_KHR ||
      properties[2] != CL_SEMAPHORE_HANDLE_SYNC_FD_KHR || !names_its_device(context, &properties[4])) {
    violation("clCreateSemaphoreWithPropertiesKHR: not the properties of a sync_file, or they do not end");
    return answer<cl_semaphore_khr>(error, CL_INVALID_PROPERTY, nullptr);
  }
  const int fd = static_cast<int>(properties[3]);
  if (fd >= 0 && ::fcntl(fd, F_GETFD) < 0) {
    violation("clCreateSemaphoreWithPropertiesKHR: the descriptor is not open");
    return answer<cl_semaphore_khr>(error, CL_INVALID_VALUE, nullptr);
  }
  if (fails_now()) {
    return answer<cl_semaphore_khr>(error, icd().fail_with, nullptr);
  }
  ++icd().semaphores_live;
  ++icd().taken_descriptors;
  return answer(error, CL_SUCCESS, new _cl_semaphore_khr{dispatch(), 1, fd});
}
void release_one(cl_semaphore_khr semaphore) {
  if (--semaphore->references == 0) {
    --icd().semaphores_live;
    --icd().taken_descriptors;
    if (::close(semaphore->fd) != 0) {
      violation("clReleaseSemaphoreKHR: somebody closed the driver's descriptor");
    }
    delete semaphore;
  }
}
cl_int CL_API_CALL release_semaphore(cl_semaphore_khr semaphore) {
  release_one(semaphore);
  return CL_SUCCESS;
}
cl_int CL_API_CALL wait_semaphores(cl_command_queue queue, cl_uint count, const cl_semaphore_khr* semaphores,
                                   const cl_semaphore_payload_khr*, cl_uint, const cl_event*,
                                   cl_event* event) {
  if (count != 1) {
    return CL_INVALID_VALUE;
  }
  if (fails_now()) {
    return icd().fail_with;
  }
  note("wait for a semaphore");
  cl_semaphore_khr semaphore = semaphores[0];
  ++semaphore->references;
  enqueue(
      queue,
      [semaphore] {
        pollfd look{semaphore->fd, POLLIN, 0};
        return ::poll(&look, 1, 0) == 1;
      },
      [semaphore] { release_one(semaphore); }, event);
  return CL_SUCCESS;
}

cl_int CL_API_CALL signal_semaphores(cl_command_queue queue, cl_uint count,
                                     const cl_semaphore_khr* semaphores, const cl_semaphore_payload_khr*,
                                     cl_uint waits, const cl_event* events, cl_event* event) {
  if (count != 1 || waits != 1 || !alive(events[0]) || !semaphores[0]->exports) {
    violation("clEnqueueSignalSemaphoresKHR: not one semaphore that is exported behind one event");
    return CL_INVALID_VALUE;
  }
  if (fails_now()) {
    return icd().fail_with;
  }
  note("signal a semaphore");
  cl_semaphore_khr semaphore = semaphores[0];
  cl_event before = events[0];
  ++semaphore->references;
  ++before->references;
  semaphore->pending = true;
  enqueue(
      queue, [before] { return before->state <= CL_COMPLETE; },
      [semaphore, before] {
        const std::uint64_t one = 1;
        static_cast<void>(::write(semaphore->fd, &one, sizeof(one)) == sizeof(one));
        release_event(before);
        release_one(semaphore);
      },
      event);
  return CL_SUCCESS;
}
cl_int CL_API_CALL get_handle(cl_semaphore_khr semaphore, cl_device_id,
                              cl_external_semaphore_handle_type_khr type, std::size_t size, void* handle,
                              std::size_t*) {
  if (type != CL_SEMAPHORE_HANDLE_SYNC_FD_KHR || size != sizeof(int) || !semaphore->exports ||
      !semaphore->pending) {
    violation("clGetSemaphoreHandleForTypeKHR: no sync_file of a semaphore that a signal is pending on");
    return CL_INVALID_OPERATION;
  }
  if (fails_now()) {
    return icd().fail_with;
  }
  const int given = ::fcntl(semaphore->fd, F_DUPFD, 0);  // nothing promises close-on-exec
  std::memcpy(handle, &given, sizeof(given));
  return CL_SUCCESS;
}

}  // namespace

void* semaphore_extension(const char* name) {
  const std::string_view wanted = name;
  if (wanted == "clCreateSemaphoreWithPropertiesKHR") {
    return reinterpret_cast<void*>(&create_semaphore);
  }
  if (wanted == "clEnqueueWaitSemaphoresKHR") {
    return reinterpret_cast<void*>(&wait_semaphores);
  }
  if (wanted == "clReleaseSemaphoreKHR") {
    return reinterpret_cast<void*>(&release_semaphore);
  }
  if (wanted == "clEnqueueSignalSemaphoresKHR") {
    return reinterpret_cast<void*>(&signal_semaphores);
  }
  if (wanted == "clGetSemaphoreHandleForTypeKHR") {
    return reinterpret_cast<void*>(&get_handle);
  }
  return nullptr;
}

}  // namespace causeway::test::fake_opencl
