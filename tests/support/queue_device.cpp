// SPDX-License-Identifier: Apache-2.0
#include "support/queue_device.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace causeway::test {
namespace {

constexpr const char* kControl = "causeway.test.queue.v1";
constexpr std::uint64_t kTimeline = 7;

class Queue final : public QueueDevice {
public:
  struct Attachment {};

  Queue(plugin::Host host, std::string id) : host_(host), id_(std::move(id)) {
    if (has("thread")) {
      thread_ = std::thread([this] { work(); });
    }
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue() {
    if (thread_.joinable()) {
      {
        const std::lock_guard lock(mutex_);
        ending_ = true;
      }
      changed_.notify_all();
      thread_.join();
    }
    for (const auto& event : events_) {
      host_.destroy_event(event);
    }
  }

  // ---- The backend

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host /*host*/) {
    return std::vector<cw_device_info>();
  }
  static Result<std::unique_ptr<Queue>> open(plugin::Host host, const cw_open_info& info) {
    return std::make_unique<Queue>(host, info.id);
  }
  Status info(cw_device_info& out) const {
    out = plugin::sized<cw_device_info>();
    out.capabilities = CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD |
                       (has("via_cpu") ? CW_CAP_ACCESSES_VIA_CPU : 0U) |
                       (has("waits") ? CW_CAP_WAITS_SYNC_FILE | CW_CAP_WAITS_HOST_EVENT : 0U);
    plugin::copy_text(out.id, id_);
    plugin::copy_text(out.name, "test queue " + id_);
    plugin::copy_text(out.driver, "testqueue");
    return {};
  }
  Status query_constraints(const cw_image_desc& /*image*/, std::uint32_t /*usage*/, cw_constraints& /*out*/) {
    return {};
  }
  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& /*info*/) {
    return std::make_unique<Attachment>();
  }
  Status map(Attachment& /*attachment*/, cw_direction /*direction*/, cw_mapping& out) {
    out.import_path = "dma-buf";
    return {};
  }
  void unmap(Attachment& /*attachment*/) {}

  Status begin_access(Attachment& /*attachment*/, const cw_access_begin& begin) {
    last_flags_ = begin.flags;
    for (const auto& fence : std::span(begin.waits, begin.wait_count)) {
      ++waits_taken_;
      if (auto taken = take_wait(fence); !taken) {
        return taken;
      }
    }
    return {};
  }

  Status end_access(Attachment& /*attachment*/, cw_access_end& end) {
    std::unique_lock lock(mutex_);
    waits_.clear();
    if (std::exchange(end_fails_, false)) {
      submitted_since_begin_ = false;
      return Error(Errc::Busy, "end_access", "the test queue was told to fail here");
    }
    if (!submitted_since_begin_ || has("fences=none")) {
      submitted_since_begin_ = false;
      return {};
    }
    submitted_since_begin_ = false;
    end.signal_count = 1;
    end.signals[0] = plugin::sized<cw_fence>();
    end.signals[0].fd = -1;
    if (has("fences=device")) {
      end.signals[0].kind = CW_FENCE_DEVICE;
      end.signals[0].handle = kTimeline;
      end.signals[0].value = submitted_;
      return {};
    }
    lock.unlock();
    return make_event(submitted_, end.signals[0]);
  }

  const void* get_interface(std::string_view name) {
    return name == kControl ? static_cast<QueueDevice*>(this) : nullptr;
  }

  Status fence_wait(const cw_fence& fence, std::int64_t deadline_ns) {
    std::unique_lock lock(mutex_);
    if (std::exchange(question_refused_, false)) {
      return Error(Errc::OutOfMemory, "fence_wait", "the test queue was told not to answer");
    }
    const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
    const auto passed = [&] { return done_ >= fence.value; };
    if (!passed() &&
        (deadline <= std::chrono::steady_clock::now() || !changed_.wait_until(lock, deadline, passed))) {
      return Error(Errc::TimedOut, "fence_wait", "the test queue has not come to this point");
    }
    const auto failed = std::find_if(failed_.begin(), failed_.end(),
                                     [&](const auto& one) { return one.first == fence.value; });
    return failed == failed_.end()
               ? Status()
               : Error(Errc::Io, "fence_wait", "the test queue was told to fail here", failed->second);
  }
  void fence_release(const cw_fence& /*fence*/) { ++released_; }
  Status fence_export(const cw_fence& fence, cw_fence& out) {
    if (!has("export")) {
      return Error(Errc::Unsupported, "fence_export", "the test queue keeps its fences to itself");
    }
    ++exports_;
    return make_event(fence.value, out);
  }
  Status wait_idle(std::int64_t deadline_ns) {
    if (has("lost")) {
      return Error(Errc::DeviceLost, "wait_idle", "the test queue was told to be lost");
    }
    auto all = plugin::sized<cw_fence>();
    {
      const std::lock_guard lock(mutex_);
      all.value = submitted_;
    }
    return fence_wait(all, deadline_ns);
  }

  // ---- The program's side

  void submit(std::function<void()> work, int error) override {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back({std::move(work), waits_, ++submitted_, error});
      submitted_since_begin_ = true;
    }
    changed_.notify_all();
  }

  std::size_t run() override {
    std::size_t run = 0;
    while (run_one()) {
      ++run;
    }
    return run;
  }

  [[nodiscard]] std::size_t left() const override {
    const std::lock_guard lock(mutex_);
    return submitted_ - done_;
  }
  void fail_next_end() override {
    const std::lock_guard lock(mutex_);
    end_fails_ = true;
  }
  void refuse_next_question() override {
    const std::lock_guard lock(mutex_);
    question_refused_ = true;
  }
  [[nodiscard]] std::uint32_t last_flags() const override { return last_flags_; }
  [[nodiscard]] std::size_t waits_taken() const override { return waits_taken_; }
  [[nodiscard]] std::size_t exports() const override { return exports_; }

private:
  /// What a piece of work waits for: a descriptor that gets ready, or an event that tells.
  struct Wait {
    UniqueFd fd;
    std::atomic<bool> told{false};
    Queue* queue = nullptr;

    [[nodiscard]] bool done() const {
      if (!fd.valid()) {
        return told;
      }
      pollfd entry{.fd = fd.get(), .events = POLLIN, .revents = 0};
      return ::poll(&entry, 1, 0) > 0;
    }
  };
  struct Job {
    std::function<void()> work;
    std::vector<std::shared_ptr<Wait>> waits;
    std::uint64_t point;
    int error;
  };

  [[nodiscard]] bool has(std::string_view word) const {
    const std::string all = "," + id_ + ",";
    return all.find("," + std::string(word) + ",") != std::string::npos;
  }

  Status take_wait(const cw_fence& fence) {
    if (fence.kind == CW_FENCE_DEVICE) {
      return fence.handle == kTimeline
                 ? Status()  // the queue runs in order
                 : Error(Errc::Internal, "begin_access", "this is no fence of this queue");
    }
    auto wait = std::make_shared<Wait>();
    if (fence.kind == CW_FENCE_HOST_EVENT) {
      wait->queue = this;
      // Kept by the callback, too, until it is called.
      auto* kept = new std::shared_ptr<Wait>(wait);
      auto added = host_.notify(
          fence,
          [](void* user, std::int32_t /*error*/) {
            const std::unique_ptr<std::shared_ptr<Wait>> mine(static_cast<std::shared_ptr<Wait>*>(user));
            Queue* queue = (*mine)->queue;
            {
              const std::lock_guard lock(queue->mutex_);
              (*mine)->told = true;
            }
            queue->changed_.notify_all();
          },
          kept);
      if (!added || !*added) {
        delete kept;
        wait->told = true;
      }
      if (!added) {
        return std::move(added.error());
      }
    } else {
      wait->fd.reset(::fcntl(fence.fd, F_DUPFD_CLOEXEC, 0));
    }
    const std::lock_guard lock(mutex_);
    waits_.push_back(std::move(wait));
    return {};
  }

  Status make_event(std::uint64_t point, cw_fence& out) {
    auto event = host_.create_event();
    if (!event) {
      return std::move(event.error());
    }
    out = *event;
    bool passed = false;
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(*event);
      passed = done_ >= point;
      if (!passed) {
        to_signal_.emplace_back(point, *event);
      }
    }
    if (passed) {
      host_.signal_event(*event);
    }
    return {};
  }

  bool run_one() {
    Job job;
    {
      const std::lock_guard lock(mutex_);
      if (!ready_locked()) {
        return false;
      }
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job.work();
    finish(job);
    return true;
  }

  [[nodiscard]] bool ready_locked() const {
    return !jobs_.empty() && std::all_of(jobs_.front().waits.begin(), jobs_.front().waits.end(),
                                         [](const auto& wait) { return wait->done(); });
  }

  void finish(const Job& job) {
    std::vector<cw_fence> due;
    {
      const std::lock_guard lock(mutex_);
      done_ = job.point;
      if (job.error != 0) {
        failed_.emplace_back(job.point, job.error);
      }
      for (auto entry = to_signal_.begin(); entry != to_signal_.end();) {
        if (entry->first <= done_) {
          due.push_back(entry->second);
          entry = to_signal_.erase(entry);
        } else {
          ++entry;
        }
      }
    }
    changed_.notify_all();
    for (const auto& event : due) {
      host_.signal_event(event, job.error);
    }
    // Of the events that were signalled only the newest are kept, for whoever still asks the host for them.
    constexpr std::size_t kKept = 64;
    std::vector<cw_fence> old;
    {
      const std::lock_guard lock(mutex_);
      if (events_.size() > 2 * kKept && to_signal_.empty()) {
        old.assign(events_.begin(), events_.end() - kKept);
        events_.erase(events_.begin(), events_.end() - kKept);
      }
    }
    for (const auto& event : old) {
      host_.destroy_event(event);
    }
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
      if (ready_locked()) {
        lock.unlock();
        run_one();
        lock.lock();
      } else {
        // sync_files tell nobody, so they are asked now and then.
        changed_.wait_for(lock, std::chrono::milliseconds(1));
      }
    }
  }

  plugin::Host host_;
  std::string id_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Wait>> waits_;  // of the access that is begun
  std::deque<Job> jobs_;
  std::uint64_t submitted_ = 0;
  std::uint64_t done_ = 0;
  bool end_fails_ = false;
  bool question_refused_ = false;
  std::atomic<std::uint32_t> last_flags_{0};
  bool submitted_since_begin_ = false;
  bool ending_ = false;
  std::vector<std::pair<std::uint64_t, int>> failed_;
  std::vector<std::pair<std::uint64_t, cw_fence>> to_signal_;
  std::vector<cw_fence> events_;
  std::atomic<std::size_t> waits_taken_{0};
  std::atomic<std::size_t> exports_{0};
  std::atomic<std::size_t> released_{0};
  std::thread thread_;
};

}  // namespace

QueueDevice& QueueDevice::of(const Device& device) {
  return *static_cast<QueueDevice*>(const_cast<void*>(device.interface(kControl)));
}

const cw_backend* testqueue_backend(std::uint32_t /*host_version*/) {
  static const cw_backend kTable = plugin::make_table<Queue>("testqueue", "Devices that work later");
  return &kTable;
}

const cw_backend* testqueue12_backend(std::uint32_t host_version) {
  static const cw_backend kTable = [host_version] {
    cw_backend table = *testqueue_backend(host_version);
    table.name = "testqueue12";
    table.abi_version = (1U << 16) | 2U;
    return table;
  }();
  return &kTable;
}

}  // namespace causeway::test
