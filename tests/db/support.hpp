// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of the database provider, and the program that they kill, have in common.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/library.hpp"
#include "crypto/rsa_key.hpp"
#include "jwekms/base64url.hpp"
#include "jwekms/open.hpp"
#include "jwekms/provider.hpp"
#include "providers/db/db_provider.hpp"

namespace jwekms::db::test {

using Bytes = std::vector<std::uint8_t>;

/// A directory of a test's own, removed in the end.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "jwekms-db-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline const std::shared_ptr<const crypto::Library>& library() {
  static const std::shared_ptr<const crypto::Library> opened = crypto::Library::open("").value();
  return opened;
}

inline DatabaseOptions options_for(const std::string& path) {
  DatabaseOptions options;
  options.path = path;
  return options;
}
inline DatabaseOptions options_in(const TempDir& dir) { return options_for(dir.file("keys.db")); }

inline Result<std::shared_ptr<KeyProvider>> try_open(const DatabaseOptions& options,
                                                     const WarningSink& warn = {},
                                                     const Policy& policy = {}) {
  return open_database(library(), make_store(options), options, nullptr, warn, policy);
}
inline std::shared_ptr<KeyProvider> open_db(const DatabaseOptions& options) {
  return try_open(options).value();
}
inline std::shared_ptr<KeyProvider> open_db(const TempDir& dir) { return open_db(options_in(dir)); }

/// PKCS#8 of an RSA key that is made once for each program.
inline const Bytes& rsa_der() {
  static const Bytes der = [] {
    const auto key = crypto::RsaKey::generate(library(), 2048).value();
    const crypto::SecretBuffer made = key->to_pkcs8().value();
    const auto bytes = made.bytes(InsecureSecretAccess::token());
    return Bytes(bytes.begin(), bytes.end());
  }();
  return der;
}

inline ImportKey rsa_import(const Bytes& der, std::string uid) {
  ImportKey request;
  request.format = KeyFormat::der;
  request.data = der;
  request.uid = std::move(uid);
  return request;
}
inline ImportKey raw_import(const Bytes& bytes, std::string uid) {
  ImportKey request;
  request.format = KeyFormat::raw;
  request.data = bytes;
  request.uid = std::move(uid);
  return request;
}
inline CreateKey oct_request(std::string uid, Enc enc = Enc::A256GCM) {
  CreateKey request;
  request.type = KeyType::oct;
  request.uid = std::move(uid);
  request.enc = enc;
  return request;
}

/// What one encryption made.
struct Message {
  std::string text;
  Bytes iv, tag;
};

inline constexpr Aad test_aad{"eyJhbGciOiJkaXIifQ", std::nullopt};

inline Result<Message> encrypt(const ContentKey& key, const Bytes& plaintext) {
  Message m;
  m.text.resize(base64url::encoded_size(plaintext.size()));
  m.iv.resize(12);
  m.tag.resize(16);
  const Result<void> done = key.encrypt(test_aad, plaintext, {m.text, m.iv, m.tag});
  if (!done) return done.error();
  return m;
}

inline Result<Bytes> decrypt(const ContentKey& key, const Message& m) {
  Bytes out(base64url::decoded_size(m.text.size()));
  const Result<std::size_t> size = key.decrypt({{m.iv}, test_aad, m.text, {m.tag}}, out);
  if (!size) return size.error();
  out.resize(*size);
  return out;
}

inline bool round_trip(const ContentKey& one, const ContentKey& other) {
  const Bytes plaintext{'h', 'e', 'l', 'l', 'o'};
  const Result<Message> m = encrypt(one, plaintext);
  if (!m) return false;
  const Result<Bytes> back = decrypt(other, *m);
  return back && *back == plaintext;
}

/// Whether a key does what its kind is for.
inline bool works(const Key& key) {
  const KeyInfo& info = key.info();
  if (info.type == KeyType::rsa) {
    const AlgRow& alg = row(Alg::RSA_OAEP_256);
    const EncRow& enc = row(Enc::A128GCM);
    Result<NewCek> cek = key.wrap(alg, enc);
    if (!cek) return false;
    const JoseHeader header{};
    const auto unwrapped = key.unwrap({alg, enc, header, {cek->encrypted_key}});
    return unwrapped && round_trip(*cek->content_key, **unwrapped);
  }
  for (const EncRow& enc : enc_table) {
    if (std::uint32_t{enc.cek_bytes} * 8 != info.bits || (info.enc && *info.enc != enc.id))
      continue;
    if (enc.support != Support::implemented) continue;
    const auto content_key = key.content_key(enc);
    return content_key && round_trip(**content_key, **content_key);
  }
  return false;
}

inline bool works(const KeyProvider& provider, std::string_view kid) {
  const Result<std::shared_ptr<const Key>> key = provider.resolve(kid);
  return key && works(**key);
}

inline Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace jwekms::db::test
