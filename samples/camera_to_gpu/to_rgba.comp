// SPDX-License-Identifier: Apache-2.0
#version 450

// Reads a camera's raw bytes, writes R G B A, and marks edges.
//
// Colours are BT.601 in limited range, what cameras of standard definition and most webcams send; in whole
// numbers, so that any GPU and the tests get the same bytes. Chroma samples are taken from the nearest place.

layout(local_size_x = 16, local_size_y = 4) in;

layout(constant_id = 0) const uint kind = 0;  // Kind of picture_format.hpp
const uint kNv12 = 0;
const uint kYuyv = 1;
const uint kUyvy = 2;

// Two, because the planes of a camera may lie in two memory objects; usually both are the same one.
layout(std430, set = 0, binding = 0) readonly buffer Plane0 { uint plane0[]; };
layout(std430, set = 0, binding = 1) readonly buffer Plane1 { uint plane1[]; };
layout(std430, set = 0, binding = 2) writeonly buffer Picture { uint picture[]; };

// PushConstants of converter.cpp. Offsets and strides are in bytes; a pixel may start at any byte.
layout(push_constant) uniform Constants {
  uint width;
  uint height;
  uint offset0;
  uint stride0;
  uint offset1;
  uint stride1;
  uint picture_offset;  // in words
  uint picture_stride;  // in words
  uint red;  // which byte of a 32-bit pixel
  uint green;
  uint blue;
  int edge_threshold;
};

const uint kEdge = 0xff0060ffu;  // R 255 G 96 B 0: orange stands out on every bar

uint byte0(uint at) { return (plane0[at >> 2] >> ((at & 3u) * 8u)) & 255u; }
uint byte1(uint at) { return (plane1[at >> 2] >> ((at & 3u) * 8u)) & 255u; }

ivec3 rgb_at(uint x, uint y) {
  uint at = offset0 + y * stride0 + x * 4u;
  return ivec3(byte0(at + red), byte0(at + green), byte0(at + blue));
}

// Brightness of the pixel nearest to (x, y) in the picture.
int luma_at(int column, int row) {
  uint x = uint(clamp(column, 0, int(width) - 1));
  uint y = uint(clamp(row, 0, int(height) - 1));
  if (kind == kNv12) {
    return int(byte0(offset0 + y * stride0 + x));
  }
  if (kind == kYuyv || kind == kUyvy) {
    return int(byte0(offset0 + y * stride0 + x * 2u + (kind == kUyvy ? 1u : 0u)));
  }
  ivec3 rgb = rgb_at(x, y);
  return ((66 * rgb.r + 129 * rgb.g + 25 * rgb.b + 128) >> 8) + 16;
}

ivec3 colour_at(uint x, uint y) {
  if (kind > kUyvy) {
    return rgb_at(x, y);
  }
  int u;
  int v;
  if (kind == kNv12) {
    uint at = offset1 + (y >> 1) * stride1 + (x & ~1u);
    u = int(byte1(at));
    v = int(byte1(at + 1u));
  } else {
    uint at = offset0 + y * stride0 + (x & ~1u) * 2u + (kind == kYuyv ? 1u : 0u);
    u = int(byte0(at));
    v = int(byte0(at + 2u));
  }
  int c = 298 * (luma_at(int(x), int(y)) - 16) + 128;
  int d = u - 128;
  int e = v - 128;
  return clamp(ivec3(c + 409 * e, c - 100 * d - 208 * e, c + 516 * d) >> 8, ivec3(0), ivec3(255));
}

void main() {
  uint px = gl_GlobalInvocationID.x;
  uint py = gl_GlobalInvocationID.y;
  if (px >= width || py >= height) {
    return;
  }
  int x = int(px);
  int y = int(py);

  // Sobel's operator on the brightness.
  int nw = luma_at(x - 1, y - 1), n = luma_at(x, y - 1), ne = luma_at(x + 1, y - 1);
  int w = luma_at(x - 1, y), e = luma_at(x + 1, y);
  int sw = luma_at(x - 1, y + 1), s = luma_at(x, y + 1), se = luma_at(x + 1, y + 1);
  int across = (ne + 2 * e + se) - (nw + 2 * w + sw);
  int down = (sw + 2 * s + se) - (nw + 2 * n + ne);
  bool edge = abs(across) + abs(down) > edge_threshold;

  ivec3 rgb = colour_at(px, py);
  uint pixel = 0xff000000u | uint(rgb.b) << 16 | uint(rgb.g) << 8 | uint(rgb.r);
  picture[picture_offset + py * picture_stride + px] = edge ? kEdge : pixel;
}
