// SPDX-License-Identifier: Apache-2.0
//
// The way to a card of XRT's, and the sentence for each step that fails: no library, another library, a
// missing entry point, no card.
#include <cerrno>

#include "api.hpp"
#include "unit/xrt_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;
namespace xrt_backend = fpga_xrt_backend;

using XrtOpen = XrtTest;

TEST_F(XrtOpen, ByIndexByAddressAndTheFirst) {
  EXPECT_EQ(open().name(), "XRT card 0");
  EXPECT_EQ(open({.id = "1"}).id(), "1");
  EXPECT_EQ(open({.id = "0000:65:00.1"}).id(), "0000:65:00.1");
  EXPECT_EQ(xrt.calls["xrtDeviceOpenByBDF"], 1);
  const auto card = open();
  EXPECT_FALSE(card.has(Capability::AccessesViaCpu));
  EXPECT_FALSE(card.has(Capability::Coherent));
  EXPECT_NE(must(fpga_xrt::device(card)), nullptr);
}

TEST_F(XrtOpen, ACardThatIsNotThere) {
  EXPECT_TRUE(fails_with(try_open({.id = "2"}), Errc::NotFound, {"no card 2", "xrt-smi examine"}));
  EXPECT_TRUE(fails_with(try_open({.id = "0000:66:00.0"}), Errc::NotFound, {"no card 0000:66:00.0"}));
  EXPECT_TRUE(fails_with(try_open({.id = "alveo"}), Errc::InvalidArgument, {"\"alveo\"", "0000:65:00.1"}));
  xrt.cards = 0;
  EXPECT_TRUE(fails_with(try_open(), Errc::NotFound, {"no card 0"}));
  xrt.cards = 1;
  EXPECT_TRUE(try_open());
}

TEST_F(XrtOpen, ACardThatThisUserMayNotOpen) {
  for (const int reason : {EACCES, -EACCES}) {  // XRT has left both signs in errno
    xrt.failing = "xrtDeviceOpen";
    xrt.failing_errno = reason;
    EXPECT_TRUE(fails_with(try_open(), Errc::Permission, {"/dev/dri/renderD*"}));
  }
}

TEST_F(XrtOpen, WhatIsAskedForMustMakeSense) {
  EXPECT_TRUE(fails_with(try_open({.alignment = 3}), Errc::InvalidArgument, {"power of two"}));
  const int nothing = 0;
  const auto opened =
      runtime->open_device("fpga_xrt", {.id = {}, .adopt_interface = "another.v1", .adopt = &nothing});
  EXPECT_TRUE(fails_with(opened, Errc::Unsupported, {"another.v1", "causeway.fpga_xrt.config.v1"}));
}

// A program that has its card open, with an xclbin in it, lends it.
TEST_F(XrtOpen, TheProgramsOwnHandleStaysTheProgramsOwn) {
  const auto first = open({.id = "1"});
  void* handle = must(fpga_xrt::device(first));
  {
    const auto lent = open({.device = handle});
    EXPECT_EQ(must(fpga_xrt::device(lent)), handle);
    EXPECT_EQ(xrt.devices, 1);
    const auto shared = buffer(lent);
  }
  EXPECT_EQ(xrt.devices, 1) << "it was closed with what it was lent to";
}

TEST_F(XrtOpen, ACardThatCannotBeClosedIsLogged) {
  {
    const auto card = open();
    xrt.failing = "xrtDeviceClose";
  }
  EXPECT_TRUE(log.says(LogLevel::Warning, "XRT did not close the card 0"));
  xrt.devices = 0;  // the fake kept it, as it said
}

// ---------------------------------------------------------------- the library

TEST_F(XrtOpen, WithoutTheLibraryItSaysWhatIsMissing) {
  EXPECT_TRUE(
      fails_with(try_open({.library = "/nowhere/libxrt_coreutil.so.2"}), Errc::NotFound,
                 {"/nowhere/libxrt_coreutil.so.2", "install XRT", "source /opt/xilinx/xrt/setup.sh"}));
}

TEST_F(XrtOpen, AnotherLibraryIsTold) {
  EXPECT_TRUE(fails_with(try_open({.library = "libm.so.6"}), Errc::Incompatible,
                         {"libm.so.6 has no xrtDeviceOpen", "update XRT"}));
}

TEST_F(XrtOpen, EachEntryPointIsNeeded) {
  const std::vector<std::string> names = {
      "xrtDeviceOpen", "xrtDeviceOpenByBDF", "xrtDeviceClose", "xrtBOAlloc",   "xrtBOImport",
      "xrtBOExport",   "xrtBOFree",          "xrtBOSize",      "xrtBOAddress", "xrtBOSync"};
  static int somewhere = 0;
  std::vector<std::string> asked;
  EXPECT_TRUE(xrt_backend::Api::from(
      [&](const char* name) -> void* {
        asked.emplace_back(name);
        return &somewhere;
      },
      "lib"));
  EXPECT_EQ(asked, names);
  for (const auto& missing : names) {
    const auto found = xrt_backend::Api::from(
        [&](const char* name) -> void* { return missing == name ? nullptr : &somewhere; }, "libxrt_old.so");
    EXPECT_TRUE(fails_with(found, Errc::Incompatible, {"libxrt_old.so has no " + missing + ","}));
  }
}

// The machine's own XRT: without one, or with one and no card, opening says so and nothing else happens.
TEST_F(XrtOpen, TheMachinesOwnLibraryAnswers) {
  const auto devices = must(runtime->devices("fpga_xrt"));
  const auto opened = fpga_xrt::open(*runtime);
  if (!devices.empty()) {
    GTEST_SKIP() << "this machine has " << devices.size() << " of XRT's cards";
  }
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::NotFound) << opened.error().message();
  EXPECT_THAT(opened.error().message(),
              ::testing::AnyOf(HasSubstr("libxrt_coreutil.so.2"), HasSubstr("XRT has no card 0")));
}

TEST_F(XrtOpen, OtherDevicesAreNoCardsOfXrt) {
  const auto other = must(runtime->open_device("testdma", {.id = "dma"}));
  for (const auto& failure :
       {fpga_xrt::device(other).error(), fpga_xrt::buffer(other, Mapping()).error(),
        fpga_xrt::sync(other, Mapping(), 0, fpga_xrt::SyncDirection::ToDevice, 0, 1).error(),
        fpga_xrt::idle(other).error()}) {
    EXPECT_EQ(failure.code(), Errc::InvalidArgument);
    EXPECT_THAT(failure.message(), HasSubstr("is no card of XRT's"));
  }
}

}  // namespace
}  // namespace causeway::test
