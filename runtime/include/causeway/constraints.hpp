// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/color.hpp>
#include <causeway/format.hpp>
#include <causeway/frame.hpp>
#include <causeway/result.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace causeway {

/// What a user wants: an image, or plain bytes. Threads: reentrant.
struct FrameDesc {
  Format format;
  std::uint32_t width = 0;            ///< pixels
  std::uint32_t height = 0;           ///< pixels
  std::vector<Modifier> modifiers{};  ///< acceptable ones, best first; empty: LINEAR
  Color color{};                      ///< becomes the frames'; what is unspecified, a camera may fill in

  [[nodiscard]] static FrameDesc bytes(std::uint32_t size) {
    return {.format = formats::kBytes, .width = size, .height = 1};
  }
};

/// What a device needs of an allocation; the kernel's struct device_dma_parameters and more.
/// Alignments are in bytes and at least 1. Threads: reentrant.
struct Constraints {
  std::uint32_t stride_align = 1;
  std::uint32_t offset_align = 1;
  std::uint32_t object_size_align = 1;
  std::array<std::uint32_t, 4> exact_stride{};     ///< per plane; 0: any aligned one
  std::array<std::uint64_t, 4> min_object_size{};  ///< per object; 0: what the layout needs
  std::uint64_t max_object_size = 0;               ///< 0: no limit
  std::uint32_t objects = 0;                       ///< 0: any; else exactly so many a frame
  std::uint32_t max_frames = 0;                    ///< 0: no limit
  bool needs_pinnable = false;                     ///< a memfd view must be there
  std::vector<Modifier> modifiers{Modifier::kLinear};
  Color
      color{};  ///< no need: what a source (a camera) says of its pictures; Unspecified where it says nothing
};

/// A party of a negotiation: who, and what it needs. Threads: reentrant (a value).
struct Participant {
  std::string name;
  Constraints constraints;
};

/// What suits all of them: one layout and the size of each object, in bytes (whole pages).
/// Threads: reentrant (a value).
struct AllocationPlan {
  FrameLayout layout;
  std::vector<std::uint64_t> object_sizes;
  std::uint32_t max_frames = 0;  ///< 0: no limit
  bool needs_pinnable = false;
};

/// Finds what suits all. A pure function: the same input gives the same plan, and nothing is allocated.
/// Of the colours of a YCbCr format, what the description leaves unspecified is what the participants say
/// who say something; where two of them disagree it stays unspecified, since both fill the same frames.
/// Errors: InvalidArgument (the description itself), Unsupported (a conflict: names the participants, the
/// field, what was needed and what was offered).
[[nodiscard]] Result<AllocationPlan> negotiate(const FrameDesc& desc,
                                               std::span<const Participant> participants);

}  // namespace causeway
