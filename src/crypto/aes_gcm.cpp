// SPDX-License-Identifier: Apache-2.0
#include "crypto/aes_gcm.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <vector>

#include "crypto/base64url_vector.hpp"
#include "crypto/secret_buffer.hpp"
#include "jwekms/base64url.hpp"

namespace jwekms::crypto {

namespace {

/// Plaintext bytes handled at a time: a block and its base64url stay in the first-level caches.
/// A multiple of 3, so that blocks end where base64url quads do.
constexpr std::size_t block_bytes = 24576;
constexpr std::size_t block_chars = block_bytes / 3 * 4;

constexpr Error failed_tag{Errc::decryption_failed, 0, "decryption failed"};
constexpr Error bad_ciphertext{Errc::bad_request, 0, "the ciphertext is not base64url"};

[[nodiscard]] const std::uint8_t* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

/// EVP_CipherUpdate over any length: OpenSSL counts in int.
[[nodiscard]] bool update(EVP_CIPHER_CTX* ctx, std::uint8_t* out,
                          std::span<const std::uint8_t> in) noexcept {
  constexpr std::size_t most = std::size_t{1} << 30;
  while (!in.empty()) {
    const std::size_t n = std::min(in.size(), most);
    int written = 0;
    if (EVP_CipherUpdate(ctx, out, &written, in.data(), static_cast<int>(n)) != 1) return false;
    if (out != nullptr) out += written;
    in = in.subspan(n);
  }
  return true;
}

[[nodiscard]] bool update_aad(EVP_CIPHER_CTX* ctx, const Aad& aad) noexcept {
  if (!update(ctx, nullptr, {bytes_of(aad.protected_b64), aad.protected_b64.size()})) return false;
  if (!aad.aad_b64) return true;
  constexpr std::uint8_t dot = '.';
  return update(ctx, nullptr, {&dot, 1}) &&
         update(ctx, nullptr, {bytes_of(*aad.aad_b64), aad.aad_b64->size()});
}

/// Checks the tag. RFC 7518 §5.3; the comparison is OpenSSL's, in constant time.
[[nodiscard]] bool tag_holds(EVP_CIPHER_CTX* ctx, std::span<const std::uint8_t> tag) noexcept {
  std::uint8_t none = 0;
  int written = 0;
  return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                             const_cast<std::uint8_t*>(tag.data())) == 1 &&
         EVP_DecryptFinal_ex(ctx, &none, &written) == 1;
}

[[nodiscard]] bool make_tag(EVP_CIPHER_CTX* ctx, std::span<std::uint8_t> tag) noexcept {
  std::uint8_t none = 0;
  int written = 0;
  return EVP_EncryptFinal_ex(ctx, &none, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()),
                             tag.data()) == 1;
}

[[nodiscard]] CipherCtxPtr keyed_context(const EVP_CIPHER* cipher,
                                         std::span<const std::uint8_t> key, bool encrypt) {
  CipherCtxPtr ctx(EVP_CIPHER_CTX_new());
  if (!ctx) throw std::bad_alloc();
  if (EVP_CipherInit_ex2(ctx.get(), cipher, key.data(), nullptr, encrypt ? 1 : 0, nullptr) != 1)
    ctx.reset();
  return ctx;
}

[[nodiscard]] bool set_iv(EVP_CIPHER_CTX* ctx, std::span<const std::uint8_t> iv) noexcept {
  return EVP_CipherInit_ex2(ctx, nullptr, nullptr, iv.data(), -1, nullptr) == 1;
}

/// Contexts that hold one key's schedule, one for each call in flight, so that a call sets an IV
/// and no more. OpenSSL wipes a context's schedule when it frees it.
class ContextPool {
 public:
  [[nodiscard]] CipherCtxPtr take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    CipherCtxPtr ctx = std::move(idle_.back());
    idle_.pop_back();
    return ctx;
  }
  void give_back(CipherCtxPtr ctx) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < max_idle) idle_.push_back(std::move(ctx));
  }

 private:
  static constexpr std::size_t max_idle = 64;
  std::mutex mutex_;
  std::vector<CipherCtxPtr> idle_;
};

/// A CEK where it can wait. One that lives for a call stays where it is; one that is kept goes to
/// locked pages, which are wiped in a forked child: a mark in front of it tells the child so.
class HeldCek {
 public:
  HeldCek(Cek cek, bool kept) : cek_(std::move(cek)) {
    if (!kept) return;
    const auto access = InsecureSecretAccess::token();
    pages_ = SecretBuffer(1 + cek_.size());
    pages_.bytes(access)[0] = alive;
    std::ranges::copy(cek_.bytes(access), pages_.bytes(access).begin() + 1);
    cek_.wipe();
  }
  /// Empty in a child that was forked since.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept {
    const auto access = InsecureSecretAccess::token();
    if (pages_.size() == 0) return cek_.bytes(access);
    if (pages_.bytes(access)[0] != alive) return {};
    return pages_.bytes(access).subspan(1);
  }

 private:
  static constexpr std::uint8_t alive = 0xA5;
  Cek cek_;
  SecretBuffer pages_;
};

class GcmContentKey final : public ContentKey {
 public:
  GcmContentKey(std::shared_ptr<const Library> library, Cek cek,
                std::shared_ptr<EncryptionBudget> budget)
      : library_(std::move(library)),
        cek_(std::move(cek), budget != nullptr),
        budget_(std::move(budget)) {}

  Result<std::size_t> decrypt(const SealedContent& sealed,
                              std::span<std::uint8_t> out) const override {
    const std::size_t size = base64url::decoded_size(sealed.ciphertext_b64.size());
    if (out.size() < size) return Error{Errc::buffer_too_small, 0, "the output buffer is small"};
    CipherCtxPtr ctx = context(decrypting_, false);
    if (!ctx || !set_iv(ctx.get(), sealed.iv.bytes) || !update_aad(ctx.get(), sealed.aad))
      return openssl_failure();
    const Result<void> opened = open_blocks(ctx.get(), sealed, out.data());
    if (!opened) {
      secure_wipe(out.data(), size);
      return opened.error();
    }
    decrypting_.give_back(std::move(ctx));
    return size;
  }

  Result<void> encrypt(const Aad& aad, std::span<const std::uint8_t> plaintext,
                       const SealInto& into) const override {
    if (budget_)
      if (Result<void> taken = budget_->take(); !taken) return taken;
    if (Result<void> drawn = library_->random(into.iv); !drawn) return drawn;
    CipherCtxPtr ctx = context(encrypting_, true);
    if (!ctx || !set_iv(ctx.get(), into.iv) || !update_aad(ctx.get(), aad) ||
        !seal_blocks(ctx.get(), plaintext, into.ciphertext_b64.data()) ||
        !make_tag(ctx.get(), into.tag))
      return openssl_failure();
    encrypting_.give_back(std::move(ctx));
    return {};
  }

 private:
  [[nodiscard]] CipherCtxPtr context(ContextPool& pool, bool encrypt) const {
    if (CipherCtxPtr ctx = pool.take()) return ctx;
    const std::span<const std::uint8_t> key = cek_.bytes();
    if (key.empty()) return nullptr;
    return keyed_context(library_->aes_gcm(key.size()), key, encrypt);
  }

  /// Decodes a block into the caller's buffer and decrypts it where it lies. The text is read to
  /// its end whatever the tag will say, so that malformed base64url is always reported as such.
  [[nodiscard]] static Result<void> open_blocks(EVP_CIPHER_CTX* ctx, const SealedContent& sealed,
                                                std::uint8_t* out) noexcept {
    std::string_view text = sealed.ciphertext_b64;
    while (!text.empty()) {
      const std::string_view block = text.substr(0, block_chars);
      text.remove_prefix(block.size());
      const std::size_t size = base64url::decoded_size(block.size());
      if (!decode_base64url(block, out)) return bad_ciphertext;
      if (!update(ctx, out, {out, size})) return openssl_failure();
      out += size;
    }
    if (!tag_holds(ctx, sealed.tag.bytes)) return failed_tag;
    return {};
  }

  [[nodiscard]] static bool seal_blocks(EVP_CIPHER_CTX* ctx, std::span<const std::uint8_t> in,
                                        char* out) noexcept {
    std::uint8_t block[block_bytes];
    while (!in.empty()) {
      const std::size_t size = std::min(in.size(), block_bytes);
      if (!update(ctx, block, in.first(size))) return false;
      base64url::encode({block, size}, out);
      out += base64url::encoded_size(size);
      in = in.subspan(size);
    }
    return true;
  }

  std::shared_ptr<const Library> library_;
  HeldCek cek_;
  std::shared_ptr<EncryptionBudget> budget_;
  mutable ContextPool decrypting_, encrypting_;
};

}  // namespace

Result<void> seal(const Library& library, const Kek& kek,
                  std::span<const std::uint8_t, gcm_iv_bytes> iv, std::span<const std::uint8_t> aad,
                  std::span<const std::uint8_t> plaintext, std::span<std::uint8_t> out,
                  std::span<std::uint8_t, gcm_tag_bytes> tag) {
  const auto key = kek.bytes(InsecureSecretAccess::token());
  const CipherCtxPtr ctx = keyed_context(library.aes_gcm(key.size()), key, true);
  if (!ctx || !set_iv(ctx.get(), iv) || !update(ctx.get(), nullptr, aad) ||
      !update(ctx.get(), out.data(), plaintext) || !make_tag(ctx.get(), tag))
    return openssl_failure();
  return {};
}

Result<void> unseal(const Library& library, const Kek& kek,
                    std::span<const std::uint8_t, gcm_iv_bytes> iv,
                    std::span<const std::uint8_t> aad, std::span<const std::uint8_t> ciphertext,
                    std::span<const std::uint8_t, gcm_tag_bytes> tag, std::span<std::uint8_t> out) {
  const auto key = kek.bytes(InsecureSecretAccess::token());
  const CipherCtxPtr ctx = keyed_context(library.aes_gcm(key.size()), key, false);
  if (!ctx || !set_iv(ctx.get(), iv) || !update(ctx.get(), nullptr, aad) ||
      !update(ctx.get(), out.data(), ciphertext)) {
    secure_wipe(out.data(), out.size());
    return openssl_failure();
  }
  if (!tag_holds(ctx.get(), tag)) {
    secure_wipe(out.data(), out.size());
    return failed_tag;
  }
  return {};
}

Result<std::unique_ptr<ContentKey>> make_content_key(std::shared_ptr<const Library> library,
                                                     const EncRow& enc, Cek cek,
                                                     std::shared_ptr<EncryptionBudget> budget) {
  if (enc.hash != Hash::none || enc.support != Support::implemented)
    return Error{Errc::unsupported_algorithm, 0, "enc is not implemented"};
  if (cek.size() != enc.cek_bytes)
    return Error{Errc::crypto_failure, 0, "the key's size does not fit enc"};
  return std::unique_ptr<ContentKey>(
      std::make_unique<GcmContentKey>(std::move(library), std::move(cek), std::move(budget)));
}

}  // namespace jwekms::crypto
