// SPDX-License-Identifier: Apache-2.0
#include "api.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>

namespace causeway::opencl_backend {
namespace {

/// Looks symbols up and remembers the first that is missing.
class Symbols {
public:
  explicit Symbols(void* library) : library_(library) {}

  template <class Function>
  void need(Function& function, const char* name) {
    maybe(function, name);
    if (function == nullptr && missing_.empty()) {
      missing_ = name;
    }
  }
  template <class Function>
  void maybe(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(library_, name));
  }
  [[nodiscard]] const std::string& missing() const { return missing_; }

private:
  void* library_;
  std::string missing_;
};

Result<Api> load() {
  void* library = ::dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return Error(Errc::NotFound, "dlopen",
                 fmt::format("this machine has no OpenCL loader, libOpenCL.so.1 ({}); Debian's package is "
                             "ocl-icd-libopencl1, and pocl-opencl-icd brings a driver that runs on any CPU",
                             why != nullptr ? why : "no reason given"));
  }
  Api api{};
  Symbols symbols(library);
  symbols.need(api.GetPlatformIDs, "clGetPlatformIDs");
  symbols.need(api.GetPlatformInfo, "clGetPlatformInfo");
  symbols.need(api.GetDeviceIDs, "clGetDeviceIDs");
  symbols.need(api.GetDeviceInfo, "clGetDeviceInfo");
  symbols.need(api.GetExtensionFunctionAddressForPlatform, "clGetExtensionFunctionAddressForPlatform");
  symbols.need(api.CreateContext, "clCreateContext");
  symbols.need(api.RetainContext, "clRetainContext");
  symbols.need(api.ReleaseContext, "clReleaseContext");
  symbols.need(api.GetContextInfo, "clGetContextInfo");
  symbols.need(api.CreateCommandQueue, "clCreateCommandQueue");
  symbols.need(api.RetainCommandQueue, "clRetainCommandQueue");
  symbols.need(api.ReleaseCommandQueue, "clReleaseCommandQueue");
  symbols.need(api.GetCommandQueueInfo, "clGetCommandQueueInfo");
  symbols.need(api.CreateBuffer, "clCreateBuffer");
  symbols.need(api.CreateSubBuffer, "clCreateSubBuffer");
  symbols.need(api.CreateImage, "clCreateImage");
  symbols.need(api.GetSupportedImageFormats, "clGetSupportedImageFormats");
  symbols.need(api.GetImageInfo, "clGetImageInfo");
  symbols.need(api.ReleaseMemObject, "clReleaseMemObject");
  symbols.need(api.CreateProgramWithSource, "clCreateProgramWithSource");
  symbols.need(api.BuildProgram, "clBuildProgram");
  symbols.need(api.GetProgramBuildInfo, "clGetProgramBuildInfo");
  symbols.need(api.ReleaseProgram, "clReleaseProgram");
  symbols.need(api.CreateKernel, "clCreateKernel");
  symbols.need(api.ReleaseKernel, "clReleaseKernel");
  symbols.need(api.SetKernelArg, "clSetKernelArg");
  symbols.need(api.EnqueueNDRangeKernel, "clEnqueueNDRangeKernel");
  symbols.need(api.EnqueueReadBuffer, "clEnqueueReadBuffer");
  symbols.need(api.EnqueueMapBuffer, "clEnqueueMapBuffer");
  symbols.need(api.EnqueueUnmapMemObject, "clEnqueueUnmapMemObject");
  symbols.need(api.EnqueueMarkerWithWaitList, "clEnqueueMarkerWithWaitList");
  symbols.need(api.EnqueueBarrierWithWaitList, "clEnqueueBarrierWithWaitList");
  symbols.need(api.Flush, "clFlush");
  symbols.need(api.Finish, "clFinish");
  symbols.need(api.WaitForEvents, "clWaitForEvents");
  symbols.need(api.GetEventInfo, "clGetEventInfo");
  symbols.need(api.SetEventCallback, "clSetEventCallback");
  symbols.need(api.RetainEvent, "clRetainEvent");
  symbols.need(api.ReleaseEvent, "clReleaseEvent");
  symbols.need(api.CreateUserEvent, "clCreateUserEvent");
  symbols.need(api.SetUserEventStatus, "clSetUserEventStatus");
  symbols.maybe(api.CreateBufferWithProperties, "clCreateBufferWithProperties");
  if (!symbols.missing().empty()) {
    return Error(Errc::NotFound, "dlsym",
                 fmt::format("libOpenCL.so.1 has no {}; a loader of OpenCL 1.2 or later is needed",
                             symbols.missing()));
  }
  return api;
}

}  // namespace

Result<const Api*> system_api() {
  static const Result<Api> api = load();
  if (!api) {
    return Error(api.error());
  }
  return &*api;
}

}  // namespace causeway::opencl_backend
