// SPDX-License-Identifier: Apache-2.0
//
// Loads a backend from outside, gives it a frame that the CPU has drawn, and uses what it offers.
//   custom_backend [checksum_backend.so]
#include <causeway/causeway.hpp>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "checksum.h"

using namespace causeway;

namespace {

Deadline soon() {
  return Deadline::in(std::chrono::seconds(1));
}

/// Row after row into the frame, by the CPU.
Status draw(const FrameRef& frame, std::string_view pixels) {
  auto cpu = frame.frame().begin_cpu_access(Usage::Write, soon());
  if (!cpu) {
    return cpu.error();
  }
  const std::size_t width = frame.frame().layout().width;
  for (std::size_t row = 0; row * width < pixels.size(); ++row) {
    std::memcpy(cpu->plane(0).data() + row * cpu->stride(0), pixels.data() + row * width, width);
  }
  return cpu->end();
}

/// The device's turn on the frame: between begin and end nobody else changes it.
Result<std::uint32_t> checksum(const Device& device, const FrameRef& frame) {
  const auto* functions = static_cast<const checksum_functions*>(device.interface(CHECKSUM_INTERFACE));
  const auto* view = static_cast<const checksum_view*>(frame.on(device).native(CHECKSUM_VIEW));
  if (functions == nullptr || view == nullptr) {
    return Error(Errc::Incompatible, "checksum", "the backend does not offer " CHECKSUM_INTERFACE);
  }
  auto access = frame.on(device).begin_access(Usage::Read, soon());
  if (!access) {
    return access.error();
  }
  std::uint32_t crc = 0;
  if (functions->crc32(view, &crc) != CW_OK) {
    return Error(Errc::WrongState, "checksum", "the device says that it has no access to the frame");
  }
  if (auto ended = access->end(); !ended) {
    return ended.error();
  }
  return crc;
}

Status run(const std::string& backend_file) {
  auto runtime = Runtime::create({.backend_path = backend_file});
  if (!runtime) {
    return runtime.error();
  }
  for (const auto& refused : runtime->refused_backends()) {
    return Error(Errc::Incompatible, refused.file, refused.reason);
  }
  auto device = runtime->open_device("checksum");
  if (!device) {
    return device.error();
  }

  // Three by three pixels, whose rows the device wants to begin at multiples of 16 bytes.
  auto frames = runtime->negotiate({.format = formats::kR8, .width = 3, .height = 3})
                    .with(*device, Usage::Read)
                    .allocate(1);
  if (!frames) {
    return frames.error();
  }
  const auto frame = frames->frame(0);
  if (auto drawn = draw(frame, "123456789"); !drawn) {
    return drawn;
  }
  auto crc = checksum(*device, frame);
  if (!crc) {
    return crc.error();
  }

  // 0xcbf43926 is the check value that catalogues of CRCs give for the text "123456789".
  std::printf("%s: crc32 %08x of a frame from %s, rows %u bytes apart, import %s\n", device->name().c_str(),
              *crc, frames->report().exporter.c_str(), frame.frame().layout().planes[0].stride,
              to_string(frames->report().imports[0].verdict));
  if (*crc != 0xcbf43926U) {
    return Error(Errc::Internal, "checksum", "it should be cbf43926");
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string file =
      argc > 1
          ? argv[1]
          : std::filesystem::read_symlink("/proc/self/exe").replace_filename("checksum_backend.so").string();
  const auto done = run(file);
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().message().c_str());
  }
  return done ? 0 : 1;
}
