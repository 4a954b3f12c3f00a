// SPDX-License-Identifier: Apache-2.0
#include "copying_path.hpp"

#include "gpu_buffer.hpp"

namespace camera_to_gpu {
namespace {

using causeway::Deadline;
using causeway::FrameRef;
using causeway::Result;
using causeway::Status;
using causeway::Usage;

class CopyingPath final : public Path {
public:
  CopyingPath(causeway::Runtime& runtime, Gpu& gpu, FrameRef output, std::unique_ptr<PlainFeed> feed)
      : runtime_(runtime), gpu_(gpu), output_(output), feed_(std::move(feed)) {}

  Status prepare(Converter& converter, VkDeviceSize size) {
    auto staging =
        GpuBuffer::create(gpu_, size, VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                          VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
    if (!staging) {
      return std::move(staging.error());
    }
    auto local =
        GpuBuffer::create(gpu_, size, VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                          VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    if (!local) {
      return std::move(local.error());
    }
    staging_ = std::move(*staging);
    local_ = std::move(*local);
    auto upload = gpu_.record([&](VkCommandBuffer commands) {
      const VkBufferCopy all{.size = size};
      const VkBufferMemoryBarrier before_shader{.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
                                                .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                                .dstAccessMask = VK_ACCESS_SHADER_READ_BIT,
                                                .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
                                                .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
                                                .buffer = local_->vk(),
                                                .size = VK_WHOLE_SIZE};
      gpu_.f().CmdCopyBuffer(commands, staging_->vk(), local_->vk(), 1, &all);
      gpu_.f().CmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                                  VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 0, nullptr, 1, &before_shader, 0,
                                  nullptr);
    });
    if (!upload) {
      return std::move(upload.error());
    }
    upload_ = *upload;
    GpuPicture from{.layout = feed_->layout()};
    from.objects[0] = {.buffer = local_->vk(), .size = size};
    const auto to = gpu_picture(output_, gpu_.device());
    if (!to) {
      return to.error();
    }
    auto work = converter.record(from, *to);
    if (!work) {
      return std::move(work.error());
    }
    work_ = *work;
    return {};
  }

  // One picture at a time: the CPU copies, waits for the upload, and waits for the computation.
  Status step(Deadline deadline, const DoneFn& done) override {
    Step step;
    auto& times = step.times;
    times.begun = Clock::now();
    auto picture = feed_->next(deadline);
    if (!picture) {
      return std::move(picture.error());
    }
    times.filled = picture->at;
    step.corrupt = picture->corrupt;
    const auto before = runtime_.counters();
    runtime_.copy(staging_->bytes(), picture->bytes);
    if (auto status = feed_->let_go(); !status) {
      return status;
    }
    // A submission of its own, so that its time counts as handing over and not as computing.
    if (auto uploaded = gpu_.run(upload_, deadline); !uploaded) {
      return uploaded;
    }
    auto output = output_.on(gpu_.device()).begin_access(Usage::Write, deadline);
    if (!output) {
      return std::move(output.error());
    }
    times.submitted = Clock::now();
    if (auto ran = gpu_.run(work_, deadline); !ran) {
      return ran;
    }
    times.returned = Clock::now();
    if (auto ended = output->end(); !ended) {
      return std::move(ended.error());
    }
    times.released = Clock::now();
    times.compute = gpu_.time_of(work_);
    constexpr std::uint64_t kOfRun = 2;
    step.cpu_waits = (runtime_.counters() - before).cpu_waits + kOfRun;
    done(step);
    return {};
  }

  Status finish(Deadline, const DoneFn&) override { return {}; }

private:
  causeway::Runtime& runtime_;
  Gpu& gpu_;
  FrameRef output_;
  std::unique_ptr<PlainFeed> feed_;
  std::unique_ptr<GpuBuffer> staging_;
  std::unique_ptr<GpuBuffer> local_;
  Recording upload_;
  Recording work_;
};

}  // namespace

Result<std::unique_ptr<Path>> copying_path(causeway::Runtime& runtime, Gpu& gpu, Converter& converter,
                                           Source& source, const FrameRef& output) {
  auto feed = source.plain();
  if (!feed) {
    return std::move(feed.error());
  }
  const auto& layout = (*feed)->layout();
  const auto last = static_cast<std::uint32_t>(layout.planes.size() - 1);
  const auto rows = causeway::info_of(layout.format)->rows(last, layout.height);
  const VkDeviceSize size = layout.planes[last].offset + layout.planes[last].stride * rows;
  auto path = std::make_unique<CopyingPath>(runtime, gpu, output, std::move(*feed));
  if (auto status = path->prepare(converter, size); !status) {
    return std::move(status.error());
  }
  return path;
}

}  // namespace camera_to_gpu
