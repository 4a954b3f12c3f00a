// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/color.hpp>
#include <causeway/dma_buf.hpp>
#include <causeway/format.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace causeway {

/// Where a plane of an image lies. Threads: reentrant (a value).
struct PlaneLayout {
  std::uint32_t object = 0;  ///< index into the frame's objects
  std::uint32_t stride = 0;  ///< bytes from one row to the next
  std::uint64_t offset = 0;  ///< bytes from the start of the object
  bool operator==(const PlaneLayout&) const = default;
};

/// The shape of an image: format, size in pixels and the place of each plane. FFmpeg's AVDRMFrameDescriptor
/// and the kernel's struct drm_mode_fb_cmd2 say the same. Threads: reentrant.
struct FrameLayout {
  Format format;
  Modifier modifier = Modifier::kLinear;
  std::uint32_t width = 0;   ///< pixels; bytes if the format is formats::kBytes
  std::uint32_t height = 0;  ///< rows; 1 if the format is formats::kBytes
  std::vector<PlaneLayout> planes;
  Color color{};
  bool operator==(const FrameLayout&) const = default;
};

/// An image over one to four memory objects. An immutable value, cheap to copy; it keeps its memory alive.
/// Threads: thread-safe.
class Frame {
public:
  /// Checks the layout against the format and the objects, in 64 bits.
  /// Errors: InvalidArgument, naming the plane, the field, what it is and what it would have to be.
  [[nodiscard]] static Result<Frame> create(FrameLayout layout, std::vector<DmaBuf> objects);

  [[nodiscard]] const FrameLayout& layout() const noexcept;
  [[nodiscard]] std::span<const DmaBuf> objects() const noexcept;

  /// Starts the CPU's turn on all objects, all or none. Errors: as CpuMapping::begin.
  [[nodiscard]] Result<CpuAccess> begin_cpu_access(Usage usage, Deadline deadline) const&;
  [[nodiscard]] Result<CpuAccess> begin_cpu_access(Usage usage, Deadline deadline) &&;
  /// Errors: the backend's, and InvalidArgument for a device of another runtime.
  [[nodiscard]] Result<Attachment> attach(const Device& device, Usage usage,
                                          ImplicitSync sync = ImplicitSync::Auto) const;

  explicit Frame(std::shared_ptr<const core::FrameState> state) noexcept;  ///< for the runtime itself
  [[nodiscard]] const std::shared_ptr<const core::FrameState>& state() const noexcept {
    return state_.state();
  }

private:
  core::FrameHandle state_;
};

}  // namespace causeway
