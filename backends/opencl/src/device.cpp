// SPDX-License-Identifier: Apache-2.0
#include "device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <causeway/format.hpp>
#include <causeway/plugin/attach_check.hpp>
#include <cstring>
#include <string>

#include "constraints.hpp"
#include "device_wait.hpp"

namespace causeway::opencl_backend {
namespace {

constexpr std::uint64_t kLinear = 0;

cw_opencl_view_v1 make_view(const Context& context, const cw_attach_info& info) {
  auto view = plugin::sized<cw_opencl_view_v1>();
  view.object_count = info.object_count;
  view.context = context.context.get();
  view.device = context.facts.device;
  view.queue = context.queue.get();
  view.plane_count = info.plane_count;
  view.format = info.image.format;
  view.modifier = info.image.modifier;
  view.width = info.image.width;
  view.height = info.image.height;
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    view.plane_offsets[p] = info.planes[p].offset;
    view.plane_strides[p] = info.planes[p].stride;
    view.plane_objects[p] = info.planes[p].object;
  }
  return view;
}

const cw_opencl_device_v1 kDeviceInterface{
    sizeof(cw_opencl_device_v1), 0, [](cw_device* device, cw_opencl_handles_v1* out) {
      auto found = plugin::sized<cw_opencl_handles_v1>();
      reinterpret_cast<const Device*>(device)->handles(found);
      const std::uint32_t room = out->struct_size;
      std::memcpy(out, &found, std::min<std::size_t>(room, sizeof(found)));
      out->struct_size = room;
    }};

const cw_opencl_sync_v1 kSync{
    sizeof(cw_opencl_sync_v1), 0,
    [](cw_device* device, cw_attachment* attachment, cl_event event, cw_error* error) {
      return plugin::detail::guarded(error, "opencl::end_with", [&] {
        return reinterpret_cast<Device*>(device)->end_with(*reinterpret_cast<Device::Attachment*>(attachment),
                                                           event);
      });
    }};

}  // namespace

Result<std::vector<cw_device_info>> Device::enumerate(plugin::Host host) {
  auto api = system_api();
  if (!api) {
    host.log(CW_LOG_DEBUG, api.error().message());  // a machine without OpenCL has no devices of it
    return std::vector<cw_device_info>();
  }
  auto devices = list_devices(**api, host);
  if (!devices) {
    return std::move(devices.error());
  }
  std::vector<cw_device_info> infos;
  for (const auto& facts : *devices) {
    auto ladder = make_ladder(facts, load_extensions(**api, facts), **api, CW_OPENCL_ANY);
    if (!ladder) {
      return std::move(ladder.error());
    }
    infos.push_back(
        describe(facts, *ladder,
                 waits_of(facts, host) | (works_through_cpu(facts, *ladder) ? CW_CAP_ACCESSES_VIA_CPU : 0U)));
  }
  return infos;
}

Result<std::unique_ptr<Device>> Device::open(plugin::Host host, const cw_open_info& info) {
  auto context = [&]() -> Result<std::unique_ptr<Context>> {
    const char* const id = info.id != nullptr ? info.id : "";
    if (info.adopt == nullptr) {
      return open_own_device(host, id, CW_OPENCL_ANY);
    }
    const std::string_view given = info.adopt_interface != nullptr ? info.adopt_interface : "";
    if (given == CW_OPENCL_OPEN_V1) {
      return open_own_device(host, id,
                             plugin::sized_copy(*static_cast<const cw_opencl_open_v1*>(info.adopt)).path);
    }
    if (given == CW_OPENCL_ADOPT_V1) {
      return adopt(host, plugin::sized_copy(*static_cast<const cw_opencl_adopt_v1*>(info.adopt)));
    }
    return Error(Errc::InvalidArgument, "open",
                 fmt::format("adopt_interface is '{}'; this backend knows '{}' and '{}'", given,
                             CW_OPENCL_ADOPT_V1, CW_OPENCL_OPEN_V1));
  }();
  if (!context) {
    return std::move(context.error());
  }
  return std::make_unique<Device>(std::move(*context));
}

Status Device::info(cw_device_info& out) {
  const std::uint32_t room = out.struct_size;
  auto found = describe(context_->facts, context_->ladder,
                        waits_of(context_->facts, context_->host) |
                            (context_->accesses_via_cpu() ? CW_CAP_ACCESSES_VIA_CPU : 0U));
  if (context_->adopted) {
    plugin::copy_text(found.id, "adopted");
  }
  std::memcpy(&out, &found, room == 0 ? sizeof(found) : std::min<std::size_t>(room, sizeof(found)));
  return {};
}

Status Device::query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out) {
  constrain(*context_, image, usage, out);
  return {};
}

// A plane that cannot be an image is a buffer all the same, so only running out of something is a failure,
// unless images are what was asked for.
Status Device::attach_images(const cw_attach_info& info, Attachment& made) {
  const bool insists = (info.usage & (CW_USAGE_AS_PLANES | CW_USAGE_AS_IMAGE)) != 0;
  if ((info.usage & CW_USAGE_AS_IMAGE) != 0 && info.plane_count > 1) {
    return Error(Errc::Unsupported, "attach",
                 fmt::format("a frame of {} planes was asked for as one image, and OpenCL makes an image of "
                             "each plane; Usage::AsPlanes asks for those",
                             info.plane_count));
  }
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    const auto wish = plane_image(Format{info.image.format}, p, info.image.width, info.image.height);
    if (!wish && insists) {
      return Error(
          Errc::Unsupported, "attach",
          fmt::format("OpenCL has no image format for plane {} of {}; Usage::AsBuffer gives its bytes", p,
                      Format{info.image.format}.to_string()));
    }
    if (!wish) {
      continue;
    }
    auto image = import_image(*context_, made.buffers[info.planes[p].object], *wish, info.planes[p]);
    if (image) {
      made.view.images[p] = image->image.get();
      made.images.push_back(std::move(*image));
    } else if (image.error().code() == Errc::Unsupported && !insists) {
      context_->host.log(CW_LOG_DEBUG,
                         fmt::format("plane {} is a buffer and no image: {}", p, image.error().detail()));
    } else {
      return std::move(image.error()).within(fmt::format("plane {} as an image", p));
    }
    made.view.image_formats[p] = wish->format;
    made.view.image_widths[p] = wish->width;
    made.view.image_heights[p] = wish->height;
  }
  return {};
}

Result<std::unique_ptr<Device::Attachment>> Device::attach(const cw_attach_info& info) {
  if (auto status = alive("attach"); !status) {
    return std::move(status.error());
  }
  if (auto status = plugin::check_counts(info); !status) {
    return std::move(status.error());
  }
  std::vector<plugin::CheckedObject> checked;
  for (std::uint32_t i = 0; i < info.object_count; ++i) {
    auto object = plugin::check_object(context_->host, info.objects[i], i);
    if (!object) {
      return std::move(object.error());
    }
    checked.push_back(*object);
  }
  if (auto status = plugin::check_planes(info); !status) {
    return std::move(status.error());
  }
  const bool as_buffer = info.image.format == 0 || (info.usage & CW_USAGE_AS_BUFFER) != 0;
  if (!as_buffer && info.image.modifier != kLinear) {
    return Error(
        Errc::Unsupported, "attach",
        fmt::format("the frame has modifier {}, and OpenCL knows LINEAR alone; Usage::AsBuffer gives "
                    "its bytes as they are",
                    Modifier{info.image.modifier}.to_string()));
  }
  auto made = std::make_unique<Attachment>(
      Attachment{{}, {}, make_view(*context_, info), context_->ladder.front(), 0, EventHandle()});
  made->view.owner = reinterpret_cast<cw_device*>(this);
  made->view.attachment = reinterpret_cast<cw_attachment*>(made.get());
  made->view.sync = &kSync;
  for (std::uint32_t i = 0; i < info.object_count; ++i) {
    auto buffer = import_buffer(*context_, info.objects[i], checked[i]);
    if (!buffer) {
      return watched(std::move(buffer.error()).within(fmt::format("object {}", i))).error();
    }
    made->view.buffers[i] = buffer->memory.get();
    made->view.sizes[i] = info.objects[i].size;
    made->import_path = i == 0 ? buffer->path : std::max(made->import_path, buffer->path);
    made->buffers.push_back(std::move(*buffer));
  }
  if (!as_buffer) {
    if (auto status = watched(attach_images(info, *made)); !status) {
      return std::move(status.error());
    }
  }
  return made;
}

std::uint32_t Device::imported_as(const Attachment& attachment) const noexcept {
  if (attachment.images.empty() || attachment.images.size() < attachment.view.plane_count) {
    return CW_IMPORTED_AS_BYTES;
  }
  return context_->facts.images_from_buffers ? CW_IMPORTED_AS_IMAGES : CW_IMPORTED_AS_IMAGES_APART;
}

Status Device::map(Attachment& attachment, cw_direction, cw_mapping& out) {
  if (auto status = alive("map"); !status) {
    return status;
  }
  out.native_interface = CW_OPENCL_VIEW_V1;
  out.native = &attachment.view;
  out.import_path = to_string(attachment.import_path);
  out.sg = nullptr;
  out.sg_count = 0;
  if (plugin::reaches(out, out.imported_as)) {
    out.imported_as = imported_as(attachment);
  }
  return {};
}

Status Device::begin_access(Attachment& attachment, const cw_access_begin& begin) {
  if (auto status = alive("begin_access"); !status) {
    return status;
  }
  auto begun = watched(accessor_.begin(attachment.buffers, begin));
  if (begun && attachment.turns++ == 0) {
    attachment.last = EventHandle();  // of an end that failed
  }
  return begun;
}

Status Device::end_access(Attachment& attachment, cw_access_end& end) {
  end.signal_count = 0;
  attachment.turns -= attachment.turns > 0 ? 1 : 0;
  if (auto status = alive("end_access"); !status) {
    return status;
  }
  return watched(accessor_.end(attachment.buffers, end, std::exchange(attachment.last, EventHandle())));
}

Status Device::end_with(Attachment& attachment, cl_event event) {
  if (attachment.turns == 0) {
    return Error(Errc::WrongState, "opencl::end_with",
                 "no access goes on on this mapping; begin_access comes first, then the commands, then their "
                 "last one's event, then the end");
  }
  cl_command_queue queue = nullptr;
  constexpr std::size_t kHandle = sizeof(queue);  // NOLINT(bugprone-sizeof-expression): the handle itself
  const auto& api = context_->api;
  if (event == nullptr ||
      api.GetEventInfo(event, CL_EVENT_COMMAND_QUEUE, kHandle, &queue, nullptr) != CL_SUCCESS ||
      queue != context_->queue.get()) {
    return Error(
        Errc::InvalidArgument, "opencl::end_with",
        "the event is none of a command on the device's queue; opencl::handles() has that queue, and "
        "the command's enqueue gives the event");
  }
  const cl_int result = api.RetainEvent(event);
  if (result != CL_SUCCESS) {
    return watched(context_->error("clRetainEvent", result, "keeping the event that ends an access"));
  }
  attachment.last = EventHandle(api, event);
  return {};
}

const void* Device::get_interface(std::string_view name) {
  return name == CW_OPENCL_DEVICE_V1 ? &kDeviceInterface : nullptr;
}

void Device::note_copies(const Attachment& attachment, const cw_probe& probe) {
  // The host asks so only after the bytes were not seen without: such a device works on a copy, which
  // accesses have to bring up to date.
  if ((probe.flags & CW_PROBE_MAY_COPY) != 0 &&
      attachment.buffers[probe.object].path != ImportPath::ArmImport) {
    accessor_.use_map_and_unmap();
  }
}

Status Device::probe_write(Attachment& attachment, const cw_probe& probe) {
  if (auto status = alive("probe_write"); !status) {
    return status;
  }
  if (probe.object >= attachment.buffers.size() || !attachment.buffers[probe.object].writable ||
      (probe.flags & CW_PROBE_ANY_CONTENT) != 0) {
    return Error(
        Errc::Unsupported, "probe_write",
        fmt::format("object {} cannot be written by a probe: it is read-only, is not there, or content of "
                    "the device's choice was asked for",
                    probe.object));
  }
  note_copies(attachment, probe);
  return watched(prober_.write(attachment.buffers[probe.object], probe));
}

Status Device::probe_read(Attachment& attachment, cw_probe& probe) {
  if (auto status = alive("probe_read"); !status) {
    return status;
  }
  if (probe.object >= attachment.buffers.size()) {
    return Error(Errc::InvalidArgument, "probe_read", fmt::format("there is no object {}", probe.object));
  }
  note_copies(attachment, probe);
  return watched(prober_.read(attachment.buffers[probe.object], probe));
}

Status Device::fence_wait(const cw_fence& fence, std::int64_t deadline_ns) {
  return watched(timeline_.wait(fence, deadline_ns));
}

Status Device::fence_export(const cw_fence& fence, cw_fence& out) {
  return watched(timeline_.export_fence(fence, out));
}

void Device::fence_release(const cw_fence& fence) {
  timeline_.release(fence);
}

Status Device::wait_idle(std::int64_t deadline_ns) {
  // A marker takes an idle device a moment, too: without it, who asks without waiting would never learn.
  constexpr std::int64_t kMoment = 1'000'000;
  deadline_ns = std::max(deadline_ns, monotonic_ns() + kMoment);
  auto end = mark_end(*context_);
  if (!end) {
    return watched(std::move(end.error()));
  }
  return watched(wait_until(*context_, end->get(), deadline_ns, "what was enqueued"));
}

void Device::handles(cw_opencl_handles_v1& out) const noexcept {
  out.path = context_->asked_path;
  out.platform = context_->facts.platform;
  out.device = context_->facts.device;
  out.context = context_->context.get();
  out.queue = context_->queue.get();
}

}  // namespace causeway::opencl_backend
