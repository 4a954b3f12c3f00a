// SPDX-License-Identifier: Apache-2.0
#pragma once

// The simulated card's driver by itself, over a host that keeps books.
#include <gmock/gmock.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "driver.hpp"
#include "host/fpga_sim_card.hpp"
#include "uapi/real_syscalls.hpp"

namespace causeway::test {

inline constexpr std::uint64_t kBytes = std::uint64_t{16} * 4096;

/// The services that a driver uses, with a look at what became of its events.
class FakeHost {
public:
  FakeHost() {
    table_.abi_version = CW_ABI_VERSION;
    table_.context = this;
    table_.syscalls = &uapi::real_syscalls();
    table_.log = [](void*, std::int32_t, const char*) {};
    table_.count = [](void*, std::int32_t, std::uint64_t) {};
    table_.event_create = [](void* context, cw_fence* event, cw_error* error) -> std::int32_t {
      auto& self = *static_cast<FakeHost*>(context);
      if (self.no_events) {
        return plugin::report(Error(Errc::OutOfFds, "eventfd", "the test has none"), error);
      }
      *event = plugin::sized<cw_fence>();
      event->kind = CW_FENCE_HOST_EVENT;
      event->fd = ::eventfd(0, EFD_CLOEXEC);
      event->handle = static_cast<std::uint64_t>(++self.made);
      return CW_OK;
    };
    table_.event_signal = [](void* context, const cw_fence* event,
                             std::int32_t system_errno) -> std::int32_t {
      static_cast<FakeHost*>(context)->signalled[event->handle] = system_errno;
      ::eventfd_write(event->fd, 1);
      return CW_OK;
    };
    table_.fence_notify = [](void* context, const cw_fence* event, void (*notify)(void*, std::int32_t),
                             void* user, std::uint32_t* added, cw_error* error) -> std::int32_t {
      auto& self = *static_cast<FakeHost*>(context);
      if (event->kind != CW_FENCE_HOST_EVENT) {
        return plugin::report(Error(Errc::Unsupported, "fence_notify", "it is no event"), error);
      }
      *added =
          self.awaited.insert_or_assign(event->handle, [notify, user] { notify(user, 0); }).second ? 1 : 0;
      return CW_OK;
    };
    table_.event_destroy = [](void* context, const cw_fence* event) {
      ++static_cast<FakeHost*>(context)->destroyed;
      ::close(event->fd);
    };
  }
  [[nodiscard]] plugin::Host host() const { return plugin::Host(&table_); }

  bool no_events = false;
  int made = 0;
  int destroyed = 0;
  std::map<std::uint64_t, int> signalled;  // event to errno
  std::map<std::uint64_t, std::function<void()>> awaited;

private:
  cw_host table_ = plugin::sized<cw_host>();
};

class FpgaDriver : public ::testing::TestWithParam<unsigned> {
protected:
  FpgaDriver() : driver_(std::make_unique<rtl::Driver>(host_.host(), GetParam(), 4 * rtl::kPage)) {
    from_ = map(0, true);
    to_ = map(kBytes, true);
    for (std::size_t i = 0; i < kBytes; ++i) {
      memory()[i] = static_cast<std::byte>(i % 251);
    }
  }

  [[nodiscard]] std::byte* memory() const { return memory_.get(); }
  [[nodiscard]] std::vector<cw_sg_entry> map(std::size_t offset, bool writable) {
    std::vector<cw_sg_entry> entries;
    driver_->hardware().between_clocks([&](rtl::Hardware::Inside inside) {
      entries = inside.iommu.map(memory() + offset, kBytes, writable).value();
    });
    return entries;
  }
  /// What a test asks for, with scatter lists of its own to spoil.
  struct Asked {
    rtl::KernelSetting setting;
    std::vector<cw_sg_entry> in, out;
  };
  [[nodiscard]] std::shared_ptr<rtl::Job> job(const Asked& asked, rtl::Job::Memory memory = {}) {
    const rtl::ImageJob image{.setting = asked.setting,
                              .in = {.entries = asked.in, .bytes = asked.setting.width},
                              .out = {.entries = asked.out, .bytes = asked.setting.width}};
    return driver_->prepare(image, memory).value();
  }
  /// One that opens when the event of that number is told.
  [[nodiscard]] std::shared_ptr<rtl::Gate> gate(std::uint64_t event) {
    auto made = std::make_shared<rtl::Gate>(driver_->waker());
    auto fence = plugin::sized<cw_fence>();
    fence.kind = CW_FENCE_HOST_EVENT;
    fence.handle = event;
    EXPECT_TRUE(rtl::Gate::add(made, host_.host(), fence));
    EXPECT_FALSE(made->open());
    return made;
  }
  [[nodiscard]] bool ended_well(rtl::Job& job) {
    const auto waited = driver_->wait(job, soon());
    EXPECT_TRUE(waited) << waited.error().message();
    return waited.has_value();
  }
  [[nodiscard]] Asked good() const {
    const rtl::SgRange all{.entries = from_, .bytes = kBytes};
    return {.setting = rtl::plan_bytes(all, all).setting, .in = from_, .out = to_};
  }
  /// One that waits for a second row that never comes.
  [[nodiscard]] Asked endless() const {
    auto image = good();
    image.setting.height = 2;
    image.setting.in_stride = image.setting.out_stride = kBytes;
    return image;
  }
  /// Submits, and gives the failure.
  [[nodiscard]] std::string failure(const Asked& image) {
    const auto made = job(image);
    EXPECT_TRUE(driver_->submit(*made));
    const auto waited = driver_->wait(*made, soon());
    EXPECT_FALSE(waited);
    EXPECT_EQ(host_.signalled.rbegin()->second, EIO);
    driver_->discard(made);
    return waited ? "" : waited.error().message();
  }
  void expect_works() {
    std::memset(memory() + kBytes, 0, kBytes);
    const auto made = job(good());
    ASSERT_TRUE(driver_->submit(*made));
    const auto waited = driver_->wait(*made, soon());
    EXPECT_TRUE(waited) << waited.error().message();
    EXPECT_EQ(std::memcmp(memory(), memory() + kBytes, kBytes), 0);
    driver_->discard(made);
    EXPECT_EQ(host_.made, host_.destroyed);
  }

  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  FakeHost host_;
  std::unique_ptr<std::byte, Free> memory_{static_cast<std::byte*>(std::aligned_alloc(4096, 2 * kBytes))};
  std::unique_ptr<rtl::Driver> driver_;
  std::vector<cw_sg_entry> from_, to_;
};

}  // namespace causeway::test
