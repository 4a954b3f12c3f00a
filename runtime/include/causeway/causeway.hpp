// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Everything but the typed headers of the backends (causeway/vulkan.hpp, causeway/v4l2.hpp).
#include <causeway/attachment.hpp>
#include <causeway/constraints.hpp>
#include <causeway/counters.hpp>
#include <causeway/cpu_access.hpp>
#include <causeway/deadline.hpp>
#include <causeway/device.hpp>
#include <causeway/dma_buf.hpp>
#include <causeway/fd.hpp>
#include <causeway/format.hpp>
#include <causeway/frame.hpp>
#include <causeway/frame_pool.hpp>
#include <causeway/result.hpp>
#include <causeway/runtime.hpp>
#include <causeway/usage.hpp>
