// SPDX-License-Identifier: Apache-2.0
#version 450

// Lays the edges that the FPGA found over the camera's picture, and writes R G B A.
//
// Colours as in camera_to_gpu/to_rgba.comp: BT.601 in limited range, in whole numbers, chroma from the nearest place.

layout(local_size_x = 16, local_size_y = 4) in;

layout(std430, set = 0, binding = 0) readonly buffer Luma { uint luma[]; };
layout(std430, set = 0, binding = 1) readonly buffer Chroma { uint chroma[]; };
layout(std430, set = 0, binding = 2) readonly buffer Edges { uint edges[]; };
layout(std430, set = 0, binding = 3) writeonly buffer Picture { uint picture[]; };

// Constants of overlay.cpp. Offsets and strides are in bytes, those of the picture in words.
layout(push_constant) uniform Constants {
  uint width, height;
  uint luma_offset, luma_stride;
  uint chroma_offset, chroma_stride;
  uint edges_offset, edges_stride;
  uint picture_offset, picture_stride;
  uint threshold;
};

const uint kEdge = 0xff0060ffu;  // R 255 G 96 B 0

int byte_of(uint word, uint at) { return int((word >> ((at & 3u) * 8u)) & 255u); }

void main() {
  uint x = gl_GlobalInvocationID.x;
  uint y = gl_GlobalInvocationID.y;
  if (x >= width || y >= height) {
    return;
  }
  uint at = luma_offset + y * luma_stride + x;
  int c = 298 * (byte_of(luma[at >> 2], at) - 16) + 128;
  at = chroma_offset + (y >> 1) * chroma_stride + (x & ~1u);
  int d = byte_of(chroma[at >> 2], at) - 128;
  int e = byte_of(chroma[(at + 1u) >> 2], at + 1u) - 128;
  ivec3 rgb = clamp(ivec3(c + 409 * e, c - 100 * d - 208 * e, c + 516 * d) >> 8, ivec3(0), ivec3(255));
  uint pixel = 0xff000000u | uint(rgb.b) << 16 | uint(rgb.g) << 8 | uint(rgb.r);
  at = edges_offset + y * edges_stride + x;
  bool edge = uint(byte_of(edges[at >> 2], at)) > threshold;
  picture[picture_offset + y * picture_stride + x] = edge ? kEdge : pixel;
}
