// SPDX-License-Identifier: Apache-2.0
#pragma once

// The V4L2 backend's table in the hands of a test, with frames that are memfds and pass for dma-bufs.

#include <causeway/v4l2_abi.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <causeway/fd.hpp>
#include <causeway/format.hpp>

#include <chrono>
#include <string>
#include <vector>

#include "unit/v4l2_fake.hpp"

extern "C" const cw_backend* causeway_v4l2_backend(std::uint32_t host_version);

namespace causeway::test {

inline const cw_backend& v4l2_table() {
  return *causeway_v4l2_backend(CW_ABI_VERSION);
}

inline std::int64_t in_milliseconds(int span) {
  const auto when = std::chrono::steady_clock::now() + std::chrono::milliseconds(span);
  return std::chrono::nanoseconds(when.time_since_epoch()).count();
}

/// The status of an operation, and its words.
struct Outcome {
  std::int32_t status = CW_OK;
  std::string text;
  int system_errno = 0;
  explicit operator bool() const { return status == CW_OK; }
};

template <class Body>
Outcome attempt(Body&& body) {
  auto error = plugin::sized<cw_error>();
  Outcome outcome;
  outcome.status = body(&error);
  outcome.text = error.text;
  outcome.system_errno = error.system_errno;
  return outcome;
}

inline cw_image_desc image_of(Format format, std::uint32_t width = 640, std::uint32_t height = 480) {
  auto image = plugin::sized<cw_image_desc>();
  image.format = format.fourcc;
  image.width = width;
  image.height = height;
  return image;
}

/// The memory of a frame, and what attach() is told of it; a test bends what it likes.
struct TestFrame {
  std::vector<UniqueFd> fds;
  std::vector<cw_plane_layout> planes;
  std::vector<cw_object> objects;
  cw_attach_info info = plugin::sized<cw_attach_info>();

  TestFrame(const cw_image_desc& image, std::vector<cw_plane_layout> layout,
            const std::vector<std::uint64_t>& sizes)
      : planes(std::move(layout)) {
    for (const auto size : sizes) {
      fds.emplace_back(::memfd_create("frame", MFD_CLOEXEC));
      EXPECT_EQ(::ftruncate(fds.back().get(), static_cast<off_t>(size)), 0);
      struct stat status {};
      EXPECT_EQ(::fstat(fds.back().get(), &status), 0);
      auto object = plugin::sized<cw_object>();
      object.flags = CW_OBJECT_IS_DMA_BUF;
      object.fd = fds.back().get();
      object.pinnable_fd = -1;
      object.size = size;
      object.device_number = status.st_dev;
      object.inode = status.st_ino;
      objects.push_back(object);
    }
    info.usage = CW_USAGE_CAPTURE | CW_USAGE_WRITE;
    info.image = image;
  }
  const cw_attach_info& told() {
    info.plane_count = static_cast<std::uint32_t>(planes.size());
    info.planes = planes.data();
    info.object_count = static_cast<std::uint32_t>(objects.size());
    info.objects = objects.data();
    return info;
  }
};

inline TestFrame yuyv_frame() {
  return TestFrame(image_of(formats::kYUYV), {{.object = 0, .stride = 1280, .offset = 0}}, {614400});
}

/// A camera at /dev/video0 and the backend that has it open.
class OpenCamera {
public:
  explicit OpenCamera(bool multi_planar = false) : driver(multi_planar) {
    host.nodes["/dev/video0"] = &driver;
  }
  ~OpenCamera() {
    for (auto* attachment : attachments_) {
      v4l2_table().detach(device_, attachment);
    }
    if (device_ != nullptr) {
      v4l2_table().close(device_);
    }
  }
  OpenCamera(const OpenCamera&) = delete;
  OpenCamera& operator=(const OpenCamera&) = delete;

  Outcome open(const char* id = "/dev/video0") {
    auto info = plugin::sized<cw_open_info>();
    info.id = id;
    return attempt([&](cw_error* error) { return v4l2_table().open(host.host(), &info, &device_, error); });
  }
  Outcome constrain(const cw_image_desc& image, std::uint32_t usage = CW_USAGE_CAPTURE | CW_USAGE_WRITE) {
    constraints = plugin::sized<cw_constraints>();
    constraints.stride_align = constraints.offset_align = constraints.object_size_align = 1;
    return attempt([&](cw_error* error) {
      return v4l2_table().query_constraints(device_, &image, usage, &constraints, error);
    });
  }
  Outcome attach(TestFrame& frame) {
    cw_attachment* attachment = nullptr;
    auto outcome = attempt(
        [&](cw_error* error) { return v4l2_table().attach(device_, &frame.told(), &attachment, error); });
    if (outcome) {
      attachments_.push_back(attachment);
    }
    return outcome;
  }
  void detach(std::size_t which) {
    v4l2_table().detach(device_, attachments_.at(which));
    attachments_.erase(attachments_.begin() + static_cast<std::ptrdiff_t>(which));
  }
  const cw_v4l2_view& view(std::size_t which) {
    auto mapping = plugin::sized<cw_mapping>();
    EXPECT_TRUE(attempt([&](cw_error* error) {
      return v4l2_table().map(device_, attachments_.at(which), CW_DIRECTION_FROM_DEVICE, &mapping, error);
    }));
    EXPECT_STREQ(mapping.native_interface, CW_V4L2_VIEW_INTERFACE);
    EXPECT_STREQ(mapping.import_path, "dma-buf");
    return *static_cast<const cw_v4l2_view*>(mapping.native);
  }
  Outcome probe(std::size_t which, int milliseconds = 1000, std::uint32_t flags = CW_PROBE_ANY_CONTENT) {
    auto asked = plugin::sized<cw_probe>();
    asked.flags = flags;
    asked.deadline_ns = in_milliseconds(milliseconds);
    return attempt([&](cw_error* error) {
      return v4l2_table().probe_write(device_, attachments_.at(which), &asked, error);
    });
  }

  const cw_v4l2_stream& stream() {
    return *static_cast<const cw_v4l2_stream*>(v4l2_table().get_interface(device_, CW_V4L2_STREAM_INTERFACE));
  }
  /// Streams with all attached frames.
  Outcome start() {
    std::vector<const cw_v4l2_view*> views;
    for (std::size_t i = 0; i < attachments_.size(); ++i) {
      views.push_back(&view(i));
    }
    return attempt([&](cw_error* error) {
      return stream().start(device_, views.data(), static_cast<std::uint32_t>(views.size()), error);
    });
  }
  Outcome stop() {
    return attempt([&](cw_error* error) { return stream().stop(device_, error); });
  }
  Outcome dequeue(int milliseconds = 1000) {
    return attempt([&](cw_error* error) {
      return stream().dequeue(device_, in_milliseconds(milliseconds), &captured, error);
    });
  }
  Outcome give_back(std::uint32_t index, std::uint64_t ticket) {
    return attempt([&](cw_error* error) { return stream().queue(device_, index, ticket, error); });
  }
  Outcome give_back() { return give_back(captured.index, captured.ticket); }

  FakeV4l2Host host;
  FakeCamera driver;
  cw_constraints constraints{};
  cw_v4l2_captured captured{};
  [[nodiscard]] cw_device* device() const { return device_; }

private:
  cw_device* device_ = nullptr;
  std::vector<cw_attachment*> attachments_;
};

}  // namespace causeway::test
