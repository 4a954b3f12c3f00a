// SPDX-License-Identifier: Apache-2.0
// The fake OpenCL driver: buffers, parts of them, images, and the two imports by descriptor.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string_view>
#include <unordered_set>

#include "support/fake_opencl_objects.hpp"

namespace causeway::test::fake_opencl {
namespace {

constexpr std::uint64_t kMost = std::uint64_t{64} << 20U;
constexpr long kDmaBufMagic = 0x444d4142;

std::unordered_set<cl_mem>& live() {
  static std::unordered_set<cl_mem> memories;
  return memories;
}

/// The loader follows a handle before the driver sees it, so the last ones that were released are kept a
/// while.
void bury(cl_mem memory) {
  static std::deque<std::unique_ptr<_cl_mem>> graves;
  constexpr std::size_t kMostGraves = 64;
  live().erase(memory);
  memory->own = {};
  graves.emplace_back(memory);
  if (graves.size() > kMostGraves) {
    graves.pop_front();
  }
}

cl_mem make(_cl_mem made) {
  auto* memory = new _cl_mem(std::move(made));
  live().insert(memory);
  ++icd().memories;
  return memory;
}

/// What devices see of imported bytes: the same, or a copy.
void give_copy(_cl_mem& memory) {
  if (icd().memory != FakeClMemory::Shared) {
    memory.own.assign(memory.shared, memory.shared + memory.size);
  }
}

/// The checks of a descriptor, and its bytes; null after a violation.
std::byte* map_descriptor(int fd, std::size_t size, const char* who) {
  const int flags = ::fcntl(fd, F_GETFD);
  if (flags < 0) {
    violation(std::string(who) + ": the descriptor is not open");
    return nullptr;
  }
  if ((flags & FD_CLOEXEC) == 0) {
    violation(std::string(who) + ": the descriptor survives exec");
  }
  struct statfs system {};
  const bool memfd = ::fcntl(fd, F_GET_SEALS) >= 0;
  if (!memfd && (::fstatfs(fd, &system) != 0 || system.f_type != kDmaBufMagic)) {
    violation(std::string(who) + ": the descriptor is neither a dma-buf nor a memfd");
    return nullptr;
  }
  if (::lseek(fd, 0, SEEK_END) < static_cast<off_t>(size)) {
    violation(std::string(who) + ": the memory is smaller than the buffer");
    return nullptr;
  }
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return address != MAP_FAILED ? static_cast<std::byte*>(address) : nullptr;
}

bool flags_are_sound(cl_mem_flags flags) {
  const cl_mem_flags access = flags & (CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY);
  return (access & (access - 1)) == 0;
}

cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, std::size_t size, void* host,
                                 cl_int* error) {
  if (context->references <= 0) {
    return answer<cl_mem>(error, CL_INVALID_CONTEXT, nullptr);
  }
  if (size == 0 || size > kMost) {
    return answer<cl_mem>(error, CL_INVALID_BUFFER_SIZE, nullptr);
  }
  if (!flags_are_sound(flags) || ((flags & CL_MEM_USE_HOST_PTR) != 0) != (host != nullptr)) {
    violation("clCreateBuffer: flags and host pointer do not go together");
    return answer<cl_mem>(error, CL_INVALID_HOST_PTR, nullptr);
  }
  if (fails_now()) {
    return answer<cl_mem>(error, icd().fail_with, nullptr);
  }
  _cl_mem made{dispatch()};
  made.context = context;
  made.flags = flags;
  made.size = size;
  if (host != nullptr) {
    note("host-pointer");
    made.kind = _cl_mem::Kind::HostPointer;
    made.shared = static_cast<std::byte*>(host);
    give_copy(made);
  } else {
    made.own.resize(size);
  }
  return answer(error, CL_SUCCESS, make(std::move(made)));
}

cl_mem CL_API_CALL create_buffer_with_properties(cl_context context, const cl_mem_properties* properties,
                                                 cl_mem_flags flags, std::size_t size, void* host,
                                                 cl_int* error) {
  constexpr const char* kWho = "clCreateBufferWithProperties";
  note("khr-import");
  if (context->references <= 0) {
    return answer<cl_mem>(error, CL_INVALID_CONTEXT, nullptr);
  }
  if (properties == nullptr || properties[0] != CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR) {
    violation(std::string(kWho) + ": the first property is no dma-buf");
    return answer<cl_mem>(error, CL_INVALID_PROPERTY, nullptr);
  }
  const int fd = static_cast<int>(properties[1]);
  const cl_mem_properties* next = properties + 2;
  bool listed = false;
  if (*next == CL_DEVICE_HANDLE_LIST_KHR) {
    for (++next; *next != CL_DEVICE_HANDLE_LIST_END_KHR; ++next) {
      const auto* device = reinterpret_cast<cl_device_id>(*next);
      if (std::find(context->devices.begin(), context->devices.end(), device) == context->devices.end() ||
          device->bare) {
        return answer<cl_mem>(error, CL_INVALID_DEVICE, nullptr);
      }
      listed = true;
    }
    ++next;
  }
  if (*next != 0) {
    violation(std::string(kWho) + ": the properties do not end");
    return answer<cl_mem>(error, CL_INVALID_PROPERTY, nullptr);
  }
  const bool any_bare = std::any_of(context->devices.begin(), context->devices.end(),
                                    [](auto* device) { return device->bare; });
  if (!listed && any_bare) {
    return answer<cl_mem>(error, CL_INVALID_DEVICE, nullptr);
  }
  if ((flags & (CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR)) != 0 ||
      host != nullptr) {
    violation(std::string(kWho) + ": a host pointer together with external memory");
    return answer<cl_mem>(error, CL_INVALID_VALUE, nullptr);
  }
  if (size == 0 || size > kMost) {
    return answer<cl_mem>(error, CL_INVALID_BUFFER_SIZE, nullptr);
  }
  if (icd().every_import != CL_SUCCESS) {
    return answer<cl_mem>(error, icd().every_import, nullptr);
  }
  if (fails_now()) {
    return answer<cl_mem>(error, icd().fail_with, nullptr);
  }
  auto* address = map_descriptor(fd, size, kWho);
  if (address == nullptr) {
    return answer<cl_mem>(error, CL_INVALID_VALUE, nullptr);
  }
  _cl_mem made{dispatch()};
  made.kind = _cl_mem::Kind::External;
  made.context = context;
  made.flags = flags;
  made.size = size;
  made.fd = fd;  // the driver's from now on
  ++icd().taken_descriptors;
  made.shared = address;
  give_copy(made);
  return answer(error, CL_SUCCESS, make(std::move(made)));
}

cl_mem CL_API_CALL import_memory_arm(cl_context context, cl_mem_flags flags,
                                     const cl_import_properties_arm* properties, void* memory,
                                     std::size_t size, cl_int* error) {
  constexpr const char* kWho = "clImportMemoryARM";
  note("arm-import");
  if (context->references <= 0) {
    return answer<cl_mem>(error, CL_INVALID_CONTEXT, nullptr);
  }
  if (properties == nullptr || properties[0] != CL_IMPORT_TYPE_ARM ||
      properties[1] != CL_IMPORT_TYPE_DMA_BUF_ARM || properties[2] != 0) {
    violation(std::string(kWho) + ": the properties are not those of a dma-buf, or do not end");
    return answer<cl_mem>(error, CL_INVALID_PROPERTY, nullptr);
  }
  if (memory == nullptr || !flags_are_sound(flags)) {
    violation(std::string(kWho) + ": no pointer to a descriptor, or flags that exclude each other");
    return answer<cl_mem>(error, CL_INVALID_VALUE, nullptr);
  }
  if (icd().every_import != CL_SUCCESS) {
    return answer<cl_mem>(error, icd().every_import, nullptr);
  }
  if (fails_now()) {
    return answer<cl_mem>(error, icd().fail_with, nullptr);
  }
  const int fd = *static_cast<const int*>(memory);
  auto* address = map_descriptor(fd, size, kWho);
  if (address == nullptr) {
    return answer<cl_mem>(error, CL_INVALID_VALUE, nullptr);
  }
  _cl_mem made{dispatch()};
  made.kind = _cl_mem::Kind::Arm;
  made.context = context;
  made.flags = flags;
  made.size = size;
  made.fd = fd;  // the caller's: it has to stay open
  made.shared = address;
  if (icd().memory == FakeClMemory::Detached) {
    give_copy(made);
  }
  return answer(error, CL_SUCCESS, make(std::move(made)));
}

cl_mem CL_API_CALL create_sub_buffer(cl_mem parent, cl_mem_flags flags, cl_buffer_create_type type,
                                     const void* info, cl_int* error) {
  if (!alive(parent)) {
    return answer<cl_mem>(error, CL_INVALID_MEM_OBJECT, nullptr);
  }
  if (parent->kind == _cl_mem::Kind::Arm) {
    violation("clCreateSubBuffer: not of memory that clImportMemoryARM made");
    return answer<cl_mem>(error, CL_INVALID_OPERATION, nullptr);
  }
  const auto& region = *static_cast<const cl_buffer_region*>(info);
  if (type != CL_BUFFER_CREATE_TYPE_REGION || region.size == 0 ||
      region.origin + region.size > parent->size) {
    violation("clCreateSubBuffer: a region outside the buffer");
    return answer<cl_mem>(error, CL_INVALID_VALUE, nullptr);
  }
  if (region.origin % 256 != 0) {
    return answer<cl_mem>(error, CL_MISALIGNED_SUB_BUFFER_OFFSET, nullptr);
  }
  if (fails_now()) {
    return answer<cl_mem>(error, icd().fail_with, nullptr);
  }
  _cl_mem made{dispatch()};
  made.kind = _cl_mem::Kind::Part;
  made.context = parent->context;
  made.flags = flags;
  made.size = region.size;
  made.parent = parent;
  made.offset = region.origin;
  ++parent->references;
  return answer(error, CL_SUCCESS, make(std::move(made)));
}

cl_mem CL_API_CALL create_image(cl_context context, cl_mem_flags flags, const cl_image_format* format,
                                const cl_image_desc* description, void* host, cl_int* error) {
  const std::size_t channels =
      format->image_channel_order == CL_R ? 1 : (format->image_channel_order == CL_RG ? 2 : 4);
  const std::size_t bytes = channels * (format->image_channel_data_type == CL_UNORM_INT16 ? 2 : 1);
  const std::size_t pitch = description->image_row_pitch;
  const std::size_t needed = pitch * (description->image_height - 1) + description->image_width * bytes;
  cl_mem buffer = description->mem_object;
  if (pitch < description->image_width * bytes || pitch % bytes != 0) {
    violation("clCreateImage: a row pitch that is too small, or between elements");
    return answer<cl_mem>(error, CL_INVALID_IMAGE_DESCRIPTOR, nullptr);
  }
  if (buffer != nullptr) {
    if (!alive(buffer) || host != nullptr || !icd().images_from_buffers) {
      violation("clCreateImage: from a buffer that is none, with a host pointer, or without the extension");
      return answer<cl_mem>(error, CL_INVALID_OPERATION, nullptr);
    }
    if (pitch % (icd().image_pitch_align * bytes) != 0 || needed > buffer->size) {
      violation("clCreateImage: a pitch that is not aligned, or an image beyond its buffer");
      return answer<cl_mem>(error, CL_INVALID_IMAGE_DESCRIPTOR, nullptr);
    }
  } else if ((flags & CL_MEM_USE_HOST_PTR) == 0 || host == nullptr) {
    violation("clCreateImage: from neither a buffer nor a host pointer");
    return answer<cl_mem>(error, CL_INVALID_HOST_PTR, nullptr);
  }
  if (fails_now()) {
    return answer<cl_mem>(error, icd().fail_with, nullptr);
  }
  _cl_mem made{dispatch()};
  made.kind = _cl_mem::Kind::Image;
  made.context = context;
  made.flags = flags;
  made.size = needed;
  made.row_pitch = pitch;
  made.parent = buffer;
  if (buffer != nullptr) {
    ++buffer->references;
  }
  return answer(error, CL_SUCCESS, make(std::move(made)));
}

cl_int CL_API_CALL supported_formats(cl_context, cl_mem_flags, cl_mem_object_type, cl_uint room,
                                     cl_image_format* out, cl_uint* count) {
  constexpr cl_image_format kFormats[] = {
      {CL_R, CL_UNORM_INT8}, {CL_RG, CL_UNORM_INT8}, {CL_RGBA, CL_UNORM_INT8}, {CL_BGRA, CL_UNORM_INT8}};
  if (fails_now()) {
    return icd().fail_with;
  }
  if (out != nullptr) {
    std::copy_n(kFormats, std::min<std::size_t>(room, std::size(kFormats)), out);
  }
  if (count != nullptr) {
    *count = static_cast<cl_uint>(std::size(kFormats));
  }
  return CL_SUCCESS;
}

cl_int CL_API_CALL get_image_info(cl_mem image, cl_image_info what, std::size_t room, void* out,
                                  std::size_t* needed) {
  if (!alive(image) || what != CL_IMAGE_ROW_PITCH) {
    return CL_INVALID_MEM_OBJECT;
  }
  return give_value(image->row_pitch, room, out, needed);
}

cl_int CL_API_CALL retain_memory(cl_mem memory) {
  if (!alive(memory)) {
    return CL_INVALID_MEM_OBJECT;
  }
  ++memory->references;
  return CL_SUCCESS;
}

cl_int CL_API_CALL release_memory(cl_mem memory) {
  if (!alive(memory)) {
    violation("clReleaseMemObject: memory that does not live");
    return CL_INVALID_MEM_OBJECT;
  }
  if (--memory->references > 0) {
    return CL_SUCCESS;
  }
  if (memory->acquired && !memory->excused) {
    violation("clReleaseMemObject: memory that was acquired and not given back");
  }
  if (memory->mapped != 0) {
    violation("clReleaseMemObject: memory that is mapped");
  }
  if (memory->kind == _cl_mem::Kind::Arm && ::fcntl(memory->fd, F_GETFD) < 0) {
    violation("clReleaseMemObject: the descriptor of clImportMemoryARM was closed before");
  }
  if (memory->kind == _cl_mem::Kind::External) {
    --icd().taken_descriptors;
    if (::close(memory->fd) != 0) {
      violation("clReleaseMemObject: somebody closed the driver's descriptor");
    }
  }
  if (memory->kind == _cl_mem::Kind::External || memory->kind == _cl_mem::Kind::Arm) {
    ::munmap(memory->shared, memory->size);
  }
  cl_mem parent = memory->parent;
  bury(memory);
  --icd().memories;
  return parent != nullptr ? release_memory(parent) : CL_SUCCESS;
}

}  // namespace

bool alive(cl_mem memory) {
  return live().contains(memory);
}

void fill_memory(cl_icd_dispatch& table) {
  table.clCreateBuffer = &create_buffer;
  table.clCreateBufferWithProperties = &create_buffer_with_properties;
  table.clCreateSubBuffer = &create_sub_buffer;
  table.clCreateImage = &create_image;
  table.clGetSupportedImageFormats = &supported_formats;
  table.clGetImageInfo = &get_image_info;
  table.clRetainMemObject = &retain_memory;
  table.clReleaseMemObject = &release_memory;
}

void* memory_extension(const char* name) {
  return std::string_view(name) == "clImportMemoryARM" ? reinterpret_cast<void*>(&import_memory_arm)
                                                       : nullptr;
}

}  // namespace causeway::test::fake_opencl
