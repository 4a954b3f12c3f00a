// SPDX-License-Identifier: Apache-2.0
#include "exporters/gbm.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "exporters/ladder.hpp"
#include "uapi/dma_buf.hpp"
#include "uapi/drm.hpp"

namespace causeway::exporters {
namespace {

/// libgbm's view of an open node. Loading a driver takes milliseconds, so it stays open once it was needed.
class GbmDevice {
public:
  static Result<std::unique_ptr<GbmDevice>> open(const uapi::Kernel& kernel, const GbmLibrary& library,
                                                 const std::string& node) {
    auto fd = uapi::open_drm_node(kernel, node);
    if (!fd) {
      return std::move(fd.error());
    }
    errno = 0;
    gbm_device* device = library.create_device(fd->get());
    if (device == nullptr) {
      return uapi::system_error("gbm_create_device", fmt::format("libgbm has no driver for {}", node), errno);
    }
    return std::unique_ptr<GbmDevice>(new GbmDevice(library, std::move(*fd), device));
  }
  GbmDevice(const GbmDevice&) = delete;
  GbmDevice& operator=(const GbmDevice&) = delete;
  ~GbmDevice() { library_.device_destroy(device_); }

  [[nodiscard]] const GbmLibrary& library() const noexcept { return library_; }
  [[nodiscard]] gbm_device* get() const noexcept { return device_; }
  [[nodiscard]] BorrowedFd node() const noexcept { return node_.borrow(); }

private:
  GbmDevice(const GbmLibrary& library, UniqueFd node, gbm_device* device)
      : library_(library), node_(std::move(node)), device_(device) {}

  const GbmLibrary& library_;
  UniqueFd node_;  // libgbm borrows it
  gbm_device* device_;
};

struct BoDeleter {
  const GbmLibrary* library;
  void operator()(gbm_bo* bo) const noexcept { library->bo_destroy(bo); }
};
using Bo = std::unique_ptr<gbm_bo, BoDeleter>;

bool accepts(const std::vector<Modifier>& modifiers, Modifier one) {
  return std::find(modifiers.begin(), modifiers.end(), one) != modifiers.end();
}

std::string list(const std::vector<Modifier>& modifiers) {
  std::string text;
  for (const auto modifier : modifiers) {
    text += (text.empty() ? "" : ", ") + modifier.to_string();
  }
  return text;
}

class Gbm final : public core::Allocator {
public:
  Gbm(const uapi::Kernel& kernel, std::string node, Result<const GbmLibrary*> (*load)())
      : kernel_(kernel), name_("gbm:" + node), node_(std::move(node)), load_(load) {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] bool on_ladder() const noexcept override { return false; }

  /// Plain bytes: a linear image in the format that each card shows (virtio-gpu knows no pixels of 8 bits).
  /// What it has beyond them is the driver's padding.
  [[nodiscard]] Result<core::Storage> allocate(std::uint64_t size,
                                               const std::string& buffer_name) const override {
    constexpr std::uint32_t kPixel = 4;         // bytes, of XRGB8888
    constexpr std::uint32_t kRow = 4096;        // a page: then most drivers pad nothing
    constexpr std::uint64_t kMostRows = 16384;  // the largest side of an image on most devices
    const std::uint64_t rows = (size + kRow - 1) / kRow;
    if (rows > kMostRows) {
      return Error(Errc::InvalidArgument, "allocate",
                   fmt::format("{} bytes are too many for an image of {}: it has {} at most", size, name_,
                               kRow * kMostRows));
    }
    const FrameDesc desc{.format = formats::kXRGB8888,
                         .width = kRow / kPixel,
                         .height = static_cast<std::uint32_t>(rows),
                         .modifiers = {Modifier::kLinear, Modifier::kInvalid}};
    auto image = make(desc, GBM_BO_USE_LINEAR, buffer_name);
    if (!image) {
      return std::move(image.error()).within("plain bytes are taken as a linear image in XR24");
    }
    if (image->objects.size() != 1 || image->objects.front().size < size) {
      return Error(Errc::Unsupported, "allocate",
                   fmt::format("{} gave {} object(s), the first of {} bytes, where one of {} was asked for",
                               name_, image->objects.size(), image->objects.front().size, size));
    }
    return std::move(image->objects.front());
  }

  [[nodiscard]] Result<core::ImageStorage> allocate_image(const FrameDesc& desc, Usage usage,
                                                          const std::string& buffer_name) const override {
    static_cast<void>(usage);  // libgbm's flags know a display and a renderer, not who reads and who writes
    FrameDesc wish = desc;
    if (wish.modifiers.empty()) {
      wish.modifiers = {Modifier::kLinear};
    }
    return make(wish, GBM_BO_USE_RENDERING, buffer_name);
  }

private:
  Result<core::ImageStorage> make(const FrameDesc& desc, std::uint32_t flags,
                                  const std::string& buffer_name) const {
    const std::lock_guard lock(mutex_);  // libgbm promises nothing about threads
    auto device = opened();
    if (!device) {
      return std::move(device.error());
    }
    auto bo = create(**device, desc, flags);
    if (!bo) {
      return std::move(bo.error());
    }
    // What is exported holds the memory; the bo and its GEM handle go with this scope.
    return describe(**device, bo->get(), desc, buffer_name);
  }

  Result<const GbmDevice*> opened() const {
    if (device_ == nullptr) {
      auto library = load_();
      if (!library) {
        return std::move(library.error());
      }
      auto device = GbmDevice::open(kernel_, **library, node_);
      if (!device) {
        return std::move(device.error());
      }
      device_ = std::move(*device);
    }
    return device_.get();
  }

  /// With a modifier if the driver knows any of those wished for; else linear or unstated, where that was
  /// wished.
  Result<Bo> create(const GbmDevice& device, const FrameDesc& desc, std::uint32_t flags) const {
    const auto& library = device.library();
    std::vector<std::uint64_t> stated;
    for (const auto modifier : desc.modifiers) {
      if (modifier != Modifier::kInvalid) {
        stated.push_back(modifier.value);
      }
    }
    gbm_bo* bo = nullptr;
    errno = 0;
    if (!stated.empty() && library.bo_create_with_modifiers2 != nullptr) {
      // Beside a list of modifiers the flag LINEAR is refused: the list says it.
      bo = library.bo_create_with_modifiers2(device.get(), desc.width, desc.height, desc.format.fourcc,
                                             stated.data(), static_cast<unsigned>(stated.size()),
                                             flags & ~std::uint32_t{GBM_BO_USE_LINEAR});
    }
    if (bo == nullptr && accepts(desc.modifiers, Modifier::kLinear)) {
      bo = library.bo_create(device.get(), desc.width, desc.height, desc.format.fourcc,
                             flags | GBM_BO_USE_LINEAR);
    }
    if (bo == nullptr && accepts(desc.modifiers, Modifier::kInvalid)) {
      bo = library.bo_create(device.get(), desc.width, desc.height, desc.format.fourcc, flags);
    }
    if (bo == nullptr) {
      const int failure = errno;
      const auto* driver = library.device_get_backend_name(device.get());
      auto detail = fmt::format("{} (libgbm's \"{}\") made no image of {}x{} pixels in {} with modifier {}",
                                node_, driver != nullptr ? driver : "unknown", desc.width, desc.height,
                                desc.format.to_string(), list(desc.modifiers));
      if (const auto info = info_of(desc.format); info && info->plane_count > 1) {
        detail += fmt::format(
            "; many drivers allocate no format of {} planes: allocate the planes apart, as R8 "
            "and the like, or negotiate the frame",
            info->plane_count);
      } else {
        detail +=
            "; try INVALID among the modifiers, another format, or the card node of a driver without 3D part";
      }
      if (failure == ENOMEM || failure == EMFILE || failure == ENFILE) {
        return uapi::system_error("gbm_bo_create", std::move(detail), failure);
      }
      return Error(Errc::Unsupported, "gbm_bo_create", std::move(detail), failure);
    }
    return Bo(bo, BoDeleter{&library});
  }

  Result<core::ImageStorage> describe(const GbmDevice& device, gbm_bo* bo, const FrameDesc& desc,
                                      const std::string& buffer_name) const {
    const auto& library = device.library();
    core::ImageStorage image;
    image.layout = {.format = desc.format,
                    .modifier = Modifier{library.bo_get_modifier(bo)},
                    .width = desc.width,
                    .height = desc.height,
                    .planes = {}};
    // INVALID stays INVALID, even of a bo that was asked to be linear: only the driver can say so.
    if (!accepts(desc.modifiers, image.layout.modifier)) {
      return Error(Errc::Unsupported, "gbm_bo_get_modifier",
                   fmt::format("{} made an image with modifier {}, and {} was asked for{}", node_,
                               image.layout.modifier.to_string(), list(desc.modifiers),
                               image.layout.modifier == Modifier::kInvalid
                                   ? "; this driver states no modifiers: accept INVALID, too"
                                   : ""));
    }
    const int planes = library.bo_get_plane_count(bo);
    const auto info = info_of(desc.format);
    if (planes < 1 || (info && planes != info->plane_count)) {
      return Error(
          Errc::Unsupported, "gbm_bo_get_plane_count",
          fmt::format("with modifier {} {} takes {} memory planes, and frames with planes beside those of "
                      "the format ({}) are not described yet; ask for another modifier",
                      image.layout.modifier.to_string(), desc.format.to_string(), planes,
                      info ? info->plane_count : 0));
    }
    std::vector<ObjectId> ids;
    for (int p = 0; p < planes; ++p) {
      auto object = add_plane(device, bo, p, ids, image.objects, buffer_name);
      if (!object) {
        return std::move(object.error());
      }
      image.layout.planes.push_back({.object = *object,
                                     .stride = library.bo_get_stride_for_plane(bo, p),
                                     .offset = library.bo_get_offset(bo, p)});
    }
    return image;
  }

  /// A dma-buf of plane p. We export it ourselves, readable and writable: some drivers of libgbm export
  /// read-only (kms_swrast), and what is exported first decides, since the kernel hands out the same dma-buf
  /// again.
  Result<UniqueFd> export_fd(const GbmDevice& device, gbm_bo* bo, int p) const {
    const auto& library = device.library();
    const gbm_bo_handle handle = library.bo_get_handle_for_plane(bo, p);
    if (handle.s32 > 0) {
      auto own = uapi::export_gem(kernel_, device.node(), handle.u32);
      if (own || own.error().code() == Errc::OutOfFds || own.error().code() == Errc::OutOfMemory) {
        return own;
      }
    }
    // A driver that knows its memory by other means than handles of this node.
    errno = 0;
    UniqueFd fd(library.bo_get_fd_for_plane(bo, p));
    if (!fd.valid()) {
      return uapi::system_error("gbm_bo_get_fd_for_plane",
                                fmt::format("plane {} of an image of {} could not be exported", p, node_),
                                errno != 0 ? errno : EIO);
    }
    if (kernel_.fcntl(fd.borrow(), F_SETFD, FD_CLOEXEC) != 0) {  // libgbm does not promise it
      return uapi::system_error("F_SETFD", "an exported plane could not be made close-on-exec", errno);
    }
    return fd;
  }

  /// The index of the object that plane p lies in; planes of one dma-buf share it.
  Result<std::uint32_t> add_plane(const GbmDevice& device, gbm_bo* bo, int p, std::vector<ObjectId>& ids,
                                  std::vector<core::Storage>& objects, const std::string& buffer_name) const {
    auto exported = export_fd(device, bo, p);
    if (!exported) {
      return std::move(exported.error());
    }
    UniqueFd fd = std::move(*exported);
    auto id = kernel_.identity(fd.borrow());
    if (!id) {
      return std::move(id.error());
    }
    if (const auto known = std::find(ids.begin(), ids.end(), *id); known != ids.end()) {
      return static_cast<std::uint32_t>(known - ids.begin());
    }
    auto size = kernel_.size(fd.borrow());
    if (!size) {
      return std::move(size.error());
    }
    uapi::set_name(kernel_, fd.borrow(), buffer_name);
    ids.push_back(*id);
    objects.push_back({.fd = std::move(fd), .size = *size, .is_dma_buf = true, .pinnable = {}});
    return static_cast<std::uint32_t>(objects.size() - 1);
  }

  const uapi::Kernel& kernel_;
  std::string name_;
  std::string node_;
  Result<const GbmLibrary*> (*load_)();
  mutable std::mutex mutex_;
  mutable std::unique_ptr<GbmDevice> device_;
};

}  // namespace

std::unique_ptr<core::Allocator> make_gbm(const uapi::Kernel& kernel, std::string node,
                                          Result<const GbmLibrary*> (*load)()) {
  return std::make_unique<Gbm>(kernel, std::move(node), load);
}

std::vector<std::unique_ptr<core::Allocator>> make_gbms(const uapi::Kernel& kernel) {
  std::vector<std::unique_ptr<core::Allocator>> drivers;
  // Card nodes first: there a driver without 3D part allocates, too.
  for (auto list_nodes : {&uapi::list_card_nodes, &uapi::list_render_nodes}) {
    for (auto& node : list_nodes(kernel)) {
      drivers.push_back(make_gbm(kernel, std::move(node)));
    }
  }
  return drivers;
}

}  // namespace causeway::exporters
