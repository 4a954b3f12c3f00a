// SPDX-License-Identifier: Apache-2.0
#include "host/gl_faults.hpp"

#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <GLES2/gl2ext.h>

#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

namespace causeway::test {
namespace {

struct Plan {
  std::string function;
  std::uint32_t code = 0;
  int after = 0;
  int times = 0;
};

struct State {
  Plan plan;
  bool failed = false;
  std::optional<EGLint> egl_error;
  std::optional<GLenum> gl_error;
  std::set<std::string> hidden;
  std::string extensions;
  GlBooks books;
};
State& state() {
  static State one;
  return one;
}

/// Whether this call is to fail.
bool fails(std::string_view function) {
  auto& plan = state().plan;
  if (plan.times == 0 || plan.function != function || plan.after-- > 0) {
    return false;
  }
  --plan.times;
  state().failed = true;
  return true;
}
bool fails_egl(std::string_view function) {
  if (!fails(function)) {
    return false;
  }
  state().egl_error = static_cast<EGLint>(state().plan.code);
  return true;
}

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(eglGetProcAddress(name));
}

EGLint get_egl_error() {
  if (state().egl_error) {
    return *std::exchange(state().egl_error, std::nullopt);
  }
  return eglGetError();
}
GLenum get_gl_error() {
  if (state().gl_error) {
    return *std::exchange(state().gl_error, std::nullopt);
  }
  return real<PFNGLGETERRORPROC>("glGetError")();
}

const char* query_string(EGLDisplay display, EGLint name) {
  const char* all = eglQueryString(display, name);
  if (name != EGL_EXTENSIONS || display == EGL_NO_DISPLAY || all == nullptr) {
    return all;
  }
  std::istringstream words(all);
  state().extensions.clear();
  for (std::string word; words >> word;) {
    state().extensions += state().hidden.contains(word) ? "" : word + " ";
  }
  return state().extensions.c_str();
}

EGLBoolean make_current(EGLDisplay display, EGLSurface draw, EGLSurface read, EGLContext context) {
  return context != EGL_NO_CONTEXT && fails_egl("eglMakeCurrent")
             ? EGL_FALSE
             : eglMakeCurrent(display, draw, read, context);
}

EGLContext create_context(EGLDisplay display, EGLConfig config, EGLContext share, const EGLint* words) {
  EGLContext made =
      fails_egl("eglCreateContext") ? EGL_NO_CONTEXT : eglCreateContext(display, config, share, words);
  state().books.contexts += made != EGL_NO_CONTEXT ? 1 : 0;
  return made;
}
EGLBoolean destroy_context(EGLDisplay display, EGLContext context) {
  --state().books.contexts;
  return eglDestroyContext(display, context);
}

EGLImageKHR create_image(EGLDisplay display, EGLContext context, EGLenum target, EGLClientBuffer buffer,
                         const EGLint* words) {
  EGLImageKHR made = fails_egl("eglCreateImageKHR") ? EGL_NO_IMAGE_KHR
                                                    : real<PFNEGLCREATEIMAGEKHRPROC>("eglCreateImageKHR")(
                                                          display, context, target, buffer, words);
  state().books.images += made != EGL_NO_IMAGE_KHR ? 1 : 0;
  return made;
}
EGLBoolean destroy_image(EGLDisplay display, EGLImageKHR image) {
  --state().books.images;
  return real<PFNEGLDESTROYIMAGEKHRPROC>("eglDestroyImageKHR")(display, image);
}

EGLSyncKHR create_sync(EGLDisplay display, EGLenum type, const EGLint* words) {
  EGLSyncKHR made = fails_egl("eglCreateSyncKHR")
                        ? EGL_NO_SYNC_KHR
                        : real<PFNEGLCREATESYNCKHRPROC>("eglCreateSyncKHR")(display, type, words);
  state().books.syncs += made != EGL_NO_SYNC_KHR ? 1 : 0;
  return made;
}
EGLBoolean destroy_sync(EGLDisplay display, EGLSyncKHR sync) {
  --state().books.syncs;
  return real<PFNEGLDESTROYSYNCKHRPROC>("eglDestroySyncKHR")(display, sync);
}
EGLint client_wait_sync(EGLDisplay display, EGLSyncKHR sync, EGLint flags, EGLTimeKHR timeout) {
  return fails_egl("eglClientWaitSyncKHR")
             ? EGL_FALSE
             : real<PFNEGLCLIENTWAITSYNCKHRPROC>("eglClientWaitSyncKHR")(display, sync, flags, timeout);
}

void gen_textures(GLsizei count, GLuint* textures) {
  state().books.textures += count;
  real<PFNGLGENTEXTURESPROC>("glGenTextures")(count, textures);
}
void delete_textures(GLsizei count, const GLuint* textures) {
  state().books.textures -= count;
  real<PFNGLDELETETEXTURESPROC>("glDeleteTextures")(count, textures);
}
void image_target(GLenum target, GLeglImageOES image) {
  if (fails("glEGLImageTargetTexture2DOES")) {
    state().gl_error = state().plan.code;
    return;
  }
  real<PFNGLEGLIMAGETARGETTEXTURE2DOESPROC>("glEGLImageTargetTexture2DOES")(target, image);
}

template <class Function>
__eglMustCastToProperFunctionPointerType as_found(Function* function) {
  return reinterpret_cast<__eglMustCastToProperFunctionPointerType>(function);
}

}  // namespace

__eglMustCastToProperFunctionPointerType FaultyGl::get(const char* name) {
  const std::pair<std::string_view, __eglMustCastToProperFunctionPointerType> ours[] = {
      {"eglGetError", as_found(&get_egl_error)},
      {"glGetError", as_found(&get_gl_error)},
      {"eglQueryString", as_found(&query_string)},
      {"eglMakeCurrent", as_found(&make_current)},
      {"eglCreateContext", as_found(&create_context)},
      {"eglDestroyContext", as_found(&destroy_context)},
      {"eglCreateImageKHR", as_found(&create_image)},
      {"eglDestroyImageKHR", as_found(&destroy_image)},
      {"eglCreateSyncKHR", as_found(&create_sync)},
      {"eglDestroySyncKHR", as_found(&destroy_sync)},
      {"eglClientWaitSyncKHR", as_found(&client_wait_sync)},
      {"glGenTextures", as_found(&gen_textures)},
      {"glDeleteTextures", as_found(&delete_textures)},
      {"glEGLImageTargetTexture2DOES", as_found(&image_target)},
  };
  for (const auto& [known, function] : ours) {
    if (known == name) {
      return function;
    }
  }
  return eglGetProcAddress(name);
}

void FaultyGl::reset() {
  state() = State();
}
void FaultyGl::fail(const std::string& function, std::uint32_t code, int after, int times) {
  state().plan = {function, code, after, times};
  state().failed = false;
}
bool FaultyGl::failed() {
  return state().failed;
}
void FaultyGl::hide(const std::string& extension) {
  state().hidden.insert(extension);
}
const GlBooks& FaultyGl::books() {
  return state().books;
}

}  // namespace causeway::test
