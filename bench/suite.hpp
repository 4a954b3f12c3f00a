// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <benchmark/benchmark.h>

#include <causeway/causeway.hpp>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::bench {

/// The sizes of memory that rows by size run at: a small buffer, a 1080p NV12 frame, a 4K RGBA frame; bytes,
/// whole pages.
inline constexpr std::uint64_t kSizes[] = {65536, 3112960, 33177600};
/// The largest of them: what "33 MB" means here.
inline constexpr std::uint64_t kFrameBytes = 33177600;

/// What all rows share: one runtime, the devices of this machine, and the list of rows. A row is one hot
/// path, measured from up to three sides: "us"; "raw" or "raw:NAME", what an expert would write by hand; and
/// "peer:NAME", another library or the usual way. tools/dev/bench_report.py judges us by the best of the raw
/// sides. Sides are named <row>/<side>, so a row's name must not end in one of those words.
///
/// Threads: thread-bound; the loops of a row with several threads run on them.
class Suite {
public:
  /// One measurement: sets up, loops over the state, clears away. What it throws fails its row.
  using Loop = std::function<void(benchmark::State&)>;

  /// Opens what this machine has. Throws tl::bad_expected_access<Error> if there is no runtime at all.
  /// repetitions: how many the command line asks for.
  explicit Suite(int repetitions);
  Suite(const Suite&) = delete;
  Suite& operator=(const Suite&) = delete;
  ~Suite();

  [[nodiscard]] Runtime& runtime() noexcept { return *runtime_; }
  [[nodiscard]] const Device& null_device() const noexcept { return *null_; }
  /// Empty where it is missing; no_vulkan() and no_opencl() then say why.
  [[nodiscard]] const std::optional<Device>& vulkan() const noexcept { return vulkan_; }
  [[nodiscard]] const std::optional<Device>& opencl() const noexcept { return opencl_; }
  [[nodiscard]] const std::string& no_vulkan() const noexcept { return no_vulkan_; }
  [[nodiscard]] const std::string& no_opencl() const noexcept { return no_opencl_; }
  /// The first exporter of the ladder that makes dma-bufs here; empty if there is none.
  [[nodiscard]] const std::string& dma_buf_exporter() const noexcept { return dma_buf_exporter_; }
  [[nodiscard]] std::string no_dma_buf() const;

  /// Measured by the wall clock, per iteration of the loop. threads: how many run the loop at once.
  void add(const std::string& row, const std::string& side, Loop loop, int threads = 1);
  /// As add, for work that is handed to another thread and waited for: where the scheduler puts the threads
  /// differs from one repetition to the next, so that it takes four times as many to tell.
  void add_handing_over(const std::string& row, const std::string& side, Loop loop);
  /// As add; the loop itself says by State::SetIterationTime what an iteration took, so that it can leave out
  /// what belongs to neither side (making and dropping what is measured). iterations: how many a repetition
  /// runs; 0: as many as take the time that is asked for on the command line.
  void add_timed(const std::string& row, const std::string& side, Loop loop, std::int64_t iterations = 0);
  /// A row that cannot run here: named in the output, with a whole sentence why.
  void skip(const std::string& row, const std::string& reason);

  /// Writes what the figures depend on, and the skipped rows, into the output's context.
  void describe() const;

private:
  int repetitions_;
  std::optional<Runtime> runtime_;
  std::optional<Device> null_;
  std::optional<Device> vulkan_;
  std::optional<Device> opencl_;
  std::string no_vulkan_;
  std::string no_opencl_;
  std::string dma_buf_exporter_;
  std::map<std::string, std::string> skipped_;  // row, reason
};

/// "bytes:33177600", the last part of the names of rows by size.
[[nodiscard]] std::string by_size(std::uint64_t bytes);

/// A pool of one frame of plain bytes on these devices. Throws unless each import was seen to be the same
/// memory as the CPU's: a row about zero-copy that copies has failed.
[[nodiscard]] FramePool aliased_pool(Runtime& runtime, std::uint64_t bytes,
                                     const std::vector<Device>& devices);

/// The raw sides' memory: a memfd of that size, sealed against shrinking as udmabuf asks of its producers.
/// Throws std::system_error.
[[nodiscard]] UniqueFd raw_memfd(std::uint64_t bytes);

/// A mapping of the raw sides: mmap(2), undone at the end. Throws std::system_error.
/// Threads: reentrant.
class RawMapping {
public:
  /// alignment: of the address, a power of two and whole pages.
  /// offset: where in the file it begins, bytes, whole pages.
  RawMapping(BorrowedFd fd, std::uint64_t bytes, int flags, std::uint64_t alignment = 4096,
             std::uint64_t offset = 0);
  RawMapping(const RawMapping&) = delete;
  RawMapping& operator=(const RawMapping&) = delete;
  ~RawMapping();
  [[nodiscard]] std::byte* data() const noexcept { return address_; }

private:
  std::byte* address_;
  std::uint64_t bytes_;
};

/// Throws std::runtime_error with what unless good.
void require(bool good, const char* what);

/// Writes one byte in each page of 4096 bytes.
void touch_pages(std::byte* data, std::uint64_t bytes) noexcept;

// One function a file: the rows of that hot path.
void add_import_rows(Suite& suite);
void add_map_rows(Suite& suite);
void add_sync_rows(Suite& suite);
void add_access_rows(Suite& suite);
void add_alloc_rows(Suite& suite);
void add_fence_rows(Suite& suite);
void add_copy_rows(Suite& suite);
void add_hop_rows(Suite& suite);
void add_camera_hop_rows(Suite& suite);
void add_dispatch_rows(Suite& suite);
void add_scaling_rows(Suite& suite);
#ifdef CAUSEWAY_BENCH_FPGA
void add_fpga_rows(Suite& suite);
#endif
#ifdef CAUSEWAY_BENCH_GSTREAMER
void add_gstreamer_peers(Suite& suite);
#endif

}  // namespace causeway::bench
