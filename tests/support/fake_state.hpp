// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is behind FakeKernel, for its own sources only.

#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "support/fake_calls.hpp"
#include "support/fake_descriptor.hpp"
#include "support/fake_fence.hpp"
#include "support/fake_kernel.hpp"
#include "support/fake_memory.hpp"

namespace causeway::test {

/// The size of a page of hugetlbfs.
inline constexpr std::uint64_t kHugePage = 2ULL << 20U;

/// A dma-buf. There is one open file description of it, whatever the number of its descriptors, as in the
/// kernel (struct dma_buf::file); so its SYNC brackets are counted for it as a whole.
struct FakeDmaBuf {
  std::string title;  ///< for sentences: "dma-buf 3 of exporter udmabuf"
  std::string exporter;
  std::string name;
  OwnFd probe;  ///< another description of its file: tells whether the one handed out is alive
  FakeMemory memory;
  bool mappable = true;
  bool is_udmabuf = false;
  bool has_sg_table = false;  ///< udmabuf: made by the first START
  std::vector<std::uint64_t> open_brackets;
  bool end_was_refused = false;  ///< an END failed by injection: its bracket cannot be the caller's fault
  struct Held {
    std::shared_ptr<FakeFence::State> fence;
    bool write;
  };
  std::vector<Held> fences;

  /// The fences that are pending for somebody who wants to read (the writers'), or to write (all).
  [[nodiscard]] Fences pending(bool for_write) const;
  [[nodiscard]] bool bracket_is_open(std::uint64_t any_of) const;
};

/// What a caller has mapped through the table.
struct UserMapping {
  std::size_t length;
  std::string what;
  std::shared_ptr<FakeDmaBuf> dma_buf;  ///< a mapping keeps its dma-buf alive
  bool unmap_was_refused = false;
};

/// An opened device node.
struct UdmabufNode {};
struct HeapNode {
  std::string name;
};
using Node = std::variant<UdmabufNode, HeapNode, FakeDevice>;

/// System calls answer their result or -errno here; the table turns that into -1 and errno.
struct FakeKernel::Impl {
  explicit Impl(FakeKernel& owner);

  // fake_table.cpp
  void fill_table(FakeKernel& owner);

  // fake_exporters.cpp: nodes and what they make. The mutex is held.
  [[nodiscard]] int open(const std::string& path, int flags);
  [[nodiscard]] int list_directory(const std::string& path, std::vector<std::string>& names);
  [[nodiscard]] int open_node(const std::string& path, int flags, Node node);
  [[nodiscard]] int node_ioctl(const Node& node, unsigned long request, void* argument);
  [[nodiscard]] int create_udmabuf(std::uint32_t flags, std::span<const struct udmabuf_create_item> items);
  [[nodiscard]] int allocate_from_heap(const std::string& heap, void* argument);
  struct NewDmaBuf {
    std::string exporter;
    std::uint64_t size;
    bool coherent = true;
    bool mappable = true;
    bool is_udmabuf = false;
    int fd_flags = 0;                       // O_CLOEXEC and the access mode
    std::vector<FakeMemory::Piece> pieces;  // empty: memory of its own
  };
  [[nodiscard]] int make_dma_buf(NewDmaBuf info);

  // fake_dma_buf.cpp: operations on a dma-buf. The mutex is held.
  [[nodiscard]] std::shared_ptr<FakeDmaBuf> dma_buf(int fd) const;
  [[nodiscard]] int dma_buf_ioctl(FakeDmaBuf& buffer, unsigned long request, void* argument,
                                  std::unique_lock<std::mutex>& lock);
  [[nodiscard]] int sync(FakeDmaBuf& buffer, std::uint64_t flags, std::unique_lock<std::mutex>& lock);
  [[nodiscard]] int start(FakeDmaBuf& buffer, std::uint64_t flags, std::unique_lock<std::mutex>& lock);
  [[nodiscard]] int end(FakeDmaBuf& buffer, std::uint64_t flags);
  [[nodiscard]] int export_sync_file(FakeDmaBuf& buffer, void* argument);
  [[nodiscard]] int import_sync_file(FakeDmaBuf& buffer, const void* argument);
  void* map(void* address, std::size_t length, int protection, int flags, int fd, std::int64_t offset);

  /// A memfd of MFD_HUGETLB; its pages are ordinary ones.
  [[nodiscard]] bool is_hugetlb(int fd) const;

  // fake_poll.cpp. The mutex is not held.
  [[nodiscard]] int poll(pollfd* fds, nfds_t count, const timespec* timeout);

  // fake_books.cpp. The mutex is held.
  void violation(std::string sentence) { violations.push_back(std::move(sentence)); }
  void hand_out(int fd, const std::string& what) { handed_out.add(fd, what); }
  void hand_out_duplicate(int fd, const std::string& what) { handed_out.add_duplicate(fd, what); }
  void require_cloexec(bool given, const std::string& sentence);
  void check_cpu_writes(FakeDmaBuf& buffer, const std::string& when);
  void check_device_access(FakeDmaBuf& buffer, bool write);
  void note_mapping(void* address, UserMapping mapping);
  void note_unmapped(void* address, std::size_t length);
  /// Forgets dma-bufs that nothing refers to any more, as the kernel's release operation does.
  void collect();
  [[nodiscard]] std::vector<std::string> verify();
  void forget_violations();
  [[nodiscard]] std::span<std::byte> memory_seen_by_device(int fd, bool write);

  cw_syscalls table{};
  CallLog log;
  OwnDescriptors own;  // before all that holds an OwnFd

  mutable std::mutex mutex;
  std::condition_variable fence_signalled;
  FakeConfig config;
  std::map<std::string, FakeDevice> devices;
  std::map<Inode, Node> nodes;
  std::map<Inode, std::shared_ptr<FakeDmaBuf>> dma_bufs;
  struct Memfd {
    OwnFd file;
    OwnMapping view;
    bool marked;  // made through the table: its end can be seen
  };
  std::map<Inode, Memfd> memfds;  // that a device looked at
  std::set<Inode> hugetlb;        // memfds that play files of hugetlbfs
  SyncFiles sync_files{own};
  std::vector<std::function<void()>> after_signal;
  HandedOut handed_out;
  std::map<std::uintptr_t, UserMapping> mappings;
  std::vector<std::string> violations;
  std::size_t dma_bufs_made = 0;
};

}  // namespace causeway::test
