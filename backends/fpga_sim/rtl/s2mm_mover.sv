// SPDX-License-Identifier: Apache-2.0
//
// Stream to memory: writes the stream to where a descriptor says, in bursts as mm2s_mover reads them. The end of
// the stream's packet ends the descriptor, too; what was promised of a burst by then is written with no strobe set.
// Bytes that t_keep leaves out keep what the memory has.
module s2mm_mover #(
    parameter int DATA_BITS = 64
) (
    input  logic                   clk,
    input  logic                   reset,
    input  logic                   flush,
    input  logic                   command,
    input  logic [63:0]            command_address,
    input  logic [25:0]            command_length,
    output logic                   moved,
    output logic [1:0]             moved_response,
    output logic [25:0]            moved_bytes,
    output logic                   moved_sof,
    output logic                   moved_eof,
    output logic                   quiet,
    output logic [2:0]             state_out,
    output logic                   aw_valid,
    input  logic                   aw_ready,
    output logic [63:0]            aw_address,
    output logic [7:0]             aw_length,
    output logic                   w_valid,
    input  logic                   w_ready,
    output logic [DATA_BITS-1:0]   w_data,
    output logic [DATA_BITS/8-1:0] w_strobe,
    output logic                   w_last,
    input  logic                   b_valid,
    input  logic [1:0]             b_response,
    input  logic                   t_valid,
    output logic                   t_ready,
    input  logic [DATA_BITS-1:0]   t_data,
    input  logic [DATA_BITS/8-1:0] t_keep,
    input  logic                   t_last
);
  localparam int BYTES = DATA_BITS / 8;

  typedef enum logic [2:0] {IDLE, WAIT, ADDRESS, DATA, RESPONSE, DONE} state_t;
  state_t state;
  logic [63:0] address;
  logic [25:0] left, bytes;
  logic [7:0] beats;  // of the burst, after this one
  logic [1:0] response;
  logic ended, sof, in_packet;

  burst_length #(.DATA_BITS(DATA_BITS)) burst (.address, .left, .length(aw_length));

  wire pad = ended || flush;  // the burst must be filled, and the stream has nothing for it

  assign quiet = state == IDLE;
  assign state_out = state;
  assign aw_valid = state == ADDRESS;
  assign aw_address = address;
  assign w_valid = state == DATA && (pad || t_valid);
  assign w_data = t_data;
  assign w_strobe = pad ? '0 : t_keep;
  assign w_last = beats == 8'd0;
  assign t_ready = state == DATA && !pad && w_ready;
  assign moved = state == DONE;
  assign moved_response = response;
  assign moved_bytes = bytes;
  assign moved_sof = sof;
  assign moved_eof = ended;

  always_ff @(posedge clk) begin
    case (state)
      IDLE:
        if (command) begin
          address <= command_address;
          left <= command_length;
          bytes <= 26'd0;
          response <= 2'b00;
          ended <= 1'b0;
          sof <= !in_packet;
          state <= WAIT;
        end
      WAIT:  // no burst is opened before there is something for it
        if (flush) state <= DONE;
        else if (t_valid) state <= ADDRESS;
      ADDRESS: begin
        beats <= aw_length;
        if (aw_ready) state <= DATA;
      end
      DATA:
        if (w_valid && w_ready) begin
          address <= address + 64'(BYTES);
          left <= left - 26'(BYTES);
          beats <= beats - 8'd1;
          if (!pad) begin
            bytes <= bytes + 26'(BYTES);
            ended <= t_last;
            in_packet <= !t_last;
          end
          if (w_last) state <= RESPONSE;
        end
      RESPONSE:
        if (b_valid) begin
          response <= b_response[1] ? b_response : 2'b00;
          state <= b_response[1] || ended || flush || left == 26'd0 ? DONE : WAIT;
        end
      default: state <= IDLE;  // DONE
    endcase
    if (reset) begin
      state <= IDLE;
      in_packet <= 1'b0;
    end
  end
endmodule
