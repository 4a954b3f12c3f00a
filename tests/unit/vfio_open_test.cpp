// SPDX-License-Identifier: Apache-2.0
//
// The way from an address to a card, and the sentence for each step that can fail.
#include <linux/vfio.h>

#include <functional>

#include "unit/vfio_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;

using VfioOpen = VfioTest;

TEST_F(VfioOpen, TellsWhatIsThere) {
  const auto found = must(runtime->devices("fpga_vfio"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].id, "0000:00:04.0");
  EXPECT_EQ(found[0].name, "PCI card 1234:11e8 at 0000:00:04.0");
  EXPECT_EQ(found[0].driver, "vfio-pci");

  const auto card = open({});  // the first one
  EXPECT_EQ(card.id(), "0000:00:04.0");
  EXPECT_TRUE(card.has(Capability::NeedsPinnable));
  EXPECT_FALSE(card.has(Capability::AccessesViaCpu));
  EXPECT_TRUE(vfio.masters());
  const auto info = must(fpga_vfio::info(card));
  EXPECT_EQ(info.vendor, 0x1234U);
  EXPECT_EQ(info.device, 0x11e8U);
  EXPECT_EQ(info.group, 12U);
  EXPECT_EQ(info.can_reset, 1U);
  EXPECT_EQ(info.bar_mask, 0b101U);
  EXPECT_EQ(info.first_address, kPage);
}

TEST_F(VfioOpen, OnlyAnIommuThatEnforcesItMakesACardCoherent) {
  EXPECT_FALSE(open().has(Capability::Coherent));
  vfio.configure({.coherent = true});
  EXPECT_TRUE(open().has(Capability::Coherent));
}

TEST_F(VfioOpen, ClosingResetsTheCardAndStopsItsDma) {
  static_cast<void>(open());
  EXPECT_EQ(vfio.resets(), 1U);
  EXPECT_FALSE(vfio.masters());
  vfio.configure({.can_reset = false});
  static_cast<void>(open());  // once more: nothing is left of the first time
  EXPECT_EQ(vfio.resets(), 1U);
  EXPECT_FALSE(vfio.masters());
}

TEST_F(VfioOpen, ACardHasOneOwner) {
  const auto card = open();
  EXPECT_TRUE(fails_with(try_open(), Errc::Busy, {"/dev/vfio/12", "one owner", "fuser -v /dev/vfio/12"}));
}

struct Refusal {
  const char* name;
  FakeVfioConfig config;
  Errc code;
  std::vector<std::string> says;
};

class VfioRefusal : public VfioTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(VfioRefusal, NamesTheCommandThatMendsIt) {
  vfio.configure(GetParam().config);
  const auto opened = try_open();
  ASSERT_TRUE(fails_with(opened, GetParam().code));
  for (const auto& part : GetParam().says) {
    EXPECT_THAT(opened.error().message(), HasSubstr(part));
  }
  // A sentence that was cut off has no end that helps: cw_error holds 511 bytes.
  EXPECT_LT(opened.error().detail().size(), 500U + std::string("backend fpga_vfio: ").size());
  vfio.configure({});
  EXPECT_TRUE(try_open()) << "once it is mended";
}

INSTANTIATE_TEST_SUITE_P(
    Vfio, VfioRefusal,
    ::testing::Values(
        Refusal{"AnotherDriver",
                {.driver = "e1000e"},
                Errc::Busy,
                {"bound to the driver e1000e",
                 "echo vfio-pci > /sys/bus/pci/devices/0000:00:04.0/driver_override",
                 "echo 0000:00:04.0 > /sys/bus/pci/devices/0000:00:04.0/driver/unbind",
                 "echo 0000:00:04.0 > /sys/bus/pci/drivers_probe"}},
        Refusal{"NoDriver", {.driver = ""}, Errc::WrongState, {"bound to no driver", "modprobe vfio-pci"}},
        Refusal{
            "NoIommu", {.group = ""}, Errc::Unsupported, {"uses no IOMMU", "intel_iommu=on", "amd_iommu=on"}},
        Refusal{"NoIommuMode", {.noiommu = true}, Errc::Unsupported, {"no IOMMU", "intel_iommu=on"}},
        Refusal{"NoModules", {.modules = false}, Errc::Unsupported, {"modprobe vfio_iommu_type1 vfio-pci"}},
        Refusal{"NoPermissionOnTheGroup",
                {.group_open_errno = EACCES},
                Errc::Permission,
                {"/dev/vfio/12", "chown $USER /dev/vfio/12", "EACCES"}},
        Refusal{"NoPermissionOnTheContainer",
                {.container_open_errno = EACCES},
                Errc::Permission,
                {"chown $USER /dev/vfio/vfio"}},
        Refusal{"NotViable",
                {.companions = {{"0000:00:04.1", "snd_hda_intel"},
                                {"0000:00:04.2", ""},
                                {"0000:00:04.3", "vfio-pci"}}},
                Errc::Unsupported,
                {"group 12", "not viable", "0000:00:04.1 (snd_hda_intel);",
                 "echo 0000:00:04.1 > /sys/bus/pci/devices/0000:00:04.1/driver/unbind"}},
        Refusal{"NoType1", {.type1 = false}, Errc::Unsupported, {"modprobe vfio_iommu_type1"}},
        Refusal{"NoInterruptRemapping",
                {.set_iommu_errno = EPERM},
                Errc::Permission,
                {"allow_unsafe_interrupts"}},
        Refusal{"NothingAddressable",
                {.ranges = {{0x40000000, 0x7fffffff}}},
                Errc::Unsupported,
                {"no address", "28 bits"}}),
    [](const auto& one) { return one.param.name; });

TEST_F(VfioOpen, AViableGroupMayHaveOthers) {
  vfio.configure({.companions = {{"0000:00:04.1", "vfio-pci"}, {"0000:00:04.2", ""}}});
  EXPECT_TRUE(try_open());
}

TEST_F(VfioOpen, ItIsAnAddressThatIsAskedFor) {
  EXPECT_TRUE(fails_with(try_open({.address = "04.0"}), Errc::InvalidArgument, {"\"04.0\"", "lspci -D"}));
  EXPECT_TRUE(
      fails_with(try_open({.address = "0000:00:09.0"}), Errc::NotFound, {"0000:00:09.0", "lspci -D"}));
  vfio.configure({.driver = ""});
  EXPECT_TRUE(
      fails_with(try_open({}), Errc::NotFound, {"no PCI function is bound to vfio-pci", "driver_override"}));
  EXPECT_TRUE(must(runtime->devices("fpga_vfio")).empty());
}

TEST_F(VfioOpen, WhatIsSaidOfTheCardMustMakeSense) {
  for (const std::uint32_t bits : {12U, 65U}) {
    EXPECT_TRUE(fails_with(try_open({.address_bits = bits}), Errc::InvalidArgument,
                           {std::to_string(bits) + " bits"}));
  }
  EXPECT_TRUE(fails_with(try_open({.alignment = 3}), Errc::InvalidArgument, {"power of two"}));
  EXPECT_TRUE(fails_with(try_open({.max_segment = 4097}), Errc::InvalidArgument, {"whole pages"}));
  const int nothing = 0;
  const auto opened =
      runtime->open_device("fpga_vfio", {.id = {}, .adopt_interface = "another.v1", .adopt = &nothing});
  EXPECT_TRUE(fails_with(opened, Errc::Unsupported, {"another.v1", "causeway.fpga_vfio.config.v1"}));
}

TEST_F(VfioOpen, NoFailureLeavesAnythingBehind) {
  std::size_t opened = 0;
  for_each_failing_call(EIO, [&](const std::string&) { opened += try_open() ? 1U : 0U; });
  // Undisturbed, at the end, and where a call was not needed: a look at the list of bound functions.
  EXPECT_GE(opened, 2U);
  EXPECT_TRUE(try_open()) << "the group is open no more";
}

TEST_F(VfioOpen, OtherDevicesAreNoCardsBehindVfio) {
  const auto other = must(runtime->open_device("testdma", {.id = "dma"}));
  for (const auto& failure : {fpga_vfio::expect(other).error(), fpga_vfio::wait(other, 0, soon()).error(),
                              fpga_vfio::info(other).error()}) {
    EXPECT_EQ(failure.code(), Errc::InvalidArgument);
    EXPECT_THAT(failure.message(), HasSubstr("no card behind VFIO"));
  }
}

}  // namespace
}  // namespace causeway::test
