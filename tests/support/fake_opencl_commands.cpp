// SPDX-License-Identifier: Apache-2.0
// The fake OpenCL driver: programs, kernels, commands, events and semaphores.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <unordered_set>

#include "support/fake_opencl_objects.hpp"

namespace causeway::test::fake_opencl {
namespace {

std::unordered_set<cl_event>& live_events() {
  static std::unordered_set<cl_event> events;
  return events;
}

cl_event make_event() {
  auto* event = new _cl_event{dispatch()};
  live_events().insert(event);
  ++icd().events;
  return event;
}

// ---- programs and kernels

cl_program CL_API_CALL create_program(cl_context, cl_uint, const char**, const std::size_t*, cl_int* error) {
  if (!icd().compiler) {
    violation("clCreateProgramWithSource: this device has no compiler");
    return answer<cl_program>(error, CL_COMPILER_NOT_AVAILABLE, nullptr);
  }
  if (fails_now()) {
    return answer<cl_program>(error, icd().fail_with, nullptr);
  }
  ++icd().programs;
  return answer(error, CL_SUCCESS, new _cl_program{dispatch()});
}
cl_int CL_API_CALL build_program(cl_program program, cl_uint, const cl_device_id*, const char*,
                                 void(CL_CALLBACK*)(cl_program, void*), void*) {
  if (fails_now()) {
    return icd().fail_with;
  }
  program->built = true;
  return CL_SUCCESS;
}
cl_int CL_API_CALL build_info(cl_program, cl_device_id, cl_program_build_info, std::size_t room, void* out,
                              std::size_t* needed) {
  constexpr const char kLog[] = "the fake compiler's log";
  return give(kLog, sizeof(kLog), room, out, needed);
}
cl_int CL_API_CALL release_program(cl_program program) {
  if (--program->references == 0) {
    --icd().programs;
    delete program;
  }
  return CL_SUCCESS;
}
cl_kernel CL_API_CALL create_kernel(cl_program program, const char* name, cl_int* error) {
  const std::string_view wanted = name;
  if (!program->built || (wanted != "causeway_write" && wanted != "causeway_read")) {
    violation("clCreateKernel: the program is not built, or has no " + std::string(wanted));
    return answer<cl_kernel>(error, CL_INVALID_KERNEL_NAME, nullptr);
  }
  if (fails_now()) {
    return answer<cl_kernel>(error, icd().fail_with, nullptr);
  }
  ++icd().kernels;
  return answer(
      error, CL_SUCCESS,
      new _cl_kernel{dispatch(), 1, wanted == "causeway_write", std::vector<std::vector<std::byte>>(4)});
}
cl_int CL_API_CALL release_kernel(cl_kernel kernel) {
  if (--kernel->references == 0) {
    --icd().kernels;
    delete kernel;
  }
  return CL_SUCCESS;
}
cl_int CL_API_CALL set_argument(cl_kernel kernel, cl_uint index, std::size_t size, const void* value) {
  if (index >= kernel->arguments.size()) {
    return CL_INVALID_ARG_INDEX;
  }
  const auto* bytes = static_cast<const std::byte*>(value);
  kernel->arguments[index].assign(bytes, bytes + size);
  return CL_SUCCESS;
}

template <class T>
T argument(const _cl_kernel& kernel, std::size_t index) {
  T value{};
  constexpr std::size_t kBytes = sizeof(T);  // NOLINT(bugprone-sizeof-expression): a cl_mem is a handle
  if (kernel.arguments[index].size() != kBytes) {
    violation("clEnqueueNDRangeKernel: an argument has another size than its kernel's");
    return value;
  }
  std::memcpy(&value, kernel.arguments[index].data(), kBytes);
  return value;
}

void check_use(cl_mem memory, std::string_view what) {
  if (!alive(memory)) {
    violation(std::string(what) + ": memory that does not live");
  } else if (memory->kind == _cl_mem::Kind::External && !memory->acquired) {
    violation(std::string(what) + ": external memory that was not acquired");
  } else if (memory->mapped != 0 && what != "unmap") {
    violation(std::string(what) + ": memory that is mapped");
  }
}

// ---- commands

cl_int CL_API_CALL launch(cl_command_queue queue, cl_kernel kernel, cl_uint, const std::size_t*,
                          const std::size_t*, const std::size_t*, cl_uint, const cl_event*, cl_event* event) {
  if (fails_now()) {
    return icd().fail_with;
  }
  note("launch");
  const auto memory = argument<cl_mem>(*kernel, 0);
  const auto first = argument<cl_ulong>(*kernel, 1);
  const auto count = argument<cl_uint>(*kernel, 2);
  std::array<std::byte, 64> words{};  // a uint16
  cl_mem seen = nullptr;
  if (kernel->writes) {
    words = argument<decltype(words)>(*kernel, 3);
  } else {
    seen = argument<cl_mem>(*kernel, 3);
  }
  enqueue(
      queue, nullptr,
      [=, writes = kernel->writes] {
        check_use(memory, "kernel");
        if (!alive(memory) || (first + count) * 4 > memory->size) {
          violation("kernel: bytes outside the buffer");
          return;
        }
        if (writes && (memory->flags & CL_MEM_READ_ONLY) != 0) {
          violation("kernel: writes memory that is read-only");
          return;
        }
        auto* bytes = memory->bytes() + first * 4;
        if (writes) {
          std::memcpy(bytes, words.data(), std::min<std::size_t>(std::size_t{count} * 4, words.size()));
        } else {
          std::memcpy(seen->bytes(), bytes, std::size_t{count} * 4);
        }
      },
      event);
  return CL_SUCCESS;
}

cl_int wait_for(const std::vector<cl_event>& events) {
  constexpr int kMostLooks = 50'000;  // 5 s
  for (int look = 0; look < kMostLooks; ++look) {
    pump();
    bool done = true;
    for (cl_event event : events) {
      done = done && event->state <= CL_COMPLETE;
      if (event->state < 0) {
        return CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
      }
    }
    if (done) {
      return CL_SUCCESS;
    }
    ::usleep(100);
  }
  violation("a wait of 5 s for what never ends");
  return CL_OUT_OF_RESOURCES;
}

cl_int CL_API_CALL finish(cl_command_queue queue) {
  cl_event last = nullptr;
  enqueue(queue, nullptr, nullptr, &last);
  const cl_int result = wait_for({last});
  release_event(last);
  return result;
}
cl_int CL_API_CALL flush(cl_command_queue queue) {
  if (queue->references <= 0) {
    return CL_INVALID_COMMAND_QUEUE;
  }
  if (fails_now()) {
    return icd().fail_with;
  }
  pump();
  return CL_SUCCESS;
}

cl_int CL_API_CALL read_buffer(cl_command_queue queue, cl_mem memory, cl_bool, std::size_t offset,
                               std::size_t size, void* out, cl_uint, const cl_event*, cl_event*) {
  if (memory->imported()) {
    violation("clEnqueueReadBuffer: the proof is about the memory itself");
  }
  if (fails_now()) {
    return icd().fail_with;
  }
  if (const cl_int result = finish(queue); result != CL_SUCCESS) {
    return result;
  }
  std::memcpy(out, memory->bytes() + offset, size);
  return CL_SUCCESS;
}

void* CL_API_CALL map_buffer(cl_command_queue queue, cl_mem memory, cl_bool, cl_map_flags flags,
                             std::size_t offset, std::size_t, cl_uint, const cl_event*, cl_event* event,
                             cl_int* error) {
  if (memory->kind == _cl_mem::Kind::Arm) {
    violation("clEnqueueMapBuffer: not of memory that clImportMemoryARM made");
    return answer<void*>(error, CL_INVALID_OPERATION, nullptr);
  }
  if (fails_now()) {
    return answer<void*>(error, icd().fail_with, nullptr);
  }
  note((flags & CL_MAP_READ) != 0 ? "map for reading" : "map for writing");
  enqueue(
      queue, nullptr,
      [=] {
        check_use(memory, "map");
        ++memory->mapped;
        if (icd().memory == FakeClMemory::Caching && (flags & CL_MAP_WRITE_INVALIDATE_REGION) == 0) {
          std::memcpy(memory->shared, memory->own.data(), memory->size);
        }
      },
      event);
  return answer<void*>(error, CL_SUCCESS, memory->shared + offset);
}
cl_int CL_API_CALL unmap(cl_command_queue queue, cl_mem memory, void*, cl_uint, const cl_event*,
                         cl_event* event) {
  if (fails_now()) {
    // What is mapped stays so for good; the caller can do nothing about it.
    enqueue(
        queue, nullptr, [=] { --memory->mapped; }, nullptr);
    return icd().fail_with;
  }
  enqueue(
      queue, nullptr,
      [=] {
        check_use(memory, "unmap");
        --memory->mapped;
        if (icd().memory == FakeClMemory::Caching) {
          std::memcpy(memory->own.data(), memory->shared, memory->size);
        }
      },
      event);
  return CL_SUCCESS;
}

cl_int marker(cl_command_queue queue, cl_uint count, const cl_event* events, cl_event* event,
              bool is_marker) {
  if (queue->references <= 0) {
    return CL_INVALID_COMMAND_QUEUE;
  }
  std::vector<cl_event> waits(events, events + count);
  for (cl_event wait : waits) {
    if (!alive(wait)) {
      violation("a wait list holds an event that does not live");
      return CL_INVALID_EVENT_WAIT_LIST;
    }
  }
  if (fails_now()) {
    return icd().fail_with;
  }
  note(is_marker ? "marker" : "barrier");
  for (cl_event wait : waits) {
    ++wait->references;
  }
  enqueue(
      queue,
      [waits] {
        return std::all_of(waits.begin(), waits.end(),
                           [](cl_event wait) { return wait->state <= CL_COMPLETE; });
      },
      [waits] {
        for (cl_event wait : waits) {
          release_event(wait);
        }
      },
      event, is_marker);
  return CL_SUCCESS;
}
cl_int CL_API_CALL enqueue_marker(cl_command_queue queue, cl_uint count, const cl_event* events,
                                  cl_event* event) {
  return marker(queue, count, events, event, true);
}
cl_int CL_API_CALL enqueue_barrier(cl_command_queue queue, cl_uint count, const cl_event* events,
                                   cl_event* event) {
  return marker(queue, count, events, event, false);
}

cl_int hand_over(cl_command_queue queue, cl_uint count, const cl_mem* memories, cl_event* event,
                 bool acquire) {
  const char* who = acquire ? "acquire" : "release";
  for (cl_uint i = 0; i < count; ++i) {
    if (!alive(memories[i]) || memories[i]->kind != _cl_mem::Kind::External) {
      violation(std::string(who) + ": memory that is not external");
      return CL_INVALID_MEM_OBJECT;
    }
  }
  if (fails_now()) {
    for (cl_uint i = 0; i < count; ++i) {
      memories[i]->excused = !acquire;  // what cannot be given back
    }
    return icd().fail_with;
  }
  note(who);
  enqueue(
      queue, nullptr,
      [=, all = std::vector<cl_mem>(memories, memories + count)] {
        for (cl_mem memory : all) {
          if (!alive(memory)) {
            violation(std::string(who) + ": memory that does not live");
            continue;
          }
          if (memory->acquired == acquire) {
            violation(std::string(who) + ": twice in a row");
          }
          memory->acquired = acquire;
        }
      },
      event);
  return CL_SUCCESS;
}
cl_int CL_API_CALL acquire(cl_command_queue queue, cl_uint count, const cl_mem* memories, cl_uint,
                           const cl_event*, cl_event* event) {
  return hand_over(queue, count, memories, event, true);
}
cl_int CL_API_CALL release(cl_command_queue queue, cl_uint count, const cl_mem* memories, cl_uint,
                           const cl_event*, cl_event* event) {
  return hand_over(queue, count, memories, event, false);
}

// ---- events and semaphores

cl_int CL_API_CALL wait_for_events(cl_uint count, const cl_event* events) {
  return wait_for({events, events + count});
}
cl_int CL_API_CALL get_event_info(cl_event event, cl_event_info what, std::size_t room, void* out,
                                  std::size_t* needed) {
  if (!alive(event) || what != CL_EVENT_COMMAND_EXECUTION_STATUS) {
    return CL_INVALID_EVENT;
  }
  pump();
  return give_value(event->state, room, out, needed);
}
cl_int CL_API_CALL set_callback(cl_event event, cl_int, void(CL_CALLBACK* function)(cl_event, cl_int, void*),
                                void* data) {
  if (!alive(event)) {
    return CL_INVALID_EVENT;
  }
  if (fails_now()) {
    return icd().fail_with;
  }
  if (event->state <= CL_COMPLETE) {
    function(event, event->state, data);
  } else {
    event->callbacks.push_back({function, data});
  }
  return CL_SUCCESS;
}
cl_event CL_API_CALL create_user_event(cl_context context, cl_int* error) {
  if (context->references <= 0) {
    return answer<cl_event>(error, CL_INVALID_CONTEXT, nullptr);
  }
  if (fails_now()) {
    return answer<cl_event>(error, icd().fail_with, nullptr);
  }
  note("user event");
  cl_event event = make_event();
  event->state = CL_SUBMITTED;
  return answer(error, CL_SUCCESS, event);
}
cl_int CL_API_CALL set_user_event(cl_event event, cl_int state) {
  if (!alive(event) || event->state <= CL_COMPLETE) {
    violation("clSetUserEventStatus: an event that does not live, or was set before");
    return CL_INVALID_OPERATION;
  }
  event->state = state;
  pump();
  return CL_SUCCESS;
}
cl_int CL_API_CALL retain_event(cl_event event) {
  ++event->references;
  return CL_SUCCESS;
}
cl_int CL_API_CALL give_event_back(cl_event event) {
  if (!alive(event)) {
    violation("clReleaseEvent: an event that does not live");
    return CL_INVALID_EVENT;
  }
  release_event(event);
  return CL_SUCCESS;
}

cl_semaphore_khr CL_API_CALL create_semaphore(cl_context, const cl_semaphore_properties_khr* properties,
                                              cl_int* error) {
  if (properties[0] != CL_SEMAPHORE_TYPE_KHR || properties[1] != CL_SEMAPHORE_TYPE_BINARY_KHR ||
      properties[2] != CL_SEMAPHORE_HANDLE_SYNC_FD_KHR || properties[4] != 0) {
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

}  // namespace

bool alive(cl_event event) {
  return live_events().contains(event);
}

void release_event(cl_event event) {
  if (--event->references == 0) {
    live_events().erase(event);
    --icd().events;
    delete event;
  }
}

void enqueue(cl_command_queue queue, std::function<bool()> ready, std::function<void()> work, cl_event* event,
             bool marker) {
  cl_event made = nullptr;
  if (event != nullptr) {
    made = make_event();
    ++made->references;
    *event = made;
  }
  queue->commands.push_back({std::move(ready), std::move(work), made, marker});
}

void fill_commands(cl_icd_dispatch& table) {
  table.clCreateProgramWithSource = &create_program;
  table.clBuildProgram = &build_program;
  table.clGetProgramBuildInfo = &build_info;
  table.clReleaseProgram = &release_program;
  table.clCreateKernel = &create_kernel;
  table.clReleaseKernel = &release_kernel;
  table.clSetKernelArg = &set_argument;
  table.clEnqueueNDRangeKernel = &launch;
  table.clFinish = &finish;
  table.clFlush = &flush;
  table.clEnqueueReadBuffer = &read_buffer;
  table.clEnqueueMapBuffer = &map_buffer;
  table.clEnqueueUnmapMemObject = &unmap;
  table.clEnqueueMarkerWithWaitList = &enqueue_marker;
  table.clEnqueueBarrierWithWaitList = &enqueue_barrier;
  table.clWaitForEvents = &wait_for_events;
  table.clGetEventInfo = &get_event_info;
  table.clSetEventCallback = &set_callback;
  table.clCreateUserEvent = &create_user_event;
  table.clSetUserEventStatus = &set_user_event;
  table.clRetainEvent = &retain_event;
  table.clReleaseEvent = &give_event_back;
}

void* command_extension(const char* name) {
  const std::string_view wanted = name;
  if (wanted == "clEnqueueAcquireExternalMemObjectsKHR") {
    return reinterpret_cast<void*>(&acquire);
  }
  if (wanted == "clEnqueueReleaseExternalMemObjectsKHR") {
    return reinterpret_cast<void*>(&release);
  }
  if (wanted == "clCreateSemaphoreWithPropertiesKHR") {
    return reinterpret_cast<void*>(&create_semaphore);
  }
  if (wanted == "clEnqueueWaitSemaphoresKHR") {
    return reinterpret_cast<void*>(&wait_semaphores);
  }
  if (wanted == "clReleaseSemaphoreKHR") {
    return reinterpret_cast<void*>(&release_semaphore);
  }
  return nullptr;
}

}  // namespace causeway::test::fake_opencl
