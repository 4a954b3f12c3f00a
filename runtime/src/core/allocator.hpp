// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/constraints.hpp>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace causeway::core {

/// Memory fresh from an allocator: one object, its descriptor, and the memfd beneath if there is one.
struct Storage {
  UniqueFd fd{};
  std::uint64_t size = 0;  ///< bytes, whole pages
  bool is_dma_buf = false;
  UniqueFd pinnable{};  ///< never leaves the library but to backends that ask for it
  std::uint64_t pinnable_offset = 0;
  std::uint64_t huge_bytes = 0;   ///< how much of the pinnable view lies on pages of 2 MiB
  std::shared_ptr<void> keeps{};  ///< what must outlive the descriptor: a GEM handle, a slab
};

/// An image whose layout the allocator chose itself.
struct ImageStorage {
  std::vector<Storage> objects;
  FrameLayout layout;
};

/// What pages shared memory is to lie on.
enum class Pages : std::uint8_t {
  Huge,      ///< of 2 MiB where they can be had: mapped and touched faster
  Ordinary,  ///< what every importer understands
};

/// A source of memory: one rung of the ladder. What the kernel calls an exporting driver, seen from its
/// ioctl. Threads: thread-safe.
class Allocator {
public:
  Allocator() = default;
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;
  virtual ~Allocator() = default;

  /// "udmabuf", "memfd", "dma_heap:system", "drm_dumb:/dev/dri/card0".
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// True if it is tried without being named. Others serve only who asks for them by name.
  [[nodiscard]] virtual bool on_ladder() const noexcept { return true; }
  /// size in bytes, whole pages. Errors say why it is not available, in a sentence.
  [[nodiscard]] virtual Result<Storage> allocate(std::uint64_t size,
                                                 const std::string& buffer_name) const = 0;
  /// Memory for several buffers at once, one for each size, where that is better than one after another: they
  /// share what lies beneath. Empty where it is not. The caller then allocates each by itself, as it does
  /// after a failure. pages is a wish. Errors: as allocate.
  [[nodiscard]] virtual Result<std::vector<Storage>> allocate_together(std::span<const std::uint64_t> sizes,
                                                                       Pages pages,
                                                                       const std::string& buffer_name) const {
    static_cast<void>(sizes);
    static_cast<void>(pages);
    static_cast<void>(buffer_name);
    return std::vector<Storage>();
  }
  /// An image in a layout of the allocator's own choice, among desc.modifiers. Errors: Unsupported by
  /// default.
  [[nodiscard]] virtual Result<ImageStorage> allocate_image(const FrameDesc& desc, Usage usage,
                                                            const std::string& buffer_name) const {
    static_cast<void>(desc);
    static_cast<void>(usage);
    static_cast<void>(buffer_name);
    return Error(
        Errc::Unsupported, "allocate_image",
        name() + " allocates plain bytes, and has no image layouts of its own; negotiate a frame instead");
  }
};

}  // namespace causeway::core
