// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

namespace causeway::fpga_sim_backend {

/// RRESP and BRESP (AXI4, A3.4.4). The worse one has the larger value.
enum class Response : std::uint8_t { Okay = 0, SlaveError = 2, DecodeError = 3 };

/// What lies behind the bus. Once a beat of a burst is refused, the rest of the burst is not asked for.
/// Threads: thread-bound, to the thread that clocks the engine.
class BusMemory {
public:
  virtual ~BusMemory() = default;
  /// One beat: out.size() bytes from address, which is a multiple of that.
  virtual Response read(std::uint64_t address, std::span<std::byte> out) = 0;
  /// One beat; bit i of strobe: byte i counts.
  virtual Response write(std::uint64_t address, std::span<const std::byte> bytes, std::uint64_t strobe) = 0;
};

/// How quick the memory is, in clocks of the engine.
class BusPace {
public:
  virtual ~BusPace() = default;
  /// From the address of a burst to its first beat, and from the last beat written to the answer.
  virtual unsigned latency() = 0;
  /// Whether to keep the engine waiting this time, wherever a handshake allows it.
  virtual bool stalls() = 0;
};

inline constexpr std::size_t kMaxBeat = 64;  ///< bytes

/// Watches the engine keep AXI4's rules: what is valid stays, unchanged, until it is taken (A3.2.1); a burst
/// crosses no boundary of 4 KiB (A3.4.1) and begins with a whole beat, as this engine promises.
class AddressWatch {
public:
  /// Once each clock. Returns 1 if a rule was broken.
  unsigned look(bool valid, bool ready, std::uint64_t address, std::uint8_t length, std::size_t beat_bytes);

private:
  bool pending_ = false;
  std::uint64_t address_ = 0;
  std::uint8_t length_ = 0;
};

/// A slave's side of AXI4's read channels. Each clock: offer(), then what the engine answers to clock().
class ReadSlave {
public:
  ReadSlave(BusMemory& memory, BusPace& pace, std::size_t beat_bytes)
      : memory_(memory), pace_(pace), beat_bytes_(beat_bytes) {}

  struct Pins {
    bool address_valid;
    std::uint64_t address;
    std::uint8_t length;  ///< beats less one
    bool data_ready;
  };
  void offer();
  /// Whether anything was handed over at this clock.
  bool clock(const Pins& pins);

  [[nodiscard]] bool address_ready() const { return address_ready_; }
  [[nodiscard]] bool data_valid() const { return data_valid_; }
  [[nodiscard]] bool last() const { return data_valid_ && bursts_.front().left == 1; }
  [[nodiscard]] Response response() const { return response_; }
  [[nodiscard]] const std::array<std::byte, kMaxBeat>& data() const { return data_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t violations() const { return violations_; }

private:
  struct Burst {
    std::uint64_t address;
    unsigned left;
    unsigned wait;
    Response response = Response::Okay;
  };
  BusMemory& memory_;
  BusPace& pace_;
  std::size_t beat_bytes_;
  std::deque<Burst> bursts_;
  bool address_ready_ = false;
  bool data_valid_ = false;
  Response response_ = Response::Okay;
  std::array<std::byte, kMaxBeat> data_{};
  std::uint64_t bytes_ = 0;
  AddressWatch watch_;
  std::uint64_t violations_ = 0;
};

/// The same for the write channels.
class WriteSlave {
public:
  WriteSlave(BusMemory& memory, BusPace& pace, std::size_t beat_bytes)
      : memory_(memory), pace_(pace), beat_bytes_(beat_bytes) {}

  struct Pins {
    bool address_valid;
    std::uint64_t address;
    std::uint8_t length;
    bool data_valid;
    std::span<const std::byte> data;
    std::uint64_t strobe;
    bool last;
    bool response_ready;
  };
  void offer();
  bool clock(const Pins& pins);

  [[nodiscard]] bool address_ready() const { return address_ready_; }
  [[nodiscard]] bool data_ready() const { return data_ready_; }
  [[nodiscard]] bool response_valid() const { return response_valid_; }
  [[nodiscard]] Response response() const { return response_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t violations() const { return violations_; }

private:
  BusMemory& memory_;
  BusPace& pace_;
  std::size_t beat_bytes_;
  enum class Phase { Address, Data, Wait, Answer } phase_ = Phase::Address;
  std::uint64_t address_ = 0;
  unsigned left_ = 0;
  unsigned wait_ = 0;
  Response response_ = Response::Okay;
  bool address_ready_ = false;
  bool data_ready_ = false;
  bool response_valid_ = false;
  bool data_pending_ = false;
  std::uint64_t bytes_ = 0;
  AddressWatch watch_;
  std::uint64_t violations_ = 0;
};

}  // namespace causeway::fpga_sim_backend
