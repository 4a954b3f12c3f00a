// SPDX-License-Identifier: Apache-2.0
#include "device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <causeway/plugin/access.hpp>
#include <causeway/plugin/attach_check.hpp>
#include <cstring>
#include <string>

#include "constraints.hpp"
#include "egl_device.hpp"
#include "egl_error.hpp"
#include "format_support.hpp"

namespace causeway::gl_backend {
namespace {

/// CW_CAP_IMPLICIT_FENCES and CW_CAP_COHERENT stay unset: of no driver is there evidence. Software rendering
/// maps what it imports, and takes a memfd as well.
std::uint32_t capabilities(bool software) noexcept {
  return CW_CAP_IMPORTS_DMA_BUF | (software ? CW_CAP_ACCESSES_VIA_CPU | CW_CAP_IMPORTS_MEMFD : 0U);
}

Status check_memory(const Context& context, const cw_attach_info& info) {
  for (std::uint32_t i = 0; i < info.object_count; ++i) {
    auto checked = plugin::check_object(context.host, info.objects[i], i);
    if (!checked) {
      return std::move(checked.error());
    }
    if (!checked->is_dma_buf && !context.software) {
      return Error(Errc::Unsupported, "attach",
                   fmt::format("object {} is a memfd, and {} imports dma-bufs alone; udmabuf makes one of it",
                               i, context.name()));
    }
  }
  return {};
}

/// Drivers read past an object that is too small, and crash.
Status check_fits(const Context& context, const cw_attach_info& info) {
  const auto format = info_of(Format{info.image.format});
  if (!format || info.image.modifier != Modifier::kLinear.value || info.plane_count != format->plane_count) {
    return {};  // what a modifier's planes hold is the driver's to know
  }
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    const auto& plane = info.planes[p];
    const auto& block = format->planes.at(p);
    const std::uint64_t row = format->min_stride(p, info.image.width);
    if (plane.stride < row || plane.stride % block.block_bytes != 0) {
      return Error(
          Errc::InvalidArgument, "attach",
          fmt::format("plane {} has a stride of {} bytes; {} pixels of {} need a multiple of {} of at "
                      "least {}",
                      p, plane.stride, info.image.width, Format{info.image.format}.to_string(),
                      block.block_bytes, row));
    }
    const std::uint64_t bytes =
        reach(context, plane.stride, block.block_bytes, static_cast<std::uint32_t>(row / block.block_bytes),
              static_cast<std::uint32_t>(format->rows(p, info.image.height)));
    const std::uint64_t size = info.objects[plane.object].size;
    if (plane.offset > size || bytes > size - plane.offset) {
      return Error(Errc::Unsupported, "attach",
                   fmt::format("plane {} needs {} bytes from offset {} on, and object {} has {}; {}", p,
                               bytes, plane.offset, plane.object, size,
                               context.software ? "software rendering works in whole blocks of 4 x 4 pixels, "
                                                  "behind the last row, too"
                                                : "the driver would read past its end"));
    }
  }
  return {};
}

/// Whether a texture can be a colour attachment: asked of the driver with a framebuffer of the worker's.
bool can_be_drawn_into(const Context& context, const ImportedImage& image) {
  const auto& gl = context.api.gl;
  if (image.target() != GL_TEXTURE_2D) {
    return false;
  }
  GLuint framebuffer = 0;
  gl.GenFramebuffers(1, &framebuffer);
  gl.BindFramebuffer(GL_FRAMEBUFFER, framebuffer);
  gl.FramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, image.texture(), 0);
  const bool complete = gl.CheckFramebufferStatus(GL_FRAMEBUFFER) == GL_FRAMEBUFFER_COMPLETE;
  gl.BindFramebuffer(GL_FRAMEBUFFER, 0);
  gl.DeleteFramebuffers(1, &framebuffer);
  return complete;
}

void describe_frame(const Context& context, const cw_attach_info& info, cw_gl_view_v1& view) {
  view.format = info.image.format;
  view.modifier = info.image.modifier;
  view.width = info.image.width;
  view.height = info.image.height;
  view.display = context.display;
  view.context = context.context;
  view.plane_count = info.plane_count;
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    const auto plane = plane_image(Format{info.image.format}, p, info.image.width, info.image.height);
    view.plane_formats[p] = plane ? plane->format.fourcc : info.image.format;
    view.plane_widths[p] = plane ? plane->width : info.image.width;
    view.plane_heights[p] = plane ? plane->height : info.image.height;
  }
}

const cw_gl_device_v1 kDeviceInterface{sizeof(cw_gl_device_v1), 0,
                                       [](cw_device* device, cw_gl_handles_v1* out) {
                                         auto found = plugin::sized<cw_gl_handles_v1>();
                                         reinterpret_cast<const Device*>(device)->handles(found);
                                         const std::uint32_t room = out->struct_size;
                                         std::memcpy(out, &found, std::min<std::size_t>(room, sizeof(found)));
                                         out->struct_size = room;
                                       }};

}  // namespace

Device::Attachment::~Attachment() {
  [[maybe_unused]] const auto current = context_.work("detaching");
  whole = ImportedImage();
  planes = {};
  probes.clear();
}

Result<std::vector<cw_device_info>> Device::enumerate(plugin::Host host) {
  std::vector<cw_device_info> infos;
  auto entry = system_get_proc_address();
  auto api = entry ? load_api(*entry) : Result<Api>(entry.error());
  if (!api) {
    host.log(CW_LOG_DEBUG, api.error().message());  // a machine without EGL has no devices of it
    return infos;
  }
  // No driver is started for this: some say so loudly, and who opens a device is told why it does not work.
  for (const auto& device : list_devices(*api)) {
    auto info = plugin::sized<cw_device_info>();
    info.capabilities = capabilities(device.software);
    plugin::copy_text(info.id, std::to_string(device.index));
    plugin::copy_text(info.name, device.name);
    plugin::copy_text(info.driver, "EGL");
    infos.push_back(info);
  }
  return infos;
}

Result<std::unique_ptr<Device>> Device::open(plugin::Host host, const cw_open_info& info) {
  auto context = [&]() -> Result<std::unique_ptr<Context>> {
    if (info.adopt == nullptr) {
      return open_own_device(host, info.id != nullptr ? info.id : "");
    }
    const std::string_view given = info.adopt_interface != nullptr ? info.adopt_interface : "";
    if (given != CW_GL_ADOPT_V1) {
      return Error(Errc::InvalidArgument, "open",
                   fmt::format("adopt_interface is '{}'; this backend knows '{}'", given, CW_GL_ADOPT_V1));
    }
    return adopt(host, plugin::sized_copy(*static_cast<const cw_gl_adopt_v1*>(info.adopt)));
  }();
  if (!context) {
    return std::move(context.error());
  }
  return std::make_unique<Device>(std::move(*context));
}

Status Device::info(cw_device_info& out) {
  auto found = plugin::sized<cw_device_info>();
  found.capabilities =
      capabilities(context_->software) | (context_->sync_files ? CW_CAP_WAITS_SYNC_FILE : 0U);
  plugin::copy_text(found.id, context_->adopted ? "adopted" : std::to_string(context_->index));
  plugin::copy_text(found.name, context_->renderer);
  plugin::copy_text(found.driver, context_->driver);
  plugin::copy_text(found.driver_version, context_->driver_version);
  const std::uint32_t room = out.struct_size;
  std::memcpy(&out, &found, room == 0 ? sizeof(found) : std::min<std::size_t>(room, sizeof(found)));
  return {};
}

Status Device::query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out) {
  return constrain(*context_, image, usage, out);
}

Status Device::import_whole(const cw_attach_info& info, std::span<const PlaneMemory> memory,
                            Attachment& made) const {
  if ((info.usage & CW_USAGE_AS_PLANES) != 0 && plane_image(Format{info.image.format}, 0, 2, 2)) {
    return Error(Errc::Unsupported, "attach", "its planes alone were asked for");
  }
  const auto hints = color_hints(info);
  auto whole = import_image(*context_, {.format = Format{info.image.format},
                                        .modifier = Modifier{info.image.modifier},
                                        .width = info.image.width,
                                        .height = info.image.height,
                                        .planes = memory,
                                        .external = true,
                                        .hints = hints});
  if (!whole) {
    return std::move(whole.error());
  }
  made.whole = std::move(*whole);
  made.view.image = made.whole.image();
  made.view.texture = made.whole.texture();
  made.view.target = made.whole.target();
  return {};
}

Status Device::import_planes(const cw_attach_info& info, std::span<const PlaneMemory> memory,
                             Attachment& made) const {
  const auto refuse = [](const char* why) { return Error(Errc::Unsupported, "attach", why); };
  if ((info.usage & CW_USAGE_AS_IMAGE) != 0) {
    return refuse("one image alone was asked for");
  }
  if (info.image.modifier != Modifier::kLinear.value) {
    return refuse("only LINEAR frames are taken plane by plane");
  }
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    const auto plane = plane_image(Format{info.image.format}, p, info.image.width, info.image.height);
    if (!plane) {
      return refuse("it has one plane, which is the image");
    }
    auto image = import_image(*context_, {.format = plane->format,
                                          .modifier = Modifier::kLinear,
                                          .width = plane->width,
                                          .height = plane->height,
                                          .planes = memory.subspan(p, 1)});
    if (!image) {
      return std::move(image.error()).within(fmt::format("plane {}", p));
    }
    made.planes.at(p) = std::move(*image);
    made.view.plane_images[p] = made.planes.at(p).image();
    made.view.plane_textures[p] = made.planes.at(p).texture();
  }
  return {};
}

Status Device::import_frame(const cw_attach_info& info, Attachment& made) const {
  std::vector<PlaneMemory> memory;
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    memory.push_back({info.objects[info.planes[p].object].fd, info.planes[p].offset, info.planes[p].stride});
  }
  auto whole = import_whole(info, memory, made);
  if (!whole && whole.error().code() != Errc::Unsupported) {
    return whole;
  }
  auto planes = import_planes(info, memory, made);
  if (!planes) {  // all of them or none
    made.planes = {};
    std::fill(std::begin(made.view.plane_images), std::end(made.view.plane_images), nullptr);
    std::fill(std::begin(made.view.plane_textures), std::end(made.view.plane_textures), 0U);
  }
  if (!planes && planes.error().code() != Errc::Unsupported) {
    return planes;
  }
  if (!whole && !planes) {
    return Error(Errc::Unsupported, std::string(whole.error().operation()),
                 fmt::format("{}; and plane by plane: {}", whole.error().detail(), planes.error().detail()));
  }
  if (!whole) {
    context_->host.log(CW_LOG_DEBUG,
                       fmt::format("a frame is there in planes alone: {}", whole.error().detail()));
  }
  if ((info.usage & CW_USAGE_RENDER) != 0 &&
      !can_be_drawn_into(*context_, whole ? made.whole : made.planes[0])) {
    return Error(Errc::Unsupported, "glCheckFramebufferStatus",
                 fmt::format("{} samples from {}, and cannot draw into it", context_->name(),
                             Format{info.image.format}.to_string()));
  }
  return {};
}

Result<std::unique_ptr<Device::Attachment>> Device::attach(const cw_attach_info& given) {
  const auto info = plugin::sized_copy(given);  // an older host says nothing of colours
  for (const auto& check :
       {alive("attach"), check_is_image(*context_, info.image, info.usage), plugin::check_counts(info),
        check_memory(*context_, info), plugin::check_planes(info), check_fits(*context_, info)}) {
    if (!check) {
      return check.error();
    }
  }
  auto current = context_->work("importing a frame");
  if (!current) {
    return watched(std::move(current.error())).error();
  }
  auto made = std::make_unique<Attachment>(*context_);
  describe_frame(*context_, info, made->view);
  if (auto status = watched(import_frame(info, *made)); !status) {
    return std::move(status.error());
  }
  for (std::uint32_t i = 0; i < info.object_count; ++i) {
    made->probes.push_back(ProbeImages::over(*context_, info.objects[i].fd, info.objects[i].size));
  }
  // Another context sees a texture once the commands that made it are complete (OpenGL ES 3.2, section 5.3).
  context_->api.gl.Finish();
  return made;
}

Status Device::map(Attachment& attachment, cw_direction, cw_mapping& out) {
  if (auto status = alive("map"); !status) {
    return status;
  }
  out.native_interface = CW_GL_VIEW_V1;
  out.native = &attachment.view;
  out.import_path = "dma-buf";
  out.sg = nullptr;
  out.sg_count = 0;
  if (plugin::reaches(out, out.imported_as)) {
    out.imported_as = CW_IMPORTED_AS_IMAGES_APART;  // probes have EGLImages of their own (ProbeImages)
  }
  return {};
}

Status Device::begin_access(Attachment&, const cw_access_begin& begin) {
  if (auto status = alive("begin_access"); !status) {
    return status;
  }
  return watched(timeline_.begin({begin.waits, begin.wait_count}));
}

Status Device::end_access(Attachment&, cw_access_end& end) {
  end.signal_count = 0;
  if (auto status = alive("end_access"); !status) {
    return status;
  }
  // What the caller's own submissions elsewhere signal is part of this end.
  plugin::include_given(end);
  auto fence = timeline_.end({end.given, end.given_count});
  if (!fence) {
    return watched(std::move(fence.error()));
  }
  if (fence->kind == CW_FENCE_NONE) {
    return {};
  }
  if (end.signal_capacity > 0 && end.signals != nullptr) {
    end.signals[0] = *fence;
    end.signal_count = 1;
    return {};
  }
  context_->host.count(CW_COUNT_CPU_WAITS, 1);
  auto waited = watched(timeline_.wait(*fence, INT64_MAX));
  timeline_.release(*fence);
  return waited;
}

const void* Device::get_interface(std::string_view name) {
  return name == CW_GL_DEVICE_V1 ? &kDeviceInterface : nullptr;
}

Result<const ProbeImages*> Device::probe_images(const Attachment& attachment, const cw_probe& probe,
                                                std::string_view operation) const {
  if (auto status = alive(operation); !status) {
    return std::move(status.error());
  }
  if (probe.object >= attachment.probes.size() || (probe.flags & CW_PROBE_ANY_CONTENT) != 0) {
    return Error(
        Errc::Unsupported, std::string(operation),
        fmt::format("there is no object {}, or content of the device's choice was asked for", probe.object));
  }
  return &attachment.probes[probe.object];
}

// CW_PROBE_MAY_COPY changes nothing: OpenGL ES has no command that brings a copy of imported memory up to
// date.
Status Device::probe_write(Attachment& attachment, const cw_probe& probe) {
  auto images = probe_images(attachment, probe, "probe_write");
  auto current = images ? context_->work("writing a probe") : Result<Current>(images.error());
  return current ? watched((*images)->write(*context_, probe)) : watched(std::move(current.error()));
}

Status Device::probe_read(Attachment& attachment, cw_probe& probe) {
  auto images = probe_images(attachment, probe, "probe_read");
  auto current = images ? context_->work("reading a probe") : Result<Current>(images.error());
  return current ? watched((*images)->read(*context_, probe)) : watched(std::move(current.error()));
}

Status Device::fence_wait(const cw_fence& fence, std::int64_t deadline_ns) {
  return watched(timeline_.wait(fence, deadline_ns));
}

Status Device::fence_export(const cw_fence& fence, cw_fence& out) {
  return watched(timeline_.export_sync_file(fence, out));
}

Status Device::wait_idle(std::int64_t deadline_ns) {
  return watched(timeline_.wait_idle(deadline_ns));
}

void Device::handles(cw_gl_handles_v1& out) const noexcept {
  out.get_proc_address = context_->api.get_proc_address;
  out.display = context_->display;
  out.context = context_->context;
}

}  // namespace causeway::gl_backend
