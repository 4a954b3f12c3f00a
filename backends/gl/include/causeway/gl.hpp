// SPDX-License-Identifier: Apache-2.0
#pragma once

// OpenGL ES for users of Causeway: the only header that brings EGL's in, and it brings EGL/egl.h alone.
// Nothing of EGL or OpenGL ES is linked: the functions come from the machine's libEGL.so.1, opened when first
// needed, or from the caller's eglGetProcAddress.

#include <causeway/gl_abi.h>
#include <causeway/attachment.hpp>
#include <causeway/device.hpp>
#include <causeway/result.hpp>
#include <string_view>

namespace causeway {

class Runtime;

namespace gl {

/// The caller's display and context. See cw_gl_adopt_v1 for who owns what and for how long.
/// Threads: reentrant (a value).
struct AdoptInfo {
  EGLDisplay display = EGL_NO_DISPLAY;
  EGLContext context = EGL_NO_CONTEXT;
  cw_gl_get_proc_address get_proc_address = nullptr;  ///< null: that of the machine's libEGL.so.1
};

/// The handles of a device, own or adopted. Lent: they live as long as the Device.
/// Threads: reentrant (a value).
struct Handles {
  EGLDisplay display;
  EGLContext context;
  cw_gl_get_proc_address get_proc_address;
};

/// A mapping, as OpenGL ES sees it; documented in gl_abi.h.
using View = cw_gl_view_v1;

/// Opens an EGL device of the machine, without a window system, and makes a context on it. id: an index, a
/// part of its name in any case ("software", "/dev/dri/renderD128"), or empty for the first that works,
/// hardware before software. Errors: NotFound (no library, driver or such device), Unsupported (it cannot
/// import dma-bufs, and why). Threads: thread-safe.
[[nodiscard]] Result<Device> open(Runtime& runtime, std::string_view id = {});

/// Takes up the caller's display and context. Errors: InvalidArgument (one is missing, or does not belong to
/// the other), Unsupported (no context of OpenGL ES; extensions are missing: says which), NotFound (no
/// library). Threads: thread-safe.
[[nodiscard]] Result<Device> adopt(Runtime& runtime, const AdoptInfo& info);

/// Errors: InvalidArgument (a device of another backend). Threads: thread-safe.
[[nodiscard]] Result<Handles> handles(const Device& device);

/// The textures of a mapping; lives as long as the mapping. Errors: InvalidArgument (a mapping of another
/// backend, or none). Threads: thread-safe. Costs a comparison of two strings: ask once, not per frame.
[[nodiscard]] Result<const View*> view(const Mapping& mapping);

}  // namespace gl
}  // namespace causeway
