// SPDX-License-Identifier: Apache-2.0
//
// How long the next burst of a transfer is: as much as is left, but over no boundary of BURST_BYTES, hence none of
// 4 KiB (AXI4, A3.4.1), and at most 256 beats.
module burst_length #(
    parameter int DATA_BITS = 64
) (
    input  logic [63:0] address,  // whole beats, as is left
    input  logic [25:0] left,     // bytes
    output logic [7:0]  length    // beats, less one: AxLEN
);
  localparam int BYTES = DATA_BITS / 8;
  localparam int BURST_BYTES = BYTES * 256 < 4096 ? BYTES * 256 : 4096;
  localparam int BURST_BITS = $clog2(BURST_BYTES);

  wire [BURST_BITS:0] room = (BURST_BITS + 1)'(BURST_BYTES) - {1'b0, address[BURST_BITS-1:0]};
  wire [BURST_BITS:0] chunk = left < 26'(room) ? left[BURST_BITS:0] : room;
  wire unused = &{1'b0, address[63:BURST_BITS]};  // above the boundary
  assign length = 8'(chunk / (BURST_BITS + 1)'(BYTES) - (BURST_BITS + 1)'(1));
endmodule
