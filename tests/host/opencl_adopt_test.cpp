// SPDX-License-Identifier: Apache-2.0
// Opening a device by name, and a caller's own, on PoCL and on the fake driver.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <causeway/opencl.hpp>
#include <causeway/runtime.hpp>
#include <cstdlib>

#include "host/opencl_fake.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class OpenclOpen : public FakeOpencl {};
class OpenclAdopt : public FakeOpencl {};

TEST_F(OpenclOpen, TheDevicesOfAllDriversAreFound) {
  std::vector<cw_device_info> found(16);
  auto count = static_cast<std::uint32_t>(found.size());
  ASSERT_EQ(opencl_table().enumerate(host_.raw(), found.data(), &count, nullptr), CW_OK);
  found.resize(count);
  std::vector<std::string> names;
  std::vector<std::string> drivers;
  for (const auto& info : found) {
    names.emplace_back(info.name);
    drivers.emplace_back(info.driver);
    EXPECT_EQ(std::string(info.id), std::to_string(names.size() - 1));
  }
  EXPECT_THAT(names, ::testing::IsSupersetOf({kAble, kBare}));
  EXPECT_THAT(drivers, ::testing::Contains("Portable Computing Language"));
}

TEST_F(OpenclOpen, ByIndexByNameAndTheBest) {
  const OpenclDevice named(host_, "ABLE");
  EXPECT_STREQ(named.info().name, kAble);
  const OpenclDevice same(host_, named.info().id);
  EXPECT_STREQ(same.info().name, kAble);
  const OpenclDevice best(host_, "");
  EXPECT_STREQ(best.info().name, kAble) << "a GPU before a CPU";
  auto info = plugin::sized<cw_open_info>();  // neither id nor struct
  cw_device* device = nullptr;
  ASSERT_EQ(opencl_table().open(host_.raw(), &info, &device, nullptr), CW_OK);
  opencl_table().close(device);
}

TEST_F(OpenclOpen, AnUnknownNameIsToldThoseThatThereAre) {
  const OpenclDevice device(host_, "no such device");
  EXPECT_EQ(device.opened().status, CW_NOT_FOUND);
  EXPECT_THAT(device.opened().text,
              AllOf(HasSubstr("\"no such device\""), HasSubstr(kAble), HasSubstr(kBare)));
}

TEST_F(OpenclOpen, AnotherInterfaceIsRefused) {
  auto info = plugin::sized<cw_open_info>();
  const int something = 0;
  info.adopt = &something;
  info.adopt_interface = "causeway.vulkan.adopt.v1";
  cw_device* device = nullptr;
  const auto outcome =
      attempt([&](cw_error* error) { return opencl_table().open(host_.raw(), &info, &device, error); });
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr(CW_OPENCL_ADOPT_V1), HasSubstr(CW_OPENCL_OPEN_V1)));
}

// Run by the test after it, in a process whose loader finds no driver.
TEST(DISABLED_OpenclWithoutDrivers, HasNoDevicesAndSaysSo) {
  auto runtime = Runtime::create();
  ASSERT_TRUE(runtime) << runtime.error().message();
  const auto devices = runtime->devices("opencl");
  ASSERT_TRUE(devices) << devices.error().message();
  EXPECT_TRUE(devices->empty());
  const auto device = opencl::open(*runtime);
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code(), Errc::NotFound);
  EXPECT_THAT(device.error().message(), AllOf(HasSubstr("no driver (ICD)"), HasSubstr("pocl-opencl-icd")));
}

TEST(OpenclOpenAlone, WithoutADriverThereIsNoDevice) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::setenv("CAUSEWAY_TEST_OPENCL_VENDORS", "/nonexistent/", 1);
    ::unsetenv("GTEST_OUTPUT");
    ::execl("/proc/self/exe", "host_opencl", "--gtest_also_run_disabled_tests",
            "--gtest_output=", "--gtest_filter=DISABLED_OpenclWithoutDrivers.*", nullptr);
    ::_exit(127);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(OpenclAdopt, PoclsHandlesAreUsedAndStayTheCallers) {
  const CallersOpencl caller("pthread");
  const auto references = caller.context_references();
  {
    const OpenclDevice device(host_, caller.words());
    ASSERT_TRUE(device.opened()) << device.opened();
    EXPECT_STREQ(device.info().id, "adopted");
    const auto handles = device.handles();
    EXPECT_EQ(handles.platform, caller.words().platform);
    EXPECT_EQ(handles.device, caller.words().device);
    EXPECT_EQ(handles.context, caller.words().context);
    EXPECT_EQ(handles.queue, caller.words().queue);
    const OpenclAttached attached(device, AttachWords(memory_.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_EQ(attached.view().queue, caller.words().queue);
    expect_shared(attached, memory_.bytes());
  }
  EXPECT_EQ(caller.context_references(), references);
  EXPECT_EQ(clFinish(caller.words().queue), CL_SUCCESS);
}

TEST_F(OpenclAdopt, ReferencesThatAreReleasedEarlyDoNoHarm) {
  CallersOpencl caller(kAble);
  const OpenclDevice device(host_, caller.words());
  ASSERT_TRUE(device.opened()) << device.opened();
  caller.release();
  const OpenclAttached attached(device, AttachWords(dma_buf()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  expect_shared(attached, memory_.bytes());
}

TEST_F(OpenclAdopt, ThroughTheTypedHeader) {
  const CallersOpencl caller(kAble);
  auto runtime = Runtime::create();
  ASSERT_TRUE(runtime) << runtime.error().message();
  auto device = opencl::adopt(*runtime, {.platform = caller.words().platform,
                                         .device = caller.words().device,
                                         .context = caller.words().context,
                                         .queue = caller.words().queue,
                                         .path = opencl::ImportPath::HostPointer});
  ASSERT_TRUE(device) << device.error().message();
  auto handles = opencl::handles(*device);
  ASSERT_TRUE(handles) << handles.error().message();
  EXPECT_EQ(handles->context, caller.words().context);
  auto buffer = runtime->allocate(8192);
  ASSERT_TRUE(buffer) << buffer.error().message();
  auto attachment = buffer->attach(*device, Usage::ReadWrite);
  ASSERT_TRUE(attachment) << attachment.error().message();
  auto mapping = attachment->map(Direction::Bidirectional);
  ASSERT_TRUE(mapping) << mapping.error().message();
  EXPECT_EQ(mapping->verdict(), AliasVerdict::Aliased);
}

TEST_F(OpenclAdopt, EachHandleThatIsMissingIsNamed) {
  const CallersOpencl caller(kAble);
  const auto refused = [&](auto cw_opencl_adopt_v1::*member, const char* name) {
    auto words = caller.words();
    words.*member = nullptr;
    const OpenclDevice device(host_, words);
    EXPECT_EQ(device.opened().status, CW_INVALID_ARGUMENT);
    EXPECT_THAT(device.opened().text, HasSubstr(std::string(name) + " is null"));
  };
  refused(&cw_opencl_adopt_v1::platform, "platform");
  refused(&cw_opencl_adopt_v1::device, "device");
  refused(&cw_opencl_adopt_v1::context, "context");
  refused(&cw_opencl_adopt_v1::queue, "queue");
}

TEST_F(OpenclAdopt, HandlesThatDoNotBelongTogetherAreRefused) {
  const CallersOpencl caller(kAble);
  const CallersOpencl other(kAble);
  const CallersOpencl bare(kBare);
  const CallersOpencl pocl("pthread");
  const auto refusal = [&](const cw_opencl_adopt_v1& words) {
    const OpenclDevice device(host_, words);
    EXPECT_EQ(device.opened().status, CW_INVALID_ARGUMENT);
    return device.opened().text;
  };
  auto words = caller.words();
  words.platform = pocl.words().platform;
  EXPECT_THAT(refusal(words), HasSubstr("belongs to another platform"));
  words = caller.words();
  words.context = bare.words().context;
  EXPECT_THAT(refusal(words), HasSubstr("the context has 1 device(s), and able fake is not among them"));
  words = caller.words();
  words.queue = other.words().queue;
  EXPECT_THAT(refusal(words), HasSubstr("the queue belongs to another context"));
  const CallersOpencl both(kBare, true);
  words = both.words();
  words.device = caller.words().device;
  EXPECT_THAT(refusal(words), HasSubstr("the queue is one of another device of the context"));
}

TEST_F(OpenclAdopt, WhatWasReleasedIsRefused) {
  CallersOpencl caller(kAble);
  const auto words = caller.words();
  caller.release();
  const OpenclDevice device(host_, words);
  EXPECT_EQ(device.opened().status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(device.opened().text, AllOf(HasSubstr("CL_INVALID_CONTEXT"), HasSubstr("was released")));
}

TEST_F(OpenclAdopt, AnOlderStructIsTakenAsFarAsItGoes) {
  const CallersOpencl caller(kAble);
  auto words = caller.words();
  words.struct_size = offsetof(cw_opencl_adopt_v1, queue);
  const OpenclDevice device(host_, words);
  EXPECT_EQ(device.opened().status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(device.opened().text, HasSubstr("queue is null"));
}

}  // namespace
}  // namespace causeway::test
