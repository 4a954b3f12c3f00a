// SPDX-License-Identifier: Apache-2.0
#include "loader.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

namespace causeway::vulkan_backend {

Result<PFN_vkGetInstanceProcAddr> system_loader() {
  // Opening it again only counts up, so nothing is kept here.
  void* library = ::dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return Error(Errc::NotFound, "dlopen",
                 fmt::format("this machine has no Vulkan loader, libvulkan.so.1 ({}); Debian's package is "
                             "libvulkan1, and mesa-vulkan-drivers brings a driver that runs on any CPU",
                             why != nullptr ? why : "no reason given"));
  }
  auto* entry = reinterpret_cast<PFN_vkGetInstanceProcAddr>(::dlsym(library, "vkGetInstanceProcAddr"));
  if (entry == nullptr) {
    return Error(Errc::NotFound, "dlsym", "libvulkan.so.1 has no vkGetInstanceProcAddr, so it is no loader");
  }
  return entry;
}

}  // namespace causeway::vulkan_backend
