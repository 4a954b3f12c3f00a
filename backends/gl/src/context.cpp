// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <causeway/fd.hpp>

#include "egl_error.hpp"

namespace causeway::gl_backend {
namespace {

const char* text_of(const Api& api, GLenum what) {
  const auto* text = api.gl.GetString(what);
  return text != nullptr ? reinterpret_cast<const char*>(text) : "";
}

Status need_extensions(const Context& context) {
  const char* extensions = context.api.egl.QueryString(context.display, EGL_EXTENSIONS);
  for (const char* needed :
       {"EGL_KHR_image_base", "EGL_EXT_image_dma_buf_import", "EGL_KHR_surfaceless_context"}) {
    if (!offers(extensions, needed)) {
      return Error(Errc::Unsupported, "open",
                   fmt::format("the driver {} lacks {}, without which it imports no dma-bufs",
                               context.driver.empty() ? "of this display" : context.driver, needed));
    }
  }
  return {};
}

/// llvmpipe behind a DRM node that has no 3D driver: it takes an imported dma-buf for a dumb buffer of that
/// node. With virtio-gpu every import fails; with vgem it succeeds, and drawing crashes (Mesa 25.0.7).
Status refuse_software_behind_a_node(const Context& context) {
  if (context.driver != "kms_swrast") {
    return {};
  }
  return Error(Errc::Unsupported, "open",
               "the driver is kms_swrast, software rendering behind a DRM node without a 3D driver, which "
               "takes imported memory for its own and crashes; the device \"software\" draws as well, and "
               "imports");
}

Result<EGLContext> make_worker(const Context& context) {
  const auto& egl = context.api.egl;
  EGLint version = 2;
  EGLint config_id = 0;
  if (egl.QueryContext(context.display, context.context, EGL_CONTEXT_CLIENT_VERSION, &version) == EGL_FALSE ||
      egl.QueryContext(context.display, context.context, EGL_CONFIG_ID, &config_id) == EGL_FALSE) {
    return egl_error(context.api, "eglQueryContext", "asking the context for its version");
  }
  EGLConfig config = EGL_NO_CONFIG_KHR;
  if (config_id != 0) {  // contexts share only where their configs suit each other
    const std::array<EGLint, 3> which{EGL_CONFIG_ID, config_id, EGL_NONE};
    EGLint count = 0;
    if (egl.ChooseConfig(context.display, which.data(), &config, 1, &count) == EGL_FALSE || count != 1) {
      return egl_error(context.api, "eglChooseConfig", "finding the context's config");
    }
  }
  const std::array<EGLint, 3> words{EGL_CONTEXT_CLIENT_VERSION, version, EGL_NONE};
  EGLContext made = egl.CreateContext(context.display, config, context.context, words.data());
  if (made == EGL_NO_CONTEXT) {
    return egl_error(context.api, "eglCreateContext", "making a context that shares the textures");
  }
  return made;
}

/// Whether the driver makes sync_files, tried once: llvmpipe has the extension everywhere, and the sync_files
/// only where it can open /dev/udmabuf. The worker is current.
bool makes_sync_files(const Context& context) {
  const auto& egl = context.api.egl;
  if (egl.DupNativeFenceFD == nullptr || egl.WaitSync == nullptr) {
    return false;
  }
  EGLSyncKHR sync = egl.CreateSync(context.display, EGL_SYNC_NATIVE_FENCE_ANDROID, nullptr);
  if (sync == EGL_NO_SYNC_KHR) {
    egl.GetError();
    return false;
  }
  context.api.gl.Flush();
  const UniqueFd fd(egl.DupNativeFenceFD(context.display, sync));
  egl.DestroySync(context.display, sync);
  return fd.valid();
}

void learn(Context& context) {
  const auto& api = context.api;
  const char* egl_extensions = api.egl.QueryString(context.display, EGL_EXTENSIONS);
  const char* gl_extensions = text_of(api, GL_EXTENSIONS);
  context.renderer = text_of(api, GL_RENDERER);
  context.driver_version = text_of(api, GL_VERSION);
  // A display that was adopted does not say what is beneath it.
  context.software = context.software || context.renderer.find("llvmpipe") != std::string::npos ||
                     context.renderer.find("softpipe") != std::string::npos;
  context.modifiers = offers(egl_extensions, "EGL_EXT_image_dma_buf_import_modifiers") &&
                      api.egl.QueryDmaBufFormats != nullptr && api.egl.QueryDmaBufModifiers != nullptr;
  context.external_textures = offers(gl_extensions, "GL_OES_EGL_image_external");
  context.fences = offers(egl_extensions, "EGL_KHR_fence_sync") && api.egl.CreateSync != nullptr &&
                   api.egl.DestroySync != nullptr && api.egl.ClientWaitSync != nullptr;
  context.sync_files = context.fences && offers(egl_extensions, "EGL_ANDROID_native_fence_sync") &&
                       offers(egl_extensions, "EGL_KHR_wait_sync") && makes_sync_files(context);
  GLint most = 0;
  api.gl.GetIntegerv(GL_MAX_TEXTURE_SIZE, &most);
  context.max_texture = static_cast<std::uint32_t>(std::max(most, 64));
}

}  // namespace

Result<Current> Context::work(std::string_view attempt) const {
  auto current = Current::make(api, display, worker, attempt);
  if (current && !dropped_.empty()) {
    api.gl.DeleteTextures(static_cast<GLsizei>(dropped_.size()), dropped_.data());
    dropped_.clear();
  }
  return current;
}

void Context::drop_texture(GLuint texture) const noexcept {
  if (api.egl.GetCurrentDisplay() == display && api.egl.GetCurrentContext() == worker) {
    api.gl.DeleteTextures(1, &texture);
    return;
  }
  dropped_.push_back(texture);
}

Context::~Context() {
  if (!dropped_.empty()) {
    static_cast<void>(work("closing"));
  }
  if (worker != EGL_NO_CONTEXT) {
    api.egl.DestroyContext(display, worker);
  }
  if (context != EGL_NO_CONTEXT && !adopted) {
    api.egl.DestroyContext(display, context);
  }
}

Status equip(Context& context) {
  const auto& egl = context.api.egl;
  const char* extensions = egl.QueryString(context.display, EGL_EXTENSIONS);
  const char* driver = offers(extensions, "EGL_MESA_query_driver") && egl.GetDisplayDriverName != nullptr
                           ? egl.GetDisplayDriverName(context.display)
                           : egl.QueryString(context.display, EGL_VENDOR);
  context.driver = driver != nullptr ? driver : "";
  if (auto status = refuse_software_behind_a_node(context); !status) {
    return status;
  }
  if (auto status = need_extensions(context); !status) {
    return status;
  }
  const EGLenum bound_api = egl.QueryAPI();
  egl.BindAPI(EGL_OPENGL_ES_API);
  auto worker = make_worker(context);
  egl.BindAPI(bound_api);
  if (!worker) {
    return std::move(worker.error());
  }
  context.worker = *worker;
  auto current = context.work("asking the driver what it can do");
  if (!current) {
    return std::move(current.error());
  }
  learn(context);
  if (!offers(text_of(context.api, GL_EXTENSIONS), "GL_OES_EGL_image")) {
    return Error(Errc::Unsupported, "open",
                 fmt::format("{} lacks GL_OES_EGL_image, without which imported memory is no texture",
                             context.name()));
  }
  return {};
}

}  // namespace causeway::gl_backend
