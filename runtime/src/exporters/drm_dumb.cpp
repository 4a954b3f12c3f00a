// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "exporters/ladder.hpp"
#include "uapi/dma_buf.hpp"
#include "uapi/drm_handles.hpp"

namespace causeway::exporters {
namespace {

/// Memory of a graphics card's display driver, without its 3D part. Only by name: what a card can show is
/// scarce on some machines, and uncached on others.
class DrmDumb final : public core::Allocator {
public:
  DrmDumb(const uapi::Kernel& kernel, std::string node)
      : kernel_(kernel), name_("drm_dumb:" + node), node_(std::move(node)) {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] bool on_ladder() const noexcept override { return false; }

  [[nodiscard]] Result<core::Storage> allocate(std::uint64_t size,
                                               const std::string& buffer_name) const override {
    // A description for this one allocation: its handle has no other user, and the card is kept open no
    // longer.
    auto handles = uapi::GemHandles::open(kernel_, node_);
    if (!handles) {
      return std::move(handles.error());
    }
    auto dumb = (*handles)->make_dumb(size);
    if (!dumb) {
      return std::move(dumb.error());
    }
    auto fd = (*handles)->export_fd(dumb->handle);
    if (!fd) {
      return std::move(fd.error());
    }
    auto exported = kernel_.size(fd->borrow());
    if (!exported) {
      return std::move(exported.error());
    }
    if (*exported < size) {
      return Error(Errc::Unsupported, "allocate",
                   fmt::format("{} exported {} bytes, and {} were asked for", name_, *exported, size));
    }
    uapi::set_name(kernel_, fd->borrow(), buffer_name);
    // The dma-buf holds the memory from now on; the handle goes with this scope.
    return core::Storage{.fd = std::move(*fd), .size = *exported, .is_dma_buf = true, .pinnable = {}};
  }

private:
  const uapi::Kernel& kernel_;
  std::string name_;
  std::string node_;
};

}  // namespace

std::vector<std::unique_ptr<core::Allocator>> make_drm_dumbs(const uapi::Kernel& kernel) {
  std::vector<std::unique_ptr<core::Allocator>> cards;
  for (auto& node : uapi::list_card_nodes(kernel)) {
    cards.push_back(std::make_unique<DrmDumb>(kernel, std::move(node)));
  }
  return cards;
}

}  // namespace causeway::exporters
