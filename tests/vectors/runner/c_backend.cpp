// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include "backend.hpp"
#include "jwekms.h"
#include "jwekms/algorithms.hpp"
#include "output_buffer.hpp"

namespace vectors {

namespace {

/// "ok" or the error's name; and whether the details agree with the status.
[[nodiscard]] Answer answer(jwekms_status status, const jwekms_error& error) {
  const bool agree = error.code == status && (*error.text == '\0') == (status == JWEKMS_OK);
  return {jwekms_status_name(status), {}, agree ? "" : "status and error disagree"};
}

struct FreeInfo {
  void operator()(jwekms_key_info* info) const noexcept { jwekms_key_info_free(info); }
};
struct Close {
  void operator()(jwekms_ctx* ctx) const noexcept { jwekms_close(ctx); }
};

/// The UID of a key that was made.
[[nodiscard]] Answer made(jwekms_status status, const jwekms_error& error, jwekms_key_info* info) {
  const std::unique_ptr<jwekms_key_info, FreeInfo> owner(info);
  Answer a = answer(status, error);
  if ((info != nullptr) != a.ok()) a.fault = "a handle without success, or success without it";
  std::size_t size = 0;
  const char* const uid = jwekms_key_info_uid(info, &size);
  if (uid != nullptr) a.bytes.assign(uid, size);
  return a;
}

class CBackend final : public Backend {
 public:
  explicit CBackend(jwekms_ctx* ctx) : ctx_(ctx) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "C"; }

  [[nodiscard]] Answer import_jwk(std::string_view jwk) override {
    jwekms_error error = JWEKMS_ERROR_INIT;
    jwekms_key_info* info = nullptr;
    const jwekms_status status =
        jwekms_import_key(ctx_.get(), reinterpret_cast<const std::uint8_t*>(jwk.data()), jwk.size(),
                          nullptr, &info, &error);
    return made(status, error, info);
  }

  [[nodiscard]] Answer decrypt(std::string_view token, std::string_view key) override {
    jwekms_decrypt_options options = JWEKMS_DECRYPT_OPTIONS_INIT;
    options.key = key.data();
    options.key_len = key.size();
    std::size_t size = 0;
    const jwekms_status asked =
        jwekms_decrypt(ctx_.get(), token.data(), token.size(), &options, nullptr, &size, nullptr);
    OutputBuffer out(asked == JWEKMS_OK ? std::optional(size) : std::nullopt);

    jwekms_error error = JWEKMS_ERROR_INIT;
    size = out.bytes().size();
    const jwekms_status status = jwekms_decrypt(ctx_.get(), token.data(), token.size(), &options,
                                                out.bytes().data(), &size, &error);
    Answer a = answer(status, error);
    if (!a.fault.empty()) return a;
    if (status == JWEKMS_OK) return out.written(size);
    if (size != 0) a.fault = "a failure wrote a length";
    return a.fault.empty() ? out.failed(a.code) : a;
  }

  [[nodiscard]] Answer unwrap(std::string_view token, std::string_view key) override {
    jwekms_unwrap_key_options options = JWEKMS_UNWRAP_KEY_OPTIONS_INIT;
    options.key = key.data();
    options.key_len = key.size();
    jwekms_error error = JWEKMS_ERROR_INIT;
    jwekms_key_info* info = nullptr;
    const jwekms_status status =
        jwekms_unwrap_key(ctx_.get(), token.data(), token.size(), &options, &info, &error);
    return made(status, error, info);
  }

  [[nodiscard]] Answer encrypt(std::string_view plaintext, std::string_view uid,
                               std::string_view enc) override {
    jwekms_encrypt_options options = JWEKMS_ENCRYPT_OPTIONS_INIT;
    options.key = uid.data();
    options.key_len = uid.size();
    options.alg = "dir";
    options.alg_len = 3;
    options.enc = enc.data();
    options.enc_len = enc.size();
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(plaintext.data());
    std::size_t size = 0;
    jwekms_error error = JWEKMS_ERROR_INIT;
    jwekms_status status =
        jwekms_encrypt(ctx_.get(), bytes, plaintext.size(), &options, nullptr, &size, &error);
    if (status != JWEKMS_OK) return answer(status, error);
    std::string token(size, '\0');
    status =
        jwekms_encrypt(ctx_.get(), bytes, plaintext.size(), &options, token.data(), &size, &error);
    Answer a = answer(status, error);
    a.bytes = token.substr(0, size);
    return a;
  }

 private:
  std::unique_ptr<jwekms_ctx, Close> ctx_;
};

/// The names of what is implemented, as the options take them.
template <class Table>
[[nodiscard]] std::string implemented(const Table& table) {
  std::string names;
  for (const auto& row : table)
    if (row.support == jwekms::Support::implemented)
      names += (names.empty() ? "" : " ") + std::string(row.name);
  return names;
}

}  // namespace

std::unique_ptr<Backend> open_c(const std::filesystem::path& database, PolicyKind policy) {
  const std::string path = database, algs = implemented(jwekms::alg_table),
                    encs = implemented(jwekms::enc_table);
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  options.database_path = path.data();
  options.database_path_len = path.size();
  options.on_warning = [](void*, const char*, std::size_t) {};
  if (policy == PolicyKind::all) {
    options.policy_flags = JWEKMS_ALLOW_MISSING_KID | JWEKMS_ALLOW_UNPROTECTED | JWEKMS_ALLOW_ZIP;
    options.policy_algs = algs.data();
    options.policy_algs_len = algs.size();
    options.policy_encs = encs.data();
    options.policy_encs_len = encs.size();
  }
  jwekms_ctx* ctx = nullptr;
  jwekms_error error = JWEKMS_ERROR_INIT;
  if (jwekms_open(&options, &ctx, &error) != JWEKMS_OK)
    throw std::runtime_error(std::string("jwekms_open: ") + error.text);
  return std::make_unique<CBackend>(ctx);
}

}  // namespace vectors
