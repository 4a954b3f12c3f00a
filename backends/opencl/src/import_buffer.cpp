// SPDX-License-Identifier: Apache-2.0
#include "import_buffer.hpp"

#include <fmt/format.h>

#include <array>
#include <causeway/plugin/descriptor.hpp>
#include <string>

namespace causeway::opencl_backend {
namespace {

// Pages begin there; no driver documents more for CL_MEM_USE_HOST_PTR.
constexpr std::uintptr_t kPointerAlign = 4096;

cl_mem_flags access_flags(const plugin::CheckedObject& checked) noexcept {
  return checked.writable ? CL_MEM_READ_WRITE : CL_MEM_READ_ONLY;
}

Status require_dma_buf(const plugin::CheckedObject& checked) {
  if (!checked.is_dma_buf) {
    return Error(Errc::Unsupported, "attach", "it is a memfd, and only dma-bufs can be imported so");
  }
  return {};
}

Result<ImportedBuffer> by_external_memory(const Context& context, const cw_object& object,
                                          const plugin::CheckedObject& checked) {
  if (auto status = require_dma_buf(checked); !status) {
    return std::move(status.error());
  }
  auto given = plugin::duplicate(context.host, object.fd, "a memory object");  // the driver keeps it
  if (!given) {
    return std::move(given.error());
  }
  // Without a list of devices the memory would have to suit all of the context.
  std::array<cl_mem_properties, 6> properties{CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR,
                                              static_cast<cl_mem_properties>(given->get())};
  if (context.shared_context) {
    properties[2] = CL_DEVICE_HANDLE_LIST_KHR;
    properties[3] = reinterpret_cast<cl_mem_properties>(context.facts.device);
    properties[4] = CL_DEVICE_HANDLE_LIST_END_KHR;
  }
  cl_int result = CL_SUCCESS;
  cl_mem memory = context.api.CreateBufferWithProperties(
      context.context.get(), properties.data(), access_flags(checked), object.size, nullptr, &result);
  if (memory == nullptr || result != CL_SUCCESS) {
    // "Transfers ownership ... after a successful import": after a failure it is still ours.
    return context.error("clCreateBufferWithProperties", result,
                         fmt::format("importing a dma-buf of {} bytes", object.size));
  }
  static_cast<void>(given->release());  // the driver's now
  return ImportedBuffer{
      UniqueFd(), MemHandle(context.api, memory), ImportPath::ExternalMemory, nullptr, checked.writable,
      object.size};
}

Result<ImportedBuffer> by_arm_import(const Context& context, const cw_object& object,
                                     const plugin::CheckedObject& checked) {
  if (auto status = require_dma_buf(checked); !status) {
    return std::move(status.error());
  }
  auto given = plugin::duplicate(context.host, object.fd, "a memory object");  // the driver keeps it
  if (!given) {
    return std::move(given.error());
  }
  constexpr std::array<cl_import_properties_arm, 3> kProperties{CL_IMPORT_TYPE_ARM,
                                                                CL_IMPORT_TYPE_DMA_BUF_ARM, 0};
  int fd = given->get();  // the argument is a pointer to it
  cl_int result = CL_SUCCESS;
  cl_mem memory = context.extensions.ImportMemoryARM(context.context.get(), access_flags(checked),
                                                     kProperties.data(), &fd, object.size, &result);
  if (memory == nullptr || result != CL_SUCCESS) {
    return context.error("clImportMemoryARM", result,
                         fmt::format("importing a dma-buf of {} bytes", object.size));
  }
  // cl_arm_import_memory says nothing of the descriptor's owner, so it stays ours, and open while it may be
  // looked at.
  return ImportedBuffer{std::move(*given),     MemHandle(context.api, memory),
                        ImportPath::ArmImport, nullptr,
                        checked.writable,      object.size};
}

Result<ImportedBuffer> by_host_pointer(const Context& context, const cw_object& object,
                                       const plugin::CheckedObject& checked) {
  if (checked.is_dma_buf && !context.accesses_via_cpu()) {
    // Nobody would bracket it with SYNC, and cl_arm_import_memory calls it undefined outright.
    return Error(Errc::Unsupported, "attach",
                 "it is a dma-buf, and this device reads dma-bufs by itself; name the path host-pointer when "
                 "opening the device to go through the CPU's mapping all the same");
  }
  auto address = context.host.map_object(object.ref);
  if (!address) {
    return std::move(address.error());
  }
  if (reinterpret_cast<std::uintptr_t>(*address) % kPointerAlign != 0) {
    return Error(
        Errc::Unsupported, "attach",
        fmt::format("its CPU address {} is no multiple of {}", static_cast<void*>(*address), kPointerAlign));
  }
  cl_int result = CL_SUCCESS;
  cl_mem memory = context.api.CreateBuffer(context.context.get(), access_flags(checked) | CL_MEM_USE_HOST_PTR,
                                           object.size, *address, &result);
  if (memory == nullptr || result != CL_SUCCESS) {
    return context.error("clCreateBuffer", result,
                         fmt::format("importing {} bytes by their address", object.size));
  }
  return ImportedBuffer{
      UniqueFd(), MemHandle(context.api, memory), ImportPath::HostPointer, *address, checked.writable,
      object.size};
}

Result<ImportedBuffer> import_by(ImportPath path, const Context& context, const cw_object& object,
                                 const plugin::CheckedObject& checked) {
  switch (path) {
    case ImportPath::ExternalMemory: return by_external_memory(context, object, checked);
    case ImportPath::ArmImport: return by_arm_import(context, object, checked);
    case ImportPath::HostPointer: break;
  }
  return by_host_pointer(context, object, checked);
}

}  // namespace

Result<ImportedBuffer> import_buffer(const Context& context, const cw_object& object,
                                     const plugin::CheckedObject& checked) {
  if (object.size > context.facts.max_allocation) {
    return Error(
        Errc::Unsupported, "attach",
        fmt::format("it has {} bytes, and a buffer on {} has at most {} (CL_DEVICE_MAX_MEM_ALLOC_SIZE)",
                    object.size, context.name(), context.facts.max_allocation));
  }
  // What a program should branch on is the first reason that is more than "not possible": running out of
  // something.
  Errc code = Errc::Unsupported;
  std::string operation = "attach";
  int system_errno = 0;
  std::string reasons;
  for (const ImportPath path : context.ladder) {
    auto imported = import_by(path, context, object, checked);
    if (imported || imported.error().code() == Errc::DeviceLost) {
      return imported;
    }
    const Error& why = imported.error();
    if (code == Errc::Unsupported) {
      code = why.code();
      operation = why.operation();
      system_errno = why.system_errno();
    }
    reasons += fmt::format("; {}: {}", to_string(path), why.detail());
  }
  return Error(code, std::move(operation), fmt::format("{} cannot import it{}", context.name(), reasons),
               system_errno);
}

}  // namespace causeway::opencl_backend
