// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "import_buffer.hpp"

namespace causeway::opencl_backend {

/// Whether taking over and giving back may use calls that the API allows to copy (map and unmap), or only
/// what every use of the memory needs.
enum class Copies { No, MapAndUnmap };

/// Enqueues what takes the memory over from other devices: clEnqueueAcquireExternalMemObjectsKHR for memory
/// that came in by cl_khr_external_memory, nothing for other memory. What is enqueued later comes after it.
[[nodiscard]] Status take_over(const Context& context, std::span<const ImportedBuffer> buffers,
                               Copies copies);

/// Enqueues what gives it back, flushes the queue, and yields the event that ends all that was enqueued so
/// far. After a failure nobody knows when that is: the host asks wait_idle.
[[nodiscard]] Result<EventHandle> give_back(const Context& context, std::span<const ImportedBuffer> buffers,
                                            Copies copies);

/// After a begin or a probe that failed, and what gives back what it took over, too: waits, for 2 s at most,
/// for what was enqueued, since it must not outlive the memory. Yields the failure; DeviceLost if the work
/// goes on: it may stand behind an event that only the caller's own thread will signal.
[[nodiscard]] Error settle_after(const Context& context, Error failure);

/// In a queue that runs out of order, lets what is enqueued later wait for what was enqueued before. In
/// others that is so without.
[[nodiscard]] Status keep_order(const Context& context);

/// Flushes the queue, and yields the event that ends all that was enqueued so far.
[[nodiscard]] Result<EventHandle> mark_end(const Context& context);
/// The same, where the event is there: that of the last command of a queue in order.
[[nodiscard]] Result<EventHandle> submit_up_to(const Context& context, EventHandle end);
/// Whether give_back() would enqueue nothing but a marker.
[[nodiscard]] bool needs_no_giving_back(std::span<const ImportedBuffer> buffers, Copies copies) noexcept;

/// Waits for an event. deadline_ns: CLOCK_MONOTONIC. Errors: TimedOut, and what the command failed with.
[[nodiscard]] Status wait_until(const Context& context, cl_event event, std::int64_t deadline_ns,
                                std::string_view what);

/// True once the command is done. Errors: what it failed with.
[[nodiscard]] Result<bool> is_done(const Context& context, cl_event event, std::string_view what);

[[nodiscard]] std::int64_t monotonic_ns() noexcept;

}  // namespace causeway::opencl_backend
