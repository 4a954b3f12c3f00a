// SPDX-License-Identifier: Apache-2.0
// The fake OpenCL driver: events.
#include <unistd.h>

#include <unordered_set>

#include "support/fake_opencl_objects.hpp"

namespace causeway::test::fake_opencl {
namespace {

std::unordered_set<cl_event>& live_events() {
  static std::unordered_set<cl_event> events;
  return events;
}

cl_int CL_API_CALL wait_for_events(cl_uint count, const cl_event* events) {
  return wait_for({events, events + count});
}
cl_int CL_API_CALL get_event_info(cl_event event, cl_event_info what, std::size_t room, void* out,
                                  std::size_t* needed) {
  if (!alive(event)) {
    return CL_INVALID_EVENT;
  }
  if (what == CL_EVENT_COMMAND_QUEUE) {
    return give_value(event->queue, room, out, needed);
  }
  if (what != CL_EVENT_COMMAND_EXECUTION_STATUS) {
    return CL_INVALID_VALUE;
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

}  // namespace

cl_event make_event() {
  auto* event = new _cl_event{dispatch()};
  live_events().insert(event);
  ++icd().events;
  return event;
}

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

void fill_events(cl_icd_dispatch& table) {
  table.clWaitForEvents = &wait_for_events;
  table.clGetEventInfo = &get_event_info;
  table.clSetEventCallback = &set_callback;
  table.clCreateUserEvent = &create_user_event;
  table.clSetUserEventStatus = &set_user_event;
  table.clRetainEvent = &retain_event;
  table.clReleaseEvent = &give_event_back;
}

}  // namespace causeway::test::fake_opencl
