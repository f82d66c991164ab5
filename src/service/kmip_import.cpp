// SPDX-License-Identifier: Apache-2.0
#include "service/kmip_import.hpp"

#include <algorithm>
#include <array>

#include "jwekms/base64url.hpp"
#include "jwekms/key_uid.hpp"
#include "service/body.hpp"
#include "service/call.hpp"

namespace jwekms::service {

namespace {

using ttlv::Item;
using ttlv::Structure;
using Name = Structure::Name;

[[nodiscard]] Error bad(const char* text) noexcept { return {Errc::bad_request, 0, text}; }
[[nodiscard]] Error unsupported(const char* text) noexcept {
  return {Errc::unsupported_algorithm, 0, text};
}

// KMIP 2.1 §11: the enumerations, as far as they matter here.
constexpr std::array object_types{Name{"SymmetricKey", 2}};
constexpr std::array key_formats{Name{"Raw", 1}, Name{"TransparentSymmetricKey", 7}};
constexpr std::array key_wraps{Name{"NotWrapped", 1}};
constexpr std::array algorithms{Name{"AES", 3}, Name{"RSA", 4}};
constexpr std::uint32_t aes = 3, rsa = 4;
constexpr std::array wrapping_methods{Name{"Encrypt", 1}};
constexpr std::array encodings{Name{"NoEncoding", 1}};
constexpr std::array paddings{Name{"OAEP", 2}};
constexpr std::array hashes{Name{"SHA1", 4}, Name{"SHA256", 6}, Name{"SHA384", 7},
                            Name{"SHA512", 8}};
constexpr std::uint32_t sha256 = 6;
/// RSA-OAEP with the hash at the same place above.
constexpr std::array oaep{Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::RSA_OAEP_384, Alg::RSA_OAEP_512};
constexpr std::array mask_generators{Name{"MFG1", 1}};
constexpr std::array states{Name{"Active", 2}};
constexpr std::uint32_t encrypt_and_decrypt = 0x4 | 0x8;

[[nodiscard]] bool has_others(const Structure& structure,
                              std::initializer_list<std::string_view> known) {
  return std::ranges::any_of(structure.items(), [&](const Item& item) {
    return std::ranges::find(known, item.tag) == known.end();
  });
}

/// Whether an enumeration is absent or the one number that is allowed.
[[nodiscard]] bool is_or_absent(Structure& in, std::string_view tag, std::span<const Name> names,
                                std::uint32_t number) {
  return in.enumeration(tag, names).value_or(number) == number;
}

/// How the key is wrapped.
struct Wrapping {
  std::string kid;
  Alg alg = Alg::RSA_OAEP_256;
};

/// Errors: bad_request, unsupported_algorithm.
[[nodiscard]] Result<Alg> read_parameters(Structure& parameters) {
  if (has_others(parameters, {"CryptographicAlgorithm", "PaddingMethod", "HashingAlgorithm",
                              "MaskGenerator", "MaskGeneratorHashingAlgorithm", "PSource"}))
    return unsupported("the CryptographicParameters are not those of RSA-OAEP");
  const std::uint32_t hash = parameters.enumeration("HashingAlgorithm", hashes).value_or(sha256);
  const bool fits = is_or_absent(parameters, "CryptographicAlgorithm", algorithms, rsa) &&
                    is_or_absent(parameters, "PaddingMethod", paddings, 2) &&
                    is_or_absent(parameters, "MaskGenerator", mask_generators, 1) &&
                    is_or_absent(parameters, "MaskGeneratorHashingAlgorithm", hashes, hash);
  const auto label = parameters.bytes("PSource");
  if (const Result<void> read = parameters.error(); !read) return read.error();
  if (!fits || (label && !label->empty()))
    return unsupported("the CryptographicParameters are not those of RSA-OAEP in JWE");
  for (std::size_t i = 0; i < hashes.size(); ++i)
    if (hashes[i].number == hash) return oaep[i];
  return unsupported("the HashingAlgorithm is not known");
}

/// Errors: bad_request, unsupported_algorithm.
[[nodiscard]] Result<Wrapping> read_wrapping(Structure& block) {
  Structure data(block, "KeyWrappingData");
  Structure information(data, "EncryptionKeyInformation");
  Structure parameters(information, "CryptographicParameters");
  Wrapping wrapping{.kid = information.text("UniqueIdentifier").value_or("")};
  const bool encrypts = data.enumeration("WrappingMethod", wrapping_methods) == 1;
  const bool raw = is_or_absent(data, "EncodingOption", encodings, 1);
  if (const Result<void> read = data.error(); !read) return read.error();
  if (const Result<void> read = information.error(); !read) return read.error();
  if (data.items().empty()) return bad("Import takes wrapped keys alone");
  if (!encrypts ||
      has_others(data, {"WrappingMethod", "EncryptionKeyInformation", "EncodingOption"}))
    return unsupported("the WrappingMethod must be Encrypt");
  if (!raw) return unsupported("the EncodingOption must be NoEncoding");
  if (wrapping.kid.empty()) return bad("the wrapping key's UniqueIdentifier is missing");
  const Result<Alg> alg = read_parameters(parameters);
  if (!alg) return alg.error();
  wrapping.alg = *alg;
  return wrapping;
}

/// The wrapped key: a ByteString, or one within a KeyValue structure.
[[nodiscard]] Result<std::vector<std::uint8_t>> read_wrapped(Structure& block) {
  std::optional<std::vector<std::uint8_t>> bytes;
  const Item* value = block.find("KeyValue");
  if (value != nullptr && value->type == "Structure") {
    Structure inner(*value);
    bytes = inner.bytes("KeyMaterial");
    if (const Result<void> read = inner.error(); !read) return read.error();
  } else {
    bytes = block.bytes("KeyValue");
  }
  if (const Result<void> read = block.error(); !read) return read.error();
  if (!bytes || bytes->empty()) return bad("the KeyValue is missing");
  return *std::move(bytes);
}

/// The `enc` of an AES key, from the key block or the attributes. Errors: bad_request,
/// unsupported_algorithm.
[[nodiscard]] Result<Enc> read_enc(Structure& block, Structure& attributes) {
  std::optional<std::uint32_t> bits;
  bool is_aes = true;
  for (Structure* in : {&block, &attributes}) {
    is_aes = is_aes && is_or_absent(*in, "CryptographicAlgorithm", algorithms, aes);
    const std::optional<std::uint32_t> length = in->integer("CryptographicLength");
    if (const Result<void> read = in->error(); !read) return read.error();
    if (bits && length && *bits != *length) return bad("two CryptographicLengths");
    if (length) bits = length;
  }
  if (!is_aes) return unsupported("the CryptographicAlgorithm must be AES");
  if (!bits) return bad("the CryptographicLength is missing");
  for (const EncRow& r : enc_table)
    if (r.hash == Hash::none && r.cek_bytes * 8U == *bits) return r.id;
  return unsupported("the CryptographicLength must be 128, 192 or 256");
}

/// The value of a vendor attribute that says yes or no, however it is written.
[[nodiscard]] std::optional<bool> truth(const Item& item) {
  if (item.type == "Boolean") return item.value.as_bool();
  const std::string_view text = item.value.as_string().raw();
  if (text == "true" || text == "01" || text == "74727565") return true;
  if (text == "false" || text == "00" || text == "66616C7365" || text == "66616c7365") return false;
  return std::nullopt;
}

/// Looks for the vendor attribute `store_in_hsm`: {VendorIdentification, AttributeName,
/// AttributeValue}, which clients nest differently. Errors: bad_request.
[[nodiscard]] Result<std::optional<bool>> read_store_in_hsm(Structure& structure) {
  std::optional<bool> found;
  for (const Item& item : structure.items()) {
    if (item.type != "Structure" || (item.tag != "VendorAttributes" &&
                                     item.tag != "VendorAttribute" && item.tag != "Attribute"))
      continue;
    Structure inner(item);
    Result<std::optional<bool>> value = read_store_in_hsm(inner);
    if (!value) return value;
    if (inner.text("AttributeName") == "store_in_hsm") {
      const Item* given = inner.find("AttributeValue");
      if (given != nullptr) value = truth(*given);
      if (!*value) return bad("store_in_hsm must be true or false");
    }
    if (const Result<void> read = inner.error(); !read) return read.error();
    if (*value && found) return bad("store_in_hsm stands twice");
    if (*value) found = *value;
  }
  return found;
}

/// Where the key goes, and under which UID. Errors: bad_request.
[[nodiscard]] Result<KeepCek> place(const std::string& parent, const std::string& uid,
                                    std::optional<bool> store_in_hsm) {
  const Result<KeyUid> parent_uid = parse_key_uid(parent);
  if (!parent_uid) return parent_uid.error();
  const bool whole = uid.starts_with("hsm::");
  KeepCek keep{.uid = uid, .store_in_hsm = store_in_hsm.value_or(parent_uid->in_hsm || whole)};
  if (!keep.store_in_hsm && whole) return bad("the UniqueIdentifier is an HSM key's");
  if (keep.store_in_hsm && !whole && !uid.empty()) {
    Result<std::string> made = beside(parent, uid);
    if (!made) return made.error();
    keep.uid = *std::move(made);
  }
  return keep;
}

[[nodiscard]] std::string b64(std::span<const std::uint8_t> bytes) {
  std::string text(base64url::encoded_size(bytes.size()), '\0');
  base64url::encode(bytes, text.data());
  return text;
}

/// The same, as the core takes it: the part of a JWE that wraps its CEK.
[[nodiscard]] std::string as_jwe(const Wrapping& wrapping, Enc enc,
                                 std::span<const std::uint8_t> wrapped) {
  const std::string header = std::string(R"({"alg":")")
                                 .append(row(wrapping.alg).name)
                                 .append(R"(","enc":")")
                                 .append(row(enc).name)
                                 .append(R"(","kid":)")
                                 .append(quoted(wrapping.kid))
                                 .append("}");
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(header.data());
  return R"({"protected":")" + b64({bytes, header.size()}) + R"(","encrypted_key":")" +
         b64(wrapped) + R"("})";
}

/// What the attributes ask for that a CEK is not. Errors: bad_request.
[[nodiscard]] Result<void> check_attributes(Structure& attributes) {
  const std::uint32_t mask =
      attributes.integer("CryptographicUsageMask").value_or(encrypt_and_decrypt);
  if ((mask & encrypt_and_decrypt) != encrypt_and_decrypt)
    return bad("the CryptographicUsageMask must have Encrypt and Decrypt");
  if (!is_or_absent(attributes, "State", states, 2)) return bad("the State must be Active");
  return attributes.error();
}

}  // namespace

Result<std::string> import_wrapped_key(const Kms& kms, Structure& request, std::string& kid) {
  const std::string uid = request.text("UniqueIdentifier").value_or("");
  const bool is_key = request.enumeration("ObjectType", object_types) == 2;
  const bool unwraps = is_or_absent(request, "KeyWrapType", key_wraps, 1);
  Structure attributes(request, "Attributes");
  // The object stands under its own name or, from some clients, under "Object".
  Structure object(request, request.find("Object") != nullptr ? "Object" : "SymmetricKey");
  Structure block(object, "KeyBlock");
  const bool known_format = is_or_absent(block, "KeyFormatType", key_formats, 1) ||
                            is_or_absent(block, "KeyFormatType", key_formats, 7);
  for (const Structure* part : {&request, &attributes, &object, &block})
    if (const Result<void> read = part->error(); !read) return read.error();
  if (!is_key) return bad("Import takes a SymmetricKey");
  if (!unwraps) return bad("the KeyWrapType must be NotWrapped: the server keeps no wrapped keys");
  if (!known_format) return bad("the KeyFormatType must be Raw");

  const Result<Wrapping> wrapping = read_wrapping(block);
  if (!wrapping) return wrapping.error();
  if (wrapping->kid.size() <= max_uid_bytes) kid = wrapping->kid;
  const Result<std::vector<std::uint8_t>> wrapped = read_wrapped(block);
  if (!wrapped) return wrapped.error();
  const Result<Enc> enc = read_enc(block, attributes);
  if (!enc) return enc.error();
  if (const Result<void> fits = check_attributes(attributes); !fits) return fits.error();
  const Result<std::optional<bool>> store_in_hsm = read_store_in_hsm(attributes);
  if (!store_in_hsm) return store_in_hsm.error();
  const Result<KeepCek> keep = place(wrapping->kid, uid, *store_in_hsm);
  if (!keep) return keep.error();
  const Result<KeyInfo> kept = kms.unwrap_key(as_jwe(*wrapping, *enc, *wrapped), *keep);
  if (!kept) return kept.error();
  return kept->uid;
}

}  // namespace jwekms::service
