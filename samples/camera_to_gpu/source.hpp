// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <causeway/v4l2.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "options.hpp"
#include "stages.hpp"

namespace camera_to_gpu {

/// A shared frame that the source has filled. The source may fill it again once this is gone.
struct Filled {
  Clock::time_point at;  ///< when the last byte was there
  causeway::FrameRef frame;
  std::variant<causeway::FrameLease, causeway::v4l2::Captured> hold;
  bool corrupt = false;  ///< the camera says so
};

/// Fills frames that the GPU sees too.
class SharedFeed {
public:
  virtual ~SharedFeed() = default;
  /// Errors: TimedOut, DeviceLost (the camera is gone), Io (the file shrank).
  [[nodiscard]] virtual causeway::Result<Filled> next(causeway::Deadline deadline) = 0;
};

/// Fills memory of its own, as programs without shared buffers know it.
class PlainFeed {
public:
  virtual ~PlainFeed() = default;
  struct Picture {
    Clock::time_point at;
    std::span<const std::byte> bytes;  ///< valid until let_go()
    bool corrupt = false;
  };
  [[nodiscard]] virtual const causeway::FrameLayout& layout() const = 0;  ///< of bytes, in one object
  [[nodiscard]] virtual causeway::Result<Picture> next(causeway::Deadline deadline) = 0;
  /// The bytes have been copied; the memory may be filled again.
  [[nodiscard]] virtual causeway::Status let_go() = 0;
};

/// Where pictures come from.
class Source {
public:
  virtual ~Source() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual const causeway::FrameDesc& desc() const = 0;
  /// The camera, which takes part in choosing the memory; null if the CPU fills the frames.
  [[nodiscard]] virtual const causeway::Device* device() const = 0;
  /// Frames to take when nobody said how many.
  [[nodiscard]] virtual std::uint32_t frames() const = 0;
  /// The nth picture is the same whichever feed brings it.
  [[nodiscard]] virtual bool repeatable() const = 0;
  /// What the copying path replaces, in words: "the camera's own buffers".
  [[nodiscard]] virtual const char* usual_way() const = 0;

  /// pool was negotiated with device(). A camera feeds one side at a time: drop that feed and its pool first.
  [[nodiscard]] virtual causeway::Result<std::unique_ptr<SharedFeed>> share(causeway::FramePool pool) = 0;
  [[nodiscard]] virtual causeway::Result<std::unique_ptr<PlainFeed>> plain() = 0;
};

using OpenedSource = causeway::Result<std::unique_ptr<Source>>;

/// Opens what --source names. Errors: those of the source, each with what would be possible.
[[nodiscard]] OpenedSource open_source(causeway::Runtime& runtime, const Options& options);

// One for each kind.
[[nodiscard]] OpenedSource open_pattern(const Options& options);
[[nodiscard]] OpenedSource open_y4m(const Options& options);
[[nodiscard]] OpenedSource open_camera(causeway::Runtime& runtime, const Options& options);

}  // namespace camera_to_gpu
