// SPDX-License-Identifier: Apache-2.0
#include "timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <causeway/fd.hpp>
#include <causeway/plugin/descriptor.hpp>
#include <ctime>
#include <utility>

#include "egl_error.hpp"

namespace causeway::gl_backend {
namespace {

constexpr std::uint64_t kContext = 1;  // the one timeline of a device

std::int64_t monotonic_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

EGLTimeKHR left_until(std::int64_t deadline_ns) noexcept {
  const std::int64_t now_ns = monotonic_ns();
  return deadline_ns > now_ns ? static_cast<EGLTimeKHR>(deadline_ns - now_ns) : 0;
}

}  // namespace

/// An EGLSync, destroyed at the end.
class Timeline::Sync {
public:
  Sync(const Context& context, EGLSyncKHR sync) noexcept : context_(context), sync_(sync) {}
  Sync(const Sync&) = delete;
  Sync& operator=(const Sync&) = delete;
  ~Sync() { context_.api.egl.DestroySync(context_.display, sync_); }

  /// Of what was submitted to the context that is current, which is flushed. Null: the driver makes none now.
  static std::shared_ptr<Sync> create(const Context& context) {
    const EGLenum type = context.sync_files ? EGL_SYNC_NATIVE_FENCE_ANDROID : EGL_SYNC_FENCE_KHR;
    EGLSyncKHR made =
        context.fences ? context.api.egl.CreateSync(context.display, type, nullptr) : EGL_NO_SYNC_KHR;
    context.api.gl.Flush();  // a sync_file is there from then on (EGL_ANDROID_native_fence_sync)
    if (made == EGL_NO_SYNC_KHR) {
      return nullptr;
    }
    return std::make_shared<Sync>(context, made);
  }

  [[nodiscard]] Status wait(std::int64_t deadline_ns) const {
    constexpr std::string_view kWhat = "waiting for the end of an access";
    const EGLint answer =
        context_.api.egl.ClientWaitSync(context_.display, sync_, 0, left_until(deadline_ns));
    if (answer == EGL_CONDITION_SATISFIED_KHR) {
      return {};
    }
    if (answer == EGL_TIMEOUT_EXPIRED_KHR) {
      return Error(Errc::TimedOut, "eglClientWaitSyncKHR",
                   fmt::format("the work of an access on {} was not done by the deadline", context_.name()));
    }
    return egl_error(context_.api, "eglClientWaitSyncKHR", kWhat);
  }
  [[nodiscard]] EGLSyncKHR get() const noexcept { return sync_; }

private:
  const Context& context_;
  EGLSyncKHR sync_;
};

Result<Current> Timeline::application(std::string_view attempt) {
  return Current::make(context_.api, context_.display, context_.context, attempt);
}

Status Timeline::wait_for_sync_file(const cw_fence& fence) {
  const auto& egl = context_.api.egl;
  auto given = plugin::duplicate(context_.host, fence.fd, "a sync_file");  // the driver keeps it
  if (!given) {
    return std::move(given.error());
  }
  const std::array<EGLint, 3> words{EGL_SYNC_NATIVE_FENCE_FD_ANDROID, given->get(), EGL_NONE};
  EGLSyncKHR sync = egl.CreateSync(context_.display, EGL_SYNC_NATIVE_FENCE_ANDROID, words.data());
  if (sync == EGL_NO_SYNC_KHR) {
    return egl_error(context_.api, "eglCreateSyncKHR", "taking a sync_file to wait for");
  }
  static_cast<void>(given->release());  // the EGLSync's now, which closes it (EGL_ANDROID_native_fence_sync)
  const bool waits = egl.WaitSync(context_.display, sync, 0) != EGL_FALSE;
  const EGLint code = waits ? EGL_SUCCESS : egl.GetError();
  egl.DestroySync(context_.display, sync);
  return waits ? Status() : egl_error(code, "eglWaitSyncKHR", "letting the device wait for a sync_file");
}

Status Timeline::begin(std::span<const cw_fence> fences) {
  auto begun = wait_on_device(fences);
  if (begun) {
    begun_.fetch_add(1);
  }
  return begun;
}

Status Timeline::wait_on_device(std::span<const cw_fence> fences) {
  const auto foreign = std::count_if(fences.begin(), fences.end(),
                                     [](const cw_fence& fence) { return fence.kind != CW_FENCE_DEVICE; });
  if (foreign == 0) {
    return {};
  }
  const std::lock_guard lock(current_mutex_);
  auto current = application("waiting for the fences of others");
  if (!current) {
    return std::move(current.error());
  }
  for (const auto& fence : fences) {
    if (fence.kind == CW_FENCE_DEVICE) {
      continue;  // work of this very context
    }
    if (fence.kind != CW_FENCE_SYNC_FILE || !context_.sync_files) {
      return Error(Errc::Unsupported, "begin_access",
                   fmt::format("{} cannot wait for a fence of kind {} by itself: it waits for {}its own "
                               "fences; the host waits for the others",
                               context_.name(), fence.kind, context_.sync_files ? "sync_files and " : ""));
    }
    if (auto status = wait_for_sync_file(fence); !status) {
      return status;
    }
  }
  return {};
}

Result<cw_fence> Timeline::end(std::span<const cw_fence> given) {
  // What was drawn is in the context by now; that it has begun stays counted.
  ended_.fetch_add(1);
  if (auto waited = wait_on_device(given); !waited) {
    return std::move(waited.error());
  }
  auto fence = plugin::sized<cw_fence>();
  fence.fd = -1;
  const std::lock_guard lock(current_mutex_);
  auto current = application("ending an access");
  if (!current) {
    return std::move(current.error());
  }
  auto sync = Sync::create(context_);
  if (sync == nullptr) {
    // The work is on its way and nobody else can wait for it.
    context_.host.count(CW_COUNT_CPU_WAITS, 1);
    context_.api.gl.Finish();
    return fence;
  }
  if (const auto done = sync->wait(0); done) {
    return fence;
  } else if (done.error().code() != Errc::TimedOut) {
    return done.error();
  }
  const std::lock_guard points_lock(mutex_);
  fence.kind = CW_FENCE_DEVICE;
  fence.handle = kContext;
  fence.value = ++last_;
  points_.emplace(last_, std::move(sync));
  return fence;
}

Result<std::shared_ptr<Timeline::Sync>> Timeline::sync_of(const cw_fence& fence) {
  const std::lock_guard lock(mutex_);
  const auto found = points_.find(fence.value);
  if (fence.kind != CW_FENCE_DEVICE || fence.handle != kContext || found == points_.end()) {
    return Error(Errc::InvalidArgument, "fence_wait",
                 fmt::format("a fence of kind {}, handle {} and value {} is none of {}, or was released",
                             fence.kind, fence.handle, fence.value, context_.name()));
  }
  return found->second;
}

Status Timeline::wait(const cw_fence& fence, std::int64_t deadline_ns) {
  const auto sync = sync_of(fence);
  return sync ? (*sync)->wait(deadline_ns) : Status(sync.error());
}

Status Timeline::export_sync_file(const cw_fence& fence, cw_fence& out) {
  const auto sync = sync_of(fence);
  if (!sync) {
    return sync.error();
  }
  if (!context_.sync_files) {
    return Error(Errc::Unsupported, "fence_export",
                 fmt::format("{} makes no sync_files here; the host waits on the CPU", context_.name()));
  }
  const int fd = context_.api.egl.DupNativeFenceFD(context_.display, (*sync)->get());
  if (fd < 0) {
    return egl_error(context_.api, "eglDupNativeFenceFDANDROID",
                     "making a sync_file of the end of an access");
  }
  auto sync_file = plugin::take_from_driver(context_.host, fd);
  out.kind = CW_FENCE_SYNC_FILE;
  out.fd = sync_file.release();
  return {};
}

void Timeline::release(const cw_fence& fence) {
  std::shared_ptr<Sync> last;  // goes without the lock
  const std::lock_guard lock(mutex_);
  if (const auto found = points_.find(fence.value); found != points_.end()) {
    last = std::move(found->second);
    points_.erase(found);
  }
}

Status Timeline::wait_idle(std::int64_t deadline_ns) {
  const std::uint64_t begun = begun_.load();
  if (idle_at_.load() == begun) {
    return {};
  }
  const bool none_open = ended_.load() == begun;
  const std::lock_guard lock(current_mutex_);
  auto current = application("waiting for all that was drawn");
  if (context_.fences) {
    // A fence takes an idle device a moment, too: without it, who asks without waiting would never learn.
    constexpr std::int64_t kMoment = 1'000'000;
    deadline_ns = std::max(deadline_ns, monotonic_ns() + kMoment);
  }
  if (!current) {
    return std::move(current.error());
  }
  auto finished = finish_by(context_, deadline_ns);
  if (finished && !context_.fences && none_open) {
    idle_at_.store(begun);  // one that has begun meanwhile makes it untrue
  }
  return finished;
}

Status finish_by(const Context& context, std::int64_t deadline_ns) {
  if (!context.fences) {
    if (left_until(deadline_ns) == 0) {
      return Error(Errc::TimedOut, "glFinish",
                   fmt::format("{} has no fences, so whether it is done cannot be asked without waiting for "
                               "it; a deadline in the future waits, however long it takes",
                               context.name()));
    }
    context.api.gl.Finish();
    return {};
  }
  const auto& egl = context.api.egl;
  EGLSyncKHR sync = egl.CreateSync(context.display, EGL_SYNC_FENCE_KHR, nullptr);
  if (sync == EGL_NO_SYNC_KHR) {
    return egl_error(context.api, "eglCreateSyncKHR", "waiting for the device");
  }
  const EGLint answer =
      egl.ClientWaitSync(context.display, sync, EGL_SYNC_FLUSH_COMMANDS_BIT_KHR, left_until(deadline_ns));
  const EGLint code = answer == EGL_FALSE ? egl.GetError() : EGL_SUCCESS;
  egl.DestroySync(context.display, sync);
  if (answer == EGL_TIMEOUT_EXPIRED_KHR) {
    return Error(Errc::TimedOut, "eglClientWaitSyncKHR",
                 fmt::format("{} was not done by the deadline", context.name()));
  }
  return answer == EGL_CONDITION_SATISFIED_KHR
             ? Status()
             : egl_error(code, "eglClientWaitSyncKHR", "waiting for the device");
}

}  // namespace causeway::gl_backend
