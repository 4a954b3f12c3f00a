// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api.hpp"
#include "current.hpp"

namespace causeway::gl_backend {

/// A display and two contexts that share their textures: the application's, own or adopted, and a worker for
/// whatever the device does by itself, so that no state of the application's changes.
///
/// Threads: as rule 6 of backend_abi.h; immutable once open() has returned.
struct Context {
  Context(plugin::Host services, const Api& functions) : host(services), api(functions) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  plugin::Host host;
  Api api;
  EGLDisplay display = EGL_NO_DISPLAY;
  EGLContext context = EGL_NO_CONTEXT;
  EGLContext worker = EGL_NO_CONTEXT;
  bool adopted = false;
  std::uint32_t index = 0;
  std::string renderer;  ///< GL_RENDERER
  std::string driver;
  std::string driver_version;        ///< GL_VERSION
  bool software = false;             ///< draws on the CPU, through a mapping of its own
  bool modifiers = false;            ///< EGL_EXT_image_dma_buf_import_modifiers
  bool external_textures = false;    ///< GL_OES_EGL_image_external
  bool fences = false;               ///< EGL_KHR_fence_sync
  bool sync_files = false;           ///< EGL_ANDROID_native_fence_sync, and seen to work
  std::uint32_t max_texture = 2048;  ///< pixels a side

  [[nodiscard]] const char* name() const noexcept { return renderer.c_str(); }
  /// The worker, on this thread. Textures that could not be deleted earlier go now.
  [[nodiscard]] Result<Current> work(std::string_view attempt) const;
  /// Deletes a texture of the share group: now if the worker is current, else when it is the next time. With
  /// another context current, the name would be that of somebody else's texture.
  void drop_texture(GLuint texture) const noexcept;

private:
  mutable std::vector<GLuint> dropped_;
};

/// Makes contexts on a device of the machine. id: as gl::open.
[[nodiscard]] Result<std::unique_ptr<Context>> open_own_device(plugin::Host host, std::string_view id);
/// Takes up the caller's, and makes the worker.
[[nodiscard]] Result<std::unique_ptr<Context>> adopt(plugin::Host host, const cw_gl_adopt_v1& info);

/// What both have in common once display and context are there: the worker, and what the driver can do.
/// Errors: Unsupported (it cannot import dma-bufs; names the extension).
[[nodiscard]] Status equip(Context& context);

}  // namespace causeway::gl_backend
