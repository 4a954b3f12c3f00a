// SPDX-License-Identifier: Apache-2.0
#include "core/retire_list.hpp"

#include <utility>

#include "core/attachment_state.hpp"

namespace causeway::core {

bool RetireList::add(std::shared_ptr<AttachmentState> attachment) {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return false;
  }
  retired_.push_back(std::move(attachment));
  return true;
}

void RetireList::keep_for_good(std::shared_ptr<AttachmentState> attachment) {
  const std::lock_guard lock(mutex_);
  retired_.push_back(std::move(attachment));
}

std::size_t RetireList::reap(Deadline deadline) {
  std::vector<std::shared_ptr<AttachmentState>> candidates;
  {
    const std::lock_guard lock(mutex_);
    if (retired_.empty()) {
      return 0;
    }
    candidates.swap(retired_);
  }
  std::vector<std::shared_ptr<AttachmentState>> left;
  for (auto& attachment : candidates) {
    if (attachment->device_is_done(deadline)) {
      attachment->unmap_retired();
      attachment.reset();  // may detach, and close the device
    } else {
      left.push_back(std::move(attachment));
    }
  }
  const std::lock_guard lock(mutex_);
  retired_.insert(retired_.end(), std::make_move_iterator(left.begin()), std::make_move_iterator(left.end()));
  return retired_.size();
}

std::size_t RetireList::close(Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  return reap(deadline);
}

}  // namespace causeway::core
