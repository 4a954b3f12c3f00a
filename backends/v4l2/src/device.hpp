// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/v4l2_abi.h>
#include <causeway/plugin/backend.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "dialogue.hpp"
#include "node.hpp"
#include "own_memory.hpp"
#include "queue.hpp"

namespace causeway::v4l2_backend {

/// An opened camera: the class that plugin::make_table turns into the backend's table.
/// Threads: as backend_abi.h, rule 6; queue() is thread-safe.
class Camera {
public:
  /// A frame of the camera's: holds its index until it is destroyed.
  class Attachment {
  public:
    Attachment(Camera& camera, BufferQueue::Place place) noexcept;
    ~Attachment();
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

    [[nodiscard]] const cw_v4l2_view& view() const noexcept { return view_; }
    [[nodiscard]] BufferQueue::Place place() const noexcept { return {view_.index, view_.ticket}; }

  private:
    Camera& camera_;
    cw_v4l2_view view_;
  };

  [[nodiscard]] static Result<std::vector<cw_device_info>> enumerate(plugin::Host host);
  [[nodiscard]] static Result<std::unique_ptr<Camera>> open(plugin::Host host, const cw_open_info& info);

  [[nodiscard]] Status info(cw_device_info& out) const;
  [[nodiscard]] Status query_constraints(const cw_image_desc& image, std::uint32_t usage,
                                         cw_constraints& out);
  [[nodiscard]] Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info);
  [[nodiscard]] Status map(Attachment& attachment, cw_direction direction, cw_mapping& out);
  void unmap(Attachment& attachment) noexcept;
  [[nodiscard]] Status begin_access(Attachment& attachment, const cw_access_begin& begin);
  [[nodiscard]] Status end_access(Attachment& attachment, cw_access_end& end);
  [[nodiscard]] const void* get_interface(std::string_view name) const noexcept;
  [[nodiscard]] Status allocate(const cw_allocate_info& info, cw_allocation& out);
  void release(void* token) noexcept { own_memory_.release(token); }
  [[nodiscard]] Status probe_write(Attachment& attachment, const cw_probe& probe);

  [[nodiscard]] Node& node() noexcept { return node_; }
  [[nodiscard]] BufferQueue& buffers() noexcept { return buffers_; }
  /// Sets a format as the caller names it, and keeps to its fourcc from then on. Returns the driver's answer.
  /// Errors: Busy while frames are attached or allocated.
  [[nodiscard]] Result<PixelFormat> choose_format(const PixelFormat& wanted);

  Camera(Node node, cw_device_info info);  ///< for open()

private:
  [[nodiscard]] Result<Agreed> agree_on(const cw_image_desc& image);

  Node node_;
  cw_device_info info_;
  BufferQueue buffers_;
  OwnMemory own_memory_;
  std::optional<Agreed> agreed_;
  std::uint32_t chosen_ = 0;  ///< V4L2 fourcc that the caller named; 0: none
};

/// The table behind CW_V4L2_STREAM_INTERFACE.
[[nodiscard]] const cw_v4l2_stream& stream_table() noexcept;

}  // namespace causeway::v4l2_backend
