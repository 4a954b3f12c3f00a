// SPDX-License-Identifier: Apache-2.0
//
// Backends whose table is rubbish are refused in a sentence before anything of theirs is called.
#include <cstddef>
#include <cstring>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

// What spoilt_backend() answers; a cw_backend_entry cannot carry it.
cw_backend& spoilt() {
  static cw_backend table{};
  return table;
}
const cw_backend* spoilt_backend(std::uint32_t /*host_version*/) {
  return &spoilt();
}
const cw_backend* nothing(std::uint32_t /*host_version*/) {
  return nullptr;
}

class CoreBackendTable : public CoreTest {
protected:
  void SetUp() override {
    CoreTest::SetUp();
    spoilt() = *testdma_backend(CW_ABI_VERSION);
    spoilt().name = "spoilt";
  }
  Result<Runtime> create(std::vector<cw_backend_entry> backends) {
    return Runtime::create(
        {.syscalls = kernel.syscalls(), .backends = std::move(backends), .builtin_backends = false});
  }
  Result<Runtime> create() { return create({&spoilt_backend}); }
};

TEST_F(CoreBackendTable, WholeTableIsTaken) {
  auto made = must(create());
  EXPECT_EQ(made.backends(), std::vector<std::string>{"spoilt"});
  EXPECT_TRUE(made.open_device("spoilt", {.id = "dma"}));
}

TEST_F(CoreBackendTable, NullEntryAndNullTableAreRefused) {
  EXPECT_TRUE(fails_with(create({nullptr}), Errc::Incompatible));
  EXPECT_TRUE(fails_with(create({&nothing}), Errc::Incompatible, {"1.3"}));
}

TEST_F(CoreBackendTable, AnotherMajorVersionIsRefused) {
  for (const std::uint32_t version : {0U, 2U << 16, 0xffff'ffffU, 1U}) {
    spoilt().abi_version = version;
    EXPECT_TRUE(fails_with(create(), Errc::Incompatible, {std::to_string(version >> 16)}));
  }
  spoilt().abi_version = CW_ABI_VERSION + 7;
  EXPECT_TRUE(create()) << "a later minor version only adds";
}

TEST_F(CoreBackendTable, TooSmallATableIsRefused) {
  const auto mandatory = static_cast<std::uint32_t>(offsetof(cw_backend, allocate));
  for (const std::uint32_t size : {0U, 7U, 8U, mandatory - 1}) {
    spoilt().struct_size = size;
    EXPECT_TRUE(fails_with(create(), Errc::Incompatible, {std::to_string(size)}));
  }
  spoilt().struct_size = mandatory;
  EXPECT_TRUE(create()) << "the optional operations may be beyond its end";
  // Only a later header has a larger table; any other that claims one would have us read past its end.
  spoilt().struct_size = sizeof(cw_backend) + sizeof(void*);
  EXPECT_TRUE(fails_with(create(), Errc::Incompatible, {std::to_string(sizeof(cw_backend))}));
  spoilt().abi_version = CW_ABI_VERSION + 1;
  EXPECT_TRUE(create());
}

TEST_F(CoreBackendTable, WhatIsBeyondTheEndIsNotThere) {
  spoilt().struct_size = static_cast<std::uint32_t>(offsetof(cw_backend, probe_write));
  auto made = must(create());
  const auto device = must(made.open_device("spoilt", {.id = "dma"}));
  auto attachment = must(must(made.allocate(kPage)).attach(device, Usage::ReadWrite));
  EXPECT_EQ(must(attachment.map(Direction::Bidirectional)).verdict(), AliasVerdict::Unknown)
      << "a device without probes cannot be asked";
}

TEST_F(CoreBackendTable, EveryMandatoryOperationIsNamedWhenItIsMissing) {
  const auto whole = spoilt();
  const auto missing = [&](const char* name, auto cw_backend::*operation) {
    spoilt() = whole;
    spoilt().*operation = nullptr;
    EXPECT_TRUE(fails_with(create(), Errc::Incompatible, {"spoilt", name}));
  };
  missing("enumerate", &cw_backend::enumerate);
  missing("open", &cw_backend::open);
  missing("close", &cw_backend::close);
  missing("device_info", &cw_backend::device_info);
  missing("query_constraints", &cw_backend::query_constraints);
  missing("attach", &cw_backend::attach);
  missing("detach", &cw_backend::detach);
  missing("map", &cw_backend::map);
  missing("unmap", &cw_backend::unmap);
  missing("begin_access", &cw_backend::begin_access);
  missing("end_access", &cw_backend::end_access);
  missing("get_interface", &cw_backend::get_interface);
}

TEST_F(CoreBackendTable, OptionalOperationsMayBeNull) {
  spoilt().allocate = nullptr;
  spoilt().release = nullptr;
  spoilt().probe_write = nullptr;
  spoilt().probe_read = nullptr;
  EXPECT_TRUE(create());
}

TEST_F(CoreBackendTable, NamesAreThereAndDiffer) {
  spoilt().name = nullptr;
  EXPECT_TRUE(fails_with(create(), Errc::Incompatible, {"name"}));
  spoilt().name = "";
  EXPECT_TRUE(fails_with(create(), Errc::Incompatible, {"name"}));
  spoilt().name = "testdma";
  EXPECT_TRUE(fails_with(create({&testdma_backend, &spoilt_backend}), Errc::Incompatible, {"testdma"}));
}

TEST_F(CoreBackendTable, NewVersionIsAskedForTheHosts) {
  static std::uint32_t asked = 0;
  const cw_backend_entry entry = [](std::uint32_t host_version) {
    asked = host_version;
    return testdma_backend(host_version);
  };
  EXPECT_TRUE(create({entry}));
  EXPECT_EQ(asked, CW_ABI_VERSION);
}

TEST_F(CoreBackendTable, UnknownBackendsAndDevicesAreNamed) {
  EXPECT_TRUE(fails_with(runtime().open_device("vulcan"), Errc::NotFound, {"vulcan", "testdma", "copycat"}));
  EXPECT_TRUE(fails_with(runtime().devices("vulcan"), Errc::NotFound, {"vulcan", "testdma"}));
  EXPECT_TRUE(
      fails_with(runtime().open_device("testdma", {.id = "none"}), Errc::NotFound, {"none", "via-cpu"}));
}

TEST_F(CoreBackendTable, BackendThatFailsToLookHasNoDevices) {
  spoilt().enumerate = [](const cw_host*, cw_device_info*, std::uint32_t*, cw_error* error) {
    std::strcpy(error->operation, "enumerate");
    std::strcpy(error->text, "the bus is on strike today");
    return std::int32_t{CW_IO};
  };
  auto made =
      must(Runtime::create({.syscalls = kernel.syscalls(),
                            .backends = {&spoilt_backend, &copycat_backend},
                            .builtin_backends = false,
                            .log = [this](LogLevel level, std::string_view text) { log.add(level, text); }}));
  const auto found = must(made.devices());
  EXPECT_EQ(found.size(), 2U) << "the other backend's";
  EXPECT_TRUE(log.says(LogLevel::Warning, "the bus is on strike today"));
  EXPECT_TRUE(must(made.devices("spoilt")).empty());
}

TEST_F(CoreBackendTable, DevicesAreWhatTheBackendSays) {
  const auto found = must(runtime().devices("testdma"));
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[1].id, "via-cpu");
  EXPECT_EQ(found[1].backend, "testdma");
  EXPECT_EQ(found[1].driver, "testdma");
  EXPECT_EQ(found[1].driver_version, "1");
  EXPECT_NE(found[1].capabilities & CW_CAP_ACCESSES_VIA_CPU, 0U);
  const auto device = must(runtime().open_device("testdma"));
  EXPECT_EQ(device.id(), "dma") << "the best that there is";
  EXPECT_EQ(device.name(), "test device dma");
}

}  // namespace
}  // namespace causeway::test
