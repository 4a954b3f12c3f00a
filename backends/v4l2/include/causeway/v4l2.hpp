// SPDX-License-Identifier: Apache-2.0
#pragma once

// Cameras for C++ programs:
//
//   auto camera = v4l2::open(runtime, "/dev/video0");
//   auto pool = runtime.negotiate({.format = formats::kYUYV, .width = 640, .height = 480})
//                   .with(*camera, Usage::Capture).with(gpu, Usage::StorageRead).allocate(4);
//   auto stream = v4l2::Stream::start(*camera, *pool);
//   while (auto captured = stream->next(Deadline::in(1s))) { ... captured->frame().on(gpu) ... }
//
// All of it is inline over the C table of causeway/v4l2_abi.h, so it fits a backend that was loaded as well
// as a built-in one.

#include <causeway/v4l2_device.hpp>
#include <causeway/v4l2_stream.hpp>
