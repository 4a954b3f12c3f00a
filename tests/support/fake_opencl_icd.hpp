// SPDX-License-Identifier: Apache-2.0
#pragma once

// A fake OpenCL driver, for the import paths and failures that no real driver here has. It is a shared object
// that the machine's ICD loader loads (OCL_ICD_VENDORS), so that everything on the way is real but the
// driver.
//
// It has one platform with two devices: the first is what the controls below make it, the second has no
// extension at all. It holds its caller to the specification: properties that end, handle types, descriptors
// that are memory of the size and close at exec, acquire before use and release after, objects that live,
// nothing left behind. What breaks a rule is answered with the specified error, and noted in violations.
//
// Its kernels are those of the backend's alias probe, known by their names. Commands run in order, at the
// latest when somebody looks for them, unless the control `hold` keeps them back or a semaphore is not
// signalled yet.

#include <CL/cl.h>
#include <CL/cl_ext.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace causeway::test {

/// What the device's view of imported memory is.
enum class FakeClMemory {
  Shared,   ///< the same bytes
  Caching,  ///< a copy, which map and unmap bring up to date
  Detached  ///< a copy for good
};

/// What a test may switch while another thread is in the driver.
class FakeClSwitch {
public:
  FakeClSwitch() = default;
  FakeClSwitch(const FakeClSwitch& other) : on_(other.on_.load()) {}
  FakeClSwitch& operator=(const FakeClSwitch& other) { return *this = other.on_.load(); }
  FakeClSwitch& operator=(bool on) {
    on_ = on;
    return *this;
  }
  ~FakeClSwitch() = default;
  operator bool() const { return on_; }

private:
  std::atomic<bool> on_ = false;
};

struct FakeOpenclIcd {
  // What the first device is; read when a context is made or a device is asked.
  bool gpu = true;
  bool external_memory = true;     ///< cl_khr_external_memory, with dma-bufs
  bool arm_import = true;          ///< cl_arm_import_memory_dma_buf
  bool semaphores = true;          ///< cl_khr_external_semaphore_sync_fd
  bool semaphore_exports = false;  ///< sync_fds are among CL_DEVICE_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR
  bool handle_types = true;        ///< dma-bufs are among CL_DEVICE_EXTERNAL_MEMORY_IMPORT_HANDLE_TYPES_KHR
  bool compiler = true;
  bool images_from_buffers = true;
  cl_uint image_pitch_align = 64;  ///< elements
  bool available = true;           ///< CL_DEVICE_AVAILABLE
  FakeClMemory memory = FakeClMemory::Shared;

  // Failures. Each call that allocates or submits counts; the one after `fail_after` others fails, once.
  int fail_after = -1;  ///< -1: none
  cl_int fail_with = CL_OUT_OF_HOST_MEMORY;
  bool failed = false;               ///< it has happened
  cl_int every_import = CL_SUCCESS;  ///< what each import by descriptor fails with
  FakeClSwitch hold{};               ///< commands wait until it is false
  cl_int end_with = CL_COMPLETE;     ///< the state that the next marker ends in
  bool keep_calls = false;           ///< callbacks of events are left to the test, which makes them
  std::vector<std::function<void()>> kept_calls{};

  // The books.
  int contexts = 0;
  int queues = 0;
  int memories = 0;  ///< buffers, parts of them, and images
  int programs = 0;
  int kernels = 0;
  int events = 0;
  int semaphores_live = 0;
  int taken_descriptors = 0;  ///< owned by the driver now
  std::vector<std::string>
      calls;  ///< imports, acquires, releases, maps, waits, launches and so on, in their order
  std::vector<std::string> violations;  ///< rules that the caller broke

  /// Runs what can run now, and calls back.
  void (*pump)();
  /// Everything as at first; violations of what is left alive are noted before.
  void (*reset)();
  [[nodiscard]] bool nothing_left() const {
    return contexts + queues + memories + programs + kernels + events + semaphores_live + taken_descriptors ==
           0;
  }
};

/// The name under which the shared object shows its controls: a FakeOpenclIcd* (*)().
inline constexpr const char* kFakeOpenclControls = "causeway_fake_opencl_icd";

}  // namespace causeway::test
