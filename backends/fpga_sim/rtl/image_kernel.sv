// SPDX-License-Identifier: Apache-2.0
//
// What the card computes on the stream between the two rings. A beat is DATA_BITS of a row; rows begin with a beat,
// and a stride is whole beats. The last row comes and goes without the padding behind it; padding on the way out has
// no byte kept, so that the memory there stays as it is.
//   0 pass   rows of bytes as they are
//   1 sobel  8-bit luma to |gx| + |gy|, at most 255, of the 3x3 operator; 0 on the image's border
//   2 grey   4 bytes a pixel to (77 R + 150 G + 29 B + 128) / 256 (BT.601's weights)
module image_kernel #(
    parameter int DATA_BITS = 64,
    parameter int MAX_ROW = 8192  // pixels of a row that sobel can hold
) (
    input  logic                   clk,
    input  logic                   reset,
    input  logic                   enable,   // while it is 0 the settings may change, and a new image begins
    input  logic [1:0]             mode,
    input  logic [1:0]             red,      // the byte of a pixel, in memory order
    input  logic [1:0]             green,
    input  logic [1:0]             blue,
    input  logic [31:0]            width,    // pixels of the result; bytes of a row in mode pass
    input  logic [31:0]            height,
    input  logic [31:0]            in_stride,
    input  logic [31:0]            out_stride,
    output logic                   mismatch, // the packet was shorter or longer than the image, since it was enabled
    input  logic                   s_valid,
    output logic                   s_ready,
    input  logic [DATA_BITS-1:0]   s_data,
    input  logic                   s_last,
    output logic                   m_valid,
    input  logic                   m_ready,
    output logic [DATA_BITS-1:0]   m_data,
    output logic [DATA_BITS/8-1:0] m_keep,
    output logic                   m_last
);
  localparam int BYTES = DATA_BITS / 8;
  localparam int SHIFT = $clog2(BYTES);
  localparam int QUARTER = DATA_BITS / 4;
  localparam int LINE_BEATS = MAX_ROW / BYTES;
  localparam logic [1:0] SOBEL = 2'd1, GREY = 2'd2;

  // A step takes a beat, gives one, does both or neither. Sobel gives the row before the one that it takes, one
  // beat behind; grey gives one beat for four.
  logic [31:0] row, step;
  logic [DATA_BITS-1:0] above[LINE_BEATS], earlier[LINE_BEATS];  // the two rows before, by beat
  logic [DATA_BITS-1:0] top, middle, bottom;                    // the beat before, of the three rows
  logic [7:0] left_top, left_middle, left_bottom;               // the byte before those
  logic [3*QUARTER-1:0] packed_grey;                            // the results of three beats, oldest lowest

  wire is_sobel = mode == SOBEL;
  wire is_grey = mode == GREY;
  wire [31:0] round = 32'(BYTES - 1);
  wire [31:0] row_in = ((is_grey ? width << 2 : width) + round) >> SHIFT;  // beats with pixels
  wire [31:0] row_out = (width + round) >> SHIFT;
  wire [31:0] out_row = is_sobel ? row - 32'd1 : row;
  wire has_in = row < height;
  wire has_out = !is_sobel || row != 32'd0;
  wire [31:0] takes_in_row = !has_in ? 32'd0 : row == height - 32'd1 ? row_in : in_stride >> SHIFT;
  wire [31:0] gives_in_row = !has_out ? 32'd0 : out_row == height - 32'd1 ? row_out : out_stride >> SHIFT;
  wire [31:0] steps_out = !has_out ? 32'd0
                          : is_sobel ? gives_in_row + 32'd1 : is_grey ? gives_in_row << 2 : gives_in_row;
  wire [31:0] steps = takes_in_row > steps_out ? takes_in_row : steps_out;
  wire [31:0] rows = is_sobel ? height + 32'd1 : height;

  wire takes = step < takes_in_row;
  wire [31:0] out_beat = is_sobel ? step - 32'd1 : is_grey ? step >> 2 : step;
  wire in_turn = is_sobel ? step != 32'd0 : !is_grey || step[1:0] == 2'd3;
  wire gives = has_out && in_turn && out_beat < gives_in_row;
  wire can_run = enable && width != 32'd0 && height != 32'd0;
  wire fire = can_run && (!takes || s_valid) && (!gives || !m_valid || m_ready);
  wire ends_in = takes && row == height - 32'd1 && step == takes_in_row - 32'd1;
  wire border_row = out_row == 32'd0 || out_row == height - 32'd1;
  wire [$clog2(LINE_BEATS)-1:0] place = step[$clog2(LINE_BEATS)-1:0];
  wire [31:0] first_x = out_beat << SHIFT;

  assign s_ready = fire && takes;

  function automatic logic [7:0] edge_of(input logic [7:0] nw, n, ne, w, e, sw, s, se);
    logic signed [11:0] gx, gy;
    logic [11:0] sum;
    gx = signed'({4'h0, ne}) + signed'({3'h0, e, 1'b0}) + signed'({4'h0, se}) -
         signed'({4'h0, nw}) - signed'({3'h0, w, 1'b0}) - signed'({4'h0, sw});
    gy = signed'({4'h0, sw}) + signed'({3'h0, s, 1'b0}) + signed'({4'h0, se}) -
         signed'({4'h0, nw}) - signed'({3'h0, n, 1'b0}) - signed'({4'h0, ne});
    sum = unsigned'(gx < 0 ? -gx : gx) + unsigned'(gy < 0 ? -gy : gy);
    return sum > 12'd255 ? 8'd255 : sum[7:0];
  endfunction

  function automatic logic [7:0] grey_of(input logic [31:0] pixel, input logic [1:0] r, g, b);
    return 8'((16'd77 * 16'(pixel[8*r+:8]) + 16'd150 * 16'(pixel[8*g+:8]) + 16'd29 * 16'(pixel[8*b+:8]) + 16'd128) >> 8);
  endfunction

  wire [DATA_BITS-1:0] here_above = above[place];    // of row - 2
  wire [DATA_BITS-1:0] here_earlier = earlier[place];  // of row - 1

  logic [QUARTER-1:0] grey_beat;
  always_comb
    for (int i = 0; i < BYTES / 4; i++) grey_beat[8*i+:8] = is_grey ? grey_of(s_data[32*i+:32], red, green, blue) : 8'd0;

  always_ff @(posedge clk) begin
    if (m_ready) m_valid <= 1'b0;
    if (fire) begin
      if (step + 32'd1 == steps) begin
        step <= 32'd0;
        row <= row + 32'd1 == rows ? 32'd0 : row + 32'd1;
      end else step <= step + 32'd1;

      if (takes && s_last != ends_in) mismatch <= 1'b1;

      if (is_sobel) begin
        if (takes && step < row_in) begin
          above[place] <= here_earlier;
          earlier[place] <= s_data;
        end
        {left_top, left_middle, left_bottom} <= {top[DATA_BITS-1-:8], middle[DATA_BITS-1-:8], bottom[DATA_BITS-1-:8]};
        {top, middle, bottom} <= {here_above, here_earlier, s_data};
        if (gives)
          for (int i = 0; i < BYTES; i++) begin
            if (border_row || first_x + 32'(i) == 32'd0 || first_x + 32'(i) == width - 32'd1) m_data[8*i+:8] <= 8'd0;
            else
              m_data[8*i+:8] <= edge_of(
                  i == 0 ? left_top : top[8*(i==0?0:i-1)+:8], top[8*i+:8],
                  i == BYTES - 1 ? here_above[7:0] : top[8*(i==BYTES-1?0:i+1)+:8],
                  i == 0 ? left_middle : middle[8*(i==0?0:i-1)+:8],
                  i == BYTES - 1 ? here_earlier[7:0] : middle[8*(i==BYTES-1?0:i+1)+:8],
                  i == 0 ? left_bottom : bottom[8*(i==0?0:i-1)+:8], bottom[8*i+:8],
                  i == BYTES - 1 ? s_data[7:0] : bottom[8*(i==BYTES-1?0:i+1)+:8]);
          end
      end else if (is_grey) begin
        packed_grey <= {grey_beat, packed_grey[3*QUARTER-1:QUARTER]};
        if (gives) m_data <= {grey_beat, packed_grey};
      end else if (gives) m_data <= s_data;

      if (gives) begin
        m_valid <= 1'b1;
        m_last <= out_row == height - 32'd1 && out_beat == gives_in_row - 32'd1;
        for (int i = 0; i < BYTES; i++) m_keep[i] <= first_x + 32'(i) < width;
      end
    end
    if (reset || !enable) begin
      {row, step} <= '0;
      {m_valid, mismatch} <= '0;
    end
  end
endmodule
