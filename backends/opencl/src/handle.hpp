// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "api.hpp"

namespace causeway::opencl_backend {

/// One reference to an OpenCL object, given back at the end. Threads: reentrant.
template <class Object, cl_int (CL_API_CALL* Api::*Release)(Object)>
class Handle {
public:
  Handle() = default;
  Handle(const Api& api, Object object) noexcept : api_(&api), object_(object) {}
  Handle(Handle&& other) noexcept : api_(other.api_), object_(std::exchange(other.object_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      api_ = other.api_;
      object_ = std::exchange(other.object_, nullptr);
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  void reset() noexcept {
    if (object_ != nullptr) {
      (api_->*Release)(std::exchange(object_, nullptr));
    }
  }
  [[nodiscard]] Object get() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

private:
  const Api* api_ = nullptr;
  Object object_ = nullptr;
};

using ContextHandle = Handle<cl_context, &Api::ReleaseContext>;
using QueueHandle = Handle<cl_command_queue, &Api::ReleaseCommandQueue>;
using MemHandle = Handle<cl_mem, &Api::ReleaseMemObject>;
using ProgramHandle = Handle<cl_program, &Api::ReleaseProgram>;
using KernelHandle = Handle<cl_kernel, &Api::ReleaseKernel>;
using EventHandle = Handle<cl_event, &Api::ReleaseEvent>;

}  // namespace causeway::opencl_backend
