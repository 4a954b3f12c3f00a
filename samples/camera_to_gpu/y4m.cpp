// SPDX-License-Identifier: Apache-2.0
#include "y4m.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "options.hpp"

namespace camera_to_gpu {
namespace {

using causeway::Errc;
using causeway::Error;
using causeway::Result;
using causeway::Status;

constexpr std::string_view kMagic = "YUV4MPEG2";

// They differ only in where chroma samples lie, by half a pixel, which a shader that takes the nearest
// ignores.
constexpr auto kColourSpaces = std::to_array<std::string_view>({"420", "420jpeg", "420mpeg2", "420paldv"});

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end) {
    return std::nullopt;
  }
  return value;
}

// "30000:1001", and "0:0" for unknown.
bool is_ratio(std::string_view text) {
  const auto colon = text.find(':');
  return colon != std::string_view::npos && number(text.substr(0, colon)) && number(text.substr(colon + 1));
}

// What may be shown of somebody else's bytes.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 40)) {
    out += (c >= ' ' && c <= '~') ? c : '?';
  }
  return out;
}

Status parse_side(std::string_view token, std::uint32_t& side, const std::string& file) {
  if (side != 0) {
    return Error(Errc::InvalidArgument, file, fmt::format("the header gives {} twice", token.front()));
  }
  const auto value = number(token.substr(1));
  if (!value || *value == 0 || *value > kMaxSide) {
    return Error(
        Errc::InvalidArgument, file,
        fmt::format("the header says \"{}\"; a side is from 2 to {} pixels", shown(token), kMaxSide));
  }
  side = *value;
  return {};
}

Status parse_token(std::string_view token, Y4mHeader& header, const std::string& file) {
  const auto value = token.empty() ? token : token.substr(1);
  switch (token.empty() ? '\0' : token.front()) {
    case 'W': return parse_side(token, header.width, file);
    case 'H': return parse_side(token, header.height, file);
    case 'C':
      if (std::find(kColourSpaces.begin(), kColourSpaces.end(), value) == kColourSpaces.end()) {
        return Error(Errc::Unsupported, file,
                     fmt::format("the colour space is \"{}\"; possible are {}", shown(value),
                                 fmt::join(kColourSpaces, ", ")));
      }
      return {};
    case 'I':
      if (value != "p" && value != "?") {
        return Error(
            Errc::Unsupported, file,
            fmt::format("the pictures are interlaced (\"{}\"); only progressive ones (\"Ip\") are taken",
                        shown(token)));
      }
      return {};
    case 'F':
    case 'A':
      if (!is_ratio(value)) {
        return Error(Errc::InvalidArgument, file,
                     fmt::format("the header says \"{}\" where a ratio such as \"{}25:1\" is due",
                                 shown(token), token.front()));
      }
      return {};
    case 'X': return {};  // comments
    default:
      return Error(Errc::InvalidArgument, file,
                   fmt::format("the header has \"{}\", which YUV4MPEG2 does not know", shown(token)));
  }
}

}  // namespace

Result<Y4mHeader> parse_y4m_header(std::string_view start, const std::string& file) {
  if (!start.starts_with(kMagic)) {
    return Error(Errc::InvalidArgument, file,
                 fmt::format("this is not a Y4M file: it starts with \"{}\" instead of \"{}\"",
                             shown(start.substr(0, kMagic.size())), kMagic));
  }
  const auto end = start.substr(0, kMaxY4mLine).find('\n');
  if (end == std::string_view::npos) {
    return Error(
        Errc::InvalidArgument, file,
        fmt::format("the Y4M header does not end within {} bytes", std::min(start.size(), kMaxY4mLine)));
  }
  Y4mHeader header{.bytes = end + 1};
  auto rest = start.substr(kMagic.size(), end - kMagic.size());
  while (!rest.empty()) {
    if (rest.front() != ' ') {
      return Error(Errc::InvalidArgument, file, "the Y4M header's fields are not separated by spaces");
    }
    rest.remove_prefix(1);
    const auto token = rest.substr(0, rest.find(' '));
    if (auto status = parse_token(token, header, file); !status) {
      return std::move(status.error());
    }
    rest.remove_prefix(token.size());
  }
  if (header.width == 0 || header.height == 0) {
    return Error(Errc::InvalidArgument, file,
                 fmt::format("the Y4M header lacks the {}", header.width == 0 ? "width (W)" : "height (H)"));
  }
  if (header.width % 2 != 0 || header.height % 2 != 0) {
    return Error(Errc::Unsupported, file,
                 fmt::format("the pictures are {}x{}; NV12, into which they are read, wants both sides even",
                             header.width, header.height));
  }
  return header;
}

std::size_t y4m_frame_line(std::string_view text) noexcept {
  constexpr std::string_view kFrame = "FRAME";
  if (!text.starts_with(kFrame) || text.size() == kFrame.size()) {
    return 0;
  }
  if (const char next = text[kFrame.size()]; next != '\n' && next != ' ') {
    return 0;
  }
  const auto end = text.substr(0, kMaxY4mLine).find('\n');
  return end == std::string_view::npos ? 0 : end + 1;
}

}  // namespace camera_to_gpu
