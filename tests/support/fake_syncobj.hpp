// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_kernel.hpp"

namespace causeway::test {

/// The syncobjs of a graphics card on a FakeKernel, as drm_syncobj.c of Linux 6.12 has them: handles of each
/// file description, binary fences, and timelines whose points signal in order. As there, a point behind the
/// timeline is taken with 0 and changes nothing; a point that nobody submitted cannot be transferred (EINVAL)
/// and is waited for only with WAIT_FOR_SUBMIT or WAIT_AVAILABLE (else EINVAL).
///
/// Threads: thread-safe.
class FakeSyncobjCard {
public:
  /// Adds the node; the card must live as long as the kernel is asked.
  FakeSyncobjCard(FakeKernel& kernel, const std::string& path);
  FakeSyncobjCard(const FakeSyncobjCard&) = delete;
  FakeSyncobjCard& operator=(const FakeSyncobjCard&) = delete;

  // ---- What kind of card; set before use
  bool syncobjs = true;   ///< false: as vgem, every request is EOPNOTSUPP
  bool timelines = true;  ///< DRM_CAP_SYNCOBJ_TIMELINE; false: its requests are EOPNOTSUPP
  bool eventfds = true;   ///< false: SYNCOBJ_EVENTFD is EINVAL, as any number that DRM does not know

  /// Handles that nobody destroyed, of all descriptions.
  [[nodiscard]] std::size_t open_handles() const;
  /// Requests to destroy what is no handle of that description.
  [[nodiscard]] std::size_t wrong_destroys() const;

private:
  using Fences = std::vector<FakeFence>;
  struct Point {
    std::uint64_t number;
    Fences fences;
  };
  struct Syncobj {
    std::optional<Fences> binary;
    std::vector<Point> points;
  };
  using Ref = std::shared_ptr<Syncobj>;
  using Description = std::pair<std::uint64_t, std::uint64_t>;
  struct Watch {
    Ref syncobj;
    std::uint64_t point;
    int fd;
    std::string event;  ///< which eventfd that descriptor was
  };

  [[nodiscard]] int ioctl(int fd, unsigned long request, void* argument);
  // All of these with mutex_ held, unless a lock is passed.
  [[nodiscard]] Ref find(Description of, std::uint32_t handle) const;
  [[nodiscard]] int create(Description of, void* argument);
  [[nodiscard]] int destroy(Description of, const void* argument);
  [[nodiscard]] int query(Description of, void* argument) const;
  [[nodiscard]] int signal(Description of, void* argument);
  [[nodiscard]] int wait(Description of, const void* argument, std::unique_lock<std::mutex>& lock);
  [[nodiscard]] int transfer(Description of, const void* argument);
  [[nodiscard]] int export_sync_file(Description of, void* argument, std::unique_lock<std::mutex>& lock);
  [[nodiscard]] int import_sync_file(Description of, const void* argument,
                                     std::unique_lock<std::mutex>& lock);
  [[nodiscard]] int watch(Description of, const void* argument);
  /// What somebody waits for who waits for the point; none while nobody has submitted it.
  [[nodiscard]] static std::optional<Fences> fences_of(const Syncobj& syncobj, std::uint64_t point);
  static void submit(Syncobj& syncobj, std::uint64_t point, Fences fences);
  void something_happened();

  FakeKernel& kernel_;
  mutable std::mutex mutex_;
  std::condition_variable happened_;
  std::map<std::pair<Description, std::uint32_t>, Ref> handles_;
  std::vector<Watch> watches_;
  std::uint32_t last_handle_ = 0;
  std::size_t wrong_destroys_ = 0;
};

}  // namespace causeway::test
