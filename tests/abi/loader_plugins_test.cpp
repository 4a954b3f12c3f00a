// SPDX-License-Identifier: Apache-2.0
//
// Real shared objects (tests/abi/plugins), each of which ends in a working device or in a clear refusal.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <causeway/causeway.hpp>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace causeway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::byte kMark{0x5a};  // STUB_MARK of the stubs

std::string plugin_file(std::string_view name) {
  return std::string(ABI_PLUGIN_FOLDER) + "/" + std::string(name) + ".so";
}

/// What the runtime logged in this test.
std::vector<std::string> g_log;

Runtime runtime_with(std::string path, std::vector<cw_backend_entry> entries = {}) {
  g_log.clear();
  auto runtime = Runtime::create({
      .backends = std::move(entries),
      .backend_path = std::move(path),
      .log =
          [](LogLevel level, std::string_view text) {
            g_log.push_back((level == LogLevel::Warning ? "warning: " : "") + std::string(text));
          },
  });
  EXPECT_TRUE(runtime);
  return std::move(runtime).value();
}

/// Opens the device, attaches memory to it, maps it, and lets it write.
void expect_works(Runtime& runtime, const std::string& backend, AliasVerdict verdict) {
  auto device = runtime.open_device(backend);
  ASSERT_TRUE(device) << device.error().message();
  auto buffer = runtime.allocate(4096, "memfd");
  ASSERT_TRUE(buffer) << buffer.error().message();
  auto attachment = buffer->attach(*device, Usage::ReadWrite);
  ASSERT_TRUE(attachment) << attachment.error().message();
  auto mapping = attachment->map(Direction::Bidirectional);
  ASSERT_TRUE(mapping) << mapping.error().message();
  EXPECT_EQ(mapping->verdict(), verdict);
  auto access = mapping->begin_access(Usage::Write, Deadline::in(1s));
  ASSERT_TRUE(access) << access.error().message();
  ASSERT_TRUE(access->end());
  auto cpu = buffer->map_cpu();
  ASSERT_TRUE(cpu) << cpu.error().message();
  auto look = cpu->begin(Usage::Read, Deadline::in(1s));
  ASSERT_TRUE(look) << look.error().message();
  EXPECT_EQ(look->bytes()[0], kMark);
  EXPECT_TRUE(look->end());
}

/// The names that the search path added: those of a runtime without one come first, whatever was built in.
std::vector<std::string> beyond_builtin(std::vector<std::string> names) {
  const auto builtin = runtime_with("").backends();
  EXPECT_THAT(builtin, ::testing::Contains("null"));
  EXPECT_TRUE(names.size() >= builtin.size() && std::equal(builtin.begin(), builtin.end(), names.begin()));
  names.erase(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(builtin.size()));
  return names;
}

// ---------------------------------------------------------------- those that work

using Working = std::tuple<const char*, AliasVerdict>;
class WorkingPlugin : public ::testing::TestWithParam<Working> {};

TEST_P(WorkingPlugin, OpensAttachesMapsAndWrites) {
  const auto& [name, verdict] = GetParam();
  auto runtime = runtime_with(plugin_file(name));
  EXPECT_THAT(runtime.refused_backends(), IsEmpty());
  EXPECT_THAT(g_log, IsEmpty());
  ASSERT_THAT(runtime.devices(name).value(), SizeIs(1));
  expect_works(runtime, name, verdict);
}

std::string name_of(const ::testing::TestParamInfo<Working>& info) {
  return std::get<0>(info.param);
}

INSTANTIATE_TEST_SUITE_P(All, WorkingPlugin,
                         ::testing::Values(Working{"first_version", AliasVerdict::Aliased},
                                           Working{"second_version", AliasVerdict::Aliased},
                                           Working{"third_version", AliasVerdict::Aliased},
                                           Working{"fourth_version", AliasVerdict::Aliased},
                                           Working{"newer_minor", AliasVerdict::Aliased},
                                           Working{"no_probes", AliasVerdict::Unknown},
                                           Working{"short_table", AliasVerdict::Unknown}),
                         &name_of);

// ---------------------------------------------------------------- those that are refused

struct Refused {
  const char* name;
  const char* sentence;  ///< a part that says what is wrong
};
class RefusedPlugin : public ::testing::TestWithParam<Refused> {};

constexpr Refused kRefused[] = {
    {"newer_major", "the backend was built for ABI version 2.0, and this host speaks 1.x"},
    {"older_major", "the backend was built for ABI version 0.5, and this host speaks 1.x"},
    {"size_0", "the backend's table says it has 0 bytes, and its size and version alone need 8"},
    {"size_3", "the backend's table says it has 3 bytes, and its size and version alone need 8"},
    {"size_8", "the backend's table says it has 8 bytes, and the mandatory operations need"},
    {"size_huge", "the backend's table says it has 4294967295 bytes"},
    {"size_too_long",
     "the backend's table says it has 4096 bytes at ABI version 1.0, and such a table has at most"},
    {"size_cuts_a_pointer", "a table of pointers has a multiple of"},
    {"no_attach", "backend no_attach lacks the mandatory operation attach"},
    {"allocate_without_release",
     "backend allocate_without_release has one of allocate and release; it takes both or none"},
    {"fence_import_without_wait",
     "backend fence_import_without_wait has fence_import, and no fence_wait for what it imports"},
    {"fence_wait_without_release",
     "backend fence_wait_without_release has one of fence_wait and fence_release; it takes both or none"},
    {"no_name", "the backend's table has no name"},
    {"empty_name", "the backend's table has no name"},
    {"odd_name", "the backend is called \"Odd-Name\"; a name is made of a to z, 0 to 9 and _"},
    {"endless_name", "the backend's name is longer than 63 letters: it begins with \"xxxxxxxxxxxxxxxx\""},
    {"second_null", "there is a backend called null already, and a name stands for one"},
    {"answers_null", "the backend offers nothing to a host of ABI version 1.3"},
    {"no_symbol", "it is no backend: it exports no symbol causeway_backend_entry"},
    {"missing_library_function", "undefined symbol: nobody_has_this_function"},
    {"throws_exception",
     "the backend's entry point threw an exception, which no C function may do: not today"},
    {"throws_number", "the backend's entry point threw an exception, which no C function may do"},
};

TEST_P(RefusedPlugin, IsKeptAndLoggedAndStopsNothing) {
  const auto file = plugin_file(GetParam().name);
  auto runtime = runtime_with(file + ":" + plugin_file("first_version"));
  const auto refused = runtime.refused_backends();
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_EQ(refused[0].file, file);
  EXPECT_THAT(refused[0].reason, HasSubstr(GetParam().sentence));
  EXPECT_THAT(g_log, ElementsAre("warning: the backend " + file + " is left out: " + refused[0].reason));
  EXPECT_THAT(runtime.backends(), Not(Contains(GetParam().name)));
  expect_works(runtime, "first_version", AliasVerdict::Aliased);
}

std::string refused_name(const ::testing::TestParamInfo<Refused>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(All, RefusedPlugin, ::testing::ValuesIn(kRefused), &refused_name);

TEST(RefusedEntry, OfTheProgramItselfStillFailsCreate) {
  const auto runtime = Runtime::create(
      {.backends = {[](std::uint32_t) -> const cw_backend* { return nullptr; }}, .backend_path = ""});
  ASSERT_FALSE(runtime);
  EXPECT_EQ(runtime.error().code(), Errc::Incompatible);
}

// ---------------------------------------------------------------- one that is loaded and talks rubbish

TEST(UnrulyPlugin, IsNotBelievedMoreThanItsStructsHold) {
  auto runtime = runtime_with(plugin_file("unruly"));
  const auto devices = runtime.devices("unruly");
  ASSERT_TRUE(devices);
  ASSERT_THAT(*devices, Not(IsEmpty()));
  EXPECT_EQ(devices->front().driver, std::string(sizeof(cw_device_info::driver), 'x'));
  const auto device = runtime.open_device("unruly");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code(), Errc::Internal);
  EXPECT_EQ(device.error().operation(), std::string(sizeof(cw_error::operation), 'o'));
  EXPECT_EQ(device.error().detail(), "backend unruly: " + std::string(sizeof(cw_error::text), 't'));
}

// ---------------------------------------------------------------- folders, files, and what lives how long

TEST(PluginFolder, TakesTheGoodAndRefusesTheRestInTheOrderOfNames) {
  auto runtime = runtime_with(ABI_PLUGIN_FOLDER);
  EXPECT_THAT(beyond_builtin(runtime.backends()),
              ElementsAre("first_version", "fourth_version", "newer_minor", "no_probes", "second_version",
                          "short_table", "third_version", "unruly"));
  EXPECT_THAT(runtime.refused_backends(), SizeIs(std::size(kRefused)));
  for (const auto& backend : {"first_version", "newer_minor"}) {
    expect_works(runtime, backend, AliasVerdict::Aliased);
  }
}

/// A folder of a test's own.
class OddFiles : public ::testing::Test {
protected:
  OddFiles() {
    std::string pattern = (fs::temp_directory_path() / "causeway_loader_XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~OddFiles() override { fs::remove_all(folder); }

  std::string refusal(const std::string& file) {
    auto runtime = runtime_with(folder.string());
    const auto refused = runtime.refused_backends();
    EXPECT_THAT(refused, SizeIs(1));
    EXPECT_EQ(refused.at(0).file, (folder / file).string());
    return refused.at(0).reason;
  }

  fs::path folder;
};

TEST_F(OddFiles, TextIsNoSharedObject) {
  std::ofstream(folder / "text.so") << std::string(4096, 'x');
  EXPECT_THAT(refusal("text.so"), AllOf(HasSubstr("it cannot be loaded: "), HasSubstr("invalid ELF header")));
}

TEST_F(OddFiles, EmptyAndCutFilesAreNoSharedObjects) {
  std::ofstream(folder / "empty.so").flush();
  EXPECT_THAT(refusal("empty.so"), HasSubstr("file too short"));
  fs::remove(folder / "empty.so");
  fs::copy_file(plugin_file("first_version"), folder / "cut.so");
  fs::resize_file(folder / "cut.so", 100);
  EXPECT_THAT(refusal("cut.so"), HasSubstr("it cannot be loaded: "));
}

TEST_F(OddFiles, FifoIsNotWaitedFor) {
  ASSERT_EQ(::mkfifo((folder / "fifo.so").c_str(), 0600), 0);
  EXPECT_EQ(refusal("fifo.so"), "it is no regular file, so it cannot be a shared object");
}

TEST_F(OddFiles, FolderCalledLikeAFileIsNone) {
  fs::create_directory(folder / "folder.so");
  EXPECT_EQ(refusal("folder.so"), "it is no regular file, so it cannot be a shared object");
}

TEST_F(OddFiles, LinkToNowhereIsRefused) {
  fs::create_symlink("/nowhere/at_all.so", folder / "link.so");
  EXPECT_EQ(refusal("link.so"), "it leads nowhere: No such file or directory");
}

TEST_F(OddFiles, OtherNamesAreLeftAlone) {
  std::ofstream(folder / "README") << "text";
  std::ofstream(folder / "libthing.so.1") << "text";
  EXPECT_THAT(runtime_with(folder.string()).refused_backends(), IsEmpty());
}

TEST_F(OddFiles, OneFileByTwoWaysIsOneBackend) {
  fs::create_symlink(plugin_file("first_version"), folder / "a.so");
  fs::create_symlink(plugin_file("first_version"), folder / "b.so");
  auto runtime = runtime_with(folder.string() + ":" + plugin_file("first_version"));
  EXPECT_THAT(runtime.refused_backends(), IsEmpty());
  EXPECT_THAT(beyond_builtin(runtime.backends()), ElementsAre("first_version"));
}

TEST_F(OddFiles, TwoFilesWithOneNameAreOneBackendAndOneRefusal) {
  fs::copy_file(plugin_file("first_version"), folder / "a.so");
  fs::copy_file(plugin_file("first_version"), folder / "b.so");
  EXPECT_EQ(refusal("b.so"), "there is a backend called first_version already, and a name stands for one");
}

TEST_F(OddFiles, NameWithoutASlashIsAFileHereAndNotALibraryOfTheSystem) {
  const auto before = fs::current_path();
  fs::current_path(folder);
  fs::create_symlink(plugin_file("first_version"), "here.so");
  const auto names = runtime_with("here.so:libc.so.6").backends();
  const auto log = g_log;
  fs::current_path(before);
  EXPECT_THAT(beyond_builtin(names), ElementsAre("first_version"));
  EXPECT_THAT(log, ElementsAre(HasSubstr("the backend libc.so.6 is left out: ")));
}

TEST(PluginPath, MissingPlaceIsToldOnlyIfItWasAskedFor) {
  auto runtime = runtime_with("/nowhere/at/all");
  ASSERT_THAT(runtime.refused_backends(), SizeIs(1));
  EXPECT_EQ(runtime.refused_backends()[0].reason,
            "the search path for backends names it, and it cannot be found: No such file or directory");
  EXPECT_THAT(Runtime::create()->refused_backends(), IsEmpty());  // the installation's folder
}

TEST(PluginPath, ComesFromTheEnvironment) {
  ::setenv("CAUSEWAY_BACKEND_PATH", plugin_file("first_version").c_str(), 1);
  const auto names = Runtime::create()->backends();
  ::unsetenv("CAUSEWAY_BACKEND_PATH");
  EXPECT_THAT(names, Contains("first_version"));
}

TEST(PluginLife, SharedObjectStaysAfterTheRuntime) {
  { const auto runtime = runtime_with(plugin_file("no_probes") + ":" + plugin_file("no_attach")); }
  for (const auto* name : {"no_probes", "no_attach"}) {
    EXPECT_NE(::dlopen(plugin_file(name).c_str(), RTLD_NOW | RTLD_NOLOAD), nullptr) << name;
  }
}

TEST(PluginLife, MappingOutlivesTheRuntimeHandle) {
  auto [buffer, mapping] = [] {
    auto runtime = runtime_with(plugin_file("first_version"));
    auto memory = runtime.allocate(4096, "memfd").value();
    auto attachment = memory.attach(runtime.open_device("first_version").value(), Usage::Write).value();
    return std::pair(memory, attachment.map(Direction::Bidirectional).value());
  }();
  auto access = mapping.begin_access(Usage::Write, Deadline::in(1s));
  ASSERT_TRUE(access);
  EXPECT_TRUE(access->end());
  auto look = buffer.map_cpu().value().begin(Usage::Read, Deadline::in(1s));
  ASSERT_TRUE(look);
  EXPECT_EQ(look->bytes()[0], kMark);
}

TEST(PluginLife, TwoRuntimesShareTheCodeAndNothingElse) {
  auto first = runtime_with(plugin_file("first_version"));
  auto second = runtime_with(plugin_file("first_version"));
  expect_works(first, "first_version", AliasVerdict::Aliased);
  expect_works(second, "first_version", AliasVerdict::Aliased);
}

}  // namespace
}  // namespace causeway
