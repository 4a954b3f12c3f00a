// SPDX-License-Identifier: Apache-2.0
//
// camera_fpga_gpu with a real PCIe function behind a real IOMMU: QEMU's card edu, by VFIO.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "samples/fpga_picture.hpp"
#include "samples/run_program.hpp"

namespace causeway::test {
namespace {

/// The address of QEMU's card edu; empty if this machine has none.
std::string find_edu() {
  const std::filesystem::path functions = "/sys/bus/pci/devices";
  if (!std::filesystem::exists(functions)) {
    return {};
  }
  for (const auto& entry : std::filesystem::directory_iterator(functions)) {
    std::string vendor;
    std::string device;
    std::ifstream(entry.path() / "vendor") >> vendor;
    std::ifstream(entry.path() / "device") >> device;
    if (vendor == "0x1234" && device == "0x11e8") {
      return entry.path().filename();
    }
  }
  return {};
}

Ended run(const std::string& card, const TempFolder& folder) {
  return Program(CAMERA_FPGA_GPU, {"--vfio", card, "--size", "128x64", "--frames", "4", "--out",
                                   folder.path("frame.png"), "--json", folder.path("r.json")})
      .wait();
}

TEST(CameraFpgaGpuOnVfio, GivesThePictureThatTheCpuComputes) {
  const auto card = find_edu();
  if (card.empty()) {
    GTEST_SKIP() << "this machine has no card edu; tests/guest/machines/iommu.sh describes one that has";
  }
  const TempFolder folder;
  auto ended = run(card, folder);
  if (const auto at = ended.err.find("as root: "); ended.exit_code != 0 && at != std::string::npos) {
    // Nobody has bound it yet: the sentence names the commands.
    ASSERT_EQ(std::system(ended.err.substr(at + 9).c_str()), 0) << ended.err;  // NOLINT(cert-env33-c)
    ended = run(card, folder);
  }
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(difference(read_png(folder.path("frame.png")), overlaid(copy, 128, 64, 3)), "");

  const auto json = read_json(folder.path("r.json"));
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json.at("copied_bytes"), 0);
  EXPECT_EQ(json.at("exporter"), "udmabuf");
  EXPECT_EQ(json.at("fpga_kernel"), "copy");
  for (const auto& verdict : json.at("verdicts")) {
    const bool of_card = verdict.at("device") == json.at("fpga");
    EXPECT_EQ(verdict.at("verdict"), of_card ? "Unknown" : "Aliased") << verdict;
  }
}

TEST(CameraFpgaGpuOnVfio, ACardThatIsNotThere) {
  const TempFolder folder;
  const auto ended = run("0000:ff:1f.7", folder);
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.err.find("there is no PCI function at 0000:ff:1f.7"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace causeway::test
