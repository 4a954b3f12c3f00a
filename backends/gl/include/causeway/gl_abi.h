/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structs that cross the plugin edge of the OpenGL ES backend, in C. C++ programs use causeway/gl.hpp.
 *
 * They grow as those of backend_abi.h do: at their end only, and whoever fills one writes its size into
 * struct_size.
 */
#ifndef CAUSEWAY_GL_ABI_H
#define CAUSEWAY_GL_ABI_H

#include <EGL/egl.h>
#include <causeway/plugin/backend_abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* eglGetProcAddress, or something that answers as it does. */
typedef __eglMustCastToProperFunctionPointerType (*cw_gl_get_proc_address)(const char* name);

/* ------------------------------------------------------- a caller's context */

#define CW_GL_ADOPT_V1 "causeway.gl.adopt.v1"

/* What cw_open_info.adopt points to; borrowed for the call. Display and context stay the caller's, are never
 * destroyed or terminated here, and must outlive the opened device.
 *
 * The context is one of OpenGL ES. A second one is made beside it that shares its textures, for all that the
 * device does by itself; the caller's is made current only to wait for fences and to make them, when an
 * access begins and ends, on the thread that does so. */
typedef struct cw_gl_adopt_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  cw_gl_get_proc_address get_proc_address; /* null: that of the machine's libEGL.so.1 */
  EGLDisplay display;                      /* initialised */
  EGLContext context;                      /* of that display */
} cw_gl_adopt_v1;

/* ------------------------------------------------------- the device's handles */

#define CW_GL_DEVICE_V1 "causeway.gl.device.v1"

/* Lent: they live as long as the opened device. */
typedef struct cw_gl_handles_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  cw_gl_get_proc_address get_proc_address;
  EGLDisplay display;
  EGLContext context; /* where the application works: it makes it current */
} cw_gl_handles_v1;

/* What get_interface(CW_GL_DEVICE_V1) returns. */
typedef struct cw_gl_device_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  void (*handles)(cw_device* device, cw_gl_handles_v1* out); /* out->struct_size is set by the caller */
} cw_gl_device_v1;

/* ------------------------------------------------------- a mapping */

#define CW_GL_VIEW_V1 "causeway.gl.view.v1"

/* What cw_mapping.native points to. The textures belong to the share group of context: the application uses
 * them there, between begin and end of an access and at no other time, and binds them anew in each access
 * (OES_EGL_image_external: what others wrote is seen after that). Lent until unmap. */
typedef struct cw_gl_view_v1 {
  uint32_t struct_size;
  uint32_t format; /* DRM fourcc of the frame */
  uint64_t modifier;
  uint32_t width; /* of the frame, pixels */
  uint32_t height;
  EGLDisplay display;
  EGLContext context;
  void* image;      /* EGLImage over the whole frame; null where the driver takes its planes alone */
  uint32_t texture; /* over image; 0 where that is null */
  uint32_t target;  /* of texture: GL_TEXTURE_2D, or GL_TEXTURE_EXTERNAL_OES, which is sampled as RGB */
  uint32_t plane_count;
  uint32_t plane_formats[CW_MAX_PLANES]; /* DRM fourcc: NV12's planes are R8 and GR88 */
  uint32_t plane_widths[CW_MAX_PLANES];  /* pixels of that format */
  uint32_t plane_heights[CW_MAX_PLANES];
  void* plane_images[CW_MAX_PLANES];      /* of frames with several planes in LINEAR layout; else null */
  uint32_t plane_textures[CW_MAX_PLANES]; /* GL_TEXTURE_2D over plane_images; else 0 */
} cw_gl_view_v1;

#ifdef __cplusplus
}
#endif
#endif
