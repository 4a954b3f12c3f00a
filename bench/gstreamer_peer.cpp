// SPDX-License-Identifier: Apache-2.0
//
// What GStreamer 1.0 does in our place: its allocators, its pool, and the way its elements remember what they
// have imported. Left out where its development files are missing.
#include <gst/allocators/gstdmabuf.h>
#include <gst/allocators/gstfdmemory.h>
#include <gst/gst.h>

#include <memory>

#include "suite.hpp"

namespace causeway::bench {
namespace {

struct Unref {
  void operator()(void* object) const noexcept { gst_object_unref(object); }
  void operator()(GstMemory* memory) const noexcept { gst_memory_unref(memory); }
};
using MemoryPtr = std::unique_ptr<GstMemory, Unref>;

/// A memory of GStreamer's over a memfd, which it closes.
MemoryPtr over_memfd(GstAllocator* allocator, std::uint64_t bytes, GstFdMemoryFlags flags) {
  auto fd = raw_memfd(bytes);
  MemoryPtr memory(gst_fd_allocator_alloc(allocator, fd.get(), bytes, flags));
  require(memory != nullptr, "gst_fd_allocator_alloc failed");
  static_cast<void>(fd.release());
  return memory;
}

void map_again(benchmark::State& state, GstMemory* memory) {
  GstMapInfo info;
  for (auto _ : state) {
    require(gst_memory_map(memory, &info, GST_MAP_READWRITE) == TRUE, "gst_memory_map failed");
    benchmark::DoNotOptimize(info.data);
    gst_memory_unmap(memory, &info);
  }
}

void fd_memory(benchmark::State& state, GstFdMemoryFlags flags) {
  const std::unique_ptr<GstAllocator, Unref> allocator(gst_fd_allocator_new());
  const auto memory = over_memfd(allocator.get(), kFrameBytes, flags);
  map_again(state, memory.get());
}

/// GstDmaBuf brackets each mapping with SYNC. keep: the address stays between mappings.
void dma_buf_memory(Suite& suite, benchmark::State& state, bool keep) {
  const auto buffer = suite.runtime().allocate(kFrameBytes, suite.dma_buf_exporter()).value();
  auto fd = buffer.dup_fd().value();
  const std::unique_ptr<GstAllocator, Unref> allocator(gst_dmabuf_allocator_new());
  const auto flags = keep ? GST_FD_MEMORY_FLAG_KEEP_MAPPED : GST_FD_MEMORY_FLAG_NONE;
  const MemoryPtr memory(
      gst_dmabuf_allocator_alloc_with_flags(allocator.get(), fd.get(), kFrameBytes, flags));
  require(memory != nullptr, "gst_dmabuf_allocator_alloc_with_flags failed");
  static_cast<void>(fd.release());
  map_again(state, memory.get());
}

void buffer_pool(benchmark::State& state) {
  GstBufferPool* pool = gst_buffer_pool_new();
  const std::unique_ptr<GstBufferPool, Unref> owner(pool);
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, nullptr, 4096, 8, 8);
  require(gst_buffer_pool_set_config(pool, config) == TRUE && gst_buffer_pool_set_active(pool, TRUE) == TRUE,
          "the GstBufferPool could not be started");
  for (auto _ : state) {
    GstBuffer* buffer = nullptr;
    require(gst_buffer_pool_acquire_buffer(pool, &buffer, nullptr) == GST_FLOW_OK,
            "gst_buffer_pool_acquire_buffer failed");
    benchmark::DoNotOptimize(buffer);
    gst_buffer_unref(buffer);
  }
  gst_buffer_pool_set_active(pool, FALSE);
}

/// How its video sinks find what they have imported before: a GHashTable under a GMutex.
void hash_and_mutex(benchmark::State& state) {
  constexpr std::size_t kKnown = 8;
  int keys[kKnown] = {};
  GMutex mutex;
  g_mutex_init(&mutex);
  GHashTable* table = g_hash_table_new(g_direct_hash, g_direct_equal);
  for (int& key : keys) {
    g_hash_table_insert(table, &key, &key);
  }
  std::size_t next = 0;
  for (auto _ : state) {
    g_mutex_lock(&mutex);
    gpointer found = g_hash_table_lookup(table, &keys[next++ % kKnown]);
    benchmark::DoNotOptimize(found);
    g_mutex_unlock(&mutex);
  }
  g_hash_table_unref(table);
  g_mutex_clear(&mutex);
}

}  // namespace

void add_gstreamer_peers(Suite& suite) {
  gst_init(nullptr, nullptr);
  suite.add("Import/HitRef", "peer:GHashTable-and-GMutex", hash_and_mutex);
  suite.add("Map/Hit/cpu", "peer:GstFdMemory",
            [](auto& state) { fd_memory(state, GST_FD_MEMORY_FLAG_NONE); });
  suite.add("Map/Hit/cpu", "peer:GstFdMemory-kept",
            [](auto& state) { fd_memory(state, GST_FD_MEMORY_FLAG_KEEP_MAPPED); });
  if (!suite.dma_buf_exporter().empty()) {
    suite.add("Sync/Required", "peer:GstDmaBuf",
              [&suite](auto& state) { dma_buf_memory(suite, state, false); });
    suite.add("Sync/Required", "peer:GstDmaBuf-kept",
              [&suite](auto& state) { dma_buf_memory(suite, state, true); });
  }
  suite.add("Alloc/Pooled", "peer:GstBufferPool", buffer_pool);
}

}  // namespace causeway::bench
