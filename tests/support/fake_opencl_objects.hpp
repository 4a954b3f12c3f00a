// SPDX-License-Identifier: Apache-2.0
#pragma once

// The objects of the fake OpenCL driver. Their first member is the dispatch table, as cl_khr_icd wants it.

#include <CL/cl_icd.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/fake_opencl_icd.hpp"

struct _cl_platform_id {
  const cl_icd_dispatch* dispatch;
};
struct _cl_device_id {
  const cl_icd_dispatch* dispatch;
  bool bare;  ///< the second device
};
struct _cl_context {
  const cl_icd_dispatch* dispatch;
  int references = 1;
  std::vector<cl_device_id> devices{};
};
struct _cl_event {
  const cl_icd_dispatch* dispatch;
  int references = 1;
  cl_int state = CL_QUEUED;
  cl_command_queue queue = nullptr;  ///< null: a user event
  struct Callback {
    void(CL_CALLBACK* function)(cl_event, cl_int, void*);
    void* data;
  };
  std::vector<Callback> callbacks{};
};
struct _cl_command_queue {
  const cl_icd_dispatch* dispatch;
  int references = 1;
  cl_context context = nullptr;
  cl_device_id device = nullptr;
  cl_command_queue_properties properties = 0;
  struct Command {
    std::function<bool()> ready;  ///< null: at once
    std::function<void()> work;   ///< null: nothing
    cl_event event;               ///< null, or one reference
    bool marker;
  };
  std::deque<Command> commands{};
};
struct _cl_mem {
  const cl_icd_dispatch* dispatch;
  int references = 1;
  enum class Kind { Plain, HostPointer, External, Arm, Part, Image } kind = Kind::Plain;
  cl_context context = nullptr;
  cl_mem_flags flags = 0;
  std::size_t size = 0;
  int fd = -1;                   ///< External: the driver's; Arm: a duplicate of its own
  std::byte* shared = nullptr;   ///< the bytes that others see; null: none
  std::vector<std::byte> own{};  ///< the device's, where they are not the shared ones
  bool acquired = false;
  bool excused = false;  ///< giving it back was made to fail
  int mapped = 0;
  cl_mem parent = nullptr;
  std::size_t offset = 0;  ///< Part: in the parent
  std::size_t row_pitch = 0;
  bool device_listed = false;

  /// What kernels work on.
  [[nodiscard]] std::byte* bytes() { return own.empty() ? shared : own.data(); }
  [[nodiscard]] bool imported() const {
    return kind == Kind::HostPointer || kind == Kind::External || kind == Kind::Arm;
  }
};
struct _cl_program {
  const cl_icd_dispatch* dispatch;
  int references = 1;
  bool built = false;
};
struct _cl_kernel {
  const cl_icd_dispatch* dispatch;
  int references = 1;
  bool writes = false;
  std::vector<std::vector<std::byte>> arguments{};
};
struct _cl_semaphore_khr {
  const cl_icd_dispatch* dispatch;
  int references = 1;
  int fd = -1;           ///< imported, or an eventfd that a signal writes to
  bool exports = false;  ///< made to be exported
  bool pending = false;  ///< a signal is enqueued
};

namespace causeway::test::fake_opencl {

FakeOpenclIcd& icd();
const cl_icd_dispatch* dispatch();
bool same_platform(cl_platform_id platform);
/// Notes what broke a rule.
void violation(std::string what);
void note(std::string what);
/// True once, for the call that is to fail.
bool fails_now();
/// Sets *error if there is one to set.
template <class T>
T answer(cl_int* error, cl_int code, T value) {
  if (error != nullptr) {
    *error = code;
  }
  return value;
}
/// The usual form of an info query.
cl_int give(const void* data, std::size_t bytes, std::size_t room, void* out, std::size_t* needed);
template <class T>
cl_int give_value(const T& value, std::size_t room, void* out, std::size_t* needed) {
  // NOLINTNEXTLINE(bugprone-sizeof-expression): handles are pointers
  return give(&value, sizeof(value), room, out, needed);
}

/// The objects that live: handles are looked up here before they are followed.
bool alive(cl_mem memory);
bool alive(cl_event event);

/// Enqueues and pumps. *event gets a reference of the caller's.
void enqueue(cl_command_queue queue, std::function<bool()> ready, std::function<void()> work, cl_event* event,
             bool marker = false);
void pump();
/// Notes the use of memory that does not live, was not acquired, or is mapped.
void check_use(cl_mem memory, std::string_view what);

cl_event make_event();
void release_event(cl_event event);
/// Pumps until all have ended, for 5 s at most.
cl_int wait_for(const std::vector<cl_event>& events);

void fill_memory(cl_icd_dispatch& table);
void fill_kernels(cl_icd_dispatch& table);
void fill_commands(cl_icd_dispatch& table);
void fill_events(cl_icd_dispatch& table);
/// Functions of extensions, or null: each file knows its own.
void* memory_extension(const char* name);
void* command_extension(const char* name);
void* semaphore_extension(const char* name);

}  // namespace causeway::test::fake_opencl
