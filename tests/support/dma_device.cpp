// SPDX-License-Identifier: Apache-2.0
#include "support/dma_device.hpp"

#include <poll.h>

#include <array>
#include <causeway/plugin/backend.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "support/fake_kernel.hpp"

namespace causeway::test {

namespace {

constexpr std::array kPlainIds{"dma", "via-cpu", "pinnable", "no-memfd"};
constexpr std::uint32_t kTakesAll =
    CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD | CW_CAP_IMPORTS_HOST_POINTER;

std::uint32_t capabilities_of(std::string_view plain_id) {
  if (plain_id == "via-cpu") {
    return kTakesAll | CW_CAP_ACCESSES_VIA_CPU;
  }
  if (plain_id == "pinnable") {
    return CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD | CW_CAP_NEEDS_PINNABLE;
  }
  return plain_id == "no-memfd" ? CW_CAP_IMPORTS_DMA_BUF : CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD;
}

// "dma,stride_align=256": a device's id taken apart.
class Peculiarities {
public:
  explicit Peculiarities(std::string_view id) {
    for (std::size_t begin = 0; begin <= id.size();) {
      const auto end = std::min(id.find(',', begin), id.size());
      const auto word = id.substr(begin, end - begin);
      const auto equals = std::min(word.find('='), word.size());
      words_.emplace(word.substr(0, equals), word.substr(std::min(equals + 1, word.size())));
      if (begin == 0) {
        plain_id_ = word;
      }
      begin = end + 1;
    }
  }

  [[nodiscard]] const std::string& plain_id() const { return plain_id_; }
  [[nodiscard]] bool has(const std::string& word) const { return words_.contains(word); }
  [[nodiscard]] std::string text(const std::string& word) const {
    const auto found = words_.find(word);
    return found != words_.end() ? found->second : std::string();
  }
  [[nodiscard]] std::uint64_t number(const std::string& word, std::uint64_t otherwise = 0) const {
    const auto value = text(word);
    std::uint64_t parsed = 0;
    const auto result = std::from_chars(value.data(), value.data() + value.size(), parsed);
    return !value.empty() && result.ec == std::errc() ? parsed : otherwise;
  }

private:
  std::map<std::string, std::string> words_;
  std::string plain_id_;
};

cw_device_info describe(std::string_view id, std::uint32_t capabilities) {
  auto info = plugin::sized<cw_device_info>();
  info.capabilities = capabilities;
  plugin::copy_text(info.id, id);
  plugin::copy_text(info.name, "test device " + std::string(id));
  plugin::copy_text(info.driver, "testdma");
  plugin::copy_text(info.driver_version, "1");
  if ((capabilities & CW_CAP_COHERENT) != 0) {
    plugin::copy_text(info.evidence, "the test said so");
  }
  return info;
}

class DmaDevice {
public:
  struct Attachment {
    std::vector<DeviceMemory> objects;
    DmaView view{objects};
  };

  DmaDevice(plugin::Host host, std::string id) : host_(host), id_(std::move(id)), peculiar_(id_) {
    capabilities_ =
        capabilities_of(peculiar_.plain_id()) | (peculiar_.has("coherent") ? CW_CAP_COHERENT : 0U);
  }

  static Result<std::vector<cw_device_info>> enumerate(plugin::Host /*host*/) {
    std::vector<cw_device_info> found;
    found.reserve(std::size(kPlainIds));
    for (const char* id : kPlainIds) {
      found.push_back(describe(id, capabilities_of(id)));
    }
    return found;
  }

  static Result<std::unique_ptr<DmaDevice>> open(plugin::Host host, const cw_open_info& info) {
    const bool none = info.id == nullptr || *info.id == '\0';
    auto device = std::make_unique<DmaDevice>(host, none ? "dma" : info.id);
    if (std::find(kPlainIds.begin(), kPlainIds.end(), device->peculiar_.plain_id()) == kPlainIds.end()) {
      return Error(
          Errc::NotFound, "open",
          "there is no test device \"" + device->id_ + "\"; there are dma, via-cpu, pinnable, no-memfd");
    }
    if (auto failed = device->fails("open"); !failed) {
      return std::move(failed.error());
    }
    return device;
  }

  Status info(cw_device_info& out) const {
    out = describe(id_, capabilities_);
    return {};
  }

  Status query_constraints(const cw_image_desc& /*image*/, std::uint32_t /*usage*/, cw_constraints& out) {
    if (auto failed = fails("query"); !failed) {
      return failed;
    }
    const auto number = [&](const char* word, std::uint64_t otherwise) {
      return static_cast<std::uint32_t>(peculiar_.number(word, otherwise));
    };
    out.stride_align = number("stride_align", out.stride_align);
    out.offset_align = number("offset_align", out.offset_align);
    out.object_size_align = number("object_size_align", out.object_size_align);
    out.exact_stride[0] = number("exact_stride", out.exact_stride[0]);
    out.min_object_size[0] = peculiar_.number("min_object", out.min_object_size[0]);
    out.max_object_size = peculiar_.number("max_object", out.max_object_size);
    out.objects = number("objects", out.objects);
    out.max_frames = number("max_frames", out.max_frames);
    out.needs_pinnable = (capabilities_ & CW_CAP_NEEDS_PINNABLE) != 0 ? 1 : out.needs_pinnable;
    return {};
  }

  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& info) {
    if (auto failed = fails("attach"); !failed) {
      return std::move(failed.error());
    }
    if (auto kept = check_layout(info); !kept) {
      return std::move(kept.error());
    }
    auto attachment = std::make_unique<Attachment>();
    attachment->objects.reserve(info.object_count);
    for (const auto& object : std::span(info.objects, info.object_count)) {
      if (auto taken = check_object(object); !taken) {
        return std::move(taken.error());
      }
      auto memory = DeviceMemory::open(host_, object, reach());
      if (!memory) {
        return std::move(memory.error());
      }
      attachment->objects.push_back(std::move(*memory));
    }
    return attachment;
  }

  Status map(Attachment& attachment, cw_direction /*direction*/, cw_mapping& out) {
    if (auto failed = fails("map"); !failed) {
      return failed;
    }
    out.native_interface = kDmaView;
    out.native = &attachment.view;
    out.import_path = reach() == Reach::Dma      ? "dma-buf"
                      : reach() == Reach::Pinned ? "pinned"
                                                 : "host-pointer";
    return {};
  }
  void unmap(Attachment& /*attachment*/) {}

  Status begin_access(Attachment& /*attachment*/, const cw_access_begin& begin) {
    if (auto failed = fails("begin"); !failed) {
      return failed;
    }
    for (const auto& fence : std::span(begin.waits, begin.wait_count)) {
      if (auto waited = wait_for(fence); !waited) {
        return waited;
      }
    }
    return {};
  }
  Status end_access(Attachment& /*attachment*/, cw_access_end& end) {
    end.signal_count = 0;  // its work is done when it returns
    return fails("end");
  }

  const void* get_interface(std::string_view /*name*/) { return nullptr; }

  Status probe_write(Attachment& attachment, const cw_probe& probe) {
    if (auto failed = fails("probe"); !failed) {
      return failed;
    }
    return attachment.view.write(probe.object, probe.offset,
                                 std::span(static_cast<const std::byte*>(probe.data), probe.size));
  }
  Status probe_read(Attachment& attachment, cw_probe& probe) {
    if (auto failed = fails("probe"); !failed) {
      return failed;
    }
    return attachment.view.read(probe.object, probe.offset,
                                std::span(static_cast<std::byte*>(probe.data), probe.size));
  }

private:
  [[nodiscard]] Reach reach() const {
    if ((capabilities_ & CW_CAP_NEEDS_PINNABLE) != 0) {
      return Reach::Pinned;
    }
    return (capabilities_ & CW_CAP_ACCESSES_VIA_CPU) != 0 ? Reach::ViaCpu : Reach::Dma;
  }

  // The failure that the id asks for, if it is due.
  Status fails(const std::string& operation) {
    const auto status = peculiar_.number("fail_" + operation);
    if (status == CW_OK || calls_[operation]++ < peculiar_.number("after")) {
      return {};
    }
    return Error(static_cast<Errc>(status), operation, "the test device was told to fail here");
  }

  [[nodiscard]] Status check_object(const cw_object& object) const {
    const bool is_dma_buf = (object.flags & CW_OBJECT_IS_DMA_BUF) != 0;
    if (const auto largest = peculiar_.number("attach_max"); largest != 0 && object.size > largest) {
      return Error(Errc::Unsupported, "attach",
                   "the test device takes objects of at most " + std::to_string(largest) +
                       " bytes, and this one has " + std::to_string(object.size));
    }
    auto* fake = FakeKernel::behind(&host_.syscalls());
    const auto known = fake != nullptr ? fake->info(object.fd) : std::nullopt;
    const std::string exporter = !is_dma_buf ? "memfd" : known ? known->exporter : "an unknown exporter";
    const bool takes_it = is_dma_buf || (capabilities_ & CW_CAP_IMPORTS_MEMFD) != 0;
    if (!takes_it || peculiar_.text("refuse") == exporter) {
      return Error(Errc::Unsupported, "attach", "the test device does not take memory of " + exporter);
    }
    return {};
  }

  // The host promised to keep to the constraints: a layout that does not is a defect of the runtime.
  [[nodiscard]] Status check_layout(const cw_attach_info& info) const {
    const auto align = peculiar_.number("stride_align", 1);
    const auto exact = peculiar_.number("exact_stride");
    for (const auto& plane : std::span(info.planes, info.plane_count)) {
      if (plane.stride % align != 0 || (exact != 0 && &plane == info.planes && plane.stride != exact)) {
        return Error(Errc::Unsupported, "attach",
                     "the test device was given a stride of " + std::to_string(plane.stride) +
                         " bytes, which its constraints exclude");
      }
    }
    return {};
  }

  [[nodiscard]] Status wait_for(const cw_fence& fence) const {
    if (fence.kind == CW_FENCE_NONE) {
      return {};
    }
    const auto& kernel = host_.syscalls();
    pollfd entry{.fd = fence.fd, .events = POLLIN, .revents = 0};
    const timespec second{.tv_sec = 1, .tv_nsec = 0};
    const int ready = kernel.ppoll(kernel.context, &entry, 1, &second);
    if (ready < 0) {
      return Error(errc_from_errno(errno), "ppoll", "the test device could not wait for a fence", errno);
    }
    return ready == 1 ? Status() : Error(Errc::TimedOut, "begin_access", "a fence did not signal within 1 s");
  }

  plugin::Host host_;
  std::string id_;
  Peculiarities peculiar_;
  std::uint32_t capabilities_ = 0;
  std::map<std::string, std::uint64_t> calls_;
};

}  // namespace

Status DmaView::read(std::size_t object, std::uint64_t offset, std::span<std::byte> out) const {
  return objects_->at(object).read(offset, out);
}

Status DmaView::write(std::size_t object, std::uint64_t offset, std::span<const std::byte> bytes) const {
  return objects_->at(object).write(offset, bytes);
}

const cw_backend* testdma_backend(std::uint32_t /*host_version*/) {
  static const cw_backend kTable = plugin::make_table<DmaDevice>("testdma", "Devices for tests");
  return &kTable;
}

}  // namespace causeway::test
