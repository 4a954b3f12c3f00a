// SPDX-License-Identifier: Apache-2.0
// The fake OpenCL driver: commands but kernels.

#include <algorithm>
#include <cstring>
#include <string_view>

#include "support/fake_opencl_objects.hpp"

namespace causeway::test::fake_opencl {
namespace {

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

}  // namespace

void check_use(cl_mem memory, std::string_view what) {
  if (!alive(memory)) {
    violation(std::string(what) + ": memory that does not live");
  } else if (memory->kind == _cl_mem::Kind::External && !memory->acquired) {
    violation(std::string(what) + ": external memory that was not acquired");
  } else if (memory->mapped != 0 && what != "unmap") {
    violation(std::string(what) + ": memory that is mapped");
  }
}

void enqueue(cl_command_queue queue, std::function<bool()> ready, std::function<void()> work, cl_event* event,
             bool marker) {
  cl_event made = nullptr;
  if (event != nullptr) {
    made = make_event();
    made->queue = queue;
    ++made->references;
    *event = made;
  }
  queue->commands.push_back({std::move(ready), std::move(work), made, marker});
}

void fill_commands(cl_icd_dispatch& table) {
  table.clFinish = &finish;
  table.clFlush = &flush;
  table.clEnqueueReadBuffer = &read_buffer;
  table.clEnqueueMapBuffer = &map_buffer;
  table.clEnqueueUnmapMemObject = &unmap;
  table.clEnqueueMarkerWithWaitList = &enqueue_marker;
  table.clEnqueueBarrierWithWaitList = &enqueue_barrier;
}

void* command_extension(const char* name) {
  const std::string_view wanted = name;
  if (wanted == "clEnqueueAcquireExternalMemObjectsKHR") {
    return reinterpret_cast<void*>(&acquire);
  }
  if (wanted == "clEnqueueReleaseExternalMemObjectsKHR") {
    return reinterpret_cast<void*>(&release);
  }
  return nullptr;
}

}  // namespace causeway::test::fake_opencl
