// SPDX-License-Identifier: Apache-2.0
#include "api.hpp"

#include <dlfcn.h>

#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace causeway::fpga_xrt_backend {

Result<Api> Api::from(const Symbols& symbols, const std::string& library) {
  Api api{};
  std::string missing;
  const auto need = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbols(name));
    if (function == nullptr && missing.empty()) {
      missing = name;
    }
  };
  need(api.DeviceOpen, "xrtDeviceOpen");
  need(api.DeviceOpenByBDF, "xrtDeviceOpenByBDF");
  need(api.DeviceClose, "xrtDeviceClose");
  need(api.BOAlloc, "xrtBOAlloc");
  need(api.BOImport, "xrtBOImport");
  need(api.BOExport, "xrtBOExport");
  need(api.BOFree, "xrtBOFree");
  need(api.BOSize, "xrtBOSize");
  need(api.BOAddress, "xrtBOAddress");
  need(api.BOSync, "xrtBOSync");
  if (!missing.empty()) {
    return Error(Errc::Incompatible, "dlsym",
                 plugin::words(library, " has no ", missing,
                               ", so it is another library, or an XRT that is too old; update XRT"));
  }
  return api;
}

Result<Api> Api::load(const std::string& library) {
  void* opened = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) {
    const char* why = ::dlerror();
    return Error(Errc::NotFound, "dlopen",
                 plugin::words("XRT's library cannot be opened (", why != nullptr ? why : "no reason given",
                               "); install XRT for your card, and let the loader find it: "
                               "source /opt/xilinx/xrt/setup.sh"));
  }
  return from([opened](const char* name) { return ::dlsym(opened, name); }, library);
}

Error failure_of(const char* entry_point, std::string text) {
  const int reason = std::abs(errno);
  return {reason != 0 ? errc_from_errno(reason) : Errc::Io, entry_point, std::move(text), reason};
}

}  // namespace causeway::fpga_xrt_backend
