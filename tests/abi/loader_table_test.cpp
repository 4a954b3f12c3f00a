// SPDX-License-Identifier: Apache-2.0
//
// Which versions work together: hosts and backends of different minor versions, in both directions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <causeway/plugin/backend_abi.h>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "loader/backend_table.hpp"

namespace causeway {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t version(std::uint32_t major, std::uint32_t minor) {
  return major << 16 | minor;
}

/// What the entry point below answers and was told; a C entry point has no other way to them.
cw_backend g_table;
std::uint32_t g_host_version = 0;

const cw_backend* entry(std::uint32_t host_version) {
  g_host_version = host_version;
  return &g_table;
}

/// A member of the table that is there, and that nobody may call.
template <class... A>
std::int32_t uncalled(A...) {
  std::abort();
}
template <class... A>
void uncalled_void(A...) {
  std::abort();
}
const void* uncalled_interface(cw_device*, const char*) {
  std::abort();
}

class LoadTable : public ::testing::Test {
protected:
  LoadTable() {
    g_table = {};
    g_table.struct_size = sizeof(cw_backend);
    g_table.abi_version = version(1, 0);
    g_table.name = "stub";
    g_table.enumerate = &uncalled;
    g_table.open = &uncalled;
    g_table.close = &uncalled_void;
    g_table.device_info = &uncalled;
    g_table.query_constraints = &uncalled;
    g_table.attach = &uncalled;
    g_table.detach = &uncalled_void;
    g_table.map = &uncalled;
    g_table.unmap = &uncalled_void;
    g_table.begin_access = &uncalled;
    g_table.end_access = &uncalled;
    g_table.get_interface = &uncalled_interface;
  }

  static std::string refusal(std::uint32_t host = CW_ABI_VERSION) {
    const auto table = loader::load_table(&entry, host);
    if (table) {
      return "accepted";
    }
    EXPECT_EQ(table.error().code(), Errc::Incompatible);
    return table.error().detail();
  }
};

TEST_F(LoadTable, SameVersionIsInForce) {
  const auto table = loader::load_table(&entry, version(1, 0));
  ASSERT_TRUE(table);
  EXPECT_EQ(table->abi_version, version(1, 0));
  EXPECT_EQ(g_host_version, version(1, 0));
}

TEST_F(LoadTable, OlderBackendOnNewerHost) {
  const auto table = loader::load_table(&entry, version(1, 3));
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ(table->abi_version, version(1, 0));
  EXPECT_EQ(g_host_version, version(1, 3));
}

TEST_F(LoadTable, NewerBackendOnOlderHost) {
  g_table.abi_version = version(1, 9);
  const auto table = loader::load_table(&entry, version(1, 3));
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ(table->abi_version, version(1, 3));
}

TEST_F(LoadTable, ALongerTableIsRightOnlyForANewerVersion) {
  g_table.struct_size = 0xfffffff8U;  // all that the host may conclude: as long as its own, at least
  g_table.abi_version = version(1, 4);
  const auto table = loader::load_table(&entry, version(1, 3));
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ(table->struct_size, sizeof(cw_backend));
  g_table.abi_version = version(1, 3);
  EXPECT_THAT(refusal(version(1, 3)), HasSubstr("says it has 4294967288 bytes at ABI version 1.3"));
}

TEST_F(LoadTable, OtherMajorVersionsAreRefusedWhateverTheMinor) {
  for (const auto other : {version(0, 0), version(0, 9), version(2, 0), version(0xffff, 0xffff)}) {
    g_table.abi_version = other;
    EXPECT_THAT(refusal(), HasSubstr("was built for ABI version " + std::to_string(other >> 16) + "." +
                                     std::to_string(other & 0xffffU) + ", and this host speaks 1.x"));
  }
}

TEST_F(LoadTable, EachMandatoryOperationIsMissed) {
  const auto whole = g_table;
  const auto without = [&](auto member) {
    g_table = whole;
    g_table.*member = nullptr;
    return refusal();
  };
  const std::string lacks = "backend stub lacks the mandatory operation ";
  EXPECT_EQ(without(&cw_backend::enumerate), lacks + "enumerate");
  EXPECT_EQ(without(&cw_backend::open), lacks + "open");
  EXPECT_EQ(without(&cw_backend::close), lacks + "close");
  EXPECT_EQ(without(&cw_backend::device_info), lacks + "device_info");
  EXPECT_EQ(without(&cw_backend::query_constraints), lacks + "query_constraints");
  EXPECT_EQ(without(&cw_backend::attach), lacks + "attach");
  EXPECT_EQ(without(&cw_backend::detach), lacks + "detach");
  EXPECT_EQ(without(&cw_backend::map), lacks + "map");
  EXPECT_EQ(without(&cw_backend::unmap), lacks + "unmap");
  EXPECT_EQ(without(&cw_backend::begin_access), lacks + "begin_access");
  EXPECT_EQ(without(&cw_backend::end_access), lacks + "end_access");
  EXPECT_EQ(without(&cw_backend::get_interface), lacks + "get_interface");
}

TEST_F(LoadTable, EverySizeUpToTheWholeIsSafe) {
  // Which sizes are sound follows from the rules: whole pointers, all mandatory ones, no more than there are.
  for (std::uint32_t size = 0; size <= sizeof(cw_backend) + 64; ++size) {
    g_table.struct_size = size;
    const bool sound =
        size >= offsetof(cw_backend, allocate) && size <= sizeof(cw_backend) && size % sizeof(void*) == 0;
    EXPECT_EQ(refusal() == "accepted", sound) << size;
  }
}

TEST_F(LoadTable, NoEntryPointIsRefused) {
  EXPECT_FALSE(loader::load_table(nullptr));
}

}  // namespace
}  // namespace causeway
