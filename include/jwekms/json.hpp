// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The one strict reader of all inbound JSON; header-only.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>

#include "jwekms/error.hpp"
#include "jwekms/result.hpp"

/// The one strict reader of all inbound JSON: RFC 8259, and of what it leaves open the safe half.
/// A text is checked from end to end, once; what is then handed out are views of it. Nothing is
/// allocated and nothing outside the text is read.
namespace jwekms::json {

/// Bounds of a text.
struct Limits {
  std::size_t max_bytes = std::size_t{64} << 20;  ///< Of the whole text; never above 2^32 - 1.
  std::uint32_t max_depth = 8;  ///< Containers within each other, outermost 1; never above 32.
};

/// Members that may be open at once: those read so far in every object not yet closed. A header, a
/// JWK or a request has a dozen. Names are looked for among these alone, so the work for a text of
/// n bytes is at most proportional to n times this.
inline constexpr std::size_t max_open_members = 256;

/// The kinds of a value (RFC 8259 §3).
enum class Kind : std::uint8_t {
  null,     ///< `null`
  boolean,  ///< `true` or `false`
  number,   ///< Any number; see Value::as_uint32.
  string,   ///< See Value::as_string.
  array,    ///< See Value::elements.
  object,   ///< See Value::members.
};

namespace detail {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// RFC 8259 §2.
constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// A byte that stands for itself in a string: ASCII, no control character, quote or backslash.
constexpr bool is_plain(unsigned char c) noexcept {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/// How many plain bytes come first. Eight at a time, for a ciphertext is one long string.
inline std::size_t plain_size(std::string_view s) noexcept {
  constexpr std::uint64_t each = 0x0101010101010101;
  std::size_t n = 0;
  for (std::uint64_t w; s.size() - n >= 8; n += 8) {
    std::memcpy(&w, s.data() + n, 8);
    // A byte's top bit ends up set if it is below 0x20, '"', '\\', or above 0x7F. A borrow reaches
    // the next byte only from one of these, so the answer for all eight together is exact.
    const std::uint64_t stops =
        (w - each * 0x20) | ((w ^ each * '"') - each) | ((w ^ each * '\\') - each) | w;
    if ((stops & each * 0x80) != 0) break;
  }
  while (n < s.size() && is_plain(static_cast<unsigned char>(s[n]))) ++n;
  return n;
}

/// The size of the UTF-8 sequence of two bytes or more that comes first; 0 if there is none.
/// RFC 3629 §4: no overlong form, no surrogate, nothing above U+10FFFF.
inline std::size_t utf8_size(std::string_view s) noexcept {
  struct Row {
    unsigned char lead, last_lead, second, last_second;
    std::size_t size;
  };
  constexpr std::array<Row, 8> rows{{{0xC2, 0xDF, 0x80, 0xBF, 2},
                                     {0xE0, 0xE0, 0xA0, 0xBF, 3},
                                     {0xE1, 0xEC, 0x80, 0xBF, 3},
                                     {0xED, 0xED, 0x80, 0x9F, 3},
                                     {0xEE, 0xEF, 0x80, 0xBF, 3},
                                     {0xF0, 0xF0, 0x90, 0xBF, 4},
                                     {0xF1, 0xF3, 0x80, 0xBF, 4},
                                     {0xF4, 0xF4, 0x80, 0x8F, 4}}};
  const auto within = [s](std::size_t i, unsigned char first, unsigned char last) {
    const auto c = static_cast<unsigned char>(s[i]);
    return first <= c && c <= last;
  };
  for (const Row& row : rows) {
    if (!within(0, row.lead, row.last_lead)) continue;
    bool good = s.size() >= row.size && within(1, row.second, row.last_second);
    for (std::size_t i = 2; good && i < row.size; ++i) good = within(i, 0x80, 0xBF);
    return good ? row.size : 0;
  }
  return 0;
}

/// Writes a code point in UTF-8 and returns its size.
inline std::size_t put_utf8(char32_t c, std::array<char, 4>& out) noexcept {
  const std::size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  constexpr std::array<unsigned, 5> lead{0, 0, 0xC0, 0xE0, 0xF0};
  for (std::size_t i = size - 1; i > 0; --i, c >>= 6) out[i] = static_cast<char>(0x80 | (c & 0x3F));
  out[0] = static_cast<char>(lead[size] | c);
  return size;
}

/// The number that four hex digits begin `s`; 0 if they do not, and U+0000 is refused alike.
inline char32_t hex4(std::string_view s) noexcept {
  std::uint16_t value = 0;
  const std::string_view digits = s.substr(0, 4);
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
  return digits.size() == 4 && stop == end && error == std::errc{} ? value : 0;
}

struct Escape {
  char32_t code_point = 0;
  std::size_t size = 0;  ///< Of its text, 12 for a surrogate pair; 0: malformed.
};

/// Reads the escape that `s` begins with (RFC 8259 §7). Half a surrogate pair is malformed.
inline Escape read_escape(std::string_view s) noexcept {
  switch (s.size() < 2 ? '\0' : s[1]) {
    case '"': return {U'"', 2};
    case '\\': return {U'\\', 2};
    case '/': return {U'/', 2};
    case 'b': return {U'\b', 2};
    case 'f': return {U'\f', 2};
    case 'n': return {U'\n', 2};
    case 'r': return {U'\r', 2};
    case 't': return {U'\t', 2};
    case 'u': break;
    default: return {};
  }
  const char32_t unit = hex4(s.substr(2));
  if (unit == 0) return {};
  if (unit < 0xD800 || unit > 0xDFFF) return {unit, 6};
  if (unit > 0xDBFF || s.substr(6, 2) != "\\u") return {};
  const char32_t low = hex4(s.substr(8));
  if (low < 0xDC00 || low > 0xDFFF) return {};
  return {0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), 12};
}

/// The size of the number that comes first; 0 if there is none. RFC 8259 §6.
inline std::size_t number_size(std::string_view s) noexcept {
  std::size_t n = 0;
  const auto is = [&](char c) { return n < s.size() && s[n] == c; };
  const auto digits = [&] {
    const std::size_t first = n;
    while (n < s.size() && is_digit(s[n])) ++n;
    return n > first;
  };
  if (is('-')) ++n;
  if (is('0'))
    ++n;
  else if (!digits())
    return 0;
  if (is('.')) {
    ++n;
    if (!digits()) return 0;
  }
  if (is('e') || is('E')) {
    ++n;
    if (is('+') || is('-')) ++n;
    if (!digits()) return 0;
  }
  return n;
}

class Checker;

}  // namespace detail

/// A string of a checked text. A view: as short-lived as the text.
class String {
 public:
  /// What stands between the quotes, escapes and all.
  [[nodiscard]] std::string_view raw() const noexcept { return raw_; }
  /// Whether raw() differs from the string itself.
  [[nodiscard]] bool has_escapes() const noexcept { return raw_.find('\\') != raw_.npos; }

  /// The string itself if it has no escapes, which is how senders write all that is long.
  [[nodiscard]] std::optional<std::string_view> plain() const noexcept {
    if (has_escapes()) return std::nullopt;
    return raw_;
  }

  /// Calls sink(std::string_view) for each run of resolved bytes until it returns false.
  template <class Sink>
  bool resolve(Sink sink) const noexcept {
    for (std::string_view rest = raw_; !rest.empty();) {
      const std::size_t run = std::min(rest.find('\\'), rest.size());
      if (run > 0) {
        if (!sink(rest.substr(0, run))) return false;
        rest.remove_prefix(run);
        continue;
      }
      const detail::Escape escape = detail::read_escape(rest);
      std::array<char, 4> utf8;
      const std::size_t size = detail::put_utf8(escape.code_point, utf8);
      if (escape.size == 0 || !sink(std::string_view(utf8.data(), size))) return false;
      rest.remove_prefix(escape.size);
    }
    return true;
  }

  /// Compares the resolved string, byte for byte.
  [[nodiscard]] bool equals(std::string_view other) const noexcept {
    const bool alike = resolve([&](std::string_view run) {
      if (!other.starts_with(run)) return false;
      other.remove_prefix(run.size());
      return true;
    });
    return alike && other.empty();
  }

  /// Bytes of the resolved string.
  [[nodiscard]] std::size_t resolved_size() const noexcept {
    std::size_t size = 0;
    resolve([&](std::string_view run) { return size += run.size(), true; });
    return size;
  }

  /// Copies the resolved string and returns its size; nothing if `out` is too small, in which case
  /// `out` is unspecified.
  [[nodiscard]] std::optional<std::size_t> copy_to(std::span<char> out) const noexcept {
    std::size_t size = 0;
    const bool fits = resolve([&](std::string_view run) {
      if (run.size() > out.size() - size) return false;
      std::memcpy(out.data() + size, run.data(), run.size());
      size += run.size();
      return true;
    });
    if (!fits) return std::nullopt;
    return size;
  }

 private:
  friend class Value;
  friend class detail::Checker;
  explicit String(std::string_view raw) noexcept : raw_(raw) {}
  std::string_view raw_;
};

namespace detail {

/// FNV-1a of the resolved name.
inline std::uint64_t name_hash(const String& name) noexcept {
  std::uint64_t hash = 0xCBF29CE484222325;
  name.resolve([&](std::string_view run) {
    for (const char c : run) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    return true;
  });
  return hash;
}

/// Recursive descent, no deeper than `max_depth`. Every step leaves `rest_` at the next token.
class Checker {
 public:
  Checker(std::string_view text, const Limits& limits) noexcept
      : size_(text.size()), rest_(text), max_depth_(std::min(limits.max_depth, 32U)) {}

  std::optional<Error> run() noexcept {
    advance(0);
    if (value(0) && (rest_.empty() || fail("text after the JSON value"))) return std::nullopt;
    return error_;
  }

 private:
  bool fail(const char* text) noexcept {
    error_ = {Errc::bad_request, static_cast<std::uint32_t>(size_ - rest_.size()), text};
    return false;
  }

  /// Past a token, and past the whitespace behind it.
  void advance(std::size_t size) noexcept {
    rest_.remove_prefix(size);
    while (!rest_.empty() && is_space(rest_[0])) rest_.remove_prefix(1);
  }

  /// The next byte; at the end NUL, which begins no token either.
  [[nodiscard]] char next() const noexcept { return rest_.empty() ? '\0' : rest_[0]; }

  bool take(std::string_view token) noexcept {
    if (!rest_.starts_with(token)) return false;
    advance(token.size());
    return true;
  }

  bool value(std::uint32_t depth) noexcept {
    const char first = next();
    if (first == '{' || first == '[') {
      if (depth == max_depth_) return fail("JSON nested too deeply");
      return first == '{' ? object(depth + 1) : array(depth + 1);
    }
    if (first == '"') return string();
    if (take("true") || take("false") || take("null")) return true;
    const std::size_t size = number_size(rest_);
    if (size == 0) return fail("malformed JSON value");
    advance(size);
    return true;
  }

  bool array(std::uint32_t depth) noexcept {
    advance(1);
    if (take("]")) return true;
    do {
      if (!value(depth)) return false;
    } while (take(","));
    return take("]") || fail("expected ',' or ']'");
  }

  bool object(std::uint32_t depth) noexcept {
    const std::size_t outer = open_;
    advance(1);
    if (take("}")) return true;
    do {
      if (!member_name(outer)) return false;
      if (!take(":")) return fail("expected ':'");
      if (!value(depth)) return false;
    } while (take(","));
    open_ = outer;
    return take("}") || fail("expected ',' or '}'");
  }

  /// Names are compared by hash alone. Two different ones share a 64-bit hash once in 2^64 pairs,
  /// or because the sender worked for it: then a refusal is the right answer, and no flood of
  /// colliding names can make this slow.
  bool member_name(std::size_t outer) noexcept {
    if (next() != '"') return fail("expected a member name");
    if (open_ == max_open_members) return fail("too many JSON members");
    const std::string_view from_name = rest_;
    if (!string()) return false;
    const std::uint64_t hash = name_hash(String(last_string_));
    bool seen = false;
    for (std::size_t i = outer; i < open_; ++i) seen |= hashes_[i] == hash;
    if (seen) {
      rest_ = from_name;
      return fail("duplicate member name");
    }
    hashes_[open_++] = hash;
    return true;
  }

  bool string() noexcept {
    rest_.remove_prefix(1);
    const char* const first = rest_.data();
    for (;;) {
      rest_.remove_prefix(plain_size(rest_));
      if (rest_.empty()) return fail("unterminated string");
      const auto c = static_cast<unsigned char>(rest_[0]);
      if (c == '"') break;
      if (c < 0x20) return fail("control character in a string");
      const std::size_t size = c == '\\' ? read_escape(rest_).size : utf8_size(rest_);
      if (size == 0) return fail(c == '\\' ? "malformed or forbidden escape" : "malformed UTF-8");
      rest_.remove_prefix(size);
    }
    last_string_ = {first, static_cast<std::size_t>(rest_.data() - first)};
    advance(1);
    return true;
  }

  std::size_t size_;
  std::string_view rest_;
  std::uint32_t max_depth_;
  std::string_view last_string_;  // what string() read, between its quotes
  Error error_;
  std::size_t open_ = 0;
  std::array<std::uint64_t, max_open_members> hashes_;  // the first open_ of them
};

// From here on the text is known to be good, and finding one's way through it is simple. Bounds
// are kept all the same, should its owner have changed it meanwhile.

/// The size of the string, quotes included, that comes first.
inline std::size_t string_size(std::string_view s) noexcept {
  for (std::size_t quote = s.find('"', 1); quote != s.npos; quote = s.find('"', quote + 1)) {
    std::size_t before = quote;
    while (before > 1 && s[before - 1] == '\\') --before;
    if ((quote - before) % 2 == 0) return quote + 1;
  }
  return s.size();
}

/// The size of the value that comes first.
inline std::size_t value_size(std::string_view s) noexcept {
  if (s[0] != '{' && s[0] != '[' && s[0] != '"')
    return std::min(s.find_first_of(" \t\n\r,]}", 1), s.size());
  std::size_t n = 0, depth = 0;
  do {
    const char c = s[n];
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    n += c == '"' ? string_size(s.substr(n)) : 1;
  } while (depth > 0 && n < s.size());
  return n;
}

}  // namespace detail

/// Values in an array or members in an object, in the text's order, for a range-for. Its own
/// iterator.
template <class Item>
class Items {
 public:
  /// @param inside  what stands between the brackets of a checked text.
  explicit Items(std::string_view inside) noexcept : rest_(inside), item_(Item::take(rest_)) {}
  /// The first item.
  [[nodiscard]] Items begin() const noexcept { return *this; }
  /// Past the last.
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  /// The item that this stands at. Precondition: it is not past the last.
  const Item& operator*() const noexcept { return *item_; }
  /// Likewise.
  const Item* operator->() const noexcept { return &*item_; }
  /// Whether this is past the last.
  bool operator==(std::default_sentinel_t) const noexcept { return !item_; }
  /// Moves on.
  Items& operator++() noexcept {
    item_ = Item::take(rest_);
    return *this;
  }

 private:
  std::string_view rest_;  // what follows item_
  std::optional<Item> item_;
};

struct Member;

/// A value of a checked text. A view: as short-lived as the text. Asked for what it is not, it
/// answers with nothing: a number is the empty string and has no members, `1.0` is no uint32.
class Value {
 public:
  /// As it stands in the text, without surrounding whitespace.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  /// What it is.
  [[nodiscard]] Kind kind() const noexcept {
    switch (text_[0]) {
      case '{': return Kind::object;
      case '[': return Kind::array;
      case '"': return Kind::string;
      case 't':
      case 'f': return Kind::boolean;
      case 'n': return Kind::null;
      default: return Kind::number;
    }
  }

  /// `true` or `false`.
  [[nodiscard]] std::optional<bool> as_bool() const noexcept {
    if (kind() != Kind::boolean) return std::nullopt;
    return text_[0] == 't';
  }
  /// Digits alone: no sign, fraction or exponent.
  [[nodiscard]] std::optional<std::uint32_t> as_uint32() const noexcept {
    std::uint32_t number = 0;
    const char* const end = text_.data() + text_.size();
    const auto [stop, error] = std::from_chars(text_.data(), end, number);
    if (stop != end || error != std::errc{}) return std::nullopt;
    return number;
  }
  /// The string, escapes not yet resolved.
  [[nodiscard]] String as_string() const noexcept { return String(inside(Kind::string)); }
  /// The values of an array, in the text's order.
  [[nodiscard]] Items<Value> elements() const noexcept { return Items<Value>(inside(Kind::array)); }
  /// The members of an object, in the text's order.
  [[nodiscard]] Items<Member> members() const noexcept;
  /// The value of a member, by its resolved name.
  /// Looks from the start each time: one loop over members() is better for several names.
  [[nodiscard]] std::optional<Value> find(std::string_view name) const noexcept;

 private:
  friend struct Member;
  friend class Items<Value>;
  friend Result<Value> read(std::string_view, const Limits&) noexcept;

  explicit Value(std::string_view text) noexcept : text_(text) {}
  /// What stands between the delimiters of a value of this kind.
  [[nodiscard]] std::string_view inside(Kind wanted) const noexcept {
    if (kind() != wanted || text_.size() < 2) return {};
    return text_.substr(1, text_.size() - 2);
  }
  /// Cuts the next value off `rest`; nothing if there is none.
  static std::optional<Value> take(std::string_view& rest) noexcept {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\n\r,:"), rest.size()));
    if (rest.empty()) return std::nullopt;
    const Value value(rest.substr(0, detail::value_size(rest)));
    rest.remove_prefix(value.text_.size());
    return value;
  }

  std::string_view text_;
};

/// A member of an object.
struct Member {
  String name;  ///< No other member of the object has it, escapes resolved.
  Value value;  ///< Of any kind.

 private:
  friend class Items<Member>;
  static std::optional<Member> take(std::string_view& rest) noexcept {
    const std::optional<Value> name = Value::take(rest), value = Value::take(rest);
    if (!name || !value || name->kind() != Kind::string) return std::nullopt;
    return Member{name->as_string(), *value};
  }
};

inline Items<Member> Value::members() const noexcept { return Items<Member>(inside(Kind::object)); }

inline std::optional<Value> Value::find(std::string_view name) const noexcept {
  for (const Member& member : members())
    if (member.name.equals(name)) return member.value;
  return std::nullopt;
}

/// Checks a whole text: one value, with nothing but whitespace around it; valid UTF-8 and no BOM;
/// no member name twice in an object, escapes resolved; no U+0000; the limits.
/// Errors, with their position: bad_request, too_large. Thread-safe.
[[nodiscard]] inline std::optional<Error> check(std::string_view text,
                                                const Limits& limits = {}) noexcept {
  if (text.size() > std::min<std::size_t>(limits.max_bytes, 0xFFFFFFFF))
    return Error{Errc::too_large, 0, "JSON text too large"};
  return detail::Checker(text, limits).run();
}

/// Checks a text and gives its value, which is good for as long as the text is.
[[nodiscard]] inline Result<Value> read(std::string_view text, const Limits& limits = {}) noexcept {
  if (const std::optional<Error> error = check(text, limits)) return *error;
  return *Value::take(text);
}

}  // namespace jwekms::json
