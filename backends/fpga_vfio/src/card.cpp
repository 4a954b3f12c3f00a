// SPDX-License-Identifier: Apache-2.0
#include "card.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace causeway::fpga_vfio_backend {
namespace {

cw_device_info describe(const PciFunction& function, bool coherent) {
  auto info = plugin::sized<cw_device_info>();
  info.capabilities = CW_CAP_NEEDS_PINNABLE | CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD;
  if (coherent) {
    info.capabilities |= CW_CAP_COHERENT;
    plugin::copy_text(info.evidence,
                      "VFIO_DMA_CC_IOMMU: the IOMMU makes all DMA of the card snoop the CPU's caches");
  }
  std::string ids = plugin::hex(0x100000000ULL | function.vendor << 16U | function.device).substr(3);
  ids.insert(4, ":");
  plugin::copy_text(info.id, function.address);
  plugin::copy_text(info.name, plugin::words("PCI card ", ids, " at ", function.address));
  plugin::copy_text(info.driver, "vfio-pci");
  return info;
}

/// The end of an access has no deadline of its caller's; CLOCK_MONOTONIC.
std::int64_t patience_from_now_ns() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  return std::chrono::nanoseconds(end.time_since_epoch()).count();
}

}  // namespace

Card::Card(plugin::Host host, PciFunction function, const cw_fpga_vfio_config& config, VfioDevice device,
           IovaSpace space)
    : host_(host),
      function_(std::move(function)),
      config_(config),
      device_(std::move(device)),
      dma_(host, device_, std::move(space)),
      bars_(host, device_),
      interrupts_(host, device_) {}

Card::~Card() {
  // The kernel does both again when the descriptor closes, for a process that is killed.
  if (auto stopped = device_.set_mastering(false); !stopped) {
    host_.log(CW_LOG_WARNING, stopped.error().message());
  }
  if (device_.can_reset()) {
    if (auto done = device_.reset(); !done) {
      host_.log(CW_LOG_WARNING, done.error().message());
    }
  }
}

Result<std::vector<cw_device_info>> Card::enumerate(plugin::Host host) {
  std::vector<cw_device_info> found;
  for (const auto& address : bound_to_vfio(host)) {
    if (const auto function = look_up(host, address)) {
      found.push_back(describe(*function, false));
    }
  }
  return found;
}

Status Card::info(cw_device_info& out) const {
  out = describe(function_, device_.enforces_coherence());
  return {};
}

Status Card::query_constraints(const cw_image_desc& /*image*/, std::uint32_t /*usage*/,
                               cw_constraints& out) const {
  out.stride_align = config_.alignment;
  out.offset_align = config_.alignment;
  out.object_size_align = static_cast<std::uint32_t>(dma_.page());
  out.max_object_size =
      config_.max_object != 0 ? std::min(config_.max_object, dma_.largest()) : dma_.largest();
  out.needs_pinnable = 1;
  return {};
}

// ---------------------------------------------------------------- memory

Card::Attachment::Attachment(Card& card, const cw_attach_info& info)
    : card_(card), view_(plugin::sized<cw_fpga_view>()) {
  view_.object_count = info.object_count;
  view_.plane_count = info.plane_count;
  std::copy_n(info.planes, info.plane_count, view_.planes);
  view_.format = info.image.format;
  view_.width = info.image.width;
  view_.height = info.image.height;
}

Card::Attachment::~Attachment() {
  card_.unmap(*this);
  const auto& calls = card_.host_.syscalls();
  for (const Object& object : objects_) {
    calls.munmap(calls.context, object.memory, object.size);
  }
}

Status Card::Attachment::add(const cw_object& object) {
  const auto& calls = card_.host_.syscalls();
  const bool read_only = (object.flags & CW_OBJECT_READ_ONLY) != 0;
  void* memory =
      calls.mmap(calls.context, nullptr, object.size, read_only ? PROT_READ : PROT_READ | PROT_WRITE,
                 MAP_SHARED, object.pinnable_fd, static_cast<std::int64_t>(object.pinnable_offset));
  if (memory == MAP_FAILED) {
    const int failure = errno;
    return Error(
        errc_from_errno(failure), "mmap",
        plugin::words(object.size, " bytes of the memfd beneath a buffer could not be mapped to be pinned"),
        failure);
  }
  view_.sizes[objects_.size()] = object.size;
  objects_.push_back({.memory = memory, .size = object.size, .read_only = read_only});
  return {};
}

Result<std::unique_ptr<Card::Attachment>> Card::attach(const cw_attach_info& info) {
  if (info.image.format != 0 && info.image.modifier != 0) {
    return Error(Errc::Unsupported, "attach",
                 plugin::words("a picture with the modifier ", plugin::hex(info.image.modifier),
                               " was given; ", function_.address, " is given rows of pixels (LINEAR)"));
  }
  auto made = std::make_unique<Attachment>(*this, info);
  for (std::uint32_t i = 0; i < info.object_count; ++i) {
    if (auto added = made->add(info.objects[i]); !added) {
      return std::move(added.error());
    }
  }
  return made;
}

Status Card::map(Attachment& attachment, cw_direction direction, cw_mapping& out) {
  cw_fpga_view& view = attachment.view_;
  const bool reads = direction != CW_DIRECTION_FROM_DEVICE;
  bool writes = direction != CW_DIRECTION_TO_DEVICE;
  for (const auto& object : attachment.objects_) {
    if (writes && object.read_only) {
      return Error(Errc::Permission, "map",
                   plugin::words(function_.address,
                                 " was to write to a buffer whose descriptor permits reading alone; map it "
                                 "with Direction::ToDevice"));
    }
  }
  std::uint32_t i = 0;
  for (auto& object : attachment.objects_) {
    const auto iova = dma_.map(object.memory, object.size, reads, writes);
    if (!iova) {
      unmap(attachment);
      return iova.error();
    }
    object.iova = *iova;
    view.sg_first[i] = static_cast<std::uint32_t>(attachment.entries_.size());
    const std::uint64_t segment = config_.max_segment != 0 ? config_.max_segment : object.size;
    for (std::uint64_t at = 0; at < object.size; at += segment) {
      attachment.entries_.push_back({.address = *iova + at, .length = std::min(segment, object.size - at)});
    }
    view.sg_count[i] = static_cast<std::uint32_t>(attachment.entries_.size()) - view.sg_first[i];
    ++i;
  }
  view.writable = writes ? 1 : 0;
  view.sg = attachment.entries_.data();
  view.ticket = next_ticket_++;
  out.native_interface = CW_FPGA_VIEW_INTERFACE;
  out.native = &view;
  out.import_path = "pinned";
  out.sg = view.sg;
  out.sg_count = static_cast<std::uint32_t>(attachment.entries_.size());
  return {};
}

void Card::unmap(Attachment& attachment) {
  for (auto& object : attachment.objects_) {
    if (object.iova != 0) {
      dma_.unmap(std::exchange(object.iova, 0), object.size);
    }
  }
  attachment.entries_.clear();
  attachment.view_.ticket = 0;
}

// ---------------------------------------------------------------- turns

Status Card::begin_access(Attachment& /*attachment*/, const cw_access_begin& begin) {
  // Its own fences alone come here: the card starts by a register, so that the CPU waits for it.
  for (std::uint32_t i = 0; i < begin.wait_count; ++i) {
    host_.count(CW_COUNT_CPU_WAITS, 1);
    auto waited = fence_wait(begin.waits[i], begin.deadline_ns);
    // Whether what failed spoils the memory is the host's to say.
    if (!waited && waited.error().code() == Errc::TimedOut) {
      return waited;
    }
  }
  return {};
}

Status Card::end_access(Attachment& /*attachment*/, cw_access_end& end) {
  end.signal_count = 0;
  const auto pending = interrupts_.pending();
  // None is left out: whoever comes next would not wait for it. Where there is no room, this thread does.
  const std::size_t surplus = pending.size() - std::min<std::size_t>(pending.size(), end.signal_capacity);
  for (const auto& point : std::span(pending).first(surplus)) {
    host_.count(CW_COUNT_CPU_WAITS, 1);
    auto waited = interrupts_.wait(point, patience_from_now_ns());
    if (!waited &&
        waited.error().code() == Errc::TimedOut) {  // else it will never come, and nobody need wait
      return std::move(waited.error())
          .within(plugin::words(pending.size(), " interrupts of ", function_.address, " are expected, and ",
                                end.signal_capacity, " of them can be left to the next turn"));
    }
  }
  for (const auto& point : std::span(pending).subspan(surplus)) {
    auto fence = plugin::sized<cw_fence>();
    fence.kind = CW_FENCE_DEVICE;
    fence.fd = -1;
    fence.handle = point.line;
    fence.value = point.value;
    end.signals[end.signal_count++] = fence;
  }
  return {};
}

Status Card::fence_wait(const cw_fence& fence, std::int64_t deadline_ns) {
  return interrupts_.wait({.line = static_cast<std::uint32_t>(fence.handle), .value = fence.value},
                          deadline_ns);
}

void Card::fence_release(const cw_fence& /*fence*/) {}

Status Card::wait_idle(std::int64_t deadline_ns) {
  for (const auto& point : interrupts_.pending()) {
    if (auto waited = interrupts_.wait(point, deadline_ns);
        !waited && waited.error().code() == Errc::TimedOut) {
      return waited;
    }
  }
  if (interrupts_.in_use()) {
    return {};
  }
  // Nobody says what the card does, so it may be at work: it is kept from memory.
  host_.log(CW_LOG_WARNING,
            plugin::words(function_.address,
                          " may be at work, since none of its interrupts is ever expected: its bus "
                          "mastering is off until fpga::reset()"));
  return device_.set_mastering(false);
}

Status Card::reset(int failure) {
  const std::lock_guard lock(reset_mutex_);
  // In flight DMA ends first, whether or not there is a reset.
  auto status = device_.set_mastering(false);
  if (status) {
    status = device_.reset();
  }
  interrupts_.fail_pending(failure);
  if (auto mastering = device_.set_mastering(true); !mastering && status) {
    status = std::move(mastering);
  }
  if (!status && status.error().code() == Errc::Unsupported) {
    return std::move(status.error())
        .within("bus mastering was turned off and on, which ends DMA, and the registers are as they were");
  }
  return status;
}

Status Card::wait(std::uint32_t n, std::int64_t deadline_ns) {
  const auto point = interrupts_.last(n);
  if (!point) {
    return point.error();
  }
  auto waited = interrupts_.wait(*point, deadline_ns);
  if (waited || waited.error().code() != Errc::TimedOut) {
    return waited;
  }
  const auto done = reset(ETIMEDOUT);
  return Error(
      Errc::TimedOut, "fpga_vfio wait",
      plugin::words(
          function_.address, " did not raise interrupt ", n, " within its deadline, and ",
          done ? std::string("was reset") : plugin::words("is stopped: ", done.error().detail()),
          "; if its IOMMU blocked it, the kernel's log has the address: dmesg | grep -e DMAR -e AMD-Vi"));
}

void Card::tell(cw_fpga_vfio_info& out) {
  out.vendor = function_.vendor;
  out.device = function_.device;
  out.can_reset = device_.can_reset() ? 1 : 0;
  out.group = static_cast<std::uint32_t>(std::stoul(device_.group()));
  out.bar_mask = bars_.mask();
  out.first_address = dma_.bounds().first;
  out.last_address = dma_.bounds().last;
  out.mapped_bytes = dma_.mapped_bytes();
}

const void* Card::get_interface(std::string_view name) const {
  if (name == CW_FPGA_CARD_INTERFACE) {
    return &card_functions_;
  }
  return name == CW_FPGA_VFIO_INTERFACE ? &vfio_functions() : nullptr;
}

}  // namespace causeway::fpga_vfio_backend
