// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/gl_abi.h>

#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <GLES2/gl2ext.h>

#include <causeway/result.hpp>
#include <string_view>

namespace causeway::gl_backend {

/// The functions of EGL and OpenGL ES 2.0 that this backend calls; all come from eglGetProcAddress
/// (EGL_KHR_get_all_proc_addresses). Named as in the specifications, without "egl" and "gl". A function of an
/// extension may be there without the extension: the strings decide, not the pointers.
struct Api {
  cw_gl_get_proc_address get_proc_address;
  struct {
    PFNEGLQUERYSTRINGPROC QueryString;
    PFNEGLGETERRORPROC GetError;
    PFNEGLINITIALIZEPROC Initialize;
    PFNEGLBINDAPIPROC BindAPI;
    PFNEGLQUERYAPIPROC QueryAPI;
    PFNEGLCHOOSECONFIGPROC ChooseConfig;
    PFNEGLCREATECONTEXTPROC CreateContext;
    PFNEGLDESTROYCONTEXTPROC DestroyContext;
    PFNEGLQUERYCONTEXTPROC QueryContext;
    PFNEGLMAKECURRENTPROC MakeCurrent;
    PFNEGLGETCURRENTCONTEXTPROC GetCurrentContext;
    PFNEGLGETCURRENTDISPLAYPROC GetCurrentDisplay;
    PFNEGLGETCURRENTSURFACEPROC GetCurrentSurface;
    PFNEGLGETPLATFORMDISPLAYEXTPROC GetPlatformDisplay;      ///< EGL_EXT_platform_base
    PFNEGLQUERYDEVICESEXTPROC QueryDevices;                  ///< EGL_EXT_device_enumeration
    PFNEGLQUERYDEVICESTRINGEXTPROC QueryDeviceString;        ///< EGL_EXT_device_query
    PFNEGLGETDISPLAYDRIVERNAMEPROC GetDisplayDriverName;     ///< EGL_MESA_query_driver
    PFNEGLCREATEIMAGEKHRPROC CreateImage;                    ///< EGL_KHR_image_base
    PFNEGLDESTROYIMAGEKHRPROC DestroyImage;                  ///< the same
    PFNEGLQUERYDMABUFFORMATSEXTPROC QueryDmaBufFormats;      ///< EGL_EXT_image_dma_buf_import_modifiers
    PFNEGLQUERYDMABUFMODIFIERSEXTPROC QueryDmaBufModifiers;  ///< the same
    PFNEGLCREATESYNCKHRPROC CreateSync;                      ///< EGL_KHR_fence_sync
    PFNEGLDESTROYSYNCKHRPROC DestroySync;                    ///< the same
    PFNEGLCLIENTWAITSYNCKHRPROC ClientWaitSync;              ///< the same
    PFNEGLWAITSYNCKHRPROC WaitSync;                          ///< EGL_KHR_wait_sync
    PFNEGLDUPNATIVEFENCEFDANDROIDPROC DupNativeFenceFD;      ///< EGL_ANDROID_native_fence_sync
  } egl;
  struct {
    PFNGLGETERRORPROC GetError;
    PFNGLGETSTRINGPROC GetString;
    PFNGLGETINTEGERVPROC GetIntegerv;
    PFNGLGENTEXTURESPROC GenTextures;
    PFNGLDELETETEXTURESPROC DeleteTextures;
    PFNGLBINDTEXTUREPROC BindTexture;
    PFNGLTEXPARAMETERIPROC TexParameteri;
    PFNGLGENFRAMEBUFFERSPROC GenFramebuffers;
    PFNGLDELETEFRAMEBUFFERSPROC DeleteFramebuffers;
    PFNGLBINDFRAMEBUFFERPROC BindFramebuffer;
    PFNGLFRAMEBUFFERTEXTURE2DPROC FramebufferTexture2D;
    PFNGLCHECKFRAMEBUFFERSTATUSPROC CheckFramebufferStatus;
    PFNGLENABLEPROC Enable;
    PFNGLSCISSORPROC Scissor;
    PFNGLCLEARCOLORPROC ClearColor;
    PFNGLCLEARPROC Clear;
    PFNGLREADPIXELSPROC ReadPixels;
    PFNGLFLUSHPROC Flush;
    PFNGLFINISHPROC Finish;
    PFNGLEGLIMAGETARGETTEXTURE2DOESPROC EGLImageTargetTexture2D;  ///< GL_OES_EGL_image
  } gl;
};

/// Looks every function up. Errors: NotFound (EGL below 1.4, or no OpenGL ES behind it; names the function).
[[nodiscard]] Result<Api> load_api(cw_gl_get_proc_address get_proc_address);

/// eglGetProcAddress of the machine's libEGL.so.1, opened when first needed, so that a machine without EGL
/// can run everything else. It is not closed again: drivers leave threads and thread-local data behind.
/// Errors: NotFound. Threads: thread-safe.
[[nodiscard]] Result<cw_gl_get_proc_address> system_get_proc_address();

/// Whether a list of extensions, words between spaces, has this one. list may be null.
[[nodiscard]] bool offers(const char* list, std::string_view extension) noexcept;

}  // namespace causeway::gl_backend
