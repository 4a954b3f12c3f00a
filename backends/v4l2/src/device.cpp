// SPDX-License-Identifier: Apache-2.0
#include "device.hpp"

#include <algorithm>
#include <causeway/plugin/descriptor.hpp>
#include <causeway/plugin/text.hpp>
#include <chrono>
#include <limits>
#include <span>

#include "open_node.hpp"

namespace causeway::v4l2_backend {
namespace {

cw_device_info describe(const std::string& path, const v4l2_capability& capability) {
  auto info = plugin::sized<cw_device_info>();
  info.capabilities = CW_CAP_PRODUCES_ONLY | CW_CAP_IMPORTS_DMA_BUF;
  plugin::copy_text(info.id, path);
  const auto text = [](const auto& field) {
    const auto* begin = reinterpret_cast<const char*>(field);
    return std::string(begin, std::find(begin, begin + sizeof(field), '\0'));
  };
  plugin::copy_text(info.name, text(capability.card));
  plugin::copy_text(info.driver, text(capability.driver));
  const std::uint32_t version = capability.version;
  plugin::copy_text(info.driver_version,
                    plugin::words(version >> 16U, ".", (version >> 8U) & 0xffU, ".", version & 0xffU));
  return info;
}

/// A camera's view of dma-bufs that are kept open for it.
struct Memory {
  std::vector<UniqueFd> fds;
  std::vector<PlaneMemory> planes;
};

Result<Memory> keep(plugin::Host host, const std::string& path, const Agreed& agreed,
                    const cw_attach_info& info) {
  Memory memory;
  for (std::uint32_t p = 0; p < agreed.row->memory_planes; ++p) {
    const auto& object = info.objects[agreed.row->memory_planes == 1 ? 0 : info.planes[p].object];
    auto copy = plugin::duplicate(host, object.fd, "a dma-buf for the camera " + path);
    if (!copy) {
      return std::move(copy.error());
    }
    memory.planes.push_back({.fd = copy->get(),
                             .length = static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                 object.size, std::numeric_limits<std::uint32_t>::max()))});
    memory.fds.push_back(std::move(*copy));
  }
  return memory;
}

Status check_usage(const std::string& path, std::uint32_t usage) {
  if ((usage & CW_USAGE_WRITE) != 0 && (usage & CW_USAGE_READ) == 0) {
    return {};
  }
  return Error(
      Errc::InvalidArgument, "v4l2",
      plugin::words("the camera ", path,
                    " only writes frames, and was named as a user that reads them: use Usage::Capture"));
}

Deadline deadline_of(std::int64_t nanoseconds) {
  return Deadline(Deadline::Clock::time_point(std::chrono::nanoseconds(nanoseconds)));
}

}  // namespace

Camera::Attachment::Attachment(Camera& camera, BufferQueue::Place place) noexcept
    : camera_(camera), view_(plugin::sized<cw_v4l2_view>()) {
  view_.index = place.index;
  view_.ticket = place.ticket;
  view_.fourcc = camera.agreed_->row->fourcc;
  view_.memory_planes = camera.agreed_->row->memory_planes;
}

Camera::Attachment::~Attachment() {
  camera_.buffers_.detach(view_.index);
}

Camera::Camera(Node node, cw_device_info info)
    : node_(std::move(node)), info_(info), buffers_(node_), own_memory_(node_) {}

Result<std::vector<cw_device_info>> Camera::enumerate(plugin::Host host) {
  std::vector<cw_device_info> found;
  for (const auto& path : video_nodes(host)) {
    auto node = open_node(host, path);
    if (!node) {
      if (node.error().code() != Errc::NotFound) {  // gone since it was listed
        host.log(CW_LOG_INFO, node.error().message());
      }
      continue;
    }
    if (const auto capability = node->identify(); capability) {
      found.push_back(describe(path, *capability));
    }
  }
  return found;
}

Result<std::unique_ptr<Camera>> Camera::open(plugin::Host host, const cw_open_info& info) {
  std::string path = info.id != nullptr ? info.id : "";
  if (info.adopt != nullptr) {
    return Error(Errc::Unsupported, "open", "the v4l2 backend opens cameras by path, and adopts nothing");
  }
  if (path.empty()) {
    const auto all = enumerate(host);
    if (!all) {
      return all.error();
    }
    if (all->empty()) {
      return Error(
          Errc::NotFound, "open",
          "there is no camera: none of the /dev/video* nodes that this user may open captures video");
    }
    path = all->front().id;
  }
  auto node = open_node(host, path);
  if (!node) {
    return std::move(node.error());
  }
  const auto capability = node->identify();
  if (!capability) {
    return capability.error();
  }
  // Says at once whether the driver takes dma-bufs, and whether somebody else streams.
  if (const auto none = node->request_buffers(0); !none) {
    return none.error();
  }
  return std::make_unique<Camera>(std::move(*node), describe(path, *capability));
}

Status Camera::info(cw_device_info& out) const {
  out = info_;
  return {};
}

Result<Agreed> Camera::agree_on(const cw_image_desc& image) {
  const bool same = agreed_ && agreed_->row->drm == Format{image.format} &&
                    agreed_->format.width == image.width && agreed_->format.height == image.height;
  const bool attached = buffers_.attached() > 0;
  if (attached || own_memory_.allocated() > 0) {
    if (same) {
      return *agreed_;
    }
    return Error(Errc::Busy, "query_constraints",
                 plugin::words("the camera ", node_.path(), " cannot change to ",
                               Format{image.format}.to_string(), " at ", image.width, "x", image.height,
                               " while frames of ", fourcc_text(agreed_->row->fourcc), " at ",
                               agreed_->format.width, "x", agreed_->format.height,
                               attached ? " are attached" : " are allocated in its own memory"));
  }
  // Asked anew even if it is the same: another program may have changed it.
  auto agreed = agree(node_, image, chosen_);
  agreed_.reset();
  if (agreed) {
    agreed_ = *agreed;
  }
  return agreed;
}

Status Camera::query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out) {
  if (auto sound = check_usage(node_.path(), usage); !sound) {
    return sound;
  }
  if (buffers_.streaming()) {
    return Error(Errc::Busy, "query_constraints",
                 plugin::words("the camera ", node_.path(), " is streaming: stop it before negotiating"));
  }
  const auto agreed = agree_on(image);
  if (!agreed) {
    return agreed.error();
  }
  narrow(*agreed, out);
  return {};
}

Result<std::unique_ptr<Camera::Attachment>> Camera::attach(const cw_attach_info& info) {
  if (auto sound = check_usage(node_.path(), info.usage); !sound) {
    return std::move(sound.error());
  }
  const auto agreed = agree_on(info.image);
  if (!agreed) {
    return agreed.error();
  }
  if (auto status = check_layout(node_, *agreed, info); !status) {
    return std::move(status.error());
  }
  if (const auto own = own_memory_.allocated(); own > 0) {
    return Error(
        Errc::Busy, "attach",
        plugin::words("the camera ", node_.path(), " cannot take a frame in while ", own,
                      own == 1 ? " frame" : " frames", " of ", fourcc_text(agreed->row->fourcc), " at ",
                      agreed->format.width, "x", agreed->format.height, " allocated in its own memory ",
                      own == 1 ? "lives" : "live", ": V4L2 mixes the two kinds on no queue, so let go of ",
                      own == 1 ? "that one" : "those", " first"));
  }
  auto memory = keep(node_.host(), node_.path(), *agreed, info);
  if (!memory) {
    return std::move(memory.error());
  }
  const auto place = buffers_.attach(std::move(memory->fds), memory->planes);
  if (!place) {
    return place.error();
  }
  return std::make_unique<Attachment>(*this, *place);
}

Status Camera::map(Attachment& attachment, cw_direction direction, cw_mapping& out) {
  if (direction == CW_DIRECTION_TO_DEVICE) {
    return Error(Errc::InvalidArgument, "map",
                 plugin::words("the camera ", node_.path(),
                               " writes frames, and a mapping for reading only was asked for"));
  }
  out.native_interface = CW_V4L2_VIEW_INTERFACE;
  out.native = &attachment.view();
  out.import_path = "dma-buf";
  out.sg = nullptr;
  out.sg_count = 0;
  return {};
}

void Camera::unmap(Attachment& /*attachment*/) noexcept {}

// A turn on the camera's side is QBUF to DQBUF, and vb2 attaches no fences: DQBUF is the fence.
Status Camera::begin_access(Attachment& /*attachment*/, const cw_access_begin& /*begin*/) {
  return {};
}

Status Camera::end_access(Attachment& /*attachment*/, cw_access_end& end) {
  end.signal_count = 0;
  return {};
}

const void* Camera::get_interface(std::string_view name) const noexcept {
  return name == CW_V4L2_STREAM_INTERFACE ? &stream_table() : nullptr;
}

Status Camera::probe_write(Attachment& attachment, const cw_probe& probe) {
  if ((probe.flags & CW_PROBE_ANY_CONTENT) == 0) {
    return Error(Errc::Unsupported, "probe_write",
                 plugin::words("the camera ", node_.path(),
                               " writes what it sees, and no bytes that are handed to it"));
  }
  return buffers_.fill_once(attachment.place(), deadline_of(probe.deadline_ns));
}

Status Camera::allocate(const cw_allocate_info& info, cw_allocation& out) {
  if (auto sound = check_usage(node_.path(), info.usage); !sound) {
    return sound;
  }
  if (const auto attached = buffers_.attached(); attached > 0) {
    return Error(Errc::Busy, "allocate",
                 plugin::words("the camera ", node_.path(), " cannot allocate memory of its own while ",
                               attached, attached == 1 ? " frame is" : " frames are",
                               " attached to it: V4L2 mixes the two kinds on no queue, so detach ",
                               attached == 1 ? "that one" : "those", " first"));
  }
  cw_image_desc image = info.image;
  if (info.modifier_count > 0) {
    const std::span<const std::uint64_t> modifiers(info.modifiers, info.modifier_count);
    const bool linear = std::ranges::any_of(modifiers, [](std::uint64_t value) {
      return value == Modifier::kLinear.value || value == Modifier::kInvalid.value;
    });
    if (!linear) {
      return Error(Errc::Unsupported, "allocate",
                   plugin::words("the memory of the camera ", node_.path(), " is LINEAR, and ",
                                 Modifier{modifiers.front()}.to_string(),
                                 modifiers.size() > 1 ? " or another" : "", " was asked for"));
    }
    image.modifier = Modifier::kLinear.value;
  }
  const auto agreed = agree_on(image);
  if (!agreed) {
    return agreed.error();
  }
  return own_memory_.allocate(*agreed, out);
}

Result<PixelFormat> Camera::choose_format(const PixelFormat& wanted) {
  if (buffers_.attached() > 0) {
    return Error(Errc::Busy, "set_format",
                 plugin::words("the camera ", node_.path(), " cannot change its format while ",
                               buffers_.attached(), " frames are attached"));
  }
  if (own_memory_.allocated() > 0) {
    return Error(Errc::Busy, "set_format",
                 plugin::words("the camera ", node_.path(), " cannot change its format while ",
                               own_memory_.allocated(), " frames are allocated in its own memory"));
  }
  auto answer = node_.set_format(wanted);
  if (answer) {
    chosen_ = answer->fourcc;
    agreed_.reset();
  }
  return answer;
}

}  // namespace causeway::v4l2_backend
