// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>

#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <cstddef>
#include <cstdint>
#include <span>

namespace causeway::test {

class FakeKernel;

/// How a test device reaches the memory that it was attached to.
enum class Reach {
  Dma,     ///< as real hardware: past the CPU's caches. On a real kernel: by a mapping of its own
  ViaCpu,  ///< through the host's CPU mapping, as lavapipe and PoCL do
  Pinned,  ///< the memfd beneath a dma-buf, as VFIO does
};

/// One object of an attachment, as a test device sees it. Holds a descriptor of its own, as a driver holds a
/// reference. Threads: thread-bound.
class DeviceMemory {
public:
  [[nodiscard]] static Result<DeviceMemory> open(plugin::Host host, const cw_object& object, Reach reach);
  DeviceMemory(DeviceMemory&& other) noexcept;
  DeviceMemory& operator=(DeviceMemory&&) = delete;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory();

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] Status read(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] Status write(std::uint64_t offset, std::span<const std::byte> bytes) const;

private:
  explicit DeviceMemory(plugin::Host host) : host_(host) {}

  plugin::Host host_;
  FakeKernel* fake_ = nullptr;  // not null: past the CPU, by fd_
  UniqueFd fd_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
  std::byte* bytes_ = nullptr;  // else
  std::size_t mapped_ = 0;      // bytes_ is a mapping of this object's own
};

}  // namespace causeway::test
