// SPDX-License-Identifier: Apache-2.0
#include "host/opencl_harness.hpp"

#include <algorithm>
#include <utility>

#include "uapi/real_syscalls.hpp"

namespace causeway::test {
namespace {

OpenclHost& self_of(void* context) {
  return *static_cast<OpenclHost*>(context);
}

std::string id_of_driver(const std::string& part) {
  const OpenclHost host;
  std::vector<cw_device_info> found(16);
  auto count = static_cast<std::uint32_t>(found.size());
  EXPECT_EQ(opencl_table().enumerate(host.raw(), found.data(), &count, nullptr), CW_OK);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (std::string(found[i].driver).find(part) != std::string::npos) {
      return found[i].id;
    }
  }
  ADD_FAILURE() << "no OpenCL driver is called " << part << "; ./dev setup installs PoCL";
  return "none";
}

}  // namespace

OpenclHost::OpenclHost() {
  table_.abi_version = CW_ABI_VERSION;
  table_.context = this;
  table_.syscalls = &uapi::real_syscalls();
  table_.log = [](void* context, std::int32_t, const char* text) {
    const std::lock_guard lock(self_of(context).mutex_);
    self_of(context).messages_.emplace_back(text);
  };
  table_.count = [](void* context, std::int32_t counter, std::uint64_t amount) {
    const std::lock_guard lock(self_of(context).mutex_);
    self_of(context).cpu_waits_ += counter == CW_COUNT_CPU_WAITS ? amount : 0;
  };
  table_.map_object = [](void*, cw_object_ref* object, void** address, cw_error* error) -> std::int32_t {
    if (object == nullptr) {
      return plugin::report(Error(Errc::Unsupported, "map_object", "the test gave no mapping"), error);
    }
    *address = object;  // see TestMemory::object
    return CW_OK;
  };
  table_.event_create = [](void* context, cw_fence* event, cw_error*) -> std::int32_t {
    *event = self_of(context).make_event();
    return CW_OK;
  };
  table_.event_signal = [](void* context, const cw_fence* event, std::int32_t system_errno) -> std::int32_t {
    self_of(context).signal(*event, system_errno);
    return CW_OK;
  };
  table_.event_destroy = [](void* context, const cw_fence* event) { self_of(context).destroy(*event); };
  table_.fence_wait = [](void*, const cw_fence*, std::int64_t, cw_error*) -> std::int32_t {
    ADD_FAILURE() << "this backend leaves such waits to the host";
    return CW_INTERNAL;
  };
  table_.fence_notify = [](void* context, const cw_fence* event, void (*told)(void*, std::int32_t),
                           void* user, std::uint32_t* added, cw_error*) -> std::int32_t {
    const std::lock_guard lock(self_of(context).mutex_);
    auto& found = self_of(context).events_.at(event->handle);
    *added = found.signalled ? 0 : 1;
    if (!found.signalled) {
      found.told.emplace_back(told, user);
    }
    return CW_OK;
  };
}

OpenclHost::~OpenclHost() {
  EXPECT_EQ(live_events(), 0U) << "events were left behind";
}

cw_fence OpenclHost::make_event() {
  const std::lock_guard lock(mutex_);
  auto event = plugin::sized<cw_fence>();
  event.kind = CW_FENCE_HOST_EVENT;
  event.fd = -1;
  event.handle = next_event_++;
  events_.emplace(event.handle, Event());
  return event;
}

void OpenclHost::signal(const cw_fence& event, int system_errno) {
  std::vector<std::pair<void (*)(void*, std::int32_t), void*>> told;
  {
    const std::lock_guard lock(mutex_);
    auto& found = events_.at(event.handle);
    EXPECT_FALSE(found.signalled) << "signalled twice";
    found.signalled = true;
    found.system_errno = system_errno;
    told.swap(found.told);
  }
  for (const auto& [function, user] : told) {
    function(user, system_errno);
  }
}

void OpenclHost::destroy(const cw_fence& event) {
  const std::lock_guard lock(mutex_);
  const auto found = events_.find(event.handle);
  ASSERT_NE(found, events_.end()) << "destroyed twice";
  if (found->second.signalled) {  // one that was never handed out need not be
    ended_[event.handle] = found->second.system_errno;
  }
  events_.erase(found);
}

std::vector<std::string> OpenclHost::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

std::uint64_t OpenclHost::cpu_waits() const {
  const std::lock_guard lock(mutex_);
  return cpu_waits_;
}

std::size_t OpenclHost::live_events() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

bool OpenclHost::signalled(const cw_fence& event) const {
  const std::lock_guard lock(mutex_);
  const auto found = events_.find(event.handle);
  return found == events_.end() ? ended_.contains(event.handle) : found->second.signalled;
}

int OpenclHost::error_of(const cw_fence& event) const {
  const std::lock_guard lock(mutex_);
  const auto found = events_.find(event.handle);
  return found == events_.end() ? ended_.at(event.handle) : found->second.system_errno;
}

std::string pocl_id() {
  static const std::string id = id_of_driver("Portable Computing Language");
  return id;
}

OpenclDevice::OpenclDevice(const OpenclHost& host, const std::string& id, std::uint32_t path) {
  auto words = plugin::sized<cw_opencl_open_v1>();
  words.path = path;
  auto info = plugin::sized<cw_open_info>();
  info.id = id.c_str();
  info.adopt_interface = CW_OPENCL_OPEN_V1;
  info.adopt = &words;
  open(host, info);
}

OpenclDevice::OpenclDevice(const OpenclHost& host, const cw_opencl_adopt_v1& adopt) {
  auto info = plugin::sized<cw_open_info>();
  info.adopt_interface = CW_OPENCL_ADOPT_V1;
  info.adopt = &adopt;
  open(host, info);
}

void OpenclDevice::open(const OpenclHost& host, const cw_open_info& info) {
  opened_ = attempt([&](cw_error* error) { return opencl_table().open(host.raw(), &info, &device_, error); });
}

void OpenclDevice::close() {
  if (device_ != nullptr) {
    opencl_table().close(std::exchange(device_, nullptr));
  }
}

cw_device_info OpenclDevice::info() const {
  auto info = plugin::sized<cw_device_info>();
  EXPECT_EQ(opencl_table().device_info(device_, &info, nullptr), CW_OK);
  return info;
}

cw_opencl_handles_v1 OpenclDevice::handles() const {
  const auto* table =
      static_cast<const cw_opencl_device_v1*>(opencl_table().get_interface(device_, CW_OPENCL_DEVICE_V1));
  auto handles = plugin::sized<cw_opencl_handles_v1>();
  table->handles(device_, &handles);
  return handles;
}

Outcome OpenclDevice::attach(const AttachWords& words, cw_attachment** attachment) const {
  return attempt(
      [&](cw_error* error) { return opencl_table().attach(device_, &words.info, attachment, error); });
}

Outcome OpenclDevice::wait(const cw_fence& fence, std::int64_t deadline_ns) const {
  return attempt(
      [&](cw_error* error) { return opencl_table().fence_wait(device_, &fence, deadline_ns, error); });
}

Outcome OpenclDevice::export_fence(const cw_fence& fence, cw_fence& out) const {
  out = plugin::sized<cw_fence>();
  return attempt([&](cw_error* error) { return opencl_table().fence_export(device_, &fence, &out, error); });
}

Outcome OpenclDevice::wait_idle(std::int64_t deadline_ns) const {
  return attempt([&](cw_error* error) { return opencl_table().wait_idle(device_, deadline_ns, error); });
}

Outcome OpenclDevice::attach_once(const AttachWords& words) const {
  cw_attachment* attachment = nullptr;
  auto outcome = attach(words, &attachment);
  if (outcome) {
    opencl_table().detach(device_, attachment);
  }
  return outcome;
}

OpenclAttached::OpenclAttached(const OpenclDevice& device, const AttachWords& words) : device_(device) {
  outcome_ = device.attach(words, &attachment_);
  if (outcome_) {
    outcome_ = attempt([&](cw_error* error) {
      return opencl_table().map(device.raw(), attachment_, CW_DIRECTION_BIDIRECTIONAL, &mapping_, error);
    });
  }
}

OpenclAttached::~OpenclAttached() {
  if (attachment_ != nullptr) {
    opencl_table().unmap(device_.raw(), attachment_);
    opencl_table().detach(device_.raw(), attachment_);
  }
}

Outcome OpenclAttached::write(std::uint64_t offset, std::span<const std::byte> bytes,
                              std::uint32_t flags) const {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  auto probe = plugin::sized<cw_probe>();
  probe.flags = flags;
  probe.offset = offset;
  probe.size = copy.size();
  probe.data = copy.data();
  probe.deadline_ns = soon_ns();
  return attempt(
      [&](cw_error* error) { return opencl_table().probe_write(device_.raw(), attachment_, &probe, error); });
}

Outcome OpenclAttached::read(std::uint64_t offset, std::span<std::byte> bytes, std::uint32_t flags) const {
  auto probe = plugin::sized<cw_probe>();
  probe.flags = flags;
  probe.offset = offset;
  probe.size = bytes.size();
  probe.data = bytes.data();
  probe.deadline_ns = soon_ns();
  return attempt(
      [&](cw_error* error) { return opencl_table().probe_read(device_.raw(), attachment_, &probe, error); });
}

Outcome OpenclAttached::begin(std::span<const cw_fence> waits) const {
  auto words = plugin::sized<cw_access_begin>();
  words.usage = CW_USAGE_READ | CW_USAGE_WRITE;
  words.waits = waits.data();
  words.wait_count = static_cast<std::uint32_t>(waits.size());
  return attempt([&](cw_error* error) {
    return opencl_table().begin_access(device_.raw(), attachment_, &words, error);
  });
}

Outcome OpenclAttached::end(cw_fence* fence, std::span<const cw_fence> given) const {
  auto words = plugin::sized<cw_access_end>();
  words.signals = fence;
  words.signal_capacity = fence != nullptr ? 1 : 0;
  words.given = given.data();
  words.given_count = static_cast<std::uint32_t>(given.size());
  if (fence != nullptr) {
    *fence = plugin::sized<cw_fence>();
  }
  auto outcome = attempt(
      [&](cw_error* error) { return opencl_table().end_access(device_.raw(), attachment_, &words, error); });
  EXPECT_LE(words.signal_count, words.signal_capacity);
  EXPECT_EQ(words.signal_count == 1, fence != nullptr && fence->kind != CW_FENCE_NONE);
  return outcome;
}

void expect_shared(const OpenclAttached& attached, std::span<std::byte> bytes) {
  unsigned seed = 1;
  const std::size_t last = bytes.size() - 64;
  for (const std::size_t offset : {std::size_t{0}, last / 2 / 64 * 64, last}) {
    const auto from_device = pattern(64, seed++);
    const auto written = attached.write(offset, from_device);
    ASSERT_TRUE(written) << written;
    EXPECT_TRUE(std::equal(from_device.begin(), from_device.end(), &bytes[offset])) << "at " << offset;

    const auto from_cpu = pattern(64, seed++);
    std::copy(from_cpu.begin(), from_cpu.end(), &bytes[offset]);
    std::vector<std::byte> seen(64);
    const auto read = attached.read(offset, seen);
    ASSERT_TRUE(read) << read;
    EXPECT_EQ(seen, from_cpu) << "at " << offset;
  }
}

void run_kernel(const cw_opencl_view_v1& view, const char* source, std::span<const cl_mem> memory,
                std::size_t width, std::size_t height) {
  cl_int result = CL_SUCCESS;
  cl_program program = clCreateProgramWithSource(view.context, 1, &source, nullptr, &result);
  ASSERT_EQ(result, CL_SUCCESS);
  ASSERT_EQ(clBuildProgram(program, 1, &view.device, "", nullptr, nullptr), CL_SUCCESS);
  cl_kernel kernel = clCreateKernel(program, "work", &result);
  ASSERT_EQ(result, CL_SUCCESS);
  for (cl_uint i = 0; i < memory.size(); ++i) {
    ASSERT_EQ(set_argument(kernel, i, memory[i]), CL_SUCCESS);
  }
  const std::size_t size[] = {width, height};
  ASSERT_EQ(clEnqueueNDRangeKernel(view.queue, kernel, 2, nullptr, size, nullptr, 0, nullptr, nullptr),
            CL_SUCCESS);
  ASSERT_EQ(clFinish(view.queue), CL_SUCCESS);
  clReleaseKernel(kernel);
  clReleaseProgram(program);
}

}  // namespace causeway::test
