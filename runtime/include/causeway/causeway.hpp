// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Everything but the typed headers of the backends (causeway/vulkan.hpp, causeway/v4l2.hpp).
#include <causeway/attachment.hpp>
#include <causeway/color.hpp>
#include <causeway/constraints.hpp>
#include <causeway/counters.hpp>
#include <causeway/cpu_access.hpp>
#include <causeway/deadline.hpp>
#include <causeway/deferred_exporter.hpp>
#include <causeway/device.hpp>
#include <causeway/dma_buf.hpp>
#include <causeway/exporter.hpp>
#include <causeway/fd.hpp>
#include <causeway/fence.hpp>
#include <causeway/format.hpp>
#include <causeway/frame.hpp>
#include <causeway/frame_pool.hpp>
#include <causeway/host_event.hpp>
#include <causeway/ledger.hpp>
#include <causeway/reservation.hpp>
#include <causeway/result.hpp>
#include <causeway/runtime.hpp>
#include <causeway/syncobj.hpp>
#include <causeway/usage.hpp>
