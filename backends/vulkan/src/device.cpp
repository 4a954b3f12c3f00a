// SPDX-License-Identifier: Apache-2.0
#include "device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <causeway/format.hpp>
#include <causeway/plugin/attach_check.hpp>
#include <cstring>
#include <string>

#include "adopt.hpp"
#include "constraints.hpp"
#include "export_memory.hpp"
#include "format_table.hpp"
#include "own_device.hpp"
#include "sync_interface.hpp"
#include "ycbcr_interface.hpp"

namespace causeway::vulkan_backend {
namespace {

cw_vulkan_view_v1 make_view(const Context& context, const cw_attach_info& info) {
  auto view = plugin::sized<cw_vulkan_view_v1>();
  view.kind = CW_VULKAN_BUFFER;
  view.why_not = "";
  view.object_count = info.object_count;
  view.acquire_from = context.extensions.foreign_family();
  view.buffer_usage = kBufferUsage;
  view.plane_count = info.plane_count;
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    view.plane_offsets[p] = info.planes[p].offset;
    view.plane_strides[p] = info.planes[p].stride;
    view.plane_objects[p] = info.planes[p].object;
  }
  view.width = info.image.width;
  view.height = info.image.height;
  view.format = vk_format(Format{info.image.format});
  view.modifier = info.image.modifier;
  return view;
}

const cw_vulkan_device_v1 kDeviceInterface{
    sizeof(cw_vulkan_device_v1), 0,
    [](cw_device* device, cw_vulkan_handles_v1* out) {
      auto found = plugin::sized<cw_vulkan_handles_v1>();
      reinterpret_cast<const Device*>(device)->handles(found);
      const std::uint32_t room = out->struct_size;
      std::memcpy(out, &found, std::min<std::size_t>(room, sizeof(found)));
      out->struct_size = room;
    },
    [](cw_device* device, std::uint32_t step) {
      const bool known = step <= CW_VULKAN_IMPORT_HOST_POINTER;
      reinterpret_cast<Device*>(device)->pin_import(known ? step : CW_VULKAN_IMPORT_ANY);
    }};

}  // namespace

Result<std::vector<cw_device_info>> Device::enumerate(plugin::Host host) {
  auto devices = find_devices(host);
  if (!devices) {
    return std::move(devices.error());
  }
  std::vector<cw_device_info> infos;
  for (const auto& device : *devices) {
    infos.push_back(describe(device,
                             device.offers(VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME) &&
                                 device.offers(VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME),
                             device.offers(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME)));
  }
  return infos;
}

Result<std::unique_ptr<Device>> Device::open(plugin::Host host, const cw_open_info& info) {
  auto context = [&]() -> Result<std::unique_ptr<Context>> {
    if (info.adopt == nullptr) {
      return open_own_device(host, info.id != nullptr ? info.id : "");
    }
    if (info.adopt_interface == nullptr || std::string_view(info.adopt_interface) != CW_VULKAN_ADOPT_V1) {
      return Error(
          Errc::InvalidArgument, "open",
          fmt::format("adopt_interface is '{}'; this backend knows '{}'",
                      info.adopt_interface != nullptr ? info.adopt_interface : "", CW_VULKAN_ADOPT_V1));
    }
    return adopt(host, plugin::sized_copy(*static_cast<const cw_vulkan_adopt_v1*>(info.adopt)));
  }();
  if (!context) {
    return std::move(context.error());
  }
  auto order = Order::create(**context);
  if (!order) {
    return std::move(order.error());
  }
  return std::make_unique<Device>(std::move(*context), std::move(*order));
}

Status Device::info(cw_device_info& out) {
  const std::uint32_t room = out.struct_size;
  auto found =
      describe(context_->physical, context_->extensions.dma_buf(), context_->extensions.host_pointer());
  found.capabilities |= context_->imports_memfd ? CW_CAP_IMPORTS_MEMFD : 0U;
  found.capabilities |= order_->waits_for_sync_files() ? CW_CAP_WAITS_SYNC_FILE : 0U;
  found.capabilities |= order_->waits_for_events() ? CW_CAP_WAITS_HOST_EVENT : 0U;
  if (context_->adopted) {
    plugin::copy_text(found.id, "adopted");
  }
  std::memcpy(&out, &found, room == 0 ? sizeof(found) : std::min<std::size_t>(room, sizeof(found)));
  return {};
}

Status Device::query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out) {
  return watched(constrain(*context_, image, usage, out));
}

Result<std::unique_ptr<Device::Attachment>> Device::attach(const cw_attach_info& given) {
  const auto info = plugin::sized_copy(given);  // hosts before 1.2 know no colours
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
  auto made = std::make_unique<Attachment>();
  made->view = make_view(*context_, info);
  made->view.device = reinterpret_cast<cw_device*>(this);
  made->view.attachment = reinterpret_cast<cw_attachment*>(made.get());
  made->view.sync = &sync_interface();
  made->view.ycbcr = &ycbcr_interface();

  const std::uint32_t pinned = pinned_;
  for (std::uint32_t i = 0; i < info.object_count; ++i) {
    auto buffer = import_buffer(*context_, info.objects[i], checked[i], pinned);
    if (!buffer) {
      return watched(std::move(buffer.error()).within(fmt::format("object {}", i))).error();
    }
    made->view.buffers[i] = buffer->buffer();
    made->view.memories[i] = buffer->memory();
    made->view.sizes[i] = info.objects[i].size;
    made->import_path = std::max(made->import_path, buffer->path());
    made->buffers.push_back(std::move(*buffer));
    made->writable.push_back(checked[i].writable);
  }
  auto form = import_form(*context_, info, made->buffers);
  if (!form) {
    return watched(std::move(form.error())).error();
  }
  made->form = std::move(*form);
  made->color = color_facts(info, made->form);
  describe_form(info, made->form, made->view);
  if (!made->form.why_not.empty()) {
    context_->host.log(CW_LOG_DEBUG,
                       fmt::format("of the forms of an image the first did not go; {}", made->form.why_not));
  }
  if (auto status = made->order.join(*order_, *context_, made->view, (info.usage & CW_USAGE_WRITE) != 0);
      !status) {
    return watched(std::move(status)).error();
  }
  return made;
}

Status Device::map(Attachment& attachment, cw_direction, cw_mapping& out) {
  if (auto status = alive("map"); !status) {
    return status;
  }
  out.native_interface = CW_VULKAN_VIEW_V1;
  out.native = &attachment.view;
  out.import_path = to_string(attachment.import_path);
  out.sg = nullptr;
  out.sg_count = 0;
  if (plugin::reaches(out, out.imported_as)) {
    out.imported_as = attachment.form.images.empty()           ? CW_IMPORTED_AS_BYTES
                      : attachment.view.images_in_buffers != 0 ? CW_IMPORTED_AS_IMAGES
                                                               : CW_IMPORTED_AS_IMAGES_APART;
  }
  return {};
}

Status Device::begin_access(Attachment& attachment, const cw_access_begin& begin) {
  if (auto status = alive("begin_access"); !status) {
    return status;
  }
  return watched(order_->begin(attachment.order.state(), begin));
}

Status Device::end_access(Attachment& attachment, cw_access_end& end) {
  if (auto status = alive("end_access"); !status) {
    end.signal_count = 0;
    return status;
  }
  return watched(order_->end(attachment.order.state(), end));
}

Status Device::conversion(const Attachment& attachment, cw_vulkan_conversion_v1& out) {
  if (auto status = alive("conversion"); !status) {
    return status;
  }
  const std::uint32_t room = out.struct_size;
  auto found = plugin::sized<cw_vulkan_conversion_v1>();
  if (auto status = conversions_.find(attachment.color, found); !status) {
    return watched(std::move(status));
  }
  std::memcpy(&out, &found, std::min<std::size_t>(room, sizeof(found)));
  out.struct_size = room;
  return {};
}

Status Device::take_turn(Attachment& attachment, cw_vulkan_turn_v1& out) {
  const std::uint32_t room = out.struct_size;
  auto turn = plugin::sized<cw_vulkan_turn_v1>();
  if (auto status = order_->take_turn(attachment.order.state(), turn); !status) {
    return watched(std::move(status));
  }
  std::memcpy(&out, &turn, std::min<std::size_t>(room, sizeof(turn)));
  out.struct_size = room;
  return {};
}

Status Device::drop_turn(Attachment& attachment) {
  return watched(order_->drop_turn(attachment.order.state()));
}

Status Device::fence_wait(const cw_fence& fence, std::int64_t deadline_ns) {
  return watched(order_->fence_wait(fence, deadline_ns));
}

Status Device::fence_export(const cw_fence& fence, cw_fence& out) {
  return watched(order_->fence_export(fence, out));
}

Status Device::fence_import(Device& giver, const cw_fence& fence, cw_fence& out) {
  // Asked in this order: what cannot be shared need not be hurried. Whose loss it is stays apart.
  auto status = watched(order_->fence_import(*giver.order_, fence, out));
  if (status) {
    status = giver.watched(giver.order_->flush(fence));  // what nobody submits is waited for without end
    if (!status) {
      order_->fence_release(out);
    }
  }
  return status;
}

Status Device::wait_idle(std::int64_t deadline_ns) {
  return watched(order_->wait_idle(deadline_ns));
}

const void* Device::get_interface(std::string_view name) {
  if (name == CW_VULKAN_SYNC_V1) {
    return &sync_interface();
  }
  return name == CW_VULKAN_DEVICE_V1 ? &kDeviceInterface : nullptr;
}

Status Device::allocate(const cw_allocate_info& info, cw_allocation& out) {
  if (auto status = alive("allocate"); !status) {
    return status;
  }
  auto memory = export_memory(*context_, plugin::sized_copy(info), out);
  if (!memory) {
    return watched(std::move(memory.error()));
  }
  out.token = memory->release();
  return {};
}

void Device::release(void* token) {
  delete static_cast<ExportedMemory*>(token);
}

Status Device::probe_write(Attachment& attachment, const cw_probe& probe) {
  if (auto status = alive("probe_write"); !status) {
    return status;
  }
  if (probe.object >= attachment.buffers.size() || !attachment.writable[probe.object] ||
      (probe.flags & CW_PROBE_ANY_CONTENT) != 0) {
    return Error(
        Errc::Unsupported, "probe_write",
        fmt::format("object {} cannot be written by a probe: it is read-only, is not there, or content of "
                    "the device's choice was asked for",
                    probe.object));
  }
  if (auto status = order_->wait_for_events("probe_write", probe.deadline_ns); !status) {
    return status;
  }
  return watched(prober_.write(attachment.buffers[probe.object].buffer(), probe));
}

Status Device::probe_read(Attachment& attachment, cw_probe& probe) {
  if (auto status = alive("probe_read"); !status) {
    return status;
  }
  if (probe.object >= attachment.buffers.size()) {
    return Error(Errc::InvalidArgument, "probe_read", fmt::format("there is no object {}", probe.object));
  }
  if (auto status = order_->wait_for_events("probe_read", probe.deadline_ns); !status) {
    return status;
  }
  return watched(prober_.read(attachment.buffers[probe.object].buffer(), probe));
}

void Device::handles(cw_vulkan_handles_v1& out) const noexcept {
  const auto names = context_->extensions.pointers();
  out.api_version = context_->physical.api_version;
  out.get_instance_proc_addr = context_->instance_api.GetInstanceProcAddr;
  out.instance = context_->instance;
  out.physical_device = context_->physical.handle;
  out.device = context_->device;
  out.queue = context_->queue;
  out.queue_family = context_->queue_family;
  out.extension_count = static_cast<std::uint32_t>(names.size());
  out.extensions = names.data();
}

}  // namespace causeway::vulkan_backend
