// SPDX-License-Identifier: Apache-2.0
#include "host/gl_harness.hpp"

#include <algorithm>

namespace causeway::test {
namespace {

template <class Function>
Function egl_function(const char* name) {
  const auto found = reinterpret_cast<Function>(eglGetProcAddress(name));
  if (found == nullptr) {
    throw std::runtime_error(std::string(name) + " is not there");
  }
  return found;
}

EGLDeviceEXT software_device() {
  const auto query = egl_function<PFNEGLQUERYDEVICESEXTPROC>("eglQueryDevicesEXT");
  const auto text = egl_function<PFNEGLQUERYDEVICESTRINGEXTPROC>("eglQueryDeviceStringEXT");
  std::array<EGLDeviceEXT, 16> found{};
  EGLint count = 0;
  query(static_cast<EGLint>(found.size()), found.data(), &count);
  for (EGLint i = 0; i < count; ++i) {
    auto* const device = found.at(static_cast<std::size_t>(i));
    if (std::string(text(device, EGL_EXTENSIONS)).find("EGL_MESA_device_software") != std::string::npos) {
      return device;
    }
  }
  throw std::runtime_error("EGL has no software device here; ./dev setup installs Mesa");
}

GLuint compile(GLenum type, const std::string& source) {
  const GLuint shader = glCreateShader(type);
  const char* text = source.c_str();
  glShaderSource(shader, 1, &text, nullptr);
  glCompileShader(shader);
  GLint compiled = GL_FALSE;
  glGetShaderiv(shader, GL_COMPILE_STATUS, &compiled);
  if (compiled == GL_FALSE) {
    std::string log(1024, '\0');
    glGetShaderInfoLog(shader, static_cast<GLsizei>(log.size()), nullptr, log.data());
    throw std::runtime_error("a shader does not compile: " + log);
  }
  return shader;
}

}  // namespace

CurrentContext::CurrentContext(EGLDisplay display, EGLContext context) : display_(display) {
  eglBindAPI(EGL_OPENGL_ES_API);
  EXPECT_TRUE(eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context)) << eglGetError();
}
CurrentContext::CurrentContext(const Device& device)
    : CurrentContext(must(gl::handles(device)).display, must(gl::handles(device)).context) {}
CurrentContext::~CurrentContext() {
  eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
}

CallerContext::CallerContext(EGLenum api) {
  const auto get = egl_function<PFNEGLGETPLATFORMDISPLAYEXTPROC>("eglGetPlatformDisplayEXT");
  display_ = get(EGL_PLATFORM_DEVICE_EXT, software_device(), nullptr);
  EXPECT_TRUE(eglInitialize(display_, nullptr, nullptr));
  eglBindAPI(api);
  const std::array<EGLint, 3> words{EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE};
  context_ = eglCreateContext(display_, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT,
                              api == EGL_OPENGL_ES_API ? words.data() : nullptr);
  EXPECT_NE(context_, EGL_NO_CONTEXT);
  eglBindAPI(EGL_OPENGL_ES_API);
}
CallerContext::~CallerContext() {
  EXPECT_TRUE(eglDestroyContext(display_, context_)) << "it is still the caller's";
}

std::uint8_t expected_byte(std::uint32_t x, std::uint32_t y, std::uint32_t channel) {
  return static_cast<std::uint8_t>((x * 7 + y * 13 + channel * 59 + (x * y) / 5) & 0xffU);
}

Canvas::Canvas(std::uint32_t width, std::uint32_t height) : width_(width), height_(height) {
  glGenTextures(1, &own_);
  glBindTexture(GL_TEXTURE_2D, own_);
  glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, static_cast<GLsizei>(width), static_cast<GLsizei>(height), 0,
               GL_RGBA, GL_UNSIGNED_BYTE, nullptr);
  glGenFramebuffers(1, &framebuffer_);
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, own_, 0);
}

Canvas::Canvas(GLuint texture, std::uint32_t width, std::uint32_t height) : width_(width), height_(height) {
  glGenFramebuffers(1, &framebuffer_);
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
  EXPECT_EQ(glCheckFramebufferStatus(GL_FRAMEBUFFER), GLenum{GL_FRAMEBUFFER_COMPLETE});
}

Canvas::~Canvas() {
  glDeleteFramebuffers(1, &framebuffer_);
  if (own_ != 0) {
    glDeleteTextures(1, &own_);
  }
}

void Canvas::draw(const std::string& body, const std::string& head) const {
  const GLuint vertex =
      compile(GL_VERTEX_SHADER, "attribute vec2 corner; void main() { gl_Position = vec4(corner, 0, 1); }");
  const GLuint fragment =
      compile(GL_FRAGMENT_SHADER, head + "\nprecision highp float;\n" + body +
                                      "\nvoid main() { gl_FragColor = colour(gl_FragCoord.xy); }\n");
  const GLuint program = glCreateProgram();
  glAttachShader(program, vertex);
  glAttachShader(program, fragment);
  glBindAttribLocation(program, 0, "corner");
  glLinkProgram(program);
  glUseProgram(program);
  glUniform1i(glGetUniformLocation(program, "t0"), 0);
  glUniform1i(glGetUniformLocation(program, "t1"), 1);
  constexpr std::array<GLfloat, 8> kCorners{-1, -1, 1, -1, -1, 1, 1, 1};
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glViewport(0, 0, static_cast<GLsizei>(width_), static_cast<GLsizei>(height_));
  glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, kCorners.data());
  glEnableVertexAttribArray(0);
  glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
  EXPECT_EQ(glGetError(), GLenum{GL_NO_ERROR});
  glUseProgram(0);
  glDeleteProgram(program);
  glDeleteShader(vertex);
  glDeleteShader(fragment);
}

Pixels Canvas::read() const {
  Pixels pixels{width_, height_, std::vector<std::uint8_t>(std::size_t{width_} * height_ * 4)};
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glReadPixels(0, 0, static_cast<GLsizei>(width_), static_cast<GLsizei>(height_), GL_RGBA, GL_UNSIGNED_BYTE,
               pixels.bytes.data());
  EXPECT_EQ(glGetError(), GLenum{GL_NO_ERROR});
  return pixels;
}

void bind(GLuint unit, GLenum target, GLuint texture) {
  glActiveTexture(GL_TEXTURE0 + unit);
  glBindTexture(target, texture);
}

std::vector<std::string> allocators_here() {
  static const std::vector<std::string> found = [] {
    auto runtime = must(Runtime::create());
    std::vector<std::string> names;
    for (const auto& exporter : runtime.exporters()) {
      const bool wanted =
          exporter.name == "memfd" || exporter.name == "udmabuf" || exporter.name == "dma_heap:system";
      if (wanted && exporter.available) {
        names.push_back(exporter.name);
      }
    }
    return names;
  }();
  return found;
}

GlFrame::GlFrame(Runtime& runtime, const Device& device, const std::string& allocator, const FrameDesc& desc,
                 Usage usage)
    : device_(device),
      pool_(must(runtime.negotiate(desc).with(device, usage).exporter(allocator).allocate(1))),
      view_(must(gl::view(pool_.frame(0).on(device_)))) {}

}  // namespace causeway::test
