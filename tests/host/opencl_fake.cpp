// SPDX-License-Identifier: Apache-2.0
#include "host/opencl_fake.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

namespace causeway::test {
namespace {

/// The loader lists the drivers once, from OCL_ICD_VENDORS: the machine's own and the fake one. So that is
/// set before the first test, to a folder that has both.
class Vendors : public ::testing::Environment {
public:
  void SetUp() override {
    if (const char* given = std::getenv("CAUSEWAY_TEST_OPENCL_VENDORS"); given != nullptr) {
      ::setenv("OCL_ICD_VENDORS", given, 1);
      return;
    }
    std::string folder = (std::filesystem::temp_directory_path() / "causeway-opencl-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    const std::filesystem::path real = "/etc/OpenCL/vendors";
    if (std::filesystem::is_directory(real)) {
      for (const auto& entry : std::filesystem::directory_iterator(real)) {
        std::filesystem::copy_file(entry.path(), folder_ / entry.path().filename());
      }
    }
    std::ofstream(folder_ / "causeway_fake.icd") << CAUSEWAY_FAKE_OPENCL_ICD << '\n';
    ::setenv("OCL_ICD_VENDORS", folder_.c_str(), 1);
    cl_uint count = 0;
    clGetPlatformIDs(0, nullptr, &count);
  }
  void TearDown() override {
    if (!folder_.empty()) {
      std::filesystem::remove_all(folder_);
    }
  }

private:
  std::filesystem::path folder_;
};

// GoogleTest owns it. The main program is one for all tests, so this file has to register itself.
[[maybe_unused]] const auto* const kVendors = ::testing::AddGlobalTestEnvironment(new Vendors);

std::string name_of(cl_device_id device) {
  std::array<char, 256> name{};
  EXPECT_EQ(clGetDeviceInfo(device, CL_DEVICE_NAME, name.size(), name.data(), nullptr), CL_SUCCESS);
  return name.data();
}

}  // namespace

FakeOpenclIcd& fake_icd() {
  static FakeOpenclIcd* const controls = [] {
    void* library = ::dlopen(CAUSEWAY_FAKE_OPENCL_ICD, RTLD_NOW | RTLD_NOLOAD);
    EXPECT_NE(library, nullptr) << "the ICD loader has not loaded the fake driver";
    return reinterpret_cast<FakeOpenclIcd* (*)()>(::dlsym(library, kFakeOpenclControls))();
  }();
  return *controls;
}

void FakeOpencl::SetUp() {
  icd().reset();
  before_ = open_descriptors();
}

void FakeOpencl::TearDown() {
  EXPECT_THAT(icd().violations, ::testing::IsEmpty());
  EXPECT_TRUE(icd().nothing_left()) << icd().contexts << " contexts, " << icd().queues << " queues, "
                                    << icd().memories << " memory objects, " << icd().programs
                                    << " programs, " << icd().kernels << " kernels, " << icd().events
                                    << " events, " << icd().semaphores_live << " semaphores, "
                                    << icd().taken_descriptors << " descriptors are left";
  EXPECT_EQ(open_descriptors(), before_);
}

cw_object FakeOpencl::dma_buf() const {
  auto object = memory_.object();
  object.flags |= CW_OBJECT_IS_DMA_BUF;
  return object;
}

long FakeOpencl::count(const std::string& call) {
  return std::count(icd().calls.begin(), icd().calls.end(), call);
}

CallersOpencl::CallersOpencl(const std::string& name, bool both, cl_command_queue_properties properties) {
  std::array<cl_platform_id, 8> platforms{};
  cl_uint platform_count = 0;
  EXPECT_EQ(clGetPlatformIDs(platforms.size(), platforms.data(), &platform_count), CL_SUCCESS);
  for (cl_uint p = 0; p < platform_count; ++p) {
    std::array<cl_device_id, 8> devices{};
    cl_uint device_count = 0;
    EXPECT_EQ(
        clGetDeviceIDs(platforms.at(p), CL_DEVICE_TYPE_ALL, devices.size(), devices.data(), &device_count),
        CL_SUCCESS);
    const auto* found =
        std::find_if(devices.begin(), devices.begin() + device_count,
                     [&](cl_device_id device) { return name_of(device).find(name) != std::string::npos; });
    if (found == devices.begin() + device_count) {
      continue;
    }
    cl_int result = CL_SUCCESS;
    words_.platform = platforms.at(p);
    words_.device = *found;
    words_.context = clCreateContext(nullptr, both ? device_count : 1, both ? devices.data() : found, nullptr,
                                     nullptr, &result);
    EXPECT_EQ(result, CL_SUCCESS);
    words_.queue = clCreateCommandQueue(words_.context, words_.device, properties, &result);
    EXPECT_EQ(result, CL_SUCCESS);
    return;
  }
  ADD_FAILURE() << "no device is called " << name;
}

void CallersOpencl::release() {
  if (words_.queue != nullptr) {
    EXPECT_EQ(clReleaseCommandQueue(std::exchange(words_.queue, nullptr)), CL_SUCCESS);
  }
  if (words_.context != nullptr) {
    EXPECT_EQ(clReleaseContext(std::exchange(words_.context, nullptr)), CL_SUCCESS);
  }
}

cl_uint CallersOpencl::context_references() const {
  cl_uint references = 0;
  EXPECT_EQ(
      clGetContextInfo(words_.context, CL_CONTEXT_REFERENCE_COUNT, sizeof(references), &references, nullptr),
      CL_SUCCESS);
  return references;
}

}  // namespace causeway::test
