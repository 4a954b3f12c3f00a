# SPDX-License-Identifier: Apache-2.0
# What ./dev setup installs: package | from | why. "newer" means: Debian 12's own is too old, take backports' there.
# shellcheck shell=bash

packages() {
    sed 's/ *| */|/g' <<'TABLE'
g++                      | main  | the compiler
cmake                    | main  | the build
ninja-build              | main  | runs the build
ccache                   | main  | makes a second build quick
pkg-config               | main  | finds libraries
git                      | main  | version control, lists the files to check
python3                  | main  | sums up the test results
libexpected-dev          | main  | tl::expected, below Result<T>
libfmt-dev               | main  | messages
libcli11-dev             | main  | command lines of samples and tools
nlohmann-json3-dev       | main  | reports in JSON
libpng-dev               | main  | the demo's picture
libgtest-dev             | main  | tests
libgmock-dev             | main  | tests
libbenchmark-dev         | main  | benchmarks
libgstreamer1.0-dev      | main  | the peer that benchmarks compare with
libgstreamer-plugins-base1.0-dev | main | its allocators
libdrm-dev               | newer | DRM formats and ioctls
libgbm-dev               | newer | GBM allocations
libvulkan-dev            | main  | Vulkan headers and loader
mesa-vulkan-drivers      | newer | lavapipe, Vulkan on the CPU: imports dma-bufs since Mesa 24
vulkan-validationlayers  | main  | checks our use of Vulkan in tests
vulkan-tools             | main  | vulkaninfo
glslc                    | main  | GLSL to SPIR-V
verilator                | main  | the simulated FPGA: SystemVerilog to C++
spirv-tools              | main  | checks the SPIR-V
ocl-icd-opencl-dev       | main  | OpenCL loader
opencl-headers           | main  | OpenCL headers
pocl-opencl-icd          | main  | PoCL, OpenCL on the CPU
libegl-dev               | main  | EGL headers, for the OpenGL ES backend
libgles-dev              | main  | OpenGL ES headers
libegl-mesa0             | newer | EGL's driver; with it llvmpipe, OpenGL ES on the CPU: imports dma-bufs since Mesa 24
libgl1-mesa-dri          | newer | the same
v4l-utils                | main  | v4l2-ctl: looks for cameras
qemu-system-x86          | newer | the guest of the test tier "guest"
busybox-static           | main  | the guest's first programs
cpio                     | main  | packs the guest's initramfs
kmod                     | main  | picks the guest's modules
xz-utils                 | main  | unpacks them
clang                    | main  | sanitizers, fuzzing and a second opinion
libclang-rt-dev          | main  | clang's sanitizers
clang-format             | main  | ./dev check
clang-tidy               | main  | ./dev check
shellcheck               | main  | ./dev check
TABLE
}
