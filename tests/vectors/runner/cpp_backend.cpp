// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include "backend.hpp"
#include "jwekms/jwekms.hpp"
#include "output_buffer.hpp"

namespace vectors {

namespace {

using jwekms::Result;

[[nodiscard]] std::span<const std::uint8_t> bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

[[nodiscard]] Answer failure(const jwekms::Error& error) {
  return {std::string(jwekms::name(error.code)), {}, {}};
}

class CppBackend final : public Backend {
 public:
  explicit CppBackend(jwekms::Kms kms) : kms_(std::move(kms)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "C++"; }

  [[nodiscard]] Answer import_jwk(std::string_view jwk) override {
    jwekms::ImportKey request;
    request.data = bytes_of(jwk);
    const Result<jwekms::KeyInfo> info = kms_.import_key(request);
    if (!info) return failure(info.error());
    return {"ok", info->uid, {}};
  }

  [[nodiscard]] Answer decrypt(std::string_view token, std::string_view key) override {
    const Result<std::size_t> bound = kms_.decrypt_bound(token);
    OutputBuffer out(bound ? std::optional(*bound) : std::nullopt);
    const Result<std::size_t> size = kms_.decrypt(token, out.bytes(), {.key = key});
    return size ? out.written(*size) : out.failed(jwekms::name(size.error().code));
  }

  [[nodiscard]] Answer unwrap(std::string_view token, std::string_view key) override {
    const Result<jwekms::KeyInfo> info = kms_.unwrap_key(token, {}, {.key = key});
    if (!info) return failure(info.error());
    return {"ok", info->uid, {}};
  }

  [[nodiscard]] Answer encrypt(std::string_view plaintext, std::string_view uid,
                               std::string_view enc) override {
    const jwekms::EncRow* const row = jwekms::find_enc(enc);
    if (row == nullptr) return {"unsupported_algorithm", {}, {}};
    jwekms::EncryptOptions options;
    options.key = uid;
    options.alg = jwekms::Alg::dir;
    options.enc = row->id;
    std::string token(kms_.encrypt_bound(plaintext.size(), options), '\0');
    const Result<std::size_t> size = kms_.encrypt(bytes_of(plaintext), token, options);
    if (!size) return failure(size.error());
    return {"ok", token.substr(0, *size), {}};
  }

 private:
  jwekms::Kms kms_;
};

}  // namespace

std::unique_ptr<Backend> open_cpp(const std::filesystem::path& database, PolicyKind policy) {
  jwekms::Options options;
  options.database.path = database;
  if (policy == PolicyKind::all) options.policy = jwekms::Policy::permissive();
  options.on_warning = [](std::string_view) {};
  Result<jwekms::Kms> kms = jwekms::open(options);
  if (!kms) throw std::runtime_error(std::string("jwekms::open: ") + kms.error().text);
  return std::make_unique<CppBackend>(*std::move(kms));
}

}  // namespace vectors
