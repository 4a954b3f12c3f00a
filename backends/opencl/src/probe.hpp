// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hand_over.hpp"
#include "import_buffer.hpp"

namespace causeway::opencl_backend {

/// The device's side of the alias proof: kernels that read and write the imported memory itself. They are
/// compiled at the first probe.
///
/// Threads: as rule 6 of backend_abi.h.
class Prober {
public:
  explicit Prober(const Context& context) : context_(context) {}
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  ~Prober();

  /// Errors: Unsupported (the device has no compiler, or cannot compile the kernels), TimedOut, OutOfMemory,
  /// DeviceLost.
  [[nodiscard]] Status write(const ImportedBuffer& buffer, const cw_probe& probe);
  [[nodiscard]] Status read(const ImportedBuffer& buffer, cw_probe& probe);
  /// Waits, for half a minute at most, for a probe that timed out: it works on memory that may be the host's
  /// mapping, which goes when the attachment does.
  void settle();

private:
  [[nodiscard]] Status prepare(std::int64_t& deadline_ns);
  [[nodiscard]] Status build();
  [[nodiscard]] Status make_kernel(KernelHandle& kernel, const char* name);
  template <class... Arguments>
  [[nodiscard]] Status run(const ImportedBuffer& buffer, const cw_probe& probe, std::int64_t deadline_ns,
                           cl_kernel kernel, const Arguments&... arguments);

  const Context& context_;
  ProgramHandle program_;
  KernelHandle write_;
  KernelHandle read_;
  MemHandle seen_;       ///< what the read kernel saw; never part of imported memory
  EventHandle running_;  ///< of a probe that timed out
};

}  // namespace causeway::opencl_backend
