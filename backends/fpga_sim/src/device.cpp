// SPDX-License-Identifier: Apache-2.0
#include "device.hpp"

#include <algorithm>
#include <causeway/plugin/access.hpp>
#include <causeway/plugin/text.hpp>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

namespace causeway::fpga_sim_backend {
namespace {

constexpr unsigned kWidths[] = {512, 64};
constexpr std::uint32_t kTellingHost = (1U << 16U) | 1U;  // fence_notify is there since 1.1
constexpr std::uint64_t kDefaultRun = std::uint64_t{64} * 1024;

cw_device_info describe(plugin::Host host, unsigned data_bits) {
  auto info = plugin::sized<cw_device_info>();
  info.capabilities =
      CW_CAP_ACCESSES_VIA_CPU | CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD | CW_CAP_IMPORTS_HOST_POINTER;
  if (host.raw()->abi_version >= kTellingHost) {
    info.capabilities |= CW_CAP_WAITS_HOST_EVENT;
  }
  plugin::copy_text(info.id, std::to_string(data_bits));
  plugin::copy_text(info.name, plugin::words("simulated FPGA, ", data_bits, " bits"));
  plugin::copy_text(info.driver, "fpga_sim");
  plugin::copy_text(info.driver_version, "1");
  return info;
}

bool known_width(std::uint64_t bits) {
  return std::find(std::begin(kWidths), std::end(kWidths), bits) != std::end(kWidths);
}

Deadline deadline_of(std::int64_t nanoseconds) {
  return Deadline(Deadline::Clock::time_point(std::chrono::nanoseconds(nanoseconds)));
}

}  // namespace

Card::Card(plugin::Host host, unsigned data_bits, std::uint64_t max_run)
    : host_(host), data_bits_(data_bits), driver_(std::make_unique<Driver>(host, data_bits, max_run)) {}

Card::~Card() {
  for (const auto& job : jobs_) {
    driver_->discard(job);
  }
}

Result<std::vector<cw_device_info>> Card::enumerate(plugin::Host host) {
  std::vector<cw_device_info> found;
  for (const unsigned bits : kWidths) {
    found.push_back(describe(host, bits));
  }
  return found;
}

Result<std::unique_ptr<Card>> Card::open(plugin::Host host, const cw_open_info& info) {
  const std::string id = info.id != nullptr ? info.id : "";
  auto config = plugin::sized<cw_fpga_sim_config>();
  config.data_bits = id == "64" ? 64 : 512;
  config.max_run = kDefaultRun;
  if (!id.empty() && id != "64" && id != "512") {
    return Error(Errc::NotFound, "open",
                 plugin::words("there is no simulated FPGA \"", id,
                               "\"; there are \"64\" and \"512\", by the bits of their data path"));
  }
  if (info.adopt != nullptr) {
    if (info.adopt_interface == nullptr ||
        std::string_view(info.adopt_interface) != CW_FPGA_SIM_CONFIG_INTERFACE) {
      return Error(
          Errc::Unsupported, "open",
          plugin::words("something of \"", info.adopt_interface != nullptr ? info.adopt_interface : "",
                        "\" was given; a simulated FPGA takes " CW_FPGA_SIM_CONFIG_INTERFACE));
    }
    config = plugin::sized_copy(*static_cast<const cw_fpga_sim_config*>(info.adopt));
  }
  if (!known_width(config.data_bits) || config.max_run % kPage != 0) {
    return Error(Errc::InvalidArgument, "open",
                 plugin::words(
                     "a data path of ", config.data_bits, " bits and runs of ", config.max_run,
                     " bytes were asked for; there are 64 and 512 bits, and runs of whole pages of ", kPage));
  }
  std::unique_ptr<Card> card(new Card(host, config.data_bits, config.max_run));
  auto scratch = SharedPages::create(card->driver_->hardware(), kPage);
  if (!scratch) {
    return std::move(scratch.error());
  }
  card->scratch_ = std::make_unique<SharedPages>(std::move(*scratch));
  return card;
}

Status Card::info(cw_device_info& out) const {
  out = describe(host_, data_bits_);
  return {};
}

Status Card::query_constraints(const cw_image_desc& /*image*/, std::uint32_t /*usage*/,
                               cw_constraints& out) const {
  out.stride_align = data_bits_ / 8;
  out.offset_align = data_bits_ / 8;
  out.object_size_align = kPage;
  return {};
}

Result<std::unique_ptr<Card::Attachment>> Card::attach(const cw_attach_info& info) {
  if (info.image.format != 0 && info.image.modifier != 0) {
    return Error(Errc::Unsupported, "attach",
                 plugin::words("a picture with the modifier ", plugin::hex(info.image.modifier),
                               " was given; the simulated FPGA reads rows (LINEAR)"));
  }
  auto made = std::make_unique<Attachment>(*this);
  cw_fpga_view& view = made->view_;
  for (std::uint32_t i = 0; i < info.object_count; ++i) {
    auto memory = host_.map_object(info.objects[i].ref);
    if (!memory) {
      return std::move(memory.error());
    }
    made->memory_.push_back(*memory);
    view.sizes[i] = info.objects[i].size;
  }
  view.object_count = info.object_count;
  view.plane_count = info.plane_count;
  std::copy_n(info.planes, info.plane_count, view.planes);
  view.format = info.image.format;
  view.width = info.image.width;
  view.height = info.image.height;
  return made;
}

Status Card::map(Attachment& attachment, cw_direction direction, cw_mapping& out) {
  cw_fpga_view& view = attachment.view_;
  view.writable = direction == CW_DIRECTION_TO_DEVICE ? 0 : 1;
  std::vector<cw_sg_entry> entries;
  Status status;
  driver_->hardware().with_iommu([&](Iommu& iommu) {
    for (std::uint32_t i = 0; i < view.object_count; ++i) {
      auto mapped = iommu.map(attachment.memory_[i], view.sizes[i], view.writable != 0);
      if (!mapped) {
        iommu.unmap(entries);
        status = std::move(mapped.error());
        return;
      }
      view.sg_first[i] = static_cast<std::uint32_t>(entries.size());
      view.sg_count[i] = static_cast<std::uint32_t>(mapped->size());
      entries.insert(entries.end(), mapped->begin(), mapped->end());
    }
  });
  if (!status) {
    return status;
  }
  attachment.entries_ = std::move(entries);
  view.sg = attachment.entries_.data();
  const std::lock_guard lock(mutex_);
  view.ticket = next_ticket_++;
  mapped_.emplace(view.ticket, &attachment);
  out.native_interface = CW_FPGA_VIEW_INTERFACE;
  out.native = &view;
  out.import_path = "host-pointer";
  out.sg = view.sg;
  out.sg_count = static_cast<std::uint32_t>(attachment.entries_.size());
  return {};
}

void Card::unmap(Attachment& attachment) {
  std::vector<std::shared_ptr<Job>> theirs;
  {
    const std::lock_guard lock(mutex_);
    mapped_.erase(attachment.view_.ticket);
    const auto ticket = std::exchange(attachment.view_.ticket, 0);
    attachment.view_.sg = nullptr;
    std::fill_n(attachment.view_.sg_count, attachment.view_.object_count, 0U);
    for (const auto& job : jobs_) {
      if (ticket != 0 && job->touches(ticket)) {
        theirs.push_back(job);
      }
    }
  }
  // The host waits for their fences first. Whoever does not finds a wall, and no later tenant of the
  // addresses.
  for (const auto& job : theirs) {
    driver_->cancel(*job, "memory of the job was unmapped before it ended");
  }
  const auto entries = std::exchange(attachment.entries_, {});
  if (!entries.empty()) {
    driver_->hardware().with_iommu([&](Iommu& iommu) { iommu.unmap(entries); });
  }
}

bool Card::has_jobs(std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  return std::any_of(jobs_.begin(), jobs_.end(), [ticket](const auto& job) { return job->touches(ticket); });
}

Status Card::begin_access(Attachment& attachment, const cw_access_begin& begin) {
  Attachment::Turn turn{.access = plugin::access_number(begin), .usage = begin.usage, .gate = nullptr};
  if (begin.wait_count != 0) {
    // A job waits by itself. Who drives the card by its registers must find the memory ready.
    const bool by_job = has_jobs(attachment.view_.ticket);
    turn.gate = std::make_shared<Gate>(driver_->waker());
    for (std::uint32_t i = 0; i < begin.wait_count; ++i) {
      if (by_job && Gate::add(turn.gate, host_, begin.waits[i])) {
        continue;
      }
      if (auto waited = host_.wait_fence(begin.waits[i], begin.deadline_ns); !waited) {
        return waited;
      }
    }
  }
  const std::lock_guard lock(mutex_);
  attachment.turns_.push_back(std::move(turn));
  return {};
}

Status Card::end_access(Attachment& attachment, cw_access_end& end) {
  end.signal_count = 0;
  const std::lock_guard lock(mutex_);
  auto& turns = attachment.turns_;
  if (const auto over = plugin::find_access(turns.begin(), turns.end(), end); over != turns.end()) {
    turns.erase(over);
  }
  // Jobs that share memory end in the order of their submissions: the last one speaks for all.
  const auto ticket = attachment.view_.ticket;
  std::optional<Driver::Completion> last;
  for (const auto& job : jobs_) {
    if (!job->touches(ticket)) {
      continue;
    }
    if (auto completion = driver_->pending(*job);
        completion && (!last || completion->number > last->number)) {
      last = completion;
    }
  }
  if (last && end.signal_capacity > 0) {
    end.signals[0] = last->fence;
    end.signal_count = 1;
  }
  return {};
}

Status Card::wait_idle(std::int64_t deadline_ns) {
  return driver_->wait_idle(deadline_of(deadline_ns));
}

const void* Card::get_interface(std::string_view name) const {
  if (name == CW_FPGA_CARD_INTERFACE) {
    return &card_functions();
  }
  return name == CW_FPGA_SIM_ENGINE_INTERFACE ? &engine_functions() : nullptr;
}

// ---------------------------------------------------------------- jobs

Status Card::check_mapped_locked(const cw_fpga_view& source, const cw_fpga_view& destination) const {
  for (const auto* view : {&source, &destination}) {
    const auto found = mapped_.find(view->ticket);
    if (found == mapped_.end() || &found->second->view_ != view) {
      return Error(Errc::InvalidArgument, "fpga_sim prepare",
                   "a mapping of another device was given, or one that is no more; negotiate or attach the "
                   "memory with this card");
    }
  }
  return {};
}

Result<Job*> Card::prepare(const cw_fpga_view& source, const cw_fpga_view& destination,
                           std::uint32_t kernel) {
  {
    const std::lock_guard lock(mutex_);
    if (auto mapped = check_mapped_locked(source, destination); !mapped) {
      return std::move(mapped.error());
    }
  }
  auto image = plan_image(source, destination, kernel, driver_->beat());
  if (!image) {
    return std::move(image.error());
  }
  auto job = driver_->prepare(*image, {source.ticket, destination.ticket});
  if (!job) {
    return std::move(job.error());
  }
  const std::lock_guard lock(mutex_);
  if (auto mapped = check_mapped_locked(source, destination); !mapped) {
    return std::move(mapped.error());  // unmapped meanwhile
  }
  jobs_.push_back(std::move(*job));
  return jobs_.back().get();
}

void Card::discard(const Job* job) {
  std::shared_ptr<Job> held;
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(jobs_.begin(), jobs_.end(), [job](const auto& each) { return each.get() == job; });
    if (found == jobs_.end()) {
      return;
    }
    held = std::move(*found);
    jobs_.erase(found);
  }
  driver_->discard(held);
}

Result<cw_fence> Card::submit(Job& job) {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Gate>> gates;
  const auto turn_on = [&](std::uint64_t ticket, std::uint32_t usage, const char* side,
                           const char* turn) -> Status {
    const auto found = mapped_.find(ticket);
    if (found == mapped_.end()) {
      return Error(
          Errc::WrongState, "fpga_sim submit",
          plugin::words("the ", side,
                        " that the job was prepared for is mapped no more; prepare one for its successor"));
    }
    const auto& turns = found->second->turns_;
    if (std::none_of(turns.begin(), turns.end(),
                     [&](const auto& turn) { return (turn.usage & usage) != 0; })) {
      return Error(Errc::WrongState, "fpga_sim submit",
                   plugin::words("the card has no turn on the ", side, "; call begin_access(", turn,
                                 ") on its mapping first"));
    }
    for (const auto& one : turns) {
      if (one.gate != nullptr && !one.gate->open()) {
        gates.push_back(one.gate);
      }
    }
    return {};
  };
  if (auto turn = turn_on(job.memory[0], CW_USAGE_READ, "source", "Usage::Read"); !turn) {
    return std::move(turn.error());
  }
  if (auto turn = turn_on(job.memory[1], CW_USAGE_WRITE, "destination", "Usage::Write"); !turn) {
    return std::move(turn.error());
  }
  if (auto submitted = driver_->submit(job, std::move(gates)); !submitted) {
    return std::move(submitted.error());
  }
  return *job.event;
}

// ---------------------------------------------------------------- alias proof

Status Card::transfer(const SgRange& in, const SgRange& out, Deadline deadline) {
  auto job = driver_->prepare(plan_bytes(in, out));
  if (!job) {
    return std::move(job.error());
  }
  auto status = driver_->submit(**job);
  if (status) {
    status = driver_->wait(**job, deadline);
  }
  driver_->discard(*job);
  return status;
}

// The data path moves whole beats, so a probe's bytes come and go with their neighbours.
Card::Window Card::window_of(const cw_probe& probe) const {
  const std::uint64_t beat = driver_->beat();
  const std::uint64_t begin = probe.offset / beat * beat;
  const std::uint64_t end = (probe.offset + probe.size + beat - 1) / beat * beat;
  return {.begin = begin, .bytes = static_cast<std::uint32_t>(end - begin), .skip = probe.offset - begin};
}

Status Card::fetch(const Attachment& attachment, const cw_probe& probe, const Window& window) {
  return transfer(range_of(attachment.view_, probe.object, window.begin, window.bytes),
                  scratch_->range(window.bytes), deadline_of(probe.deadline_ns));
}

Status Card::probe_read(Attachment& attachment, cw_probe& probe) {
  const Window window = window_of(probe);
  auto fetched = fetch(attachment, probe, window);
  if (fetched) {
    std::memcpy(probe.data, scratch_->bytes() + window.skip, probe.size);
  }
  return fetched;
}

Status Card::probe_write(Attachment& attachment, const cw_probe& probe) {
  const Window window = window_of(probe);
  if (auto fetched = fetch(attachment, probe, window); !fetched) {
    return fetched;
  }
  std::memcpy(scratch_->bytes() + window.skip, probe.data, probe.size);
  // The proof writes through every mapping; one for reading alone is opened for as long as that takes.
  const auto permit = [&](bool writable) {
    driver_->hardware().with_iommu(
        [&](Iommu& iommu) { iommu.set_writable(attachment.entries_of(probe.object), writable); });
  };
  permit(true);
  auto status = transfer(scratch_->range(window.bytes),
                         range_of(attachment.view_, probe.object, window.begin, window.bytes),
                         deadline_of(probe.deadline_ns));
  permit(attachment.view_.writable != 0);
  return status;
}

}  // namespace causeway::fpga_sim_backend
