// SPDX-License-Identifier: Apache-2.0
#include "cl_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace causeway::opencl_backend {
namespace {

// cl_khr_terminate_context and cl_khr_icd; the headers have the names only under conditions.
constexpr cl_int kContextTerminated = -1121;
constexpr cl_int kPlatformNotFound = -1001;

struct Row {
  cl_int code;
  const char* name;
  Errc errc;
};

// Names and meanings: OpenCL 3.0, appendix F, Error Codes. What a driver refuses although it looked sound to
// us is Unsupported: another import path may do.
constexpr auto kTable = std::to_array<Row>({
    {CL_SUCCESS, "CL_SUCCESS", Errc::Internal},
    {CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND", Errc::NotFound},
    {CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE", Errc::DeviceLost},
    {CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE", Errc::Unsupported},
    {CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE", Errc::OutOfMemory},
    {CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES", Errc::OutOfMemory},
    {CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY", Errc::OutOfMemory},
    {CL_IMAGE_FORMAT_NOT_SUPPORTED, "CL_IMAGE_FORMAT_NOT_SUPPORTED", Errc::Unsupported},
    {CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE", Errc::Unsupported},
    {CL_MAP_FAILURE, "CL_MAP_FAILURE", Errc::OutOfMemory},
    {CL_MISALIGNED_SUB_BUFFER_OFFSET, "CL_MISALIGNED_SUB_BUFFER_OFFSET", Errc::Unsupported},
    {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST", Errc::Io},
    {CL_INVALID_VALUE, "CL_INVALID_VALUE", Errc::Unsupported},
    {CL_INVALID_PLATFORM, "CL_INVALID_PLATFORM", Errc::DeviceLost},
    {CL_INVALID_DEVICE, "CL_INVALID_DEVICE", Errc::Unsupported},
    {CL_INVALID_CONTEXT, "CL_INVALID_CONTEXT", Errc::DeviceLost},
    {CL_INVALID_QUEUE_PROPERTIES, "CL_INVALID_QUEUE_PROPERTIES", Errc::Unsupported},
    {CL_INVALID_COMMAND_QUEUE, "CL_INVALID_COMMAND_QUEUE", Errc::DeviceLost},
    {CL_INVALID_HOST_PTR, "CL_INVALID_HOST_PTR", Errc::Unsupported},
    {CL_INVALID_MEM_OBJECT, "CL_INVALID_MEM_OBJECT", Errc::Unsupported},
    {CL_INVALID_IMAGE_FORMAT_DESCRIPTOR, "CL_INVALID_IMAGE_FORMAT_DESCRIPTOR", Errc::Unsupported},
    {CL_INVALID_IMAGE_SIZE, "CL_INVALID_IMAGE_SIZE", Errc::Unsupported},
    {CL_INVALID_EVENT_WAIT_LIST, "CL_INVALID_EVENT_WAIT_LIST", Errc::Internal},
    {CL_INVALID_EVENT, "CL_INVALID_EVENT", Errc::Internal},
    {CL_INVALID_OPERATION, "CL_INVALID_OPERATION", Errc::Unsupported},
    {CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE", Errc::Unsupported},
    {CL_INVALID_PROPERTY, "CL_INVALID_PROPERTY", Errc::Unsupported},
    {CL_INVALID_IMAGE_DESCRIPTOR, "CL_INVALID_IMAGE_DESCRIPTOR", Errc::Unsupported},
    {kPlatformNotFound, "CL_PLATFORM_NOT_FOUND_KHR", Errc::NotFound},
    {kContextTerminated, "CL_CONTEXT_TERMINATED_KHR", Errc::DeviceLost},
    {CL_INVALID_SEMAPHORE_KHR, "CL_INVALID_SEMAPHORE_KHR", Errc::Unsupported},
});

const Row* find(cl_int code) noexcept {
  const auto* const row =
      std::find_if(kTable.begin(), kTable.end(), [code](const Row& one) { return one.code == code; });
  return row != kTable.end() ? row : nullptr;
}

}  // namespace

std::string to_string(cl_int code) {
  const Row* row = find(code);
  return row != nullptr ? row->name : fmt::format("OpenCL error {}", code);
}

Error cl_error(std::string_view command, cl_int code, std::string_view attempt) {
  const Row* row = find(code);
  const Errc errc = row != nullptr ? row->errc : Errc::Io;
  return Error(
      errc, std::string(command),
      fmt::format("{} failed with {}{}", attempt, to_string(code),
                  errc == Errc::DeviceLost ? ": the device is gone, and everything on it with it" : ""));
}

}  // namespace causeway::opencl_backend
