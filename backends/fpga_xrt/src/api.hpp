// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace causeway::fpga_xrt_backend {

/// xrtDeviceHandle and xrtBufferHandle are pointers to nothing that is known here (XRT's xrt.h).
using DeviceHandle = void*;
using BufferHandle = void*;

/// The C entry points of XRT that this backend calls, named as in XRT's xrt/xrt_device.h and xrt/xrt_bo.h
/// without "xrt". Parameters of XRT's own typedefs have the types that those stand for on Linux:
/// xclBufferExportHandle is int32_t and a descriptor, xrtBufferFlags uint64_t, xrtMemoryGroup uint32_t.
struct Api {
  DeviceHandle (*DeviceOpen)(unsigned index);        ///< null: no such device
  DeviceHandle (*DeviceOpenByBDF)(const char* bdf);  ///< the same, by PCI address
  int (*DeviceClose)(DeviceHandle);                  ///< 0, or it failed; so do the next ones
  BufferHandle (*BOAlloc)(DeviceHandle, std::size_t size, std::uint64_t flags, std::uint32_t group);
  BufferHandle (*BOImport)(DeviceHandle, std::int32_t fd);  ///< the descriptor stays the caller's
  std::int32_t (*BOExport)(BufferHandle);                   ///< the descriptor stays the buffer's; -1: failed
  int (*BOFree)(BufferHandle);
  std::size_t (*BOSize)(BufferHandle);       ///< SIZE_MAX: failed
  std::uint64_t (*BOAddress)(BufferHandle);  ///< LLONG_MAX says the header, UINT64_MAX the library: failed
  int (*BOSync)(BufferHandle, int direction, std::size_t size, std::size_t offset);

  using Symbols = std::function<void*(const char* name)>;
  /// Errors: Incompatible, naming the entry point that is missing.
  [[nodiscard]] static Result<Api> from(const Symbols& symbols, const std::string& library);
  /// library: what dlopen(3) takes. It is never closed again, since drivers leave threads behind.
  /// Errors: NotFound, Incompatible.
  [[nodiscard]] static Result<Api> load(const std::string& library);
};

inline constexpr const char* kLibrary = "libxrt_coreutil.so.2";

/// xclBOSyncDirection.
inline constexpr int kToDevice = 0;
inline constexpr int kFromDevice = 1;

/// The failure of an entry point that was called right after errno was cleared: newer versions of XRT leave
/// their code there, some of them negated.
[[nodiscard]] Error failure_of(const char* entry_point, std::string text);

}  // namespace causeway::fpga_xrt_backend
