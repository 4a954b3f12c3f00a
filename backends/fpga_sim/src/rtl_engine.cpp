// SPDX-License-Identifier: Apache-2.0
#include "rtl_engine.hpp"

#include <cstring>
#include <mutex>

#include "Vdma_engine_512.h"
#include "Vdma_engine_64.h"
#include "registers.hpp"
#include "verilated.h"

namespace causeway::fpga_sim_backend {
namespace {

/// A wide pin as its bytes: Verilator has a 64-bit number for 64 bits and an array of words for more, both
/// least significant first on a little-endian host.
template <class Pin>
std::span<const std::byte> bytes_of(const Pin& pin) {
  return std::as_bytes(std::span(&pin, 1));
}

template <class Top>
class Verilated final : public RtlEngine {
public:
  Verilated(BusMemory& memory, BusPace& pace)
      : top_(without_workers(context_), "dma_engine"),
        descriptors_out_(memory, pace, 8),
        descriptors_in_(memory, pace, 8),
        reads_(memory, pace, sizeof(top_.mm2s_rdata)),
        writes_(memory, pace, sizeof(top_.s2mm_wdata)) {
    ::Verilated::threadContextp(&context_);
    park();
    top_.reset = 1;
    for (int i = 0; i < 4; ++i) {
      clock();
    }
    top_.reset = 0;
  }
  ~Verilated() override { top_.final(); }

  bool clock() override {
    offer();
    top_.clk = 0;
    top_.eval();
    // What both sides see at the edge; the edge itself changes the engine's outputs.
    bool moved = descriptors_out_.clock({.address_valid = top_.sg_arvalid != 0,
                                         .address = top_.sg_araddr,
                                         .length = top_.sg_arlen,
                                         .data_ready = top_.sg_rready != 0});
    moved |= reads_.clock({.address_valid = top_.mm2s_arvalid != 0,
                           .address = top_.mm2s_araddr,
                           .length = top_.mm2s_arlen,
                           .data_ready = top_.mm2s_rready != 0});
    moved |= descriptors_in_.clock({.address_valid = top_.sg_awvalid != 0,
                                    .address = top_.sg_awaddr,
                                    .length = top_.sg_awlen,
                                    .data_valid = top_.sg_wvalid != 0,
                                    .data = bytes_of(top_.sg_wdata),
                                    .strobe = top_.sg_wstrb,
                                    .last = top_.sg_wlast != 0,
                                    .response_ready = top_.sg_bready != 0});
    moved |= writes_.clock({.address_valid = top_.s2mm_awvalid != 0,
                            .address = top_.s2mm_awaddr,
                            .length = top_.s2mm_awlen,
                            .data_valid = top_.s2mm_wvalid != 0,
                            .data = bytes_of(top_.s2mm_wdata),
                            .strobe = top_.s2mm_wstrb,
                            .last = top_.s2mm_wlast != 0,
                            .response_ready = top_.s2mm_bready != 0});
    top_.clk = 1;
    top_.eval();
    ++clocks_;
    return moved;
  }

  std::uint32_t read_register(std::uint32_t offset) override { return access(offset, false, 0); }
  void write_register(std::uint32_t offset, std::uint32_t value) override { access(offset, true, value); }

  unsigned interrupts() const override { return top_.irq; }
  States states() const override { return states_from(top_.prdata); }
  std::uint64_t violations() const override {
    return descriptors_out_.violations() + descriptors_in_.violations() + reads_.violations() +
           writes_.violations();
  }
  std::uint64_t clocks() const override { return clocks_; }
  std::uint64_t bytes_read() const override { return reads_.bytes(); }
  std::uint64_t bytes_written() const override { return writes_.bytes(); }

private:
  /// Verilator would start threads of its own for as many cores as there are, and leave them idle.
  static VerilatedContext* without_workers(VerilatedContext& context) {
    context.threads(1);
    return &context;
  }

  static States states_from(std::uint32_t word) {
    return {.mm2s_ring = static_cast<std::uint8_t>(word & 0xfU),
            .s2mm_ring = static_cast<std::uint8_t>(word >> 4U & 0xfU),
            .mm2s_mover = static_cast<std::uint8_t>(word >> 8U & 0x3U),
            .s2mm_mover = static_cast<std::uint8_t>(word >> 10U & 0x7U)};
  }

  void offer() {
    descriptors_out_.offer();
    descriptors_in_.offer();
    reads_.offer();
    writes_.offer();
    top_.sg_arready = descriptors_out_.address_ready();
    top_.sg_rvalid = descriptors_out_.data_valid();
    top_.sg_rresp = static_cast<unsigned char>(descriptors_out_.response());
    top_.sg_rlast = descriptors_out_.last();
    std::memcpy(&top_.sg_rdata, descriptors_out_.data().data(), sizeof(top_.sg_rdata));
    top_.sg_awready = descriptors_in_.address_ready();
    top_.sg_wready = descriptors_in_.data_ready();
    top_.sg_bvalid = descriptors_in_.response_valid();
    top_.sg_bresp = static_cast<unsigned char>(descriptors_in_.response());
    top_.mm2s_arready = reads_.address_ready();
    top_.mm2s_rvalid = reads_.data_valid();
    top_.mm2s_rresp = static_cast<unsigned char>(reads_.response());
    top_.mm2s_rlast = reads_.last();
    std::memcpy(&top_.mm2s_rdata, reads_.data().data(), sizeof(top_.mm2s_rdata));
    top_.s2mm_awready = writes_.address_ready();
    top_.s2mm_wready = writes_.data_ready();
    top_.s2mm_bvalid = writes_.response_valid();
    top_.s2mm_bresp = static_cast<unsigned char>(writes_.response());
  }

  /// APB: the setup phase, then the access phase (AMBA APB, "Operating States").
  std::uint32_t access(std::uint32_t offset, bool write, std::uint32_t value) {
    top_.psel = 1;
    top_.penable = 0;
    top_.pwrite = write;
    top_.paddr = static_cast<unsigned char>(offset);
    top_.pwdata = value;
    clock();
    top_.penable = 1;
    const std::uint32_t read = top_.prdata;  // nothing between the two phases changes it
    clock();
    park();
    return read;
  }

  /// Between accesses the read data shows where the state machines stand, clock by clock.
  void park() {
    top_.psel = 0;
    top_.penable = 0;
    top_.paddr = reg::kStates;
  }

  VerilatedContext context_;
  Top top_;
  ReadSlave descriptors_out_;
  WriteSlave descriptors_in_;
  ReadSlave reads_;
  WriteSlave writes_;
  std::uint64_t clocks_ = 0;
};

}  // namespace

std::unique_ptr<RtlEngine> make_rtl_engine(unsigned data_bits, BusMemory& memory, BusPace& pace) {
  // Verilator keeps the context that was named last in one place for all threads.
  static std::mutex making;
  const std::lock_guard lock(making);
  if (data_bits == 512) {
    return std::make_unique<Verilated<Vdma_engine_512>>(memory, pace);
  }
  return std::make_unique<Verilated<Vdma_engine_64>>(memory, pace);
}

}  // namespace causeway::fpga_sim_backend
