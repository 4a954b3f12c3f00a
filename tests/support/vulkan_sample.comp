// SPDX-License-Identifier: Apache-2.0
#version 450

// Every texel's centre, as the sampler sees it.
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0) uniform sampler2D image;
layout(std430, set = 0, binding = 1) writeonly buffer Seen { vec4 texels[]; };
layout(push_constant) uniform Size { uvec2 size; };

void main() {
  const uvec2 at = gl_GlobalInvocationID.xy;
  if (at.x >= size.x || at.y >= size.y) {
    return;
  }
  texels[at.y * size.x + at.x] = textureLod(image, (vec2(at) + 0.5) / vec2(size), 0.0);
}
