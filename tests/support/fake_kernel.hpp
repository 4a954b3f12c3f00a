// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/syscalls.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::test {

inline constexpr const char* kSystemHeap = "system";
/// A heap whose CPU and device see separate bytes, which only SYNC carries over (FakeConfig::heaps). The name
/// is one that a vendor gave to a cached heap.
inline constexpr const char* kNonCoherentHeap = "vidbuf_cached";

/// A dma-heap of the fake kernel.
struct FakeHeap {
  std::string name;
  bool coherent = true;
  int open_errno = 0;                   ///< not 0: open(2) of its node fails so
  std::uint64_t largest = 1ULL << 30U;  ///< more, in bytes: ENOMEM
};

/// What kind of machine the fake kernel plays. The defaults are a Linux 6.12 with udmabuf and two heaps.
struct FakeConfig {
  bool udmabuf = true;                           ///< /dev/udmabuf exists
  int udmabuf_open_errno = 0;                    ///< EACCES: exists, but not for this user
  bool udmabuf_coherent = true;                  ///< false: as the non-coherent heap
  std::uint64_t udmabuf_largest = 64ULL << 20U;  ///< module parameter size_limit_mb; more: EINVAL
  std::uint32_t udmabuf_list_limit = 1024;       ///< module parameter list_limit; more: EINVAL
  std::uint64_t huge_pages = 4;                  ///< of 2 MiB, that one mapping may have; more: ENOMEM
  bool udmabuf_takes_huge_pages = true;          ///< false: EBADFD for memfds of them (before 6.12)
  std::vector<FakeHeap> heaps{{.name = kSystemHeap}, {.name = kNonCoherentHeap, .coherent = false}};
  bool sync_files = true;  ///< false: EXPORT_SYNC_FILE and IMPORT_SYNC_FILE answer ENOTTY (before 6.0)
  bool dup_query = true;   ///< false: F_DUPFD_QUERY answers EINVAL (before 6.10)
  /// Nodes of the real /dev and /sys that may be opened; every other path there is ENOENT, so that a test
  /// does not depend on the machine it runs on. Paths elsewhere are the machine's own.
  std::vector<std::string> real_devices{"/dev/null", "/dev/zero", "/dev/shm"};
};

/// A fence that a test signals: stands for work that a device was given. A cheap handle to shared state.
class FakeFence {
public:
  [[nodiscard]] bool signalled() const;

  struct State;
  explicit FakeFence(std::shared_ptr<State> state) : state_(std::move(state)) {}
  [[nodiscard]] const std::shared_ptr<State>& state() const { return state_; }

private:
  std::shared_ptr<State> state_;
};

/// A further device node, or a file of sysfs, for tests of one driver's backend.
struct FakeDevice {
  /// Returns what the ioctl returns, or -errno.
  std::function<int(int fd, unsigned long request, void* argument)> ioctl{};
  /// The events of `asked` that are ready now; empty: all of them are, always.
  std::function<short(short asked)> poll{};
  /// 0, or -errno with which open(2) fails; empty: it never does.
  std::function<int()> open{};
  std::string content{};   ///< what read(2) finds; what is written is the opener's own
  std::uint64_t size = 0;  ///< bytes that mmap(2), read(2) and write(2) reach, if more than the content has
};

/// A dma-buf that comes from elsewhere: a camera's, another process's.
struct FakeBuffer {
  std::uint64_t size = 4096;
  std::string exporter = "foreign";
  bool coherent = true;
  bool writable = true;  ///< false: the descriptor is read-only, as V4L2 exports by default
  bool mappable = true;  ///< false: mmap(2) is refused with EINVAL, as of a card's BAR
};

struct FakeCall {
  std::string name;     ///< the member of cw_syscalls: "open", "ioctl"
  std::string request;  ///< an ioctl's or fcntl's: "UDMABUF_CREATE", "F_DUPFD_CLOEXEC"; else empty
  std::string detail;   ///< for people: a path, a descriptor

  [[nodiscard]] std::string to_string() const;
};

/// A kernel of our own to test against: udmabuf, dma-heaps, dma-bufs and fences, with the behaviour that
/// docs and measurements give (FACTS), and with a memory for every mistake that a real x86 forgives.
///
/// Each descriptor that it hands out is a real one with a file of its own behind it, so that close(2),
/// dup(2), fork(2) and SCM_RIGHTS work as ever; the fake knows its objects by that file's (st_dev, st_ino). A
/// dma-buf is released when its last descriptor and its last mapping are gone, wherever they are.
///
/// What it cannot see: mmap(2), poll(2) and ioctl(2) that bypass the table, and CPU accesses themselves.
/// PUNCH_HOLE on the memfd under a udmabuf does not part the two, as it does in a real kernel.
///
/// Threads: thread-safe.
class FakeKernel {
public:
  explicit FakeKernel(FakeConfig config = {});
  ~FakeKernel();
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;

  /// What to give to the code under test; lives as long as this object.
  [[nodiscard]] const cw_syscalls* syscalls() const;
  /// The fake behind a table, or null if that table is not a fake's.
  [[nodiscard]] static FakeKernel* behind(const cw_syscalls* table);

  [[nodiscard]] FakeConfig config() const;
  /// Changes the machine under way: a heap fills up, udmabuf's node vanishes.
  void configure(const std::function<void(FakeConfig&)>& change);
  /// path: below /dev or /sys, which hold nothing else. The folders above it are there too.
  void add_device(const std::string& path, FakeDevice device);
  void remove_device(const std::string& path);
  /// A device that an ioctl of another one opens: a new descriptor, or -errno.
  [[nodiscard]] int open_device(const std::string& what, FakeDevice device);
  /// Whether the memory there is mapped from a dma-buf, whose pages nobody can pin.
  [[nodiscard]] bool maps_dma_buf(const void* address) const;
  /// The descriptor, which the caller closes; -1 and errno on failure. O_CLOEXEC is set.
  [[nodiscard]] int make_dma_buf(const FakeBuffer& buffer);

  // ---- The device's side

  /// What a DMA device finds in the memory of a dma-buf or memfd; empty for any other descriptor. Valid while
  /// the object lives. Asking for it counts as an access by the device: if the CPU has written bytes that no
  /// SYNC END carried over, or holds a bracket open for writing, that is a violation.
  [[nodiscard]] std::span<std::byte> device_bytes(int fd);
  /// An access of the device, checked as what it is: reading while the CPU reads is allowed. False if fd is
  /// neither dma-buf nor memfd, or the range lies outside of it.
  [[nodiscard]] bool device_read(int fd, std::uint64_t offset, std::span<std::byte> out);
  [[nodiscard]] bool device_write(int fd, std::uint64_t offset, std::span<const std::byte> bytes);

  // ---- Fences

  [[nodiscard]] FakeFence make_fence(std::string name = "fence");
  /// A sync_file of that fence: a descriptor that becomes readable at its signal. The caller closes it.
  [[nodiscard]] int sync_file(const FakeFence& fence);
  /// The same of several: readable once all have signalled; of none: at once.
  [[nodiscard]] int sync_file(const std::vector<FakeFence>& fences);
  /// What is in a sync_file of this kernel's; none if the descriptor is no such.
  [[nodiscard]] std::optional<std::vector<FakeFence>> fences_of(int sync_file) const;
  /// Calls told after each signal, on the thread that signals, with no lock held: for drivers of the fake's.
  void after_signal(std::function<void()> told);
  /// Puts a fence into a dma-buf's reservation, as a driver would. False if fd is no dma-buf.
  bool add_fence(int dma_buf, const FakeFence& fence, bool write);
  /// Once; error is 0 or an errno, which SYNC_IOC_FILE_INFO then reports.
  void signal(const FakeFence& fence, int error = 0);

  // ---- Calls: counting them and making them fail. A name is a call's or a request's.

  [[nodiscard]] std::size_t count(std::string_view name) const;
  [[nodiscard]] std::vector<FakeCall> calls() const;
  void forget_calls();

  /// The nth call of that name from now on (1: the next one) fails with this errno, and does nothing.
  void fail_nth(std::string_view name, std::size_t n, int system_errno);
  void fail_next(std::string_view name, int system_errno) { fail_nth(name, 1, system_errno); }
  /// Every call of that name fails until stop_failing().
  void fail_always(std::string_view name, int system_errno);
  void stop_failing();

  /// Runs body once undisturbed, then again and again, each time with one more of the calls that it makes
  /// failing, until a run in which nothing was left to fail. A new call in the code under test is covered by
  /// itself. body gets the name of what will fail, empty in the first run. Returns the violations of each
  /// run, each with the call that failed before it.
  [[nodiscard]] std::vector<std::string> for_each_failing_call(
      int system_errno, const std::function<void(const std::string& failing)>& body);

  // ---- Books

  /// Everything that is wrong now, a sentence each: descriptors handed out and still open, or without
  /// CLOEXEC; mappings not unmapped; SYNC brackets open, ended without a start or with other flags; accesses
  /// to non-coherent memory outside of a bracket.
  [[nodiscard]] std::vector<std::string> verify();
  /// Takes what is wrong now as known: verify() does not tell it again.
  void forget_violations();

  /// dma-bufs whose last descriptor or mapping is not yet gone.
  [[nodiscard]] std::size_t live_dma_bufs();
  /// What is known of a dma-buf.
  struct DmaBufInfo {
    std::string exporter;
    std::string name;  ///< of DMA_BUF_SET_NAME
    std::uint64_t size = 0;
    bool coherent = true;
    std::vector<std::uint64_t> open_brackets;  ///< flags of each SYNC START without its END
    std::size_t pending_fences = 0;
  };
  [[nodiscard]] std::optional<DmaBufInfo> info(int fd);

  struct Impl;

private:
  friend struct FakeTable;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::test
