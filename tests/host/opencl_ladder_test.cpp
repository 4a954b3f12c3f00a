// SPDX-License-Identifier: Apache-2.0
// The import ladder, on the fake driver: which step is taken, what each hands to the driver, and what it
// keeps.
#include <gmock/gmock.h>
#include <unistd.h>

#include "host/opencl_fake.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class OpenclLadder : public FakeOpencl {
protected:
  /// Attaches, shares, detaches; the path that was taken.
  std::string path_of(const OpenclDevice& device, const cw_object& object) {
    const OpenclAttached attached(device, AttachWords(object));
    EXPECT_TRUE(attached.outcome()) << attached.outcome();
    if (!attached.outcome()) {
      return "none";
    }
    expect_shared(attached, memory_.bytes());
    return attached.mapping().import_path;
  }
  static std::uint32_t how_it_imports(const OpenclDevice& device) {
    return device.info().capabilities &
           (CW_CAP_ACCESSES_VIA_CPU | CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD |
            CW_CAP_IMPORTS_HOST_POINTER | CW_CAP_COHERENT | CW_CAP_IMPLICIT_FENCES);
  }
};

TEST_F(OpenclLadder, TheFirstStepIsExternalMemoryAndIsAcquiredAroundEachUse) {
  const OpenclDevice device(host_, kAble);
  ASSERT_TRUE(device.opened()) << device.opened();
  EXPECT_EQ(how_it_imports(device), CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_HOST_POINTER);
  {
    const OpenclAttached attached(device, AttachWords(dma_buf()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_STREQ(attached.mapping().import_path, "khr-dma-buf");
    EXPECT_EQ(icd().taken_descriptors, 1) << "the driver owns a duplicate";
    ASSERT_TRUE(attached.write(0, pattern(16, 1)));
    EXPECT_THAT(icd().calls, ElementsAre("khr-import", "acquire", "launch", "release", "marker"));
    icd().calls.clear();
    ASSERT_TRUE(attached.begin());
    ASSERT_TRUE(attached.end());
    EXPECT_THAT(icd().calls, ElementsAre("acquire", "release", "marker"));
  }
  EXPECT_EQ(icd().taken_descriptors, 0);
}

TEST_F(OpenclLadder, WithoutItArmsImportIsTaken) {
  icd().external_memory = false;
  const OpenclDevice device(host_, kAble);
  ASSERT_TRUE(device.opened()) << device.opened();
  EXPECT_EQ(path_of(device, dma_buf()), "arm-dma-buf");
  EXPECT_EQ(count("khr-import"), 0) << "the driver has the functions, and not the string of the extension";
  EXPECT_EQ(count("acquire"), 0);
}

TEST_F(OpenclLadder, WithoutBothTheAddressIsTaken) {
  icd().external_memory = icd().arm_import = false;
  const OpenclDevice device(host_, kAble);
  ASSERT_TRUE(device.opened()) << device.opened();
  EXPECT_EQ(how_it_imports(device), CW_CAP_ACCESSES_VIA_CPU | CW_CAP_IMPORTS_HOST_POINTER)
      << "the core has to bracket it with SYNC";
  EXPECT_EQ(path_of(device, dma_buf()), "host-pointer");
  EXPECT_EQ(count("khr-import") + count("arm-import"), 0);
}

TEST_F(OpenclLadder, TheHandleTypesDecideAndNotTheString) {
  icd().handle_types = false;
  const OpenclDevice device(host_, kAble);
  ASSERT_TRUE(device.opened()) << device.opened();
  EXPECT_EQ(path_of(device, dma_buf()), "arm-dma-buf");
  EXPECT_EQ(count("khr-import"), 0);
}

TEST_F(OpenclLadder, EachStepThatFailsGivesWayToTheNext) {
  icd().gpu = false;
  icd().every_import = CL_INVALID_VALUE;
  const OpenclDevice device(host_, kAble);
  ASSERT_TRUE(device.opened()) << device.opened();
  EXPECT_EQ(path_of(device, dma_buf()), "host-pointer");
  icd().calls.resize(3);
  EXPECT_THAT(icd().calls, ElementsAre("khr-import", "arm-import", "host-pointer"));
}

// Nobody would bracket a GPU's use of the CPU's mapping with SYNC.
TEST_F(OpenclLadder, AGpuThatImportsDmaBufsTakesNoAddressOfOne) {
  icd().every_import = CL_INVALID_VALUE;
  const OpenclDevice device(host_, kAble);
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto outcome = device.attach_once(AttachWords(dma_buf()));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text,
              AllOf(HasSubstr("khr-dma-buf: importing a dma-buf of 65536 bytes failed with CL_INVALID"),
                    HasSubstr("arm-dma-buf: "), HasSubstr("name the path host-pointer")));
  EXPECT_EQ(path_of(device, memory_.object()), "host-pointer") << "a memfd knows no SYNC";

  const OpenclDevice named(host_, kAble, CW_OPENCL_HOST_POINTER);
  ASSERT_TRUE(named.opened()) << named.opened();
  EXPECT_NE(named.info().capabilities & CW_CAP_ACCESSES_VIA_CPU, 0U);
  EXPECT_EQ(path_of(named, dma_buf()), "host-pointer");
}

TEST_F(OpenclLadder, AStepThatIsNamedIsTakenAlone) {
  struct Case {
    cw_opencl_path path;
    const char* name;
  };
  for (const auto& [path, name] :
       {Case{CW_OPENCL_EXTERNAL_MEMORY, "khr-dma-buf"}, Case{CW_OPENCL_ARM_IMPORT, "arm-dma-buf"},
        Case{CW_OPENCL_HOST_POINTER, "host-pointer"}}) {
    const OpenclDevice device(host_, kAble, path);
    ASSERT_TRUE(device.opened()) << device.opened();
    EXPECT_EQ(path_of(device, dma_buf()), name);
    EXPECT_EQ(device.handles().path, static_cast<std::uint32_t>(path));
  }
  icd().every_import = CL_INVALID_VALUE;
  icd().gpu = false;
  const OpenclDevice device(host_, kAble, CW_OPENCL_EXTERNAL_MEMORY);
  const auto outcome = device.attach_once(AttachWords(dma_buf()));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, Not(HasSubstr("host-pointer")));
}

TEST_F(OpenclLadder, AStepThatIsNotOfferedIsRefused) {
  const OpenclDevice bare(host_, kBare, CW_OPENCL_EXTERNAL_MEMORY);
  EXPECT_EQ(bare.opened().status, CW_UNSUPPORTED);
  EXPECT_THAT(bare.opened().text, AllOf(HasSubstr("khr-dma-buf"), HasSubstr("cl_khr_external_memory"),
                                        HasSubstr("it offers host-pointer")));
  const OpenclDevice arm(host_, kBare, CW_OPENCL_ARM_IMPORT);
  EXPECT_THAT(arm.opened().text, HasSubstr("cl_arm_import_memory_dma_buf"));
  const OpenclDevice none(host_, kAble, 17);
  EXPECT_EQ(none.opened().status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(none.opened().text, HasSubstr("import path 17 was named"));
}

TEST_F(OpenclLadder, AMemfdIsNoDmaBuf) {
  const OpenclDevice device(host_, kAble, CW_OPENCL_ARM_IMPORT);
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto outcome = device.attach_once(AttachWords(memory_.object()));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("only dma-bufs can be imported so"));
  EXPECT_EQ(count("arm-import"), 0);
}

TEST_F(OpenclLadder, InAContextOfSeveralDevicesTheOneIsNamed) {
  const CallersOpencl caller(kAble, true);
  const OpenclDevice device(host_, caller.words());
  ASSERT_TRUE(device.opened()) << device.opened();
  EXPECT_EQ(path_of(device, dma_buf()), "khr-dma-buf") << "without the list the bare device refuses";
}

TEST_F(OpenclLadder, ObjectsOfAFrameMayComeInByDifferentSteps) {
  const OpenclDevice device(host_, kAble);
  ASSERT_TRUE(device.opened()) << device.opened();
  AttachWords words(dma_buf(), formats::kNV12, 64, 64, 64, CW_USAGE_READ | CW_USAGE_AS_BUFFER);
  words.objects.push_back(memory_.object());
  words.planes.push_back({1, 64, 0});
  words.info.object_count = words.info.plane_count = 2;
  words.info.objects = words.objects.data();
  words.info.planes = words.planes.data();
  const OpenclAttached attached(device, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_STREQ(attached.mapping().import_path, "host-pointer") << "the later one is told";
  icd().calls.clear();
  ASSERT_TRUE(attached.begin());
  ASSERT_TRUE(attached.end());
  EXPECT_EQ(count("acquire"), 1);
}

TEST_F(OpenclLadder, ImagesComeFromTheBuffer) {
  for (const auto path : {CW_OPENCL_EXTERNAL_MEMORY, CW_OPENCL_ARM_IMPORT, CW_OPENCL_HOST_POINTER}) {
    const OpenclDevice device(host_, kAble, path);
    ASSERT_TRUE(device.opened()) << device.opened();
    AttachWords words(dma_buf(), formats::kNV12, 128, 64, 128, CW_USAGE_READ);
    words.planes.push_back({0, 128, 8192});
    words.info.plane_count = 2;
    words.info.planes = words.planes.data();
    const OpenclAttached attached(device, words);
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_NE(attached.view().images[0], nullptr);
    EXPECT_EQ(attached.view().images[1] == nullptr, path == CW_OPENCL_ARM_IMPORT)
        << "only cl_arm_import_memory makes no sub-buffers";
    EXPECT_EQ(attached.mapping().imported_as,
              path == CW_OPENCL_ARM_IMPORT ? CW_IMPORTED_AS_BYTES : CW_IMPORTED_AS_IMAGES);
    EXPECT_EQ(attached.view().image_formats[1].image_channel_order, cl_channel_order{CL_RG});
  }
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("cl_arm_import_memory makes no sub-buffers")));
}

TEST_F(OpenclLadder, WhatNoImageCanBeIsABufferAlone) {
  const OpenclDevice device(host_, kAble);
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto image_at = [&](std::uint32_t stride, std::uint64_t offset) {
    AttachWords words(dma_buf(), formats::kARGB8888, 16, 16, stride, CW_USAGE_READ);
    words.planes[0].offset = offset;
    const OpenclAttached attached(device, words);
    EXPECT_TRUE(attached.outcome()) << attached.outcome();
    return attached.view().images[0] != nullptr;
  };
  EXPECT_TRUE(image_at(256, 0));
  EXPECT_TRUE(image_at(512, 1024));
  EXPECT_FALSE(image_at(320, 0));
  EXPECT_THAT(host_.messages(),
              Contains(HasSubstr("its stride is 320, and images from buffers on able fake need a "
                                 "multiple of 256")));
  EXPECT_FALSE(image_at(256, 128));
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("it starts at byte 128")));
}

TEST_F(OpenclLadder, ConstraintsFollowThePitchOfImages) {
  const OpenclDevice device(host_, kAble);
  auto image = plugin::sized<cw_image_desc>();
  image.format = formats::kNV12.fourcc;
  image.width = image.height = 64;
  auto needs = plugin::sized<cw_constraints>();
  needs.stride_align = needs.offset_align = needs.object_size_align = 1;
  ASSERT_EQ(opencl_table().query_constraints(device.raw(), &image, CW_USAGE_READ, &needs, nullptr), CW_OK);
  EXPECT_EQ(needs.stride_align, 128U) << "64 elements of 2 bytes";
  EXPECT_EQ(needs.offset_align, 256U);
  EXPECT_EQ(needs.max_object_size, std::uint64_t{64} << 20U);
}

TEST_F(OpenclLadder, MoreThanABufferMayHaveIsRefused) {
  const OpenclDevice device(host_, kAble);
  const auto large = TestMemory::memfd((std::size_t{64} << 20U) + 4096);
  auto object = large.object();
  object.flags |= CW_OBJECT_IS_DMA_BUF;
  const auto outcome = device.attach_once(AttachWords(object));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("CL_DEVICE_MAX_MEM_ALLOC_SIZE"));
}

TEST_F(OpenclLadder, AHundredThousandRoundsOnEachStepLeaveNothing) {
  for (const auto path : {CW_OPENCL_EXTERNAL_MEMORY, CW_OPENCL_ARM_IMPORT, CW_OPENCL_HOST_POINTER}) {
    const OpenclDevice device(host_, kAble, path);
    const AttachWords words(dma_buf(), formats::kARGB8888, 16, 16, 256, CW_USAGE_READ);
    for (int round = 0; round < 100'000; ++round) {
      ASSERT_TRUE(device.attach_once(words)) << "round " << round;
    }
    EXPECT_EQ(icd().memories, 0);
    EXPECT_EQ(icd().taken_descriptors, 0);
  }
}

// The rules themselves, with the safeguards taken away: a fake that sees nothing would prove nothing.
TEST_F(OpenclLadder, TheFakeSeesWhatIsWrong) {
  const CallersOpencl caller(kAble);
  const int fd = ::dup(memory_.fd());
  cl_int result = CL_SUCCESS;
  const cl_mem_properties properties[] = {CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR,
                                          static_cast<cl_mem_properties>(fd), 0};
  cl_mem memory = clCreateBufferWithProperties(caller.words().context, properties, CL_MEM_READ_WRITE, 4096,
                                               nullptr, &result);
  ASSERT_EQ(result, CL_SUCCESS);
  EXPECT_THAT(icd().violations, ElementsAre(HasSubstr("survives exec")));
  EXPECT_FALSE(icd().nothing_left());
  clEnqueueMapBuffer(caller.words().queue, memory, CL_FALSE, CL_MAP_READ, 0, 4096, 0, nullptr, nullptr,
                     &result);
  clFinish(caller.words().queue);
  EXPECT_THAT(icd().violations, Contains(HasSubstr("external memory that was not acquired")));
  clEnqueueUnmapMemObject(caller.words().queue, memory, nullptr, 0, nullptr, nullptr);
  clFinish(caller.words().queue);
  ::close(fd);  // the driver's
  clReleaseMemObject(memory);
  EXPECT_THAT(icd().violations, Contains(HasSubstr("somebody closed the driver's descriptor")));
  clReleaseMemObject(memory);
  EXPECT_THAT(icd().violations, Contains(HasSubstr("memory that does not live")));
  icd().violations.clear();
}

}  // namespace
}  // namespace causeway::test
