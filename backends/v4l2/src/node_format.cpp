// SPDX-License-Identifier: Apache-2.0
// The part of Node that deals with formats, sizes and intervals.

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <cerrno>

#include "formats.hpp"
#include "node.hpp"

namespace causeway::v4l2_backend {
namespace {

// A driver that never ends its list must not hang us; real ones offer a few dozen entries.
constexpr std::uint32_t kMaxListed = 512;

PixelFormat from_single(const v4l2_pix_format& raw) {
  PixelFormat format{.fourcc = raw.pixelformat,
                     .width = raw.width,
                     .height = raw.height,
                     .field = raw.field,
                     .colorspace = raw.colorspace};
  format.planes[0] = {.stride = raw.bytesperline, .size = raw.sizeimage};
  if (raw.priv == V4L2_PIX_FMT_PRIV_MAGIC) {  // otherwise the fields beyond it are not filled
    format.ycbcr_encoding = raw.ycbcr_enc;
    format.quantization = raw.quantization;
    format.transfer_function = raw.xfer_func;
  }
  return format;
}

PixelFormat from_multi(const v4l2_pix_format_mplane& raw) {
  PixelFormat format{.fourcc = raw.pixelformat,
                     .width = raw.width,
                     .height = raw.height,
                     .field = raw.field,
                     .colorspace = raw.colorspace,
                     .ycbcr_encoding = raw.ycbcr_enc,
                     .quantization = raw.quantization,
                     .transfer_function = raw.xfer_func,
                     .memory_planes = std::min<std::uint32_t>(raw.num_planes, CW_MAX_PLANES)};
  for (std::uint32_t p = 0; p < format.memory_planes; ++p) {
    format.planes.at(p) = {.stride = raw.plane_fmt[p].bytesperline, .size = raw.plane_fmt[p].sizeimage};
  }
  return format;
}

void to_raw(const PixelFormat& format, bool multi_planar, v4l2_format& raw) {
  if (!multi_planar) {
    auto& pix = raw.fmt.pix;
    pix.width = format.width;
    pix.height = format.height;
    pix.pixelformat = format.fourcc;
    pix.field = format.field;
    pix.bytesperline = format.planes[0].stride;
    pix.priv = V4L2_PIX_FMT_PRIV_MAGIC;
    return;
  }
  auto& pix = raw.fmt.pix_mp;
  pix.width = format.width;
  pix.height = format.height;
  pix.pixelformat = format.fourcc;
  pix.field = format.field;
  pix.num_planes = static_cast<std::uint8_t>(format.memory_planes);
  for (std::uint32_t p = 0; p < format.memory_planes; ++p) {
    pix.plane_fmt[p].bytesperline = format.planes.at(p).stride;
  }
}

}  // namespace

Result<std::vector<v4l2_fmtdesc>> Node::formats() const {
  std::vector<v4l2_fmtdesc> found;
  for (std::uint32_t index = 0; index < kMaxListed; ++index) {
    v4l2_fmtdesc entry{};
    entry.index = index;
    entry.type = type_;
    const int result = host_.ioctl(fd_.get(), VIDIOC_ENUM_FMT, &entry);
    if (result == -EINVAL) {
      break;
    }
    if (result < 0) {
      return failure(-result, "VIDIOC_ENUM_FMT", "does not list its formats");
    }
    found.push_back(entry);
  }
  return found;
}

Result<std::vector<v4l2_frmsizeenum>> Node::sizes(std::uint32_t fourcc) const {
  std::vector<v4l2_frmsizeenum> found;
  for (std::uint32_t index = 0; index < kMaxListed; ++index) {
    v4l2_frmsizeenum entry{};
    entry.index = index;
    entry.pixel_format = fourcc;
    const int result = host_.ioctl(fd_.get(), VIDIOC_ENUM_FRAMESIZES, &entry);
    if (result == -EINVAL || result == -ENOTTY || result == -ENODATA) {
      break;
    }
    if (result < 0) {
      return failure(-result, "VIDIOC_ENUM_FRAMESIZES", "does not list its frame sizes");
    }
    found.push_back(entry);
    if (entry.type != V4L2_FRMSIZE_TYPE_DISCRETE) {
      break;  // a range is a list of one
    }
  }
  return found;
}

Result<std::vector<v4l2_frmivalenum>> Node::intervals(std::uint32_t fourcc, std::uint32_t width,
                                                      std::uint32_t height) const {
  std::vector<v4l2_frmivalenum> found;
  for (std::uint32_t index = 0; index < kMaxListed; ++index) {
    v4l2_frmivalenum entry{};
    entry.index = index;
    entry.pixel_format = fourcc;
    entry.width = width;
    entry.height = height;
    const int result = host_.ioctl(fd_.get(), VIDIOC_ENUM_FRAMEINTERVALS, &entry);
    if (result == -EINVAL || result == -ENOTTY || result == -ENODATA) {
      break;
    }
    if (result < 0) {
      return failure(-result, "VIDIOC_ENUM_FRAMEINTERVALS", "does not list its frame intervals");
    }
    found.push_back(entry);
    if (entry.type != V4L2_FRMIVAL_TYPE_DISCRETE) {
      break;
    }
  }
  return found;
}

Result<PixelFormat> Node::exchange_format(unsigned long request, const char* operation,
                                          const PixelFormat& wanted) const {
  v4l2_format raw{};
  raw.type = type_;
  to_raw(wanted, multi_planar(), raw);
  if (const int result = host_.ioctl(fd_.get(), request, &raw); result < 0) {
    const std::string asked =
        plugin::words(fourcc_text(wanted.fourcc), " at ", wanted.width, "x", wanted.height);
    if (result == -EBUSY) {
      return Error(Errc::Busy, operation,
                   plugin::words("the camera ", path_, " does not change its format to ", asked,
                                 " now: it holds buffers of another format, or another program uses it"),
                   EBUSY);
    }
    return failure(-result, operation, plugin::words("refuses the format ", asked));
  }
  return multi_planar() ? from_multi(raw.fmt.pix_mp) : from_single(raw.fmt.pix);
}

Result<PixelFormat> Node::get_format() const {
  v4l2_format raw{};
  raw.type = type_;
  if (!multi_planar()) {
    raw.fmt.pix.priv = V4L2_PIX_FMT_PRIV_MAGIC;
  }
  if (const int result = host_.ioctl(fd_.get(), VIDIOC_G_FMT, &raw); result < 0) {
    return failure(-result, "VIDIOC_G_FMT", "does not tell its format");
  }
  return multi_planar() ? from_multi(raw.fmt.pix_mp) : from_single(raw.fmt.pix);
}

Result<PixelFormat> Node::try_format(const PixelFormat& wanted) const {
  return exchange_format(VIDIOC_TRY_FMT, "VIDIOC_TRY_FMT", wanted);
}

Result<PixelFormat> Node::set_format(const PixelFormat& wanted) const {
  return exchange_format(VIDIOC_S_FMT, "VIDIOC_S_FMT", wanted);
}

Result<v4l2_fract> Node::exchange_interval(unsigned long request, const char* operation,
                                           v4l2_fract wanted) const {
  v4l2_streamparm parameters{};
  parameters.type = type_;
  parameters.parm.capture.timeperframe = wanted;
  const int result = host_.ioctl(fd_.get(), request, &parameters);
  if (result == -ENOTTY || result == -EINVAL ||
      (result >= 0 && (parameters.parm.capture.capability & V4L2_CAP_TIMEPERFRAME) == 0)) {
    return Error(Errc::Unsupported, operation,
                 plugin::words("the camera ", path_,
                               " has no frame interval that can be told or set: its source decides"),
                 result < 0 ? -result : 0);
  }
  if (result < 0) {
    return failure(
        -result, operation,
        plugin::words("refuses a frame interval of ", wanted.numerator, "/", wanted.denominator, " s"));
  }
  return parameters.parm.capture.timeperframe;
}

Result<v4l2_fract> Node::get_interval() const {
  return exchange_interval(VIDIOC_G_PARM, "VIDIOC_G_PARM", {});
}

Result<v4l2_fract> Node::set_interval(v4l2_fract wanted) const {
  return exchange_interval(VIDIOC_S_PARM, "VIDIOC_S_PARM", wanted);
}

}  // namespace causeway::v4l2_backend
