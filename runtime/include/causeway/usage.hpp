// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace causeway {

/// What a device does with the memory (Read, Write), and how it wants to see it. Values equal CW_USAGE_ of
/// plugin/backend_abi.h. Threads: reentrant.
enum class Usage : std::uint32_t {
  Read = 0x0001,
  Write = 0x0002,
  ReadWrite = 0x0003,
  Capture = 0x0010 | Write,        ///< filled by a camera or decoder
  Sampled = 0x0020 | Read,         ///< a GPU's texture
  StorageRead = 0x0040 | Read,     ///< a GPU's storage buffer or image, read
  StorageWrite = 0x0040 | Write,   ///< a GPU's storage buffer or image, written
  Render = 0x0080 | Write,         ///< a GPU's colour attachment
  TransferRead = 0x0100 | Read,    ///< source of a GPU's copy commands
  TransferWrite = 0x0100 | Write,  ///< target of a GPU's copy commands
  Scanout = 0x0200 | Read,         ///< shown on a display
  AsBuffer = 0x0400,               ///< as linear bytes, never as an image
  AsPlanes = 0x0800,               ///< each plane as an image of its own, or not at all
  AsImage = 0x1000,                ///< as one image, or not at all
};

[[nodiscard]] constexpr Usage operator|(Usage a, Usage b) noexcept {
  return static_cast<Usage>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
[[nodiscard]] constexpr std::uint32_t bits(Usage usage) noexcept {
  return static_cast<std::uint32_t>(usage);
}
[[nodiscard]] constexpr bool reads(Usage usage) noexcept {
  return (bits(usage) & bits(Usage::Read)) != 0;
}
[[nodiscard]] constexpr bool writes(Usage usage) noexcept {
  return (bits(usage) & bits(Usage::Write)) != 0;
}

/// Which way the data flows; values equal the kernel's enum dma_data_direction
/// (include/linux/dma-direction.h).
enum class Direction : std::int32_t { Bidirectional = 0, ToDevice = 1, FromDevice = 2 };

/// Whether a device and the CPU were seen to work on the same bytes (docs/alias-proof.md).
enum class AliasVerdict : std::uint8_t {
  Unknown,  ///< not seen, or only with an API operation that may copy
  Aliased,  ///< written through one view and read through the other, without any such operation
  Copied,   ///< not seen even with full synchronisation: the driver works on a copy
};

/// What of a frame's memory a device works on. A verdict is of bytes, since nobody but its driver knows where
/// in an image a byte lies (docs/alias-proof.md).
enum class ImportedAs : std::uint8_t {
  Bytes = 0,        ///< buffers, or whatever the device calls bytes
  Images = 1,       ///< images in the import that the verdict is of, which so holds for them
  ImagesApart = 2,  ///< images by an import of their own; the verdict is of the one beside them
};

[[nodiscard]] constexpr const char* to_string(ImportedAs form) noexcept {
  switch (form) {
    case ImportedAs::Images: return "images";
    case ImportedAs::ImagesApart: return "images apart";
    case ImportedAs::Bytes: break;
  }
  return "bytes";
}

[[nodiscard]] constexpr const char* to_string(AliasVerdict verdict) noexcept {
  switch (verdict) {
    case AliasVerdict::Aliased: return "Aliased";
    case AliasVerdict::Copied: return "Copied";
    case AliasVerdict::Unknown: break;
  }
  return "Unknown";
}

}  // namespace causeway
