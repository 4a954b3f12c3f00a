// SPDX-License-Identifier: Apache-2.0
#include "api.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>

namespace causeway::gl_backend {
namespace {

/// Looks functions up and remembers the first that is missing.
class Functions {
public:
  explicit Functions(cw_gl_get_proc_address get) : get_(get) {}

  template <class Function>
  void need(Function& function, const char* name) {
    maybe(function, name);
    if (function == nullptr && missing_.empty()) {
      missing_ = name;
    }
  }
  template <class Function>
  void maybe(Function& function, const char* name) {
    function = reinterpret_cast<Function>(get_(name));
  }
  [[nodiscard]] const std::string& missing() const { return missing_; }

private:
  cw_gl_get_proc_address get_;
  std::string missing_;
};

void load_egl(Functions& functions, Api& api) {
  auto& egl = api.egl;
  functions.need(egl.QueryString, "eglQueryString");
  functions.need(egl.GetError, "eglGetError");
  functions.need(egl.Initialize, "eglInitialize");
  functions.need(egl.BindAPI, "eglBindAPI");
  functions.need(egl.QueryAPI, "eglQueryAPI");
  functions.need(egl.ChooseConfig, "eglChooseConfig");
  functions.need(egl.CreateContext, "eglCreateContext");
  functions.need(egl.DestroyContext, "eglDestroyContext");
  functions.need(egl.QueryContext, "eglQueryContext");
  functions.need(egl.MakeCurrent, "eglMakeCurrent");
  functions.need(egl.GetCurrentContext, "eglGetCurrentContext");
  functions.need(egl.GetCurrentDisplay, "eglGetCurrentDisplay");
  functions.need(egl.GetCurrentSurface, "eglGetCurrentSurface");
  functions.maybe(egl.GetPlatformDisplay, "eglGetPlatformDisplayEXT");
  functions.maybe(egl.QueryDevices, "eglQueryDevicesEXT");
  functions.maybe(egl.QueryDeviceString, "eglQueryDeviceStringEXT");
  functions.maybe(egl.GetDisplayDriverName, "eglGetDisplayDriverName");
  functions.need(egl.CreateImage, "eglCreateImageKHR");
  functions.need(egl.DestroyImage, "eglDestroyImageKHR");
  functions.maybe(egl.QueryDmaBufFormats, "eglQueryDmaBufFormatsEXT");
  functions.maybe(egl.QueryDmaBufModifiers, "eglQueryDmaBufModifiersEXT");
  functions.maybe(egl.CreateSync, "eglCreateSyncKHR");
  functions.maybe(egl.DestroySync, "eglDestroySyncKHR");
  functions.maybe(egl.ClientWaitSync, "eglClientWaitSyncKHR");
  functions.maybe(egl.WaitSync, "eglWaitSyncKHR");
  functions.maybe(egl.DupNativeFenceFD, "eglDupNativeFenceFDANDROID");
}

void load_gl(Functions& functions, Api& api) {
  auto& gl = api.gl;
  functions.need(gl.GetError, "glGetError");
  functions.need(gl.GetString, "glGetString");
  functions.need(gl.GetIntegerv, "glGetIntegerv");
  functions.need(gl.GenTextures, "glGenTextures");
  functions.need(gl.DeleteTextures, "glDeleteTextures");
  functions.need(gl.BindTexture, "glBindTexture");
  functions.need(gl.TexParameteri, "glTexParameteri");
  functions.need(gl.GenFramebuffers, "glGenFramebuffers");
  functions.need(gl.DeleteFramebuffers, "glDeleteFramebuffers");
  functions.need(gl.BindFramebuffer, "glBindFramebuffer");
  functions.need(gl.FramebufferTexture2D, "glFramebufferTexture2D");
  functions.need(gl.CheckFramebufferStatus, "glCheckFramebufferStatus");
  functions.need(gl.Enable, "glEnable");
  functions.need(gl.Scissor, "glScissor");
  functions.need(gl.ClearColor, "glClearColor");
  functions.need(gl.Clear, "glClear");
  functions.need(gl.ReadPixels, "glReadPixels");
  functions.need(gl.Flush, "glFlush");
  functions.need(gl.Finish, "glFinish");
  functions.need(gl.EGLImageTargetTexture2D, "glEGLImageTargetTexture2DOES");
}

}  // namespace

Result<Api> load_api(cw_gl_get_proc_address get_proc_address) {
  Api api{};
  api.get_proc_address = get_proc_address;
  Functions functions(get_proc_address);
  load_egl(functions, api);
  load_gl(functions, api);
  if (!functions.missing().empty()) {
    return Error(Errc::NotFound, "eglGetProcAddress",
                 fmt::format("{} is not there; EGL 1.4 with EGL_KHR_image_base and "
                             "EGL_KHR_get_all_proc_addresses, and OpenGL ES 2.0 are needed",
                             functions.missing()));
  }
  return api;
}

Result<cw_gl_get_proc_address> system_get_proc_address() {
  static void* const library = ::dlopen("libEGL.so.1", RTLD_NOW | RTLD_LOCAL);
  void* found = library != nullptr ? ::dlsym(library, "eglGetProcAddress") : nullptr;
  if (found == nullptr) {
    return Error(Errc::NotFound, "dlopen",
                 "this machine has no EGL library, libEGL.so.1; Debian's package is libegl1, and "
                 "libgl1-mesa-dri brings Mesa's drivers, one of which runs on any CPU");
  }
  return reinterpret_cast<cw_gl_get_proc_address>(found);
}

bool offers(const char* list, std::string_view extension) noexcept {
  std::string_view rest = list != nullptr ? list : "";
  while (!rest.empty()) {
    const auto end = rest.find(' ');
    if (rest.substr(0, end) == extension) {
      return true;
    }
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return false;
}

}  // namespace causeway::gl_backend
