// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/json.hpp"
#include "service/reply.hpp"

/// KMIP's items as JSON: {"tag", "type", "value"}, the JSON Profile of "KMIP Profiles Version 2.1".
/// Tags are names, as that profile makes them; hexadecimal tags are not taken. Enumerations are
/// names or hexadecimal.
namespace jwekms::service::ttlv {

struct Item {
  std::string_view tag;
  std::string_view type;  ///< "Structure" when absent.
  json::Value value;      ///< Of the kind that the type has.
};

/// Errors: bad_request.
[[nodiscard]] Result<Item> read_item(const json::Value& value);

/// The items of a structure. What is asked for and is not there, stands twice or is of the wrong
/// type comes out empty; error() tells of the first fault but absence.
class Structure {
 public:
  explicit Structure(const Item& item);
  /// The structure `tag` in another; empty when there is none.
  Structure(Structure& outer, std::string_view tag);

  [[nodiscard]] std::span<const Item> items() const noexcept { return items_; }
  [[nodiscard]] const Item* find(std::string_view tag);

  [[nodiscard]] std::optional<std::string> text(std::string_view tag);
  [[nodiscard]] std::optional<std::vector<std::uint8_t>> bytes(std::string_view tag);
  [[nodiscard]] std::optional<std::uint32_t> integer(std::string_view tag);

  /// One name of an enumeration and its number.
  struct Name {
    std::string_view name;
    std::uint32_t number;
  };
  /// The number of an enumeration; 0 for a name that is not among `names`.
  [[nodiscard]] std::optional<std::uint32_t> enumeration(std::string_view tag,
                                                         std::span<const Name> names);

  /// Errors: bad_request.
  [[nodiscard]] Result<void> error() const noexcept { return error_; }

 private:
  [[nodiscard]] const Item* find(std::string_view tag, std::string_view type);
  void read(const Item& item);
  void fail(const char* text) noexcept;
  std::vector<Item> items_;
  Result<void> error_;
};

/// At most as many bytes as an RSA modulus has; nothing if it is no hexadecimal text.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> from_hex(std::string_view digits);

// Items to answer with.
[[nodiscard]] Json structure(std::string_view tag, std::vector<Json> items);
[[nodiscard]] Json text(std::string_view tag, std::string_view value);
[[nodiscard]] Json byte_string(std::string_view tag, std::string_view hex);
[[nodiscard]] Json enumeration(std::string_view tag, std::string_view name);
[[nodiscard]] Json integer(std::string_view tag, std::uint32_t value);
/// RFC 3339, in UTC.
[[nodiscard]] Json date_time(std::string_view tag, std::int64_t seconds);

}  // namespace jwekms::service::ttlv
