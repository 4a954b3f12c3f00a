// SPDX-License-Identifier: Apache-2.0
//
// One ring of scatter-gather descriptors, with its registers: fetches a descriptor, has a mover carry it out,
// writes its status back, and goes on until the tail. Registers, bits and the layout of descriptors are those of
// the Xilinx AXI DMA with 64-bit addresses (PG021, "Register Space" and "Scatter Gather Descriptor").
module sg_ring #(
    parameter int LENGTH_BITS = 20,  // of the descriptor's length field
    parameter int ALIGN_BITS = 3     // log2 of the bytes of a data beat: addresses and lengths are whole beats
) (
    input  logic        clk,
    input  logic        reset,
    // registers, by word: DMACR DMASR CURDESC CURDESC_MSB TAILDESC TAILDESC_MSB
    input  logic        reg_write,
    input  logic [2:0]  reg_index,
    input  logic [31:0] reg_wdata,
    output logic [31:0] reg_rdata,
    output logic        reset_request,  // DMACR.Reset was written: the whole engine is to be reset
    input  logic        stop,           // it is about to be: begin nothing
    output logic        irq,
    // the mover
    output logic        command,        // for one cycle: move command_length bytes at command_address
    output logic [63:0] command_address,
    output logic [25:0] command_length,
    output logic        command_eof,
    input  logic        moved,          // for one cycle: done, and how
    input  logic [1:0]  moved_response,
    input  logic [25:0] moved_bytes,
    input  logic        moved_sof,
    input  logic        moved_eof,
    // the descriptor port: 64 bits wide; granted while it is this ring's
    output logic        sg_want,
    input  logic        sg_granted,
    output logic        ar_valid,
    input  logic        ar_ready,
    output logic [63:0] ar_address,
    input  logic        r_valid,
    input  logic [63:0] r_data,
    input  logic [1:0]  r_response,
    input  logic        r_last,
    output logic        aw_valid,
    input  logic        aw_ready,
    output logic [63:0] aw_address,
    output logic        w_valid,
    input  logic        w_ready,
    output logic [63:0] w_data,
    input  logic        b_valid,
    input  logic [1:0]  b_response,
    output logic        quiet,          // nothing of this ring is on its way
    output logic [3:0]  state_out
);
  typedef enum logic [3:0] {
    HALTED, IDLE, FETCH_ADDRESS, FETCH_DATA, CHECK, COMMAND, MOVE, STATUS_ADDRESS, STATUS_DATA, STATUS_RESPONSE, NEXT
  } state_t;
  state_t state;

  logic run, cyclic, ioc_enable, error_enable, ioc, error_irq;
  logic dma_int, dma_slv, dma_dec, sg_int, sg_slv, sg_dec;  // DMASR's error bits
  logic [63:6] current, tail, next;
  logic tail_written;  // since the ring stood still
  logic fresh;         // current was written by the driver, and not yet carried out
  logic [63:0] buffer;
  logic [31:0] control;
  logic stale;
  logic [1:0] beat;
  logic [1:0] fetch_response;
  logic [31:0] status;
  logic wants_ioc;

  wire [25:0] length = 26'(control[LENGTH_BITS-1:0]);
  wire eof = control[26];
  wire misaligned = |buffer[ALIGN_BITS-1:0] || (|length[ALIGN_BITS-1:0]);
  wire any_error = dma_int || dma_slv || dma_dec || sg_int || sg_slv || sg_dec;

  assign irq = (ioc && ioc_enable) || (error_irq && error_enable);
  assign quiet = state == HALTED || state == IDLE || state == MOVE;
  assign state_out = state;
  assign sg_want = state == FETCH_ADDRESS || state == FETCH_DATA || state == STATUS_ADDRESS ||
                   state == STATUS_DATA || state == STATUS_RESPONSE;
  assign ar_valid = state == FETCH_ADDRESS && sg_granted;
  assign ar_address = {current, 6'h00};  // four beats of 8 bytes
  assign aw_valid = state == STATUS_ADDRESS && sg_granted;
  assign aw_address = {current, 6'h18};  // STATUS is the upper half of that beat
  assign w_valid = state == STATUS_DATA && sg_granted;
  assign w_data = {status, 32'h0};
  assign command = state == COMMAND;
  assign command_address = buffer;
  assign command_length = length;
  assign command_eof = eof;

  always_comb begin
    case (reg_index)
      3'd0: reg_rdata = {8'h0, 8'h1, 1'b0, error_enable, 1'b0, ioc_enable, 7'h0, cyclic, 1'b0, reset_request, 1'b1, run};
      3'd1: reg_rdata = {8'h0, 8'h1, 1'b0, error_irq, 1'b0, ioc, 1'b0, sg_dec, sg_slv, sg_int, 1'b0, dma_dec, dma_slv,
                         dma_int, 1'b1, 1'b0, state == IDLE && !tail_written, state == HALTED};
      3'd2: reg_rdata = {current[31:6], 6'h0};
      3'd3: reg_rdata = current[63:32];
      3'd4: reg_rdata = {tail[31:6], 6'h0};
      3'd5: reg_rdata = tail[63:32];
      default: reg_rdata = 32'h0;
    endcase
  end

  always_ff @(posedge clk) begin
    case (state)
      HALTED: if (run && !any_error) state <= IDLE;
      IDLE:
        if (!run || stop) state <= HALTED;
        else if (tail_written) begin
          tail_written <= 1'b0;
          if (!fresh) current <= next;
          fresh <= 1'b0;
          state <= FETCH_ADDRESS;
        end
      FETCH_ADDRESS: begin
        beat <= 2'd0;
        fetch_response <= 2'd0;
        if (ar_valid && ar_ready) state <= FETCH_DATA;
      end
      FETCH_DATA:
        if (r_valid) begin
          beat <= beat + 2'd1;
          fetch_response <= fetch_response | r_response;
          case (beat)
            2'd0: next <= r_data[63:6];
            2'd1: buffer <= r_data;
            2'd2: ;
            2'd3: begin
              control <= r_data[31:0];
              stale <= r_data[63];
            end
          endcase
          if (r_last) state <= CHECK;
        end
      CHECK: begin
        status <= 32'h0;
        wants_ioc <= 1'b0;
        state <= NEXT;  // where an error stops the ring
        if (fetch_response[1]) begin
          sg_dec <= fetch_response[0];
          sg_slv <= !fetch_response[0];
        end else if (stale && !cyclic) sg_int <= 1'b1;  // was carried out before
        else if (length == 26'd0 || misaligned) begin
          dma_int <= 1'b1;
          status[28] <= 1'b1;
          state <= STATUS_ADDRESS;
        end else state <= COMMAND;
      end
      COMMAND: state <= MOVE;
      MOVE:
        if (moved) begin
          dma_dec <= moved_response == 2'b11;
          dma_slv <= moved_response == 2'b10;
          status <= {!moved_response[1], moved_response == 2'b11, moved_response == 2'b10, 1'b0,
                     moved_sof, moved_eof, moved_bytes};
          wants_ioc <= moved_eof && !moved_response[1];
          state <= STATUS_ADDRESS;
        end
      STATUS_ADDRESS: if (aw_valid && aw_ready) state <= STATUS_DATA;
      STATUS_DATA: if (w_valid && w_ready) state <= STATUS_RESPONSE;
      STATUS_RESPONSE:
        if (b_valid) begin
          if (b_response[1]) begin
            sg_dec <= b_response[0];
            sg_slv <= !b_response[0];
          end
          state <= NEXT;
        end
      default: begin  // NEXT
        if (wants_ioc) ioc <= 1'b1;
        if (any_error) begin
          run <= 1'b0;
          error_irq <= 1'b1;
          state <= HALTED;
        end else if (!run || stop) begin
          // Stopped in the middle: CURDESC shows where a later run goes on.
          current <= next;
          fresh <= 1'b1;
          state <= HALTED;
        end else if (current == tail) state <= IDLE;
        else begin
          current <= next;
          state <= FETCH_ADDRESS;
        end
      end
    endcase

    if (reg_write) begin
      case (reg_index)
        3'd0: begin
          run <= reg_wdata[0];
          reset_request <= reset_request || reg_wdata[2];
          cyclic <= reg_wdata[4];
          ioc_enable <= reg_wdata[12];
          error_enable <= reg_wdata[14];
        end
        3'd1: begin
          if (reg_wdata[12]) ioc <= 1'b0;
          if (reg_wdata[14]) error_irq <= 1'b0;
        end
        3'd2:
          if (state == HALTED) begin
            current[31:6] <= reg_wdata[31:6];
            fresh <= 1'b1;
          end
        3'd3: if (state == HALTED) current[63:32] <= reg_wdata;
        3'd4: tail[31:6] <= reg_wdata[31:6];
        3'd5: begin
          tail[63:32] <= reg_wdata;
          // Halted, it only moves the pause point; a ring on its way meets the new tail by itself, unless it
          // comes to rest at this very moment.
          if (state == IDLE || (state == NEXT && current == tail)) tail_written <= 1'b1;
        end
        default: ;
      endcase
    end

    if (reset) begin
      state <= HALTED;
      {run, cyclic, ioc_enable, error_enable, ioc, error_irq, reset_request} <= '0;
      {dma_int, dma_slv, dma_dec, sg_int, sg_slv, sg_dec, tail_written, fresh, wants_ioc} <= '0;
      {current, tail, next} <= '0;
    end
  end

  wire unused = &{1'b0, control[31:27], control[25:LENGTH_BITS]};
endmodule
