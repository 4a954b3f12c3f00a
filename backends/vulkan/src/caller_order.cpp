// SPDX-License-Identifier: Apache-2.0
#include "caller_order.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <causeway/plugin/access.hpp>
#include <causeway/plugin/descriptor.hpp>
#include <utility>

#include "time_left.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {

Status CallerOrder::attach(AttachmentOrder& order) {
  if (!context_.takes_turns || !context_.timeline) {
    return {};
  }
  auto timeline = timelines_.create();
  if (!timeline) {
    return std::move(timeline.error());
  }
  order.timeline = std::move(*timeline);
  return {};
}

void CallerOrder::detach(AttachmentOrder& order) noexcept {
  for (std::size_t i = 0; i < order.turns; ++i) {
    let_go(order, order.open[i]);
  }
  if (order.timeline != nullptr) {  // whose end waits for the caller's submission
    give_up_events(*order.timeline, order.timeline->promised(), "an attachment is detached");
  }
}

void CallerOrder::let_go(AttachmentOrder& order, AttachmentOrder::Turn& turn) {
  for (VkSemaphore semaphore : turn.imported) {
    if (turn.taken) {  // the submission that waits for it may be out
      semaphores_.in_flight(semaphore, order.timeline, turn.signal.value);
    } else {
      semaphores_.discard(semaphore);
    }
  }
  turn.imported.clear();
}

Status CallerOrder::prepare_signal(AttachmentOrder& order, AttachmentOrder::Turn& turn) {
  turn.signal = VkSemaphoreSubmitInfo{VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO};
  turn.signal.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  if (order.timeline != nullptr) {
    turn.signal.semaphore = order.timeline->semaphore();
    turn.signal.value = order.timeline->promised() + 1;
  } else if (context_.exports_sync_fd) {
    auto binary = semaphores_.take();
    if (!binary) {
      return std::move(binary.error());
    }
    turn.signal.semaphore = *binary;
  }
  return {};
}

Status CallerOrder::begin(AttachmentOrder& order, const cw_access_begin& begin) {
  if (order.turns == order.open.size()) {
    order.open.emplace_back();
  }
  auto& turn = order.open[order.turns];
  turn.waits.clear();
  turn.imported.clear();
  turn.imported.reserve(begin.wait_count);
  turn.waits.reserve(begin.wait_count);
  turn.access = plugin::access_number(begin);
  turn.taken = false;
  turn.dropped = false;
  turn.holds_nothing = (begin.flags & CW_ACCESS_NO_CONTENT) != 0;
  for (std::uint32_t i = 0; i < begin.wait_count; ++i) {
    auto wait = wait_for(begin.waits[i], begin.deadline_ns);
    if (!wait) {
      let_go(order, turn);
      return std::move(wait.error());
    }
    if (*wait) {
      VkSemaphoreSubmitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO};
      info.semaphore = (*wait)->semaphore;
      info.value = (*wait)->value;
      info.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
      turn.waits.push_back(info);
      if ((*wait)->imported) {
        turn.imported.push_back((*wait)->semaphore);
      }
    }
  }
  ++order.turns;
  return {};
}

Status CallerOrder::check_turn(const AttachmentOrder& order, std::string_view operation) const {
  if (!context_.takes_turns) {
    return Error(Errc::Unsupported, std::string(operation),
                 fmt::format("{} was adopted without CW_VULKAN_ADOPT_TAKES_TURNS: the CPU waits before each "
                             "access, and there is nothing to take",
                             context_.name()));
  }
  if (order.turns == 0) {
    return Error(Errc::WrongState, std::string(operation),
                 "no access has begun on this mapping; begin_access comes first, then the turn, then the "
                 "submission, then the end");
  }
  if (order.open[order.turns - 1].dropped) {
    return Error(Errc::WrongState, std::string(operation),
                 "the turn of this access was dropped; end or drop the access, and begin another");
  }
  return {};
}

Status CallerOrder::take_turn(AttachmentOrder& order, cw_vulkan_turn_v1& out) {
  if (auto status = check_turn(order, "vulkan::turn"); !status) {
    return status;
  }
  auto& turn = order.open[order.turns - 1];
  if (!turn.taken) {
    if (auto status = prepare_signal(order, turn); !status) {
      return status;
    }
    if (order.timeline != nullptr) {
      order.timeline->promise(turn.signal.value);
    }
    // Each turn takes over and gives back, as turns are submitted in their order; unless the caller said that
    // nobody else comes between.
    turn.acquires = !order.owned;
    turn.releases = !order.kept;
    order.owned = order.kept;
    turn.taken = true;
  }
  const auto& transfer = *order.transfer;
  out.wait_count = static_cast<std::uint32_t>(turn.waits.size());
  out.waits = turn.waits.data();
  out.signal = turn.signal;
  out.buffer_count = static_cast<std::uint32_t>(transfer.acquire_buffers().size());
  out.image_count = static_cast<std::uint32_t>(transfer.acquire_images().size());
  out.acquire_buffers = turn.acquires ? transfer.acquire_buffers().data() : nullptr;
  const auto images = turn.holds_nothing ? transfer.first_images() : transfer.acquire_images();
  out.acquire_images = turn.acquires ? images.data() : nullptr;
  out.release_buffers = turn.releases ? transfer.release_buffers().data() : nullptr;
  out.release_images = turn.releases ? transfer.release_images().data() : nullptr;
  return {};
}

void CallerOrder::take_back(AttachmentOrder& order, const AttachmentOrder::Turn& turn) {
  // All that began later have ended. Where one of them had a turn, its point is submitted and speaks for this
  // one; else this is the last that was promised, and is there to be promised again.
  if (order.timeline->promised() == turn.signal.value) {
    order.timeline->promise(turn.signal.value - 1);
    order.owned = !turn.acquires;
  }
}

Status CallerOrder::drop_turn(AttachmentOrder& order) {
  if (auto status = check_turn(order, "vulkan::drop_turn"); !status) {
    return status;
  }
  auto& turn = order.open[order.turns - 1];
  if (turn.taken) {
    if (order.timeline != nullptr) {
      take_back(order, turn);
    } else {
      if (turn.signal.semaphore != VK_NULL_HANDLE) {
        semaphores_.give_back(turn.signal.semaphore);
      }
      order.owned = !turn.acquires;
    }
    turn.taken = false;
  }
  turn.dropped = true;
  let_go(order, turn);
  return {};
}

Status CallerOrder::publish(AttachmentOrder& order, AttachmentOrder::Turn& turn, cw_access_end& end) {
  if (order.timeline != nullptr) {
    timelines_.hold(order.timeline);
    end.signals[0] =
        cw_fence{sizeof(cw_fence), CW_FENCE_DEVICE, -1, 0, order.timeline->handle(), turn.signal.value};
    end.signal_count = 1;
    return {};
  }
  if (turn.signal.semaphore == VK_NULL_HANDLE) {
    return {};
  }
  // A binary semaphore can be asked for its sync_file only now, and only once.
  const VkSemaphoreGetFdInfoKHR info{VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR, nullptr,
                                     turn.signal.semaphore, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT};
  int fd = -1;
  if (const VkResult result = context_.api.GetSemaphoreFdKHR(context_.device, &info, &fd);
      result != VK_SUCCESS) {
    return vk_error("vkGetSemaphoreFdKHR", result, "exporting what the submission signals");
  }
  semaphores_.give_back(turn.signal.semaphore);  // the export took its signal away
  if (fd >= 0) {
    auto sync_file = plugin::take_from_driver(context_.host, fd);
    end.signals[0] = cw_fence{sizeof(cw_fence), CW_FENCE_SYNC_FILE, sync_file.release(), 0, 0, 0};
    end.signal_count = 1;
  }
  return {};
}

Status CallerOrder::end(AttachmentOrder& order, cw_access_end& end) {
  end.signal_count = 0;
  if (order.turns == 0) {
    return {};
  }
  const auto opened = order.open.begin() + static_cast<std::ptrdiff_t>(order.turns);
  const auto ending = plugin::find_access(order.open.begin(), opened, end);
  if (ending == opened) {
    return {};
  }
  auto& turn = *ending;
  Status status;
  for (std::uint32_t i = 0; status && !plugin::keeps_given(end) && i < end.given_count; ++i) {
    status = context_.host.wait_fence(end.given[i], now_ns() + kEndPatienceNs);
  }
  if (!status) {
    // What was given may still be at work, and a failed end gives no signals.
  } else if (turn.taken) {
    status = publish(order, turn, end);
  } else if (!turn.waits.empty() && !turn.dropped) {
    status =
        Error(Errc::WrongState, "end_access",
              fmt::format("{} fences were left for this access' submission to wait for, and nobody asked "
                          "which (vulkan::turn); what it did may have come too early",
                          turn.waits.size()));
  }
  let_go(order, turn);
  std::rotate(ending, ending + 1, opened);  // those after it move up, and all keep their memory
  --order.turns;
  return status;
}

Status CallerOrder::wait_idle(std::int64_t deadline_ns) {
  return timelines_.wait_all(deadline_ns);
}

}  // namespace causeway::vulkan_backend
