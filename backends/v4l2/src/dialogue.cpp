// SPDX-License-Identifier: Apache-2.0
#include "dialogue.hpp"

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <causeway/v4l2_color.hpp>
#include <string>

namespace causeway::v4l2_backend {
namespace {

constexpr const char* kOperation = "query_constraints";

std::string list_formats(const std::vector<v4l2_fmtdesc>& offered) {
  std::string text;
  std::size_t nameless = 0;
  for (const auto& entry : offered) {
    const FormatRow* row = row_of_fourcc(entry.pixelformat);
    if (row == nullptr) {
      ++nameless;
      continue;
    }
    text += (text.empty() ? "" : ", ") + fourcc_text(entry.pixelformat);
    if (row->drm.fourcc != entry.pixelformat) {
      text += " (" + fourcc_text(row->drm.fourcc) + ")";
    }
  }
  if (nameless > 0) {
    text += plugin::words(text.empty() ? "" : " and ", nameless,
                          " that have no name in DRM or are not known to Causeway, as ");
    const auto first = std::ranges::find_if(
        offered, [](const auto& entry) { return row_of_fourcc(entry.pixelformat) == nullptr; });
    text += fourcc_text(first->pixelformat);
  }
  return text.empty() ? "none at all" : text;
}

std::string list_sizes(const Node& node, std::uint32_t fourcc) {
  const auto sizes = node.sizes(fourcc);
  if (!sizes || sizes->empty()) {
    return {};
  }
  std::string text;
  for (const auto& entry : *sizes) {
    if (entry.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
      text +=
          plugin::words(text.empty() ? "it offers " : ", ", entry.discrete.width, "x", entry.discrete.height);
    } else {
      const auto& range = entry.stepwise;
      text = plugin::words("it offers ", range.min_width, "x", range.min_height, " to ", range.max_width, "x",
                           range.max_height);
      if (entry.type == V4L2_FRMSIZE_TYPE_STEPWISE && (range.step_width > 1 || range.step_height > 1)) {
        text += plugin::words(" in steps of ", range.step_width, "x", range.step_height);
      }
    }
  }
  return text;
}

/// V4L2 fourccs to try for this DRM format, best first.
std::vector<const FormatRow*> candidates(const std::vector<v4l2_fmtdesc>& offered, Format wanted,
                                         std::uint32_t preferred) {
  std::vector<const FormatRow*> found;
  for (const auto& row : format_rows()) {
    if (row.drm == wanted &&
        std::ranges::find(offered, row.fourcc, &v4l2_fmtdesc::pixelformat) != offered.end()) {
      found.push_back(&row);
    }
  }
  std::stable_partition(found.begin(), found.end(),
                        [&](const FormatRow* row) { return row->fourcc == preferred; });
  return found;
}

bool as_wanted(const PixelFormat& answer, const FormatRow& row, const cw_image_desc& image) {
  return answer.fourcc == row.fourcc && answer.width == image.width && answer.height == image.height;
}

Error wrong_size(const Node& node, const FormatRow& row, const cw_image_desc& image,
                 const PixelFormat& nearest) {
  std::string offer = list_sizes(node, row.fourcc);
  if (!offer.empty()) {
    offer = "; " + offer;
  }
  return Error(
      Errc::Unsupported, kOperation,
      plugin::words("the camera ", node.path(), " does not give ", fourcc_text(row.fourcc), " at ",
                    image.width, "x", image.height, ", but at ", nearest.width, "x", nearest.height,
                    nearest.fourcc == row.fourcc ? "" : " in " + fourcc_text(nearest.fourcc), offer));
}

/// A driver's answer is input: what follows from it must hold together before memory is shaped by it.
Status plausible(const Node& node, const Agreed& agreed) {
  const auto& [row, format] = agreed;
  if (format.memory_planes != row->memory_planes) {
    return Error(
        Errc::Io, "VIDIOC_S_FMT",
        plugin::words("the camera ", node.path(), " wants ", format.memory_planes, " memory planes for ",
                      fourcc_text(row->fourcc), ", which is defined with ", unsigned{row->memory_planes}));
  }
  const std::uint64_t row_bytes = std::uint64_t{format.width} * row->bytes_per_pixel;
  if (format.planes[0].stride < row_bytes) {
    return Error(Errc::Io, "VIDIOC_S_FMT",
                 plugin::words("the camera ", node.path(), " answers rows of ", format.planes[0].stride,
                               " bytes for ", format.width, " pixels of ", fourcc_text(row->fourcc),
                               ", which take at least ", row_bytes));
  }
  for (std::uint32_t p = 0; p < format.memory_planes; ++p) {
    const bool alone = format.memory_planes > 1;
    const std::uint64_t needed =
        alone ? std::uint64_t{format.planes.at(p).stride} * row->rows_of(p, format.height)
              : row->offset_of(row->colour_planes, format.planes[0].stride, format.height);
    if (format.planes.at(p).size < needed) {
      return Error(Errc::Io, "VIDIOC_S_FMT",
                   plugin::words("the camera ", node.path(), " answers ", format.planes.at(p).size,
                                 " bytes for memory plane ", p, " of ", fourcc_text(row->fourcc), " at ",
                                 format.width, "x", format.height, ", whose rows take ", needed));
    }
  }
  return {};
}

Error bad_plane(const Node& node, const Agreed& agreed, std::uint32_t plane, const std::string& what) {
  return Error(Errc::InvalidArgument, "attach",
               plugin::words("plane ", plane, " of the frame ", what, " (camera ", node.path(), ", ",
                             fourcc_text(agreed.row->fourcc), " at ", agreed.format.width, "x",
                             agreed.format.height, ")"));
}

/// One descriptor a colour plane: the driver starts each at byte 0 of its object.
Status check_apart(const Node& node, const Agreed& agreed, const cw_attach_info& info) {
  for (std::uint32_t p = 0; p < agreed.row->colour_planes; ++p) {
    const auto& plane = info.planes[p];
    for (std::uint32_t q = 0; q < p; ++q) {
      const auto& mine = info.objects[plane.object];
      const auto& other = info.objects[info.planes[q].object];
      if (plane.object == info.planes[q].object ||
          (mine.inode == other.inode && mine.device_number == other.device_number)) {
        return Error(
            Errc::InvalidArgument, "attach",
            plugin::words("planes ", q, " and ", p, " of the frame lie in one dma-buf, but the camera ",
                          node.path(), " fills ", fourcc_text(agreed.row->fourcc), ", which takes ",
                          unsigned{agreed.row->memory_planes},
                          ": V4L2 ignores where a plane begins in its buffer when it captures, and would "
                          "write one over the other"));
      }
    }
    if (plane.offset != 0) {
      return bad_plane(node, agreed, p,
                       plugin::words("begins at byte ", plane.offset,
                                     " of its dma-buf; a camera can only begin at byte 0"));
    }
    if (plane.stride != agreed.format.planes.at(p).stride) {
      return bad_plane(node, agreed, p,
                       plugin::words("has a stride of ", plane.stride, " bytes, and the camera writes ",
                                     agreed.format.planes.at(p).stride));
    }
  }
  return {};
}

/// All colour planes behind one descriptor: V4L2 fixes where each begins.
Status check_together(const Node& node, const Agreed& agreed, const cw_attach_info& info) {
  const std::uint32_t stride = agreed.format.planes[0].stride;
  for (std::uint32_t p = 0; p < agreed.row->colour_planes; ++p) {
    const auto& plane = info.planes[p];
    const std::uint64_t offset = agreed.row->offset_of(p, stride, agreed.format.height);
    if (plane.stride != agreed.row->stride_of(p, stride)) {
      return bad_plane(node, agreed, p,
                       plugin::words("has a stride of ", plane.stride, " bytes, and the camera writes ",
                                     agreed.row->stride_of(p, stride)));
    }
    if (plane.offset != offset) {
      return bad_plane(
          node, agreed, p,
          plugin::words("begins at byte ", plane.offset, ", and the camera writes it at byte ", offset));
    }
  }
  return {};
}

}  // namespace

Result<Agreed> agree(const Node& node, const cw_image_desc& image, std::uint32_t preferred) {
  const Format wanted{image.format};
  if (wanted == formats::kBytes) {
    return Error(
        Errc::Unsupported, kOperation,
        plugin::words("the camera ", node.path(), " fills images, not plain bytes: name a pixel format"));
  }
  if (image.width == 0 || image.height == 0) {
    return Error(Errc::InvalidArgument, kOperation,
                 plugin::words("an image of ", image.width, "x", image.height,
                               " pixels was asked of the camera ", node.path(), "; both must be above 0"));
  }
  if (const Modifier modifier{image.modifier};
      modifier != Modifier::kLinear && modifier != Modifier::kInvalid) {
    return Error(Errc::Unsupported, kOperation,
                 plugin::words("the camera ", node.path(), " fills LINEAR memory only, and ",
                               modifier.to_string(), " was asked for"));
  }
  const auto offered = node.formats();
  if (!offered) {
    return offered.error();
  }
  const auto rows = candidates(*offered, wanted, preferred);
  if (rows.empty()) {
    return Error(Errc::Unsupported, kOperation,
                 plugin::words("the camera ", node.path(), " does not offer ", wanted.to_string(),
                               "; it offers ", list_formats(*offered)));
  }
  // Asked first, so that a refusal leaves the camera as it was.
  PixelFormat nearest{};
  for (const FormatRow* row : rows) {
    const PixelFormat asked{.fourcc = row->fourcc,
                            .width = image.width,
                            .height = image.height,
                            .memory_planes = row->memory_planes};
    const auto tried = node.try_format(asked);
    if (!tried) {
      return tried.error();
    }
    if (row == rows.front()) {
      nearest = *tried;
    }
    if (!as_wanted(*tried, *row, image)) {
      continue;
    }
    const auto set = node.set_format(asked);
    if (!set) {
      return set.error();
    }
    if (!as_wanted(*set, *row, image)) {  // a driver whose TRY_FMT promises more than S_FMT keeps
      return wrong_size(node, *row, image, *set);
    }
    Agreed agreed{.row = row, .format = *set};
    if (auto status = plausible(node, agreed); !status) {
      return std::move(status.error());
    }
    return agreed;
  }
  return wrong_size(node, *rows.front(), image, nearest);
}

void narrow(const Agreed& agreed, cw_constraints& constraints) {
  const auto& [row, format] = agreed;
  constraints.objects = row->memory_planes;
  constraints.max_frames = VIDEO_MAX_FRAME;
  for (std::uint32_t p = 0; p < row->colour_planes; ++p) {
    constraints.exact_stride[p] =
        row->memory_planes == 1 ? row->stride_of(p, format.planes[0].stride) : format.planes.at(p).stride;
  }
  for (std::uint32_t p = 0; p < row->memory_planes; ++p) {
    constraints.min_object_size[p] =
        std::max<std::uint64_t>(constraints.min_object_size[p], format.planes.at(p).size);
  }
  if (plugin::reaches(constraints, constraints.color_range)) {  // of chroma siting V4L2 says nothing
    const auto color = v4l2::color_of(format.colorspace, format.ycbcr_encoding, format.quantization);
    constraints.color_encoding = static_cast<std::uint32_t>(color.encoding);
    constraints.color_range = static_cast<std::uint32_t>(color.range);
  }
}

Status check_layout(const Node& node, const Agreed& agreed, const cw_attach_info& info) {
  const auto& [row, format] = agreed;
  if (info.plane_count != row->colour_planes) {
    return Error(Errc::InvalidArgument, "attach",
                 plugin::words("the frame has ", info.plane_count, " planes, and ", fourcc_text(row->fourcc),
                               " of the camera ", node.path(), " has ", unsigned{row->colour_planes}));
  }
  auto placed = row->memory_planes > 1 ? check_apart(node, agreed, info) : Status{};
  if (!placed) {
    return placed;
  }
  if (info.object_count != row->memory_planes) {
    return Error(
        Errc::InvalidArgument, "attach",
        plugin::words("the frame lies in ", info.object_count, " dma-bufs, and the camera ", node.path(),
                      " fills ", fourcc_text(row->fourcc), " into ", unsigned{row->memory_planes}));
  }
  if (row->memory_planes == 1) {
    placed = check_together(node, agreed, info);
  }
  for (std::uint32_t p = 0; placed && p < row->memory_planes; ++p) {
    const std::uint32_t which = row->memory_planes == 1 ? 0 : info.planes[p].object;
    const auto& object = info.objects[which];
    if ((object.flags & CW_OBJECT_IS_DMA_BUF) == 0) {
      return Error(
          Errc::Unsupported, "attach",
          plugin::words("object ", which, " of the frame is shared memory, and the camera ", node.path(),
                        " takes kernel dma-bufs only: allocate from udmabuf or dma_heap"));
    }
    if ((object.flags & CW_OBJECT_READ_ONLY) != 0) {
      return Error(Errc::InvalidArgument, "attach",
                   plugin::words("object ", which, " of the frame is open for reading only, and the camera ",
                                 node.path(), " writes"));
    }
    if (object.size < format.planes.at(p).size) {
      return Error(
          Errc::InvalidArgument, "attach",
          plugin::words("object ", which, " of the frame has ", object.size, " bytes, and the camera ",
                        node.path(), " needs ", format.planes.at(p).size, " for ", fourcc_text(row->fourcc),
                        " at ", format.width, "x", format.height));
    }
  }
  return placed;
}

}  // namespace causeway::v4l2_backend
