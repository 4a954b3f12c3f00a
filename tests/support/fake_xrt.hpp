// SPDX-License-Identifier: Apache-2.0
#pragma once

// A fake of XRT's library, libxrt_coreutil: the C entry points that the backend fpga_xrt calls, with the
// signatures of XRT's xrt/xrt_device.h and xrt/xrt_bo.h. It is a shared object that the backend opens.
//
// Its cards have memory of their own, as cards on a bus have: only xrtBOSync carries bytes between a dma-buf
// and the card, over the range that it is told. It holds its caller to XRT's rules: handles that live,
// ranges inside of the buffer, known flags and memory groups, descriptors that are open, buffers freed before
// their device is closed. And to one of DRM's: importing a dma-buf again gives the same GEM handle, which the
// first free takes from all. What breaks a rule is answered as XRT answers, and noted in violations.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace causeway::test {

struct FakeXrt {
  unsigned cards = 2;          ///< that can be opened, by index; the PCI address of card n is 0000:65:00.n
  unsigned memory_groups = 2;  ///< 0 to one less
  std::size_t sees_less = 0;   ///< bytes that an imported buffer has less than its dma-buf
  std::string failing{};       ///< the entry point whose next call fails, "xrtBOSync"; then empty again
  int failing_errno = 5;       ///< what it leaves in errno; 0: XRT before it set that
  unsigned skip = 0;           ///< so many calls of it succeed first

  // The memory of a descriptor, and a new dma-buf of that size: a test's kernel.
  std::function<std::size_t(int fd)> size_of;
  std::function<bool(int fd, std::size_t offset, std::span<std::byte> out)> read;
  std::function<bool(int fd, std::size_t offset, std::span<const std::byte> bytes)> write;
  std::function<int(std::size_t size)> make_dma_buf;

  // The books.
  int devices = 0;  ///< open
  int buffers = 0;  ///< not freed
  std::map<std::string, int> calls;
  std::vector<std::string> violations;

  /// The card's own bytes of a buffer: what its kernels would read and write. Null: no such handle.
  std::vector<std::byte>* (*card_bytes)(void* buffer);
  /// Everything as at first.
  void (*reset)();
};

/// The name under which the shared object shows its controls: a FakeXrt* (*)().
inline constexpr const char* kFakeXrtControls = "causeway_fake_xrt";

}  // namespace causeway::test
