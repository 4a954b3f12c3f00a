// SPDX-License-Identifier: Apache-2.0
#pragma once

// For authors of backends: write a class in C++, get the C table of backend_abi.h.
//
//   class Camera {                                  // one opened device
//   public:
//     struct Attachment { ... };                    // what attach() makes
//     static Result<std::vector<cw_device_info>> enumerate(plugin::Host host);
//     static Result<std::unique_ptr<Camera>> open(plugin::Host host, const cw_open_info& info);
//     Status info(cw_device_info& out);
//     Status query_constraints(const cw_image_desc& image, std::uint32_t usage, cw_constraints& out);
//     Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info);
//     Status map(Attachment&, cw_direction direction, cw_mapping& out);
//     void unmap(Attachment&);
//     Status begin_access(Attachment&, const cw_access_begin& begin);
//     Status end_access(Attachment&, cw_access_end& end);
//     const void* get_interface(std::string_view name);
//     // optional, found by their presence:
//     Status allocate(const cw_allocate_info&, cw_allocation& out);  and  void release(void* token);
//     Status probe_write(Attachment&, const cw_probe&);  Status probe_read(Attachment&, cw_probe&);
//     Status fence_wait(const cw_fence&, std::int64_t deadline_ns);  void fence_release(const cw_fence&);
//     Status fence_export(const cw_fence&, cw_fence& out);
//     Status fence_import(Camera& giver, const cw_fence&, cw_fence& out);
//     Status wait_idle(std::int64_t deadline_ns);   // these five are called from any thread, at any time
//   };
//   const cw_backend table = plugin::make_table<Camera>("camera", "A camera");
//
// Detaching destroys the Attachment, closing destroys the device. Exceptions that escape (std::bad_alloc,
// say) are turned into a cw_error at the edge. Threads: the host calls as backend_abi.h, rule 6, says.

#include <causeway/plugin/backend_abi.h>
#include <algorithm>
#include <causeway/result.hpp>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::plugin {

/// Copies text into a fixed field of a C struct, cut at the end if it is too long, always ended by NUL.
template <std::size_t N>
void copy_text(char (&field)[N], std::string_view text) noexcept {  // NOLINT: the C struct has an array
  const std::size_t length = std::min(text.size(), N - 1);
  std::memcpy(field, text.data(), length);
  field[length] = '\0';
}

/// Hands a failure over the edge.
inline std::int32_t report(const Error& failure, cw_error* out) noexcept {
  if (out != nullptr) {
    out->system_errno = failure.system_errno();
    copy_text(out->operation, failure.operation());
    copy_text(out->text, failure.detail());
  }
  return static_cast<std::int32_t>(failure.code());
}

/// Reads text from a fixed field of a C struct, whether it is ended or fills the field.
template <std::size_t N>
std::string take_text(const char (&field)[N]) {  // NOLINT: the C struct has an array
  return {field, ::strnlen(field, N)};
}

/// The failure that came over the edge. A status that is none counts as a defect of the backend.
inline Error take_error(std::int32_t status, const cw_error& failure) {
  const bool known = status > CW_OK && status <= CW_INTERNAL;
  return Error(known ? static_cast<Errc>(status) : Errc::Internal, take_text(failure.operation),
               take_text(failure.text), failure.system_errno);
}

/// A versioned struct of the edge: all zero but its struct_size.
template <class T>
[[nodiscard]] T sized() noexcept {
  T made{};
  made.struct_size = sizeof(T);
  return made;
}

/// Whether a versioned struct of the host's reaches to the end of this member of it: hosts before the
/// member's version have no room for it.
template <class T, class Member>
[[nodiscard]] bool reaches(const T& given, const Member& member) noexcept {
  const auto* end = reinterpret_cast<const std::byte*>(&member) + sizeof(Member);
  return end - reinterpret_cast<const std::byte*>(&given) <= std::ptrdiff_t{given.struct_size};
}

/// Copies as much of a versioned struct as both sides know; members that are not there are 0.
template <class T>
[[nodiscard]] T sized_copy(const T& from) noexcept {
  T to{};
  std::memcpy(&to, &from, std::min<std::size_t>(from.struct_size, sizeof(T)));
  to.struct_size = sizeof(T);
  return to;
}

/// The host's services, typed. A cheap handle: copy it. Threads: thread-safe.
class Host {
public:
  explicit Host(const cw_host* host) noexcept : host_(host) {}

  [[nodiscard]] const cw_host* raw() const noexcept { return host_; }
  [[nodiscard]] const cw_syscalls& syscalls() const noexcept { return *host_->syscalls; }

  void log(cw_log_level level, const std::string& text) const noexcept {
    host_->log(host_->context, level, text.c_str());
  }
  void count(cw_counter counter, std::uint64_t amount) const noexcept {
    host_->count(host_->context, counter, amount);
  }

  /// A CPU address of the whole object, kept by the host while the object lives.
  [[nodiscard]] Result<std::byte*> map_object(cw_object_ref* object) const {
    void* address = nullptr;
    auto failure = sized<cw_error>();
    if (const auto status = host_->map_object(host_->context, object, &address, &failure); status != CW_OK) {
      return take_error(status, failure);
    }
    return static_cast<std::byte*>(address);
  }

  /// A fence that this backend signals; destroy_event when it is no longer needed, at close at the latest.
  [[nodiscard]] Result<cw_fence> create_event() const {
    auto event = sized<cw_fence>();
    auto failure = sized<cw_error>();
    if (const auto status = host_->event_create(host_->context, &event, &failure); status != CW_OK) {
      return take_error(status, failure);
    }
    return event;
  }
  /// False if it was signalled before.
  bool signal_event(const cw_fence& event, int system_errno = 0) const noexcept {
    return host_->event_signal(host_->context, &event, system_errno) == CW_OK;
  }
  void destroy_event(const cw_fence& event) const noexcept { host_->event_destroy(host_->context, &event); }

  /// Waits on the CPU for a fence that begin_access was given; counted by the host. Errors: TimedOut;
  /// Unsupported (a host of version 1.0).
  [[nodiscard]] Status wait_fence(const cw_fence& fence, std::int64_t deadline_ns) const {
    if (!offers(offsetof(cw_host, fence_wait)) || host_->fence_wait == nullptr) {
      return Error(Errc::Unsupported, "fence_wait", "this host is older than version 1.1 and cannot wait");
    }
    auto failure = sized<cw_error>();
    const auto status = host_->fence_wait(host_->context, &fence, deadline_ns, &failure);
    return status == CW_OK ? Status() : take_error(status, failure);
  }
  /// Whether notify is there; a device that needs it claims CW_CAP_WAITS_HOST_EVENT only then.
  [[nodiscard]] bool can_notify() const noexcept {
    return offers(offsetof(cw_host, fence_notify)) && host_->fence_notify != nullptr;
  }
  /// Has told(user, errno) called once when the event signals, on the thread that signals it. False if it has
  /// signalled: then told is not called. Errors: Unsupported (not a program's event; a host of version 1.0).
  [[nodiscard]] Result<bool> notify(const cw_fence& event, void (*told)(void* user, std::int32_t error),
                                    void* user) const {
    if (!can_notify()) {
      return Error(Errc::Unsupported, "fence_notify", "this host is older than version 1.1 and cannot tell");
    }
    std::uint32_t added = 0;
    auto failure = sized<cw_error>();
    const auto status = host_->fence_notify(host_->context, &event, told, user, &added, &failure);
    if (status != CW_OK) {
      return take_error(status, failure);
    }
    return added != 0;
  }

  /// ioctl through the injected table, repeated while it answers EINTR or EAGAIN. Returns what it returned,
  /// or -errno. A request that may block with O_NONBLOCK wants ioctl_once.
  [[nodiscard]] int ioctl(int fd, unsigned long request, void* argument) const noexcept {
    int result = 0;
    do {
      result = ioctl_once(fd, request, argument);
    } while (result == -EINTR || result == -EAGAIN);
    return result;
  }
  [[nodiscard]] int ioctl_once(int fd, unsigned long request, void* argument) const noexcept {
    const int result = host_->syscalls->ioctl(host_->syscalls->context, fd, request, argument);
    return result < 0 ? -errno : result;
  }

private:
  /// Whether the host's table reaches to the pointer at this offset.
  [[nodiscard]] bool offers(std::size_t offset) const noexcept {
    return host_->struct_size >= offset + sizeof(void (*)());
  }

  const cw_host* host_;
};

namespace detail {

/// As report(), where no Error may be made: memory may be what is missing.
inline std::int32_t report_plainly(std::int32_t status, const char* operation, const char* text,
                                   cw_error* out) noexcept {
  if (out != nullptr) {
    out->system_errno = 0;
    copy_text(out->operation, operation);
    copy_text(out->text, text);
  }
  return status;
}

template <class Body>
std::int32_t guarded(cw_error* error, const char* operation, Body&& body) noexcept {
  try {
    Status status = body();
    return status ? CW_OK : report(status.error(), error);
  } catch (const std::bad_alloc&) {
    return report_plainly(CW_OUT_OF_MEMORY, operation, "memory for bookkeeping could not be allocated",
                          error);
  } catch (const std::exception& exception) {
    return report_plainly(CW_INTERNAL, operation, exception.what(), error);
  } catch (...) {
    return report_plainly(CW_INTERNAL, operation, "the backend threw something that is no std::exception",
                          error);
  }
}

/// For operations that have no failure to tell: what they throw ends here (a destructor's own would have
/// ended the program before).
template <class Body>
void contained(Body&& body) noexcept {
  try {
    body();
  } catch (...) {  // NOLINT(bugprone-empty-catch): nothing may cross, and there is nobody to tell
  }
}

template <class D>
D* self(cw_device* device) noexcept {
  return reinterpret_cast<D*>(device);
}
template <class D>
typename D::Attachment& attachment(cw_attachment* handle) noexcept {
  return *reinterpret_cast<typename D::Attachment*>(handle);
}

template <class D>
std::int32_t enumerate(const cw_host* host, cw_device_info* devices, std::uint32_t* count, cw_error* error) {
  return guarded(error, "enumerate", [&]() -> Status {
    auto found = D::enumerate(Host(host));
    if (!found) {
      return std::move(found.error());
    }
    const std::size_t given = std::min<std::size_t>(*count, found->size());
    for (std::size_t i = 0; i < given; ++i) {
      devices[i] = (*found)[i];
      devices[i].struct_size = sizeof(cw_device_info);
    }
    *count = static_cast<std::uint32_t>(found->size());
    return {};
  });
}

template <class D>
std::int32_t open(const cw_host* host, const cw_open_info* info, cw_device** device, cw_error* error) {
  return guarded(error, "open", [&]() -> Status {
    auto opened = D::open(Host(host), sized_copy(*info));
    if (!opened) {
      return std::move(opened.error());
    }
    *device = reinterpret_cast<cw_device*>(opened->release());
    return {};
  });
}

template <class D>
std::int32_t attach(cw_device* device, const cw_attach_info* info, cw_attachment** out, cw_error* error) {
  return guarded(error, "attach", [&]() -> Status {
    auto attached = self<D>(device)->attach(sized_copy(*info));  // an older host knows fewer members
    if (!attached) {
      return std::move(attached.error());
    }
    *out = reinterpret_cast<cw_attachment*>(attached->release());
    return {};
  });
}

template <class D>
std::int32_t allocate(cw_device* device, const cw_allocate_info* info, cw_allocation* out, cw_error* error) {
  return guarded(error, "allocate", [&] { return self<D>(device)->allocate(*info, *out); });
}
template <class D>
void release(cw_device* device, void* token) noexcept {
  contained([&] { self<D>(device)->release(token); });
}
template <class D>
std::int32_t probe_write(cw_device* device, cw_attachment* handle, const cw_probe* probe, cw_error* error) {
  return guarded(error, "probe_write",
                 [&] { return self<D>(device)->probe_write(attachment<D>(handle), *probe); });
}
template <class D>
std::int32_t probe_read(cw_device* device, cw_attachment* handle, cw_probe* probe, cw_error* error) {
  return guarded(error, "probe_read",
                 [&] { return self<D>(device)->probe_read(attachment<D>(handle), *probe); });
}

}  // namespace detail

/// The C table of a backend class (see the top of this file). name and description must outlive it.
template <class D>
[[nodiscard]] cw_backend make_table(const char* name, const char* description) {
  using namespace detail;  // NOLINT: the trampolines above
  cw_backend table{};
  table.struct_size = sizeof(cw_backend);
  table.abi_version = CW_ABI_VERSION;
  table.name = name;
  table.description = description;
  table.enumerate = &detail::enumerate<D>;
  table.open = &detail::open<D>;
  table.close = [](cw_device* device) { contained([&] { delete self<D>(device); }); };
  table.device_info = [](cw_device* device, cw_device_info* info, cw_error* error) {
    return guarded(error, "device_info", [&] { return self<D>(device)->info(*info); });
  };
  table.query_constraints = [](cw_device* device, const cw_image_desc* image, std::uint32_t usage,
                               cw_constraints* out, cw_error* error) {
    return guarded(error, "query_constraints",
                   [&] { return self<D>(device)->query_constraints(*image, usage, *out); });
  };
  table.attach = &detail::attach<D>;
  table.detach = [](cw_device*, cw_attachment* handle) { contained([&] { delete &attachment<D>(handle); }); };
  table.map = [](cw_device* device, cw_attachment* handle, std::int32_t direction, cw_mapping* mapping,
                 cw_error* error) {
    return guarded(error, "map", [&] {
      return self<D>(device)->map(attachment<D>(handle), static_cast<cw_direction>(direction), *mapping);
    });
  };
  table.unmap = [](cw_device* device, cw_attachment* handle) {
    contained([&] { self<D>(device)->unmap(attachment<D>(handle)); });
  };
  table.begin_access = [](cw_device* device, cw_attachment* handle, const cw_access_begin* begin,
                          cw_error* error) {
    return guarded(error, "begin_access",
                   [&] { return self<D>(device)->begin_access(attachment<D>(handle), sized_copy(*begin)); });
  };
  table.end_access = [](cw_device* device, cw_attachment* handle, cw_access_end* end, cw_error* error) {
    return guarded(error, "end_access",
                   [&] { return self<D>(device)->end_access(attachment<D>(handle), *end); });
  };
  table.get_interface = [](cw_device* device, const char* name_asked) -> const void* {
    const void* found = nullptr;
    contained([&] { found = self<D>(device)->get_interface(name_asked); });
    return found;
  };
  if constexpr (requires(D & device, const cw_allocate_info& info, cw_allocation& out) {
                  device.allocate(info, out);
                }) {
    table.allocate = &detail::allocate<D>;
    table.release = &detail::release<D>;
  }
  if constexpr (requires(D & device, typename D::Attachment & a, const cw_probe& probe) {
                  device.probe_write(a, probe);
                }) {
    table.probe_write = &detail::probe_write<D>;
  }
  if constexpr (requires(D & device, typename D::Attachment & a, cw_probe & probe) {
                  device.probe_read(a, probe);
                }) {
    table.probe_read = &detail::probe_read<D>;
  }
  if constexpr (requires(D & device, const cw_fence& fence) {
                  device.fence_wait(fence, std::int64_t{});
                  device.fence_release(fence);
                }) {
    table.fence_wait = [](cw_device* device, const cw_fence* fence, std::int64_t deadline_ns,
                          cw_error* error) {
      return guarded(error, "fence_wait", [&] { return self<D>(device)->fence_wait(*fence, deadline_ns); });
    };
    table.fence_release = [](cw_device* device, const cw_fence* fence) {
      contained([&] { self<D>(device)->fence_release(*fence); });
    };
  }
  if constexpr (requires(D & device, const cw_fence& fence, cw_fence& out) {
                  device.fence_export(fence, out);
                }) {
    table.fence_export = [](cw_device* device, const cw_fence* fence, cw_fence* out, cw_error* error) {
      return guarded(error, "fence_export", [&] { return self<D>(device)->fence_export(*fence, *out); });
    };
  }
  if constexpr (requires(D & device, const cw_fence& fence, cw_fence& out) {
                  device.fence_import(device, fence, out);
                }) {
    table.fence_import = [](cw_device* device, cw_device* giver, const cw_fence* fence, cw_fence* out,
                            cw_error* error) {
      return guarded(error, "fence_import",
                     [&] { return self<D>(device)->fence_import(*self<D>(giver), *fence, *out); });
    };
  }
  if constexpr (requires(D & device) { device.wait_idle(std::int64_t{}); }) {
    table.wait_idle = [](cw_device* device, std::int64_t deadline_ns, cw_error* error) {
      return guarded(error, "wait_idle", [&] { return self<D>(device)->wait_idle(deadline_ns); });
    };
  }
  return table;
}

}  // namespace causeway::plugin
