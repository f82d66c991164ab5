// SPDX-License-Identifier: Apache-2.0
#include "providers/db/kek_entry.hpp"

#include <string>
#include <string_view>

#include "crypto/aes_gcm.hpp"
#include "providers/db/record.hpp"

namespace jwekms::db {

namespace {

using Bytes = std::vector<std::uint8_t>;
using crypto::gcm_iv_bytes;
using crypto::gcm_tag_bytes;

constexpr std::size_t check_bytes = gcm_iv_bytes + gcm_tag_bytes;
constexpr std::string_view check_text = "jwekms key-encryption key check 1";
constexpr std::uint8_t outside = 'F';
constexpr std::uint8_t in_hsm = 'H';

/// A field behind its length, in as many bytes as the reader expects.
void put(Bytes& entry, std::size_t length_bytes, std::span<const std::uint8_t> field) {
  for (std::size_t i = length_bytes; i-- > 0;)
    entry.push_back(static_cast<std::uint8_t>(field.size() >> (8 * i)));
  entry.insert(entry.end(), field.begin(), field.end());
}
void put(Bytes& entry, std::size_t length_bytes, std::string_view field) {
  put(entry, length_bytes,
      std::span(reinterpret_cast<const std::uint8_t*>(field.data()), field.size()));
}

[[nodiscard]] bool take(std::span<const std::uint8_t>& rest, std::size_t length_bytes,
                        std::span<const std::uint8_t>& field) {
  if (rest.size() < length_bytes) return false;
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) length = length << 8 | rest[i];
  rest = rest.subspan(length_bytes);
  if (rest.size() < length) return false;
  field = rest.first(length);
  rest = rest.subspan(length);
  return true;
}

[[nodiscard]] Bytes aad_of(std::span<const std::uint8_t> stated) {
  Bytes aad(check_text.begin(), check_text.end());
  aad.insert(aad.end(), stated.begin(), stated.end());
  return aad;
}

}  // namespace

Result<Bytes> write_kek_entry(const crypto::Library& library, const Kek& kek,
                              const core::WrappedKek* wrapped) {
  Bytes entry{wrapped == nullptr ? outside : in_hsm};
  if (wrapped != nullptr) {
    put(entry, 1, wrapped->mechanism);
    put(entry, 2, wrapped->wrapped_by);
    put(entry, 2, wrapped->bytes);
  }
  const Bytes aad = aad_of(entry);
  Bytes check(check_bytes);
  const auto iv = std::span(check).first<gcm_iv_bytes>();
  if (const Result<void> drawn = library.random(iv); !drawn) return drawn.error();
  const Result<void> sealed =
      crypto::seal(library, kek, iv, aad, {}, {}, std::span(check).last<gcm_tag_bytes>());
  if (!sealed) return sealed.error();
  entry.insert(entry.end(), check.begin(), check.end());
  return entry;
}

Result<std::optional<core::WrappedKek>> read_kek_entry(std::span<const std::uint8_t> entry) {
  if (entry.size() < 1 + check_bytes) return damaged;
  const std::uint8_t kind = entry[0];
  std::span<const std::uint8_t> rest = entry.subspan(1, entry.size() - 1 - check_bytes);
  if (kind == outside && rest.empty()) return std::optional<core::WrappedKek>{};
  std::span<const std::uint8_t> mechanism, wrapped_by, bytes;
  if (kind != in_hsm || !take(rest, 1, mechanism) || !take(rest, 2, wrapped_by) ||
      !take(rest, 2, bytes) || !rest.empty())
    return damaged;
  return std::optional<core::WrappedKek>{{{mechanism.begin(), mechanism.end()},
                                          {wrapped_by.begin(), wrapped_by.end()},
                                          {bytes.begin(), bytes.end()}}};
}

Result<void> check_kek(const crypto::Library& library, const Kek& kek,
                       std::span<const std::uint8_t> entry) {
  if (entry.size() < 1 + check_bytes) return damaged;
  const auto check = entry.last<check_bytes>();
  const Result<void> done = crypto::unseal(library, kek, check.first<gcm_iv_bytes>(),
                                           aad_of(entry.first(entry.size() - check_bytes)), {},
                                           check.last<gcm_tag_bytes>(), {});
  if (done || done.error().code != Errc::decryption_failed) return done;
  return Error{Errc::crypto_failure, 0, "the key-encryption key is not this database's"};
}

}  // namespace jwekms::db
