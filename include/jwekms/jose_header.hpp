// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Header parameters of a token, read and checked against a policy; header-only.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "jwekms/algorithms.hpp"
#include "jwekms/base64url.hpp"
#include "jwekms/json.hpp"
#include "jwekms/jwe.hpp"
#include "jwekms/key_uid.hpp"
#include "jwekms/policy.hpp"
#include "jwekms/result.hpp"

namespace jwekms {

/// No header above this is read, whatever the policy says.
inline constexpr std::size_t max_header_bytes = 16384;

/// No header has more parameters than this; the RFCs name about thirty.
inline constexpr std::size_t max_header_parameters = 64;

/// Room for one decoded protected header; the values of a JoseHeader are views into it.
using HeaderBuffer = std::array<char, max_header_bytes>;

/// A `kid` with its JSON escapes resolved: opaque bytes.
struct Kid {
  std::array<char, max_uid_bytes> bytes;  ///< The first `size` of them.
  std::size_t size = 0;                   ///< 0: there is none.
  /// The name itself.
  [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), size}; }
};

/// The header parameters of one recipient that this library reads (RFC 7516 §4.1). `jku`, `jwk`,
/// `x5u`, `x5c` and all others are left alone: nothing in a token can point at a key.
struct JoseHeader {
  const AlgRow* alg = nullptr;  ///< Null when the name is unknown.
  const EncRow* enc = nullptr;  ///< Null when the name is unknown.
  Kid kid;                      ///< Empty when there is none.
  bool has_zip = false;         ///< There is a `zip`, whatever it says.
  bool zip_is_deflate = false;  ///< And it says "DEF".
  // Not checked: for algorithms that are not implemented yet.
  std::optional<json::Value> epk;  ///< Key agreement, RFC 7518 §4.6.1.1.
  std::optional<json::Value> apu;  ///< Key agreement, RFC 7518 §4.6.1.2.
  std::optional<json::Value> apv;  ///< Key agreement, RFC 7518 §4.6.1.3.
  std::optional<json::Value> iv;   ///< Key wrapping with AES-GCM, RFC 7518 §4.7.1.1.
  std::optional<json::Value> tag;  ///< Key wrapping with AES-GCM, RFC 7518 §4.7.1.2.
  std::optional<json::Value> p2s;  ///< PBES2, RFC 7518 §4.8.1.1.
  std::optional<json::Value> p2c;  ///< PBES2, RFC 7518 §4.8.1.2.
};

/// Decodes and checks a protected header (RFC 7516 §5.2 steps 2 and 3).
/// @param text    base64url; empty when the token has none, and then so is the result.
/// @param buffer  receives the decoded text, which the returned object is a view of.
/// Errors: bad_request. Thread-safe, allocation-free.
[[nodiscard]] inline Result<std::optional<json::Value>> decode_protected_header(
    std::string_view text, HeaderBuffer& buffer, const Limits& limits) noexcept {
  if (text.empty()) return std::optional<json::Value>{};
  const std::size_t size = base64url::decoded_size(text.size());
  if (size > buffer.size() || size > limits.max_header_bytes)
    return detail::malformed("the protected header is too long");
  if (!base64url::decode(text, reinterpret_cast<std::uint8_t*>(buffer.data())))
    return detail::malformed("the protected header is not base64url");
  const Result<json::Value> value =
      json::read({buffer.data(), size}, {.max_bytes = limits.max_header_bytes});
  if (!value) return value.error();
  if (value->kind() != json::Kind::object)
    return detail::malformed("the protected header must be an object");
  return std::optional<json::Value>{*value};
}

namespace detail {

/// Which of a recipient's headers a parameter stands in.
enum class Origin : std::uint8_t { protected_header, unprotected, recipient };

class HeaderReader {
 public:
  HeaderReader(const Policy& policy, Serialization serialization) noexcept
      : policy_(policy), general_(serialization == Serialization::general) {}

  [[nodiscard]] Result<void> read(const json::Value& header, Origin origin) noexcept {
    if (header.text().size() > policy_.limits.max_header_bytes)
      return malformed("a header is too long");
    std::size_t count = 0;
    for (const json::Member& m : header.members()) {
      if (++count > max_header_parameters) return malformed("a header has too many parameters");
      if (const Result<void> r = member(m, origin); !r) return r.error();
    }
    return {};
  }

  [[nodiscard]] Result<JoseHeader> finish() const noexcept {
    if (!has_alg_) return malformed("alg is missing");
    if (!has_enc_) return malformed("enc is missing");
    return header_;
  }

 private:
  [[nodiscard]] Result<void> member(const json::Member& m, Origin origin) noexcept {
    if (m.name.equals("alg")) return algorithm(m.value, origin);
    if (m.name.equals("enc")) return encryption(m.value, origin);
    if (m.name.equals("kid")) return key_id(m.value, origin);
    if (m.name.equals("zip")) return compression(m.value, origin);
    // RFC 7515 §4.1.11: this library implements no extension, so whatever a `crit` lists, it must
    // refuse.
    if (m.name.equals("crit")) return malformed("crit names an extension that is not implemented");
    if (m.name.equals("epk")) header_.epk = m.value;
    if (m.name.equals("apu")) header_.apu = m.value;
    if (m.name.equals("apv")) header_.apv = m.value;
    if (m.name.equals("iv")) header_.iv = m.value;
    if (m.name.equals("tag")) header_.tag = m.value;
    if (m.name.equals("p2s")) header_.p2s = m.value;
    if (m.name.equals("p2c")) header_.p2c = m.value;
    return {};
  }

  /// Copies a name into `out`; one that does not fit is no name that any table knows.
  template <std::size_t N>
  [[nodiscard]] static std::string_view resolve(const json::String& s,
                                                std::array<char, N>& out) noexcept {
    const std::optional<std::size_t> size = s.copy_to(out);
    return size ? std::string_view{out.data(), *size} : std::string_view{};
  }

  [[nodiscard]] Result<void> algorithm(const json::Value& value, Origin origin) noexcept {
    if (value.kind() != json::Kind::string) return malformed("alg must be a string");
    if (!trusted(origin, true)) return {};
    std::array<char, 32> text;
    header_.alg = find_alg(resolve(value.as_string(), text));
    has_alg_ = true;
    return {};
  }

  [[nodiscard]] Result<void> encryption(const json::Value& value, Origin origin) noexcept {
    if (value.kind() != json::Kind::string) return malformed("enc must be a string");
    if (!trusted(origin, false)) return {};
    std::array<char, 32> text;
    header_.enc = find_enc(resolve(value.as_string(), text));
    has_enc_ = true;
    return {};
  }

  [[nodiscard]] Result<void> key_id(const json::Value& value, Origin origin) noexcept {
    if (value.kind() != json::Kind::string) return malformed("kid must be a string");
    if (!trusted(origin, true)) return {};
    const std::optional<std::size_t> size = value.as_string().copy_to(header_.kid.bytes);
    if (!size || *size == 0) return malformed("kid must be 1 to 256 bytes");
    header_.kid.size = *size;
    return {};
  }

  /// RFC 7516 §4.1.3: `zip` must be integrity-protected.
  [[nodiscard]] Result<void> compression(const json::Value& value, Origin origin) noexcept {
    if (origin != Origin::protected_header) return malformed("zip must be protected");
    if (value.kind() != json::Kind::string) return malformed("zip must be a string");
    header_.has_zip = true;
    header_.zip_is_deflate = value.as_string().equals("DEF");
    return {};
  }

  /// Whether a parameter counts where it stands: see Policy::require_protected.
  [[nodiscard]] bool trusted(Origin origin, bool per_recipient) const noexcept {
    if (origin == Origin::protected_header || !policy_.require_protected) return true;
    return origin == Origin::recipient && general_ && per_recipient;
  }

  const Policy& policy_;
  bool general_;
  bool has_alg_ = false;
  bool has_enc_ = false;
  JoseHeader header_;
};

/// RFC 7516 §7.2.1: a name stands in one of a recipient's headers only.
[[nodiscard]] inline bool disjoint(const std::optional<json::Value>& a,
                                   const std::optional<json::Value>& b) noexcept {
  if (!a || !b) return true;
  std::array<char, 512> name;
  for (const json::Member& m : b->members()) {
    const std::optional<std::size_t> size = m.name.copy_to(name);
    // A name too long to compare is refused rather than let through.
    if (!size || a->find({name.data(), *size})) return false;
  }
  return true;
}

}  // namespace detail

/// Joins the headers that apply to one recipient and reads their parameters (RFC 7516 §5.2 step 4
/// and §7.2.1). Unknown algorithm names are not an error yet: see check_header.
/// @param protected_header  from decode_protected_header.
/// Errors: bad_request. Thread-safe, allocation-free.
[[nodiscard]] inline Result<JoseHeader> read_header(
    const JweView& view, const std::optional<json::Value>& protected_header,
    const Recipient& recipient, const Policy& policy) noexcept {
  using detail::Origin;
  detail::HeaderReader reader(policy, view.serialization);
  Result<void> r;
  if (protected_header) r = reader.read(*protected_header, Origin::protected_header);
  if (r && view.unprotected) r = reader.read(*view.unprotected, Origin::unprotected);
  if (r && recipient.header) r = reader.read(*recipient.header, Origin::recipient);
  if (!r) return r.error();
  if (!detail::disjoint(protected_header, view.unprotected) ||
      !detail::disjoint(protected_header, recipient.header) ||
      !detail::disjoint(view.unprotected, recipient.header))
    return detail::malformed("a header parameter stands in two headers");
  return reader.finish();
}

/// Whether a policy lets a token with this header in, before any key is looked up.
/// Errors: bad_request (no kid), unsupported_algorithm. Thread-safe.
[[nodiscard]] inline Result<void> check_header(const JoseHeader& header,
                                               const Policy& policy) noexcept {
  constexpr auto unsupported = [](const char* text) {
    return Error{Errc::unsupported_algorithm, 0, text};
  };
  if (header.alg && header.alg->support == Support::never)
    return unsupported("RSA1_5 is never accepted");
  if (header.kid.size == 0 && policy.require_kid) return detail::malformed("kid is missing");
  if (!header.alg || header.alg->support != Support::implemented ||
      !policy.algs.contains(header.alg->id))
    return unsupported("alg is unknown or not allowed");
  if (!header.enc || header.enc->support != Support::implemented ||
      !policy.encs.contains(header.enc->id))
    return unsupported("enc is unknown or not allowed");
  if (header.has_zip && !(policy.allow_zip && header.zip_is_deflate))
    return unsupported("zip is unknown or not allowed");
  return {};
}

}  // namespace jwekms
