// SPDX-License-Identifier: Apache-2.0
#include "bus.hpp"

#include <bit>

namespace causeway::fpga_sim_backend {
namespace {

/// Bursts that are accepted before the first one is answered.
constexpr std::size_t kQueue = 4;

constexpr std::uint64_t kBoundary = 4096;

}  // namespace

unsigned AddressWatch::look(bool valid, bool ready, std::uint64_t address, std::uint8_t length,
                            std::size_t beat_bytes) {
  const bool changed = pending_ && (!valid || address != address_ || length != length_);
  const std::uint64_t last = address + (length + std::uint64_t{1}) * beat_bytes - 1;
  const bool unfit = valid && (address % beat_bytes != 0 || (address / kBoundary != last / kBoundary));
  pending_ = valid && !ready;
  address_ = address;
  length_ = length;
  return changed || unfit ? 1 : 0;
}

void ReadSlave::offer() {
  address_ready_ = bursts_.size() < kQueue && !pace_.stalls();
  if (data_valid_ || bursts_.empty()) {
    return;  // what is valid stays until it is taken (AXI4, A3.2.1)
  }
  Burst& burst = bursts_.front();
  if (burst.wait > 0) {
    --burst.wait;
    return;
  }
  if (!pace_.stalls()) {
    if (burst.response == Response::Okay) {
      burst.response = memory_.read(burst.address, std::span(data_).first(beat_bytes_));
    }
    response_ = burst.response;
    data_valid_ = true;
  }
}

bool ReadSlave::clock(const Pins& pins) {
  bool moved = false;
  violations_ += watch_.look(pins.address_valid, address_ready_, pins.address, pins.length, beat_bytes_);
  if (data_valid_ && pins.data_ready) {
    data_valid_ = false;
    moved = true;
    bytes_ += beat_bytes_;
    Burst& burst = bursts_.front();
    burst.address += beat_bytes_;
    if (--burst.left == 0) {
      bursts_.pop_front();
    }
  }
  if (pins.address_valid && address_ready_) {
    bursts_.push_back({.address = pins.address, .left = pins.length + 1U, .wait = pace_.latency()});
    moved = true;
  }
  return moved;
}

void WriteSlave::offer() {
  address_ready_ = phase_ == Phase::Address && !pace_.stalls();
  data_ready_ = phase_ == Phase::Data && !pace_.stalls();
  if (phase_ == Phase::Wait && (wait_ == 0 || --wait_ == 0)) {
    phase_ = Phase::Answer;
  }
  response_valid_ = phase_ == Phase::Answer;
}

bool WriteSlave::clock(const Pins& pins) {
  violations_ += watch_.look(pins.address_valid, address_ready_, pins.address, pins.length, beat_bytes_);
  violations_ += (data_pending_ && !pins.data_valid) ? 1 : 0;
  data_pending_ = pins.data_valid && !data_ready_;
  if (pins.address_valid && address_ready_) {
    address_ = pins.address;
    left_ = pins.length + 1U;
    response_ = Response::Okay;
    phase_ = Phase::Data;
    return true;
  }
  if (pins.data_valid && data_ready_) {
    violations_ += pins.last != (left_ == 1) ? 1 : 0;  // WLAST marks the last beat (A3.2.2)
    if (pins.strobe != 0 && response_ == Response::Okay) {
      response_ = memory_.write(address_, pins.data.first(beat_bytes_), pins.strobe);
      bytes_ += static_cast<unsigned>(std::popcount(pins.strobe));
    }
    address_ += beat_bytes_;
    if (--left_ == 0) {
      wait_ = pace_.latency();
      phase_ = Phase::Wait;
    }
    return true;
  }
  if (response_valid_ && pins.response_ready) {
    phase_ = Phase::Address;
    return true;
  }
  return false;
}

}  // namespace causeway::fpga_sim_backend
