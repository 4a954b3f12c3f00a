// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/opencl_abi.h>

#include <CL/cl_ext.h>

#include <causeway/result.hpp>

namespace causeway::opencl_backend {

/// The functions of OpenCL 1.2 that this backend calls, and the later ones that may be missing (null), from
/// the machine's loader. Named as in the specification, without "cl".
struct Api {
  decltype(&clGetPlatformIDs) GetPlatformIDs;
  decltype(&clGetPlatformInfo) GetPlatformInfo;
  decltype(&clGetDeviceIDs) GetDeviceIDs;
  decltype(&clGetDeviceInfo) GetDeviceInfo;
  decltype(&clGetExtensionFunctionAddressForPlatform) GetExtensionFunctionAddressForPlatform;
  decltype(&clCreateContext) CreateContext;
  decltype(&clRetainContext) RetainContext;
  decltype(&clReleaseContext) ReleaseContext;
  decltype(&clGetContextInfo) GetContextInfo;
  decltype(&clCreateCommandQueue) CreateCommandQueue;
  decltype(&clRetainCommandQueue) RetainCommandQueue;
  decltype(&clReleaseCommandQueue) ReleaseCommandQueue;
  decltype(&clGetCommandQueueInfo) GetCommandQueueInfo;
  decltype(&clCreateBuffer) CreateBuffer;
  decltype(&clCreateSubBuffer) CreateSubBuffer;
  decltype(&clCreateImage) CreateImage;
  decltype(&clGetSupportedImageFormats) GetSupportedImageFormats;
  decltype(&clGetImageInfo) GetImageInfo;
  decltype(&clReleaseMemObject) ReleaseMemObject;
  decltype(&clCreateProgramWithSource) CreateProgramWithSource;
  decltype(&clBuildProgram) BuildProgram;
  decltype(&clGetProgramBuildInfo) GetProgramBuildInfo;
  decltype(&clReleaseProgram) ReleaseProgram;
  decltype(&clCreateKernel) CreateKernel;
  decltype(&clReleaseKernel) ReleaseKernel;
  decltype(&clSetKernelArg) SetKernelArg;
  decltype(&clEnqueueNDRangeKernel) EnqueueNDRangeKernel;
  decltype(&clEnqueueReadBuffer) EnqueueReadBuffer;
  decltype(&clEnqueueMapBuffer) EnqueueMapBuffer;
  decltype(&clEnqueueUnmapMemObject) EnqueueUnmapMemObject;
  decltype(&clEnqueueMarkerWithWaitList) EnqueueMarkerWithWaitList;
  decltype(&clEnqueueBarrierWithWaitList) EnqueueBarrierWithWaitList;
  decltype(&clFlush) Flush;
  decltype(&clFinish) Finish;
  decltype(&clWaitForEvents) WaitForEvents;
  decltype(&clGetEventInfo) GetEventInfo;
  decltype(&clSetEventCallback) SetEventCallback;
  decltype(&clRetainEvent) RetainEvent;
  decltype(&clReleaseEvent) ReleaseEvent;
  decltype(&clCreateUserEvent) CreateUserEvent;
  decltype(&clSetUserEventStatus) SetUserEventStatus;
  decltype(&clCreateBufferWithProperties) CreateBufferWithProperties;  ///< OpenCL 3.0
};

/// The functions of a driver's extensions. One is set only if the device has the string of its extension:
/// some drivers return pointers for extensions that they lack.
struct ExtensionApi {
  clEnqueueAcquireExternalMemObjectsKHR_fn AcquireExternalMemObjects = nullptr;
  clEnqueueReleaseExternalMemObjectsKHR_fn ReleaseExternalMemObjects = nullptr;
  decltype(&clImportMemoryARM) ImportMemoryARM = nullptr;
  clCreateSemaphoreWithPropertiesKHR_fn CreateSemaphoreWithProperties = nullptr;
  clEnqueueWaitSemaphoresKHR_fn EnqueueWaitSemaphores = nullptr;
  clReleaseSemaphoreKHR_fn ReleaseSemaphore = nullptr;
  clEnqueueSignalSemaphoresKHR_fn EnqueueSignalSemaphores = nullptr;
  clGetSemaphoreHandleForTypeKHR_fn GetSemaphoreHandleForType = nullptr;
};

/// The machine's loader, libOpenCL.so.1, opened when first needed, so that a machine without OpenCL can run
/// everything else. It is not closed again, since drivers leave threads behind. Errors: NotFound.
/// Threads: thread-safe.
[[nodiscard]] Result<const Api*> system_api();

}  // namespace causeway::opencl_backend
