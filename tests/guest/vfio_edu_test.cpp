// SPDX-License-Identifier: Apache-2.0
//
// A real PCIe function behind a real IOMMU and Linux's VFIO: QEMU's card edu. Its transfers take 100 ms each,
// so the pictures are small.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <causeway/v4l2.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "guest/v4l2_vivid.hpp"
#include "guest/vfio_edu.hpp"
#include "guest/vfio_gpu.hpp"
#include "host/vulkan_validation.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kPage = 4096;

Deadline soon() {
  return Deadline::in(20s);
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// The address of the PCI function with these IDs; empty if there is none.
std::string find_function(const std::string& vendor, const std::string& device) {
  const std::string folder = "/sys/bus/pci/devices";
  std::string found;
  DIR* entries = ::opendir(folder.c_str());
  while (const dirent* entry = entries != nullptr ? ::readdir(entries) : nullptr) {
    const std::string path = folder + "/" + entry->d_name;
    if (first_line(path + "/vendor") == vendor && first_line(path + "/device") == device) {
      found = entry->d_name;
    }
  }
  if (entries != nullptr) {
    ::closedir(entries);
  }
  return found;
}

/// The commands that an error tells root to give.
int obey(const Error& error) {
  const std::string& text = error.detail();
  const auto at = text.find("as root: ");
  return at == std::string::npos ? -1 : std::system(text.substr(at + 9).c_str());  // NOLINT(cert-env33-c)
}

/// The body's value in a process of its own.
template <class Body>
int in_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(body());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// What the kernel logs from now on.
class KernelLog {
public:
  KernelLog() : file_(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    ::lseek(file_.get(), 0, SEEK_END);
  }
  [[nodiscard]] std::string read() const {
    std::string text;
    std::array<char, 8192> record{};
    for (ssize_t size = 0; (size = ::read(file_.get(), record.data(), record.size())) > 0;) {
      text.append(record.data(), static_cast<std::size_t>(size));
    }
    return text;
  }

private:
  UniqueFd file_;
};

class VfioEdu : public ::testing::Test {
protected:
  void SetUp() override {
    address = find_function("0x1234", "0x11e8");
    if (address.empty()) {
      GTEST_SKIP() << "this machine has no card edu; tests/guest/machines/iommu.sh describes one that has";
    }
    descriptors_ = open_descriptors();
    runtime.emplace(watched_runtime());
    if (auto opened = fpga_vfio::open(*runtime, edu::open_info(address)); !opened) {
      // The first test binds it, with the commands that the sentence names.
      ASSERT_EQ(opened.error().code(), Errc::WrongState) << opened.error().message();
      ASSERT_EQ(obey(opened.error()), 0) << opened.error().message();
    }
  }
  void TearDown() override {
    runtime.reset();
    if (!IsSkipped() && !HasFatalFailure()) {
      EXPECT_EQ(open_descriptors(), descriptors_) << "descriptors leaked";
    }
  }
  [[nodiscard]] Device open() { return fpga_vfio::open(*runtime, edu::open_info(address)).value(); }
  [[nodiscard]] DmaBuf filled(std::uint64_t size, std::uint8_t seed, const char* exporter = "udmabuf") {
    auto memory = runtime->allocate(size, exporter).value();
    auto mapped = memory.map_cpu().value();
    auto access = mapped.begin(Usage::Write, soon()).value();
    for (std::size_t i = 0; i < size; ++i) {
      access.bytes()[i] = static_cast<std::byte>(seed + i * 13 + i / 251);
    }
    access.end().value();
    return memory;
  }
  [[nodiscard]] static std::vector<std::byte> bytes_of(const DmaBuf& memory) {
    auto mapped = memory.map_cpu().value();
    auto access = mapped.begin(Usage::Read, soon()).value();
    std::vector<std::byte> bytes(access.bytes().begin(), access.bytes().end());
    access.end().value();
    return bytes;
  }
  /// A page there and back: the card works.
  void expect_works(const Device& card) {
    const auto from = filled(kPage, 1, "memfd");
    const auto to = filled(kPage, 2);
    auto reads = from.attach(card, Usage::Read).value();
    auto writes = to.attach(card, Usage::Write).value();
    const auto source = reads.map(Direction::ToDevice).value();
    const auto target = writes.map(Direction::FromDevice).value();
    Edu edu(card);
    const auto moved = edu.copy(source, target, soon());
    ASSERT_TRUE(moved) << moved.error().message();
    EXPECT_EQ(bytes_of(from), bytes_of(to));
  }

  std::string address;
  std::optional<Runtime> runtime;

private:
  std::size_t descriptors_ = 0;
};

TEST_F(VfioEdu, IsACardLikeAnyOther) {
  const auto card = open();
  const auto registers = fpga::registers(card).value();
  EXPECT_EQ(registers.size(), std::uint64_t{1} << 20U);
  EXPECT_EQ(registers.read32(edu::kIdentity).value() & 0xffffU, 0xedU);
  registers.write32(edu::kLiveness, 0x12345678).value();
  EXPECT_EQ(registers.read32(edu::kLiveness).value(), ~0x12345678U);
  EXPECT_EQ(registers.read32(registers.size()).error().code(), Errc::InvalidArgument);
  fpga_vfio::expect(card, 0).value();
  registers.write32(edu::kRaise, 1).value();
  EXPECT_TRUE(fpga_vfio::wait(card, 0, soon()));
  registers.write32(edu::kAcknowledge, 1).value();
  const auto info = fpga_vfio::info(card).value();
  EXPECT_EQ(info.vendor, 0x1234U);
  EXPECT_LT(info.last_address, std::uint64_t{1} << 28U);
  std::printf("edu at %s: group %u, %s, coherent: %s\n", address.c_str(), info.group,
              info.can_reset != 0 ? "can be reset" : "cannot be reset",
              card.has(Capability::Coherent) ? "yes" : "not known");
}

// Camera, card and GPU on the same memory: a picture into the card and out of it into another dma-buf, each
// step's turn handed on by fences alone.
TEST_F(VfioEdu, ACamerasPictureGoesThroughTheCardAndTheGpuSeesIt) {
  const auto card = open();
  const auto camera = v4l2::open(*runtime, kSinglePlanar).value();
  const auto gpu = vulkan::open(*runtime, "llvmpipe").value();
  const FrameDesc desc{.format = formats::kYUYV, .width = 320, .height = 180};
  auto pictures = runtime->negotiate(desc)
                      .with(camera, Usage::Capture)
                      .with(card, Usage::Read)
                      .with(gpu, Usage::TransferRead | Usage::AsBuffer)
                      .allocate(4);
  ASSERT_TRUE(pictures) << pictures.error().message();
  EXPECT_EQ(pictures->report().exporter, "udmabuf");
  auto results = runtime->negotiate(desc)
                     .with(card, Usage::Write)
                     .with(gpu, Usage::TransferRead | Usage::AsBuffer)
                     .allocate(1);
  ASSERT_TRUE(results) << results.error().message();
  auto looks = runtime->negotiate(desc).with(gpu, Usage::TransferWrite | Usage::AsBuffer).allocate(2);
  ASSERT_TRUE(looks) << looks.error().message();

  EXPECT_TRUE(v4l2::set_interval(camera, {1, 10}));
  auto stream = v4l2::Stream::start(camera, *pictures).value();
  const auto captured = stream.next(soon());
  ASSERT_TRUE(captured) << captured.error().message();
  const FrameRef& picture = captured->frame();
  const auto result = results->acquire(soon()).value();

  Edu edu(card);
  const auto& from = picture.on(card);
  const auto& to = result->on(card);
  ASSERT_EQ(from.sg().size(), to.sg().size());
  for (std::size_t i = 0; i < from.sg().size(); ++i) {
    const auto bytes = static_cast<std::uint32_t>(from.sg()[i].length);
    ASSERT_LE(bytes, edu::kMost);
    {
      auto reads = from.begin_access(Usage::Read, soon()).value();
      const auto moved = edu.move(false, from.sg()[i].address, bytes, soon());
      ASSERT_TRUE(moved) << moved.error().message();
      EXPECT_TRUE(reads.end().value().empty());
    }
    // The card's turn is over before its work: whoever comes next waits for the interrupt.
    auto writes = to.begin_access(Usage::Write, soon()).value();
    edu.start(true, to.sg()[i].address, bytes).value();
    EXPECT_EQ(writes.end().value().size(), 1U);
    if (i + 1 < from.sg().size()) {
      edu.finish(soon()).value();
    }
  }

  GpuCopier copier(gpu);
  std::array<std::vector<std::byte>, 2> seen;
  std::size_t at = 0;
  for (const auto* frame : {&picture, static_cast<const FrameRef*>(&*result)}) {
    const auto look = looks->acquire(soon()).value();
    const auto bytes = frame->frame().objects()[0].size();
    {
      auto reads = frame->on(gpu).begin_access(Usage::Read, soon()).value();
      auto writes = look->on(gpu).begin_access(Usage::Write, soon()).value();
      copier.copy(frame->on(gpu), look->on(gpu), bytes);
      EXPECT_TRUE(reads.end());
      EXPECT_TRUE(writes.end());
    }
    seen.at(at) = bytes_of(look->frame().objects()[0]);
    EXPECT_EQ(seen.at(at), bytes_of(frame->frame().objects()[0])) << "CPU and GPU, buffer " << at;
    ++at;
  }
  EXPECT_EQ(seen[0], seen[1]) << "the picture, and what came through the card";
  EXPECT_NE(seen[0], std::vector<std::byte>(seen[0].size(), seen[0][0]))
      << "a picture has more than one value";
  EXPECT_EQ(runtime->counters().copied_bytes, 0U);
}

TEST_F(VfioEdu, AStrayAddressIsBlockedAndReported) {
  const auto card = open();
  Edu edu(card);
  const auto target = filled(2 * kPage, 5);
  auto attached = target.attach(card, Usage::ReadWrite).value();
  const auto before = bytes_of(target);
  std::uint64_t first = 0;
  {
    const auto mapped = attached.map(Direction::ToDevice).value();
    first = mapped.sg()[0].address;
    const KernelLog log;
    // Mapped for reading alone; then the page behind the mapping.
    edu.move(true, first, 64, soon()).value();
    edu.move(true, first + 2 * kPage, 64, soon()).value();
    std::ostringstream fault;
    fault << std::hex << "fault addr 0x" << first + 2 * kPage;
    EXPECT_THAT(log.read(), AllOf(HasSubstr("DMAR"), HasSubstr("[DMA Write"), HasSubstr(fault.str())));
    EXPECT_EQ(bytes_of(target), before);
  }
  {
    const KernelLog log;
    edu.move(true, first, 64, soon()).value();  // unmapped
    EXPECT_THAT(log.read(), HasSubstr("[DMA Write"));
    EXPECT_EQ(bytes_of(target), before);
  }
  // The same transfer where it is permitted.
  const auto mapped = attached.map(Direction::Bidirectional).value();
  const KernelLog log;
  edu.move(false, mapped.sg()[1].address, 64, soon()).value();
  edu.move(true, mapped.sg()[0].address, 64, soon()).value();
  EXPECT_THAT(log.read(), ::testing::Not(HasSubstr("DMAR")));
  EXPECT_NE(bytes_of(target), before);
}

TEST_F(VfioEdu, ACardThatNeverInterruptsIsStoppedAtTheDeadline) {
  const auto card = open();
  fpga_vfio::expect(card, 0).value();
  const auto waited = fpga_vfio::wait(card, 0, Deadline::in(200ms));
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code(), Errc::TimedOut);
  EXPECT_THAT(waited.error().message(), AllOf(HasSubstr(address), HasSubstr("did not raise interrupt 0")));
  expect_works(card);
}

TEST_F(VfioEdu, AKilledProcessLeavesItReusable) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd told(ends[0]);
  UniqueFd tells(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    auto own = Runtime::create().value();
    const auto card = fpga_vfio::open(own, edu::open_info(address)).value();
    const auto memory = own.allocate(kPage, "udmabuf").value();
    auto attached = memory.attach(card, Usage::ReadWrite).value();
    const auto mapped = attached.map(Direction::Bidirectional).value();
    Edu edu(card);
    edu.start(true, mapped.sg()[0].address, 4096).value();
    static_cast<void>(::write(tells.get(), "x", 1));
    ::pause();
    ::_exit(0);
  }
  tells = UniqueFd();
  char ready = 0;
  ASSERT_EQ(::read(told.get(), &ready, 1), 1) << "the child could not open the card";
  const auto refused = fpga_vfio::open(*runtime, edu::open_info(address));
  ASSERT_FALSE(refused) << "two owners of one card";
  EXPECT_EQ(refused.error().code(), Errc::Busy) << refused.error().message();
  ::kill(child, SIGKILL);  // while its card is at work
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  expect_works(open());
}

TEST_F(VfioEdu, WithoutPermissionItSaysWhichOneIsMissing) {
  const int found = in_child([&] {
    if (::setresuid(65534, 65534, 65534) != 0) {
      return 1;
    }
    auto own = Runtime::create().value();
    const auto opened = fpga_vfio::open(own, edu::open_info(address));
    const bool told = !opened && opened.error().code() == Errc::Permission &&
                      opened.error().message().find("chown $USER /dev/vfio/") != std::string::npos;
    return told ? 0 : 2;
  });
  EXPECT_EQ(found, 0);
}

TEST_F(VfioEdu, TooLittleLockedMemoryIsSaid) {
  const auto pin = [&](bool limited) {
    return in_child([&] {
      auto own = Runtime::create().value();
      const auto card = fpga_vfio::open(own, edu::open_info(address)).value();
      const auto memory = own.allocate(64 * kPage, "udmabuf").value();
      auto attached = memory.attach(card, Usage::ReadWrite).value();
      const rlimit limit{.rlim_cur = 16 * kPage, .rlim_max = 16 * kPage};
      // Root may lock what it likes (CAP_IPC_LOCK), so another user goes on from here.
      if (limited && (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || ::setresuid(65534, 65534, 65534) != 0)) {
        return 1;
      }
      const auto mapped = attached.map(Direction::Bidirectional);
      if (mapped) {
        return 2;
      }
      const bool told = mapped.error().code() == Errc::OutOfMemory &&
                        mapped.error().message().find("65536 bytes of memory in all") != std::string::npos &&
                        mapped.error().message().find("ulimit -l") != std::string::npos;
      return told ? 0 : 3;
    });
  };
  EXPECT_EQ(pin(true), 0);
  EXPECT_EQ(pin(false), 2) << "with enough, it is mapped";
}

TEST_F(VfioEdu, AnotherDriversDeviceIsLeftToIt) {
  const auto gpu = find_function("0x1af4", "0x1050");
  ASSERT_FALSE(gpu.empty()) << "the guest has a virtio-gpu";
  const auto opened = fpga_vfio::open(*runtime, {.address = gpu});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::Busy);
  EXPECT_THAT(opened.error().message(),
              AllOf(HasSubstr("bound to the driver virtio-pci"), HasSubstr("unbind")));
}

TEST_F(VfioEdu, AnUnboundCardIsBoundByTheCommandsThatTheSentenceNames) {
  std::ofstream("/sys/bus/pci/devices/" + address + "/driver/unbind") << address;
  std::ofstream("/sys/bus/pci/devices/" + address + "/driver_override") << "\n";
  const auto refused = fpga_vfio::open(*runtime, edu::open_info(address));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::WrongState) << refused.error().message();
  ASSERT_EQ(obey(refused.error()), 0) << refused.error().message();
  const auto opened = fpga_vfio::open(*runtime, edu::open_info(address));
  EXPECT_TRUE(opened) << opened.error().message();
}

}  // namespace
}  // namespace causeway::test
