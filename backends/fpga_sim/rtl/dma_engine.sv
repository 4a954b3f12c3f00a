// SPDX-License-Identifier: Apache-2.0
//
// The card: registers (APB), a ring that reads memory (MM2S), a ring that writes it (S2MM), the image kernel on the
// stream between them. Three AXI4 masters, as the Xilinx AXI DMA has them (PG021): descriptors, reads, writes.
// backends/fpga_sim/README.md has the table of registers.
module dma_engine #(
    parameter int DATA_BITS = 64,
    parameter int LENGTH_BITS = 20
) (
    input  logic                   clk,
    input  logic                   reset,
    input  logic                   psel,
    input  logic                   penable,
    input  logic                   pwrite,
    input  logic [7:0]             paddr,
    input  logic [31:0]            pwdata,
    output logic [31:0]            prdata,
    output logic                   pready,
    output logic [1:0]             irq,  // MM2S, S2MM; levels
    // descriptors: bursts of four beats read, one beat written
    output logic                   sg_arvalid,
    input  logic                   sg_arready,
    output logic [63:0]            sg_araddr,
    output logic [7:0]             sg_arlen,
    input  logic                   sg_rvalid,
    output logic                   sg_rready,
    input  logic [63:0]            sg_rdata,
    input  logic [1:0]             sg_rresp,
    input  logic                   sg_rlast,
    output logic                   sg_awvalid,
    input  logic                   sg_awready,
    output logic [63:0]            sg_awaddr,
    output logic [7:0]             sg_awlen,
    output logic                   sg_wvalid,
    input  logic                   sg_wready,
    output logic [63:0]            sg_wdata,
    output logic [7:0]             sg_wstrb,
    output logic                   sg_wlast,
    input  logic                   sg_bvalid,
    output logic                   sg_bready,
    input  logic [1:0]             sg_bresp,
    // reads
    output logic                   mm2s_arvalid,
    input  logic                   mm2s_arready,
    output logic [63:0]            mm2s_araddr,
    output logic [7:0]             mm2s_arlen,
    input  logic                   mm2s_rvalid,
    output logic                   mm2s_rready,
    input  logic [DATA_BITS-1:0]   mm2s_rdata,
    input  logic [1:0]             mm2s_rresp,
    input  logic                   mm2s_rlast,
    // writes
    output logic                   s2mm_awvalid,
    input  logic                   s2mm_awready,
    output logic [63:0]            s2mm_awaddr,
    output logic [7:0]             s2mm_awlen,
    output logic                   s2mm_wvalid,
    input  logic                   s2mm_wready,
    output logic [DATA_BITS-1:0]   s2mm_wdata,
    output logic [DATA_BITS/8-1:0] s2mm_wstrb,
    output logic                   s2mm_wlast,
    input  logic                   s2mm_bvalid,
    output logic                   s2mm_bready,
    input  logic [1:0]             s2mm_bresp
);
  localparam int MAX_ROW = 8192;
  localparam int ALIGN_BITS = $clog2(DATA_BITS / 8);

  // ---------------------------------------------------------------- registers
  logic [5:0] kernel;  // blue, green, red: bytes of a pixel
  logic enable;
  logic [1:0] mode;
  logic [31:0] width, height, in_stride, out_stride, ring_rdata[2];
  logic mismatch;
  logic [3:0] ring_state[2];
  logic [1:0] mm2s_state;
  logic [2:0] s2mm_state;

  wire access = psel && penable;
  wire [1:0] at_ring = {paddr[7:6] == 2'b00 && paddr[5:4] == 2'b11 || paddr[7:4] == 4'h4,
                        paddr[7:5] == 3'b000};
  wire [3:0] s2mm_word = paddr[5:2] - 4'd12;  // its block begins at 0x30
  assign pready = 1'b1;

  always_comb begin
    prdata = 32'h0;
    if (at_ring[0]) prdata = ring_rdata[0];
    else if (at_ring[1]) prdata = ring_rdata[1];
    else
      case (paddr[7:2])
        6'h20: prdata = {enable, 17'h0, kernel, 6'h0, mode};
        6'h21: prdata = width;
        6'h22: prdata = height;
        6'h23: prdata = in_stride;
        6'h24: prdata = out_stride;
        6'h25: prdata = {31'h0, mismatch};
        6'h26: prdata = {16'(MAX_ROW), 8'(LENGTH_BITS), 8'(DATA_BITS / 8)};
        6'h27: prdata = {19'h0, s2mm_state, mm2s_state, ring_state[1], ring_state[0]};
        default: ;
      endcase
  end

  always_ff @(posedge clk) begin
    if (access && pwrite)
      case (paddr[7:2])
        6'h20: {enable, kernel, mode} <= {pwdata[31], pwdata[13:8], pwdata[1:0]};
        6'h21: width <= pwdata;
        6'h22: height <= pwdata;
        6'h23: in_stride <= pwdata;
        6'h24: out_stride <= pwdata;
        default: ;
      endcase
    if (core_reset) {enable, kernel, mode, width, height, in_stride, out_stride} <= '0;
  end

  // ---------------------------------------------------------------- reset
  // DMACR.Reset of either ring resets both, once every burst that was begun has ended: AXI4 lets nobody walk away.
  logic [1:0] reset_request, ring_quiet;
  logic mm2s_quiet, s2mm_quiet;
  wire flush = |reset_request;
  wire core_reset = reset || (flush && &ring_quiet && mm2s_quiet && s2mm_quiet);

  // ---------------------------------------------------------------- rings
  logic [1:0] command, command_eof, moved, moved_sof, moved_eof, want, ar_valid, aw_valid, w_valid;
  logic [63:0] command_address[2], ar_address[2], aw_address[2], w_data[2];
  logic [25:0] command_length[2], moved_bytes[2];
  logic [1:0] moved_response[2];

  // The descriptor port is lent to one ring for a whole transaction.
  logic owned, owner;
  always_ff @(posedge clk) begin
    if (!owned) begin
      owned <= |want;
      owner <= want[0] && want[1] ? !owner : want[1];
    end else if (!want[owner]) owned <= 1'b0;
    if (core_reset) {owned, owner} <= '0;
  end

  for (genvar i = 0; i < 2; i++) begin : g_ring
    wire mine = owned && owner == 1'(i);
    sg_ring #(.LENGTH_BITS(LENGTH_BITS), .ALIGN_BITS(ALIGN_BITS)) ring (
        .clk, .reset(core_reset),
        .reg_write(access && pwrite && at_ring[i]), .reg_index(i == 0 ? paddr[4:2] : s2mm_word[2:0]), .reg_wdata(pwdata),
        .reg_rdata(ring_rdata[i]), .reset_request(reset_request[i]), .stop(flush), .irq(irq[i]),
        .command(command[i]), .command_address(command_address[i]), .command_length(command_length[i]),
        .command_eof(command_eof[i]), .moved(moved[i]), .moved_response(moved_response[i]),
        .moved_bytes(moved_bytes[i]), .moved_sof(moved_sof[i]), .moved_eof(moved_eof[i]),
        .sg_want(want[i]), .sg_granted(mine),
        .ar_valid(ar_valid[i]), .ar_ready(sg_arready), .ar_address(ar_address[i]),
        .r_valid(sg_rvalid && mine), .r_data(sg_rdata), .r_response(sg_rresp), .r_last(sg_rlast),
        .aw_valid(aw_valid[i]), .aw_ready(sg_awready), .aw_address(aw_address[i]),
        .w_valid(w_valid[i]), .w_ready(sg_wready), .w_data(w_data[i]),
        .b_valid(sg_bvalid && mine), .b_response(sg_bresp),
        .quiet(ring_quiet[i]), .state_out(ring_state[i]));
  end
  assign sg_arvalid = |ar_valid;
  assign sg_araddr = ar_address[owner];
  assign sg_arlen = 8'd3;
  assign sg_rready = 1'b1;
  assign sg_awvalid = |aw_valid;
  assign sg_awaddr = aw_address[owner];
  assign sg_awlen = 8'd0;
  assign sg_wvalid = |w_valid;
  assign sg_wdata = w_data[owner];
  assign sg_wstrb = 8'hf0;
  assign sg_wlast = 1'b1;
  assign sg_bready = 1'b1;

  // ---------------------------------------------------------------- data
  logic in_valid, in_ready, in_last, out_valid, out_ready, out_last;
  logic [DATA_BITS-1:0] in_data, out_data;
  logic [DATA_BITS/8-1:0] out_keep;

  mm2s_mover #(.DATA_BITS(DATA_BITS)) mm2s (
      .clk, .reset(core_reset), .flush, .command(command[0]), .command_address(command_address[0]),
      .command_length(command_length[0]), .command_eof(command_eof[0]), .moved(moved[0]),
      .moved_response(moved_response[0]), .moved_bytes(moved_bytes[0]), .quiet(mm2s_quiet), .state_out(mm2s_state),
      .ar_valid(mm2s_arvalid), .ar_ready(mm2s_arready), .ar_address(mm2s_araddr), .ar_length(mm2s_arlen),
      .r_valid(mm2s_rvalid), .r_ready(mm2s_rready), .r_data(mm2s_rdata), .r_response(mm2s_rresp), .r_last(mm2s_rlast),
      .t_valid(in_valid), .t_ready(in_ready), .t_data(in_data), .t_last(in_last));
  assign moved_sof[0] = 1'b0;  // SOF and EOF of this ring are the driver's, in CONTROL
  assign moved_eof[0] = command_eof[0];

  image_kernel #(.DATA_BITS(DATA_BITS), .MAX_ROW(MAX_ROW)) image (
      .clk, .reset(core_reset), .enable, .mode, .red(kernel[1:0]), .green(kernel[3:2]), .blue(kernel[5:4]),
      .width, .height, .in_stride, .out_stride, .mismatch,
      .s_valid(in_valid), .s_ready(in_ready), .s_data(in_data), .s_last(in_last),
      .m_valid(out_valid), .m_ready(out_ready), .m_data(out_data), .m_keep(out_keep), .m_last(out_last));

  s2mm_mover #(.DATA_BITS(DATA_BITS)) s2mm (
      .clk, .reset(core_reset), .flush, .command(command[1]), .command_address(command_address[1]),
      .command_length(command_length[1]), .moved(moved[1]), .moved_response(moved_response[1]),
      .moved_bytes(moved_bytes[1]), .moved_sof(moved_sof[1]), .moved_eof(moved_eof[1]), .quiet(s2mm_quiet),
      .state_out(s2mm_state), .aw_valid(s2mm_awvalid), .aw_ready(s2mm_awready), .aw_address(s2mm_awaddr),
      .aw_length(s2mm_awlen), .w_valid(s2mm_wvalid), .w_ready(s2mm_wready), .w_data(s2mm_wdata), .w_strobe(s2mm_wstrb),
      .w_last(s2mm_wlast), .b_valid(s2mm_bvalid), .b_response(s2mm_bresp),
      .t_valid(out_valid), .t_ready(out_ready), .t_data(out_data), .t_keep(out_keep), .t_last(out_last));
  assign s2mm_bready = 1'b1;

  wire unused = &{1'b0, paddr[1:0], command_eof[1], s2mm_word[3]};
endmodule
