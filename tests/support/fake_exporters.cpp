// SPDX-License-Identifier: Apache-2.0
//
// Device nodes of the fake kernel and the dma-bufs that they make: drivers/dma-buf/udmabuf.c and dma-heap.c.
#include <dirent.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/magic.h>
#include <linux/udmabuf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "support/fake_state.hpp"

namespace causeway::test {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::string_view kHeapDirectory = "/dev/dma_heap";
constexpr std::size_t kCollectAbove = 16;  // dma-bufs at which the dead ones are looked for

bool is_beneath(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

bool is_real(const FakeConfig& config, const std::string& path) {
  return (!is_beneath(path, "/dev") && !is_beneath(path, "/sys")) ||
         std::any_of(config.real_devices.begin(), config.real_devices.end(),
                     [&](const std::string& real) { return is_beneath(path, real); });
}

const FakeHeap* find_heap(const FakeConfig& config, std::string_view name) {
  const auto found = std::find_if(config.heaps.begin(), config.heaps.end(),
                                  [&](const FakeHeap& heap) { return heap.name == name; });
  return found != config.heaps.end() ? &*found : nullptr;
}

// check_memfd_seals() of udmabuf.c; newer kernels refuse F_SEAL_FUTURE_WRITE too.
int check_seals(int memfd) {
  struct statfs system {};
  if (::fstatfs(memfd, &system) != 0 || (system.f_type != TMPFS_MAGIC && system.f_type != HUGETLBFS_MAGIC)) {
    return EBADFD;
  }
  const int seals = ::fcntl(memfd, F_GET_SEALS);
  if (seals < 0) {
    return EBADFD;
  }
  const bool shrinkable = (seals & F_SEAL_SHRINK) == 0;
  return shrinkable || (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0 ? EINVAL : 0;
}

int list_real(const std::string& path, std::vector<std::string>& names) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) {
    return -errno;
  }
  while (const dirent* entry = ::readdir(directory)) {  // NOLINT(concurrency-mt-unsafe): a stream of our own
    if (const std::string_view name = entry->d_name; name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  ::closedir(directory);
  return 0;
}

}  // namespace

int FakeKernel::Impl::open(const std::string& path, int flags) {
  require_cloexec((flags & O_CLOEXEC) != 0, "open(\"" + path + "\") was called without O_CLOEXEC");
  if (path == "/dev/udmabuf") {
    if (!config.udmabuf) {
      return -ENOENT;
    }
    return config.udmabuf_open_errno != 0 ? -config.udmabuf_open_errno
                                          : open_node(path, flags, UdmabufNode{});
  }
  if (path.starts_with(std::string(kHeapDirectory) + "/")) {
    const auto name = path.substr(kHeapDirectory.size() + 1);
    const FakeHeap* heap = find_heap(config, name);
    if (heap == nullptr) {
      return -ENOENT;
    }
    return heap->open_errno != 0 ? -heap->open_errno : open_node(path, flags, HeapNode{name});
  }
  if (const auto device = devices.find(path); device != devices.end()) {
    return open_node(path, flags, device->second);
  }
  if (!is_real(config, path)) {
    return -ENOENT;
  }
  if (path.starts_with("/proc/self/fd/") && dma_buf(std::atoi(path.c_str() + 14)) != nullptr) {
    return -ENXIO;  // dma_buf_fops has no open operation
  }
  const int fd = ::open(path.c_str(), flags, 0600);
  if (fd < 0) {
    return -errno;
  }
  hand_out(fd, "it was opened as \"" + path + "\"");
  return fd;
}

int FakeKernel::Impl::list_directory(const std::string& path, std::vector<std::string>& names) {
  if (path == kHeapDirectory || path == std::string(kHeapDirectory) + "/") {
    for (const auto& heap : config.heaps) {
      names.push_back(heap.name);
    }
    return config.heaps.empty() ? -ENOENT : 0;
  }
  if (path == "/dev" || path == "/dev/") {
    const auto add = [&](std::string_view node) {
      const auto rest = node.substr(5);
      names.emplace_back(rest.substr(0, rest.find('/')));
    };
    if (config.udmabuf) {
      add("/dev/udmabuf");
    }
    if (!config.heaps.empty()) {
      add(kHeapDirectory);
    }
    for (const auto& [node, device] : devices) {
      add(node);
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return 0;
  }
  if (!is_real(config, path)) {
    const auto prefix = path.ends_with('/') ? path : path + "/";
    for (const auto& [node, device] : devices) {
      if (node.starts_with(prefix)) {
        names.push_back(node.substr(prefix.size(), node.find('/', prefix.size()) - prefix.size()));
      }
    }
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names.empty() ? -ENOENT : 0;
  }
  return list_real(path, names);
}

int FakeKernel::Impl::open_node(const std::string& path, int flags, Node node) {
  const OwnFd file(own, ::memfd_create("causeway-fake-node", MFD_CLOEXEC));
  if (const auto* device = std::get_if<FakeDevice>(&node); device != nullptr && file.valid()) {
    const auto& content = device->content;
    const auto size = static_cast<off_t>(std::max<std::uint64_t>(device->size, content.size()));
    if (::ftruncate(file.get(), size) != 0 ||
        ::pwrite(file.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
      return -errno;
    }
  }
  const int fd = file.valid() ? reopen(file.get(), flags & (O_ACCMODE | O_NONBLOCK)) : -1;
  if (fd < 0) {
    return -errno;
  }
  if ((flags & O_CLOEXEC) == 0) {
    ::fcntl(fd, F_SETFD, 0);
  }
  nodes.insert_or_assign(*inode_of(fd), std::move(node));
  hand_out(fd, "it was opened as \"" + path + "\"");
  return fd;
}

int FakeKernel::Impl::node_ioctl(const Node& node, unsigned long request, void* argument) {
  if (const auto* heap = std::get_if<HeapNode>(&node)) {
    return request == DMA_HEAP_IOCTL_ALLOC ? allocate_from_heap(heap->name, argument) : -ENOTTY;
  }
  if (request == UDMABUF_CREATE) {
    const auto& create = *static_cast<const udmabuf_create*>(argument);
    const udmabuf_create_item item{
        .memfd = create.memfd, .__pad = 0, .offset = create.offset, .size = create.size};
    return create_udmabuf(create.flags, std::span(&item, 1));
  }
  if (request == UDMABUF_CREATE_LIST) {
    const auto* list = static_cast<const udmabuf_create_list*>(argument);
    if (list->count > config.udmabuf_list_limit) {
      return -EINVAL;
    }
    return create_udmabuf(list->flags, std::span(list->list, list->count));
  }
  return -ENOTTY;
}

int FakeKernel::Impl::create_udmabuf(std::uint32_t flags, std::span<const udmabuf_create_item> items) {
  require_cloexec((flags & UDMABUF_FLAGS_CLOEXEC) != 0,
                  "UDMABUF_CREATE was called without UDMABUF_FLAGS_CLOEXEC");
  std::uint64_t size = 0;
  for (const auto& item : items) {
    if (item.offset % kPage != 0 || item.size % kPage != 0) {
      return -EINVAL;
    }
    size += item.size;
    if (item.size > config.udmabuf_largest || size > config.udmabuf_largest) {
      return -EINVAL;
    }
  }
  if (size == 0) {
    return -EINVAL;
  }
  NewDmaBuf info{.exporter = "udmabuf",
                 .size = size,
                 .coherent = config.udmabuf_coherent,
                 .is_udmabuf = true,
                 .fd_flags = O_RDWR | ((flags & UDMABUF_FLAGS_CLOEXEC) != 0 ? O_CLOEXEC : 0)};
  for (const auto& item : items) {
    const int memfd = static_cast<int>(item.memfd);
    if (const int refused = check_seals(memfd); refused != 0) {
      return -refused;
    }
    if (is_hugetlb(memfd) && !config.udmabuf_takes_huge_pages) {
      return -EBADFD;
    }
    struct stat status {};
    if (::fstat(memfd, &status) != 0 || item.offset > static_cast<std::uint64_t>(status.st_size) ||
        item.size > static_cast<std::uint64_t>(status.st_size) - item.offset) {
      return -EINVAL;  // shmem_read_mapping_page() beyond the end of the file
    }
    OwnFd file(own, reopen(memfd, O_RDWR));
    if (!file.valid()) {
      return -errno;
    }
    info.pieces.push_back({std::move(file), item.offset, item.size});
  }
  return make_dma_buf(std::move(info));
}

int FakeKernel::Impl::allocate_from_heap(const std::string& heap_name, void* argument) {
  auto& request = *static_cast<dma_heap_allocation_data*>(argument);
  const FakeHeap* heap = find_heap(config, heap_name);
  if (heap == nullptr) {
    return -ENODEV;  // unconfigured while its node was open
  }
  require_cloexec((request.fd_flags & O_CLOEXEC) != 0, "DMA_HEAP_IOCTL_ALLOC of heap \"" + heap_name +
                                                           "\" was called without O_CLOEXEC in fd_flags");
  if (request.fd != 0 || (request.fd_flags & ~static_cast<std::uint32_t>(DMA_HEAP_VALID_FD_FLAGS)) != 0 ||
      request.heap_flags != 0 || request.len == 0) {
    return -EINVAL;
  }
  if (request.len > heap->largest) {
    return -ENOMEM;
  }
  const int fd = make_dma_buf({.exporter = heap_name,
                               .size = (request.len + kPage - 1) / kPage * kPage,
                               .coherent = heap->coherent,
                               .fd_flags = static_cast<int>(request.fd_flags)});
  if (fd < 0) {
    return fd;
  }
  request.fd = static_cast<std::uint32_t>(fd);
  return 0;
}

int FakeKernel::Impl::make_dma_buf(NewDmaBuf info) {
  if (dma_bufs.size() > kCollectAbove) {
    collect();
  }
  auto buffer = std::make_shared<FakeDmaBuf>();
  // The file behind the descriptor has the buffer's size: mmap(2) of it past the table finds a heap's pages.
  buffer->probe = OwnFd(own, ::memfd_create("causeway-fake-dma-buf", MFD_CLOEXEC));
  if (!buffer->probe.valid() || ::ftruncate(buffer->probe.get(), static_cast<off_t>(info.size)) != 0) {
    return -errno;
  }
  if (info.pieces.empty()) {
    OwnFd file(own, ::fcntl(buffer->probe.get(), F_DUPFD_CLOEXEC, 0));
    if (!file.valid()) {
      return -errno;
    }
    info.pieces.push_back({std::move(file), 0, info.size});
  }
  if (const int failure = buffer->memory.create(std::move(info.pieces), info.coherent); failure != 0) {
    return failure == EPERM ? -EINVAL : -failure;
  }
  const int fd = reopen(buffer->probe.get(), info.fd_flags & O_ACCMODE);
  if (fd < 0) {
    return -errno;
  }
  if ((info.fd_flags & O_CLOEXEC) == 0) {
    ::fcntl(fd, F_SETFD, 0);
  }
  if (!mark_description(fd)) {
    const int failure = errno;
    ::close(fd);
    return -failure;
  }
  buffer->title = "dma-buf " + std::to_string(++dma_bufs_made) + " of exporter " + info.exporter;
  buffer->exporter = std::move(info.exporter);
  buffer->mappable = info.mappable;
  buffer->is_udmabuf = info.is_udmabuf;
  hand_out(fd, "it is " + buffer->title + ", " + std::to_string(info.size) + " bytes");
  dma_bufs.insert_or_assign(*inode_of(fd), std::move(buffer));
  return fd;
}

}  // namespace causeway::test
