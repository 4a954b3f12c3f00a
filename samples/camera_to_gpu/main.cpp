// SPDX-License-Identifier: Apache-2.0
//
// Takes pictures from a camera, a file or a pattern to the GPU without a copy, has a compute shader convert
// them and mark edges, and reports what that took. See --help.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <causeway/causeway.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "atomic_file.hpp"
#include "options.hpp"
#include "picture_format.hpp"
#include "pipeline.hpp"
#include "png_file.hpp"
#include "progress.hpp"
#include "report.hpp"

namespace camera_to_gpu {
namespace {

using causeway::Result;
using causeway::Status;

constexpr int kFailure = 1;
constexpr int kUsage = 2;

// A signal ends the run after the frame at hand; what was measured until then is reported.
std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void watch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop = true; };
  // The second one ends the program at once.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// "1920x1080"; the text of what is wrong, or nothing.
std::string parse_size(const std::string& text, std::optional<Size>& out) {
  Size size;
  const char* end = text.data() + text.size();
  const auto width = std::from_chars(text.data(), end, size.width);
  const bool cross = width.ec == std::errc{} && width.ptr != end && *width.ptr == 'x';
  const auto height = cross ? std::from_chars(width.ptr + 1, end, size.height) : width;
  if (!cross || height.ec != std::errc{} || height.ptr != end) {
    return fmt::format("--size: \"{}\" is not a size such as 1920x1080", text);
  }
  if (size.width < 2 || size.height < 2 || size.width > kMaxSide || size.height > kMaxSide) {
    return fmt::format("--size: {}x{} is not possible; each side is from 2 to {} pixels", size.width,
                       size.height, kMaxSide);
  }
  out = size;
  return {};
}

// An empty name, as from a variable that is not set, is a mistake rather than "no file".
std::string check_name(const std::string& name) {
  return name.empty() ? "the name of a file is missing" : "";
}

void declare(CLI::App& app, Options& options) {
  app.set_help_flag("-h,--help", "Print this help");
  app.add_option(
         "-s,--source", options.source,
         "Where pictures come from: a camera (/dev/video0), a Y4M file with 4:2:0 pictures, or \"pattern\", "
         "moving colour bars")
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--size",
         [&options](const std::string& text) {
           if (const auto wrong = parse_size(text, options.size); !wrong.empty()) {
             throw CLI::ValidationError(wrong);
           }
         },
         "Pixels. Default: what the camera is set to or the file has; 1280x720 for the pattern")
      ->type_name("WxH");
  app.add_option(
         "--format", options.format,
         "Default: the first that the camera offers and the shader takes; NV12 for the pattern. One of " +
             format_names())
      ->check([](const std::string& name) {
        const auto named = formats_named(name);
        return named ? std::string() : named.error().detail();
      })
      ->type_name("NAME");
  app.add_option("-n,--frames", options.frames,
                 fmt::format("How many frames. Default: {}, or all pictures of a file; a file that has fewer "
                             "starts again",
                             kDefaultFrames))
      ->check(CLI::Range(1U, 1'000'000U))
      ->type_name("N");
  app.add_option("-o,--out", options.out, "Write the last frame here as PNG. Default: no picture")
      ->check(check_name)
      ->type_name("FILE.png");
  app.add_option("--json", options.json, "Write the report here as JSON")
      ->check(check_name)
      ->type_name("FILE");
  app.add_flag("--compare", options.compare,
               "Run the same pipeline the usual way, too, copying each frame to the GPU, in turns with ours");
  app.add_option_function<std::string>(
         "--then", [&options](const std::string&) { options.then_opencl = true; },
         "Then have OpenCL count the colours of each picture and draw their histogram into it, on the memory "
         "that Vulkan wrote")
      ->check(CLI::IsMember({"opencl"}))
      ->excludes("--compare")
      ->type_name("opencl");
  app.add_option("--device", options.device,
                 "The Vulkan device: its number or a part of its name. Default: the best")
      ->type_name("ID");
  app.add_option(
         "--exporter", options.exporter,
         "Who makes the memory: udmabuf, dma_heap, dma_heap:NAME or memfd. Default: the first that suits all")
      ->type_name("NAME");
  app.footer(
      "YUV is converted as BT.601 in limited range. Exit code: 0, 1 if it failed, 2 if the command line is "
      "wrong.");
}

// A file that was asked for, made before anything is measured: its folder may be missing or not ours.
Result<std::optional<AtomicFile>> reserve(const std::string& path) {
  if (path.empty()) {
    return std::optional<AtomicFile>();
  }
  auto file = AtomicFile::create(path);
  if (!file) {
    return std::move(file.error());
  }
  return std::optional<AtomicFile>(std::move(*file));
}

Status run(const Options& options) {
  auto picture = reserve(options.out);
  if (!picture) {
    return std::move(picture.error());
  }
  auto json = reserve(options.json);
  if (!json) {
    return std::move(json.error());
  }
  auto runtime = causeway::Runtime::create();
  if (!runtime) {
    return std::move(runtime.error());
  }
  auto pipeline = Pipeline::create(*runtime, options);
  if (!pipeline) {
    return std::move(pipeline.error());
  }
  const auto outcome = [&] {
    Progress line;
    return (*pipeline)->run(stop, [&line](const char* path, std::uint32_t done, std::uint32_t due) {
      line.tell(path, done, due);
    });
  }();
  if (!outcome) {
    return outcome.error();
  }
  if (outcome->shared.stages.frames() == 0) {
    return causeway::Error(causeway::Errc::WrongState, "interrupted", "no frame was taken");
  }
  if (*picture) {
    const auto& desc = (*pipeline)->source().desc();
    auto written = (*pipeline)->show([&](std::span<const std::byte> rows, std::uint32_t stride) {
      return write_png(**picture, rows, desc.width, desc.height, stride);
    });
    if (!written) {
      return written;
    }
  }
  if (*json) {
    if (auto written = write_report(**json, **pipeline, *outcome); !written) {
      return written;
    }
  }
  fmt::print("{}", report_text(**pipeline, *outcome));
  if (*picture) {
    fmt::print("  The last frame is in {}\n", options.out);
  }
  return {};
}

}  // namespace
}  // namespace camera_to_gpu

int main(int argc, char** argv) {
  using namespace camera_to_gpu;
  Options options;
  CLI::App app(
      "Pictures from a camera to the GPU without a copy: converted to RGBA by a compute shader, edges "
      "marked.",
      "camera_to_gpu");
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "camera_to_gpu: {}. See camera_to_gpu --help.\n", wrong.what());
    return kUsage;
  }
  watch_signals();
  try {
    if (const auto status = run(options); !status) {
      fmt::print(stderr, "camera_to_gpu: {}\n", status.error().message());
      return kFailure;
    }
  } catch (const std::exception& exception) {  // std::bad_alloc, and what libraries throw
    fmt::print(stderr, "camera_to_gpu: the program cannot go on: {}\n", exception.what());
    return kFailure;
  }
  return std::fflush(stdout) == 0 ? 0 : kFailure;
}
