// SPDX-License-Identifier: Apache-2.0
//
// Memory to stream: reads what a descriptor names, in bursts of AXI4 (INCR). The first bad response ends it; beats
// from there on are dropped.
module mm2s_mover #(
    parameter int DATA_BITS = 64
) (
    input  logic                 clk,
    input  logic                 reset,
    input  logic                 flush,    // end what was begun, and drop it
    input  logic                 command,
    input  logic [63:0]          command_address,
    input  logic [25:0]          command_length,
    input  logic                 command_eof,
    output logic                 moved,
    output logic [1:0]           moved_response,
    output logic [25:0]          moved_bytes,
    output logic                 quiet,
    output logic [1:0]           state_out,
    output logic                 ar_valid,
    input  logic                 ar_ready,
    output logic [63:0]          ar_address,
    output logic [7:0]           ar_length,
    input  logic                 r_valid,
    output logic                 r_ready,
    input  logic [DATA_BITS-1:0] r_data,
    input  logic [1:0]           r_response,
    input  logic                 r_last,
    output logic                 t_valid,
    input  logic                 t_ready,
    output logic [DATA_BITS-1:0] t_data,
    output logic                 t_last
);
  localparam int BYTES = DATA_BITS / 8;

  typedef enum logic [1:0] {IDLE, ADDRESS, DATA, DONE} state_t;
  state_t state;
  logic [63:0] address;
  logic [25:0] left;  // bytes not yet read
  logic eof;
  logic [1:0] response;
  logic [25:0] bytes;

  burst_length #(.DATA_BITS(DATA_BITS)) burst (.address, .left, .length(ar_length));

  wire bad = response[1] || r_response[1];
  wire drop = flush || bad;

  assign quiet = state == IDLE;
  assign state_out = state;
  assign ar_valid = state == ADDRESS;
  assign ar_address = address;
  assign t_valid = state == DATA && r_valid && !drop;
  assign t_data = r_data;
  assign t_last = eof && left == 26'(BYTES);
  assign r_ready = state == DATA && (drop || t_ready);
  assign moved = state == DONE;
  assign moved_response = response;
  assign moved_bytes = bytes;

  always_ff @(posedge clk) begin
    case (state)
      IDLE:
        if (command) begin
          address <= command_address;
          left <= command_length;
          eof <= command_eof;
          response <= 2'b00;
          bytes <= 26'd0;
          state <= ADDRESS;
        end
      ADDRESS: if (ar_ready) state <= DATA;
      DATA:
        if (r_valid && r_ready) begin
          address <= address + 64'(BYTES);
          left <= left - 26'(BYTES);
          if (!drop) bytes <= bytes + 26'(BYTES);
          if (r_response[1] && !response[1]) response <= r_response;
          if (r_last) state <= bad || flush || left == 26'(BYTES) ? DONE : ADDRESS;
        end
      default: state <= IDLE;  // DONE
    endcase
    if (reset) state <= IDLE;
  end
endmodule
