// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <memory>
#include <string_view>
#include <vector>

#include "frozen_v1.h"

extern "C" std::uint32_t abi_version_in_c();

namespace causeway {
namespace {

template <Errc code, cw_status status>
inline constexpr bool kEqual = static_cast<std::int32_t>(code) == static_cast<std::int32_t>(status);

static_assert(kEqual<Errc::InvalidArgument, CW_INVALID_ARGUMENT>);
static_assert(kEqual<Errc::Unsupported, CW_UNSUPPORTED>);
static_assert(kEqual<Errc::NotFound, CW_NOT_FOUND>);
static_assert(kEqual<Errc::Permission, CW_PERMISSION>);
static_assert(kEqual<Errc::OutOfMemory, CW_OUT_OF_MEMORY>);
static_assert(kEqual<Errc::OutOfFds, CW_OUT_OF_FDS>);
static_assert(kEqual<Errc::Busy, CW_BUSY>);
static_assert(kEqual<Errc::TimedOut, CW_TIMED_OUT>);
static_assert(kEqual<Errc::DeviceLost, CW_DEVICE_LOST>);
static_assert(kEqual<Errc::WouldCopy, CW_WOULD_COPY>);
static_assert(kEqual<Errc::WrongState, CW_WRONG_STATE>);
static_assert(kEqual<Errc::Io, CW_IO>);
static_assert(kEqual<Errc::Incompatible, CW_INCOMPATIBLE>);
static_assert(kEqual<Errc::Internal, CW_INTERNAL>);

TEST(Abi, IsTheSameInC) {
  EXPECT_EQ(abi_version_in_c(), CW_ABI_VERSION);
}

// The least that a backend written with backend.hpp has.
class Smallest {
public:
  struct Attachment {};
  static Result<std::vector<cw_device_info>> enumerate(plugin::Host /*host*/) {
    return std::vector<cw_device_info>(3);
  }
  static Result<std::unique_ptr<Smallest>> open(plugin::Host /*host*/, const cw_open_info& /*info*/) {
    return Error(Errc::Permission, "open", "nobody may", EACCES);
  }
  Status info(cw_device_info& /*out*/) { return {}; }
  Status query_constraints(const cw_image_desc&, std::uint32_t, cw_constraints&) { throw std::bad_alloc(); }
  Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& /*info*/) {
    return std::make_unique<Attachment>();
  }
  Status map(Attachment&, cw_direction, cw_mapping&) { return {}; }
  void unmap(Attachment& /*attachment*/) {}
  Status begin_access(Attachment&, const cw_access_begin&) { return {}; }
  Status end_access(Attachment&, cw_access_end&) { return {}; }
  const void* get_interface(std::string_view /*name*/) { return nullptr; }
};

class AbiTable : public ::testing::Test {
protected:
  const cw_backend table = plugin::make_table<Smallest>("smallest", "The smallest backend");
  cw_error error = plugin::sized<cw_error>();
};

TEST_F(AbiTable, HasTheMandatoryOperationsAndLeavesTheOthersNull) {
  EXPECT_EQ(table.struct_size, sizeof(cw_backend));
  EXPECT_EQ(table.abi_version, CW_ABI_VERSION);
  EXPECT_STREQ(table.name, "smallest");
  EXPECT_TRUE(table.enumerate && table.open && table.close && table.device_info && table.query_constraints);
  EXPECT_TRUE(table.attach && table.detach && table.map && table.unmap);
  EXPECT_TRUE(table.begin_access && table.end_access && table.get_interface);
  EXPECT_EQ(table.allocate, nullptr);
  EXPECT_EQ(table.release, nullptr);
  EXPECT_EQ(table.probe_write, nullptr);
  EXPECT_EQ(table.probe_read, nullptr);
}

TEST_F(AbiTable, ErrorCrossesWithItsCodeTextAndErrno) {
  const auto info = plugin::sized<cw_open_info>();
  cw_device* device = nullptr;
  const auto status = table.open(nullptr, &info, &device, &error);
  EXPECT_EQ(status, CW_PERMISSION);
  const auto taken = plugin::take_error(status, error);
  EXPECT_EQ(taken.code(), Errc::Permission);
  EXPECT_EQ(taken.message(), "open: nobody may (EACCES: Permission denied)");
}

TEST_F(AbiTable, ExceptionStopsAtTheEdge) {
  Smallest device;
  EXPECT_EQ(table.query_constraints(reinterpret_cast<cw_device*>(&device), nullptr, 0, nullptr, &error),
            CW_OUT_OF_MEMORY);
  EXPECT_STREQ(error.operation, "query_constraints");
}

TEST_F(AbiTable, EnumerateFillsWhatFitsAndTellsHowManyThereAre) {
  std::vector<cw_device_info> devices(2, plugin::sized<cw_device_info>());
  auto count = static_cast<std::uint32_t>(devices.size());
  EXPECT_EQ(table.enumerate(nullptr, devices.data(), &count, &error), CW_OK);
  EXPECT_EQ(count, 3U);
  EXPECT_EQ(devices[1].struct_size, sizeof(cw_device_info));
}

TEST(AbiText, IsCutToItsFieldAndEnded) {
  auto failure = plugin::sized<cw_error>();
  const std::string long_text(2 * sizeof(failure.text), 'x');
  plugin::copy_text(failure.text, long_text);
  EXPECT_EQ(std::string_view(failure.text).size(), sizeof(failure.text) - 1);
}

TEST(AbiStruct, MembersThatTheOtherSideDoesNotKnowAreZero) {
  auto older = plugin::sized<cw_constraints>();
  older.stride_align = 64;
  older.max_frames = 7;
  older.struct_size = offsetof(cw_constraints, max_frames);
  const auto read = plugin::sized_copy(older);
  EXPECT_EQ(read.stride_align, 64U);
  EXPECT_EQ(read.max_frames, 0U);
  EXPECT_EQ(read.struct_size, sizeof(cw_constraints));
}

}  // namespace
}  // namespace causeway
