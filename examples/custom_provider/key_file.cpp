// SPDX-License-Identifier: Apache-2.0
// key_file.c in C++. usage: key_file KEY.pem < TOKEN
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cstdio>
#include <iostream>

#include "jwekms/jwekms.hpp"

using namespace jwekms;
using Pkey = std::shared_ptr<EVP_PKEY>;

static Result<std::size_t> unwrap(const Pkey& pkey, const WrappedCek& wrapped,
                                  std::span<std::uint8_t> cek) {
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> ctx(
      EVP_PKEY_CTX_new(pkey.get(), nullptr), EVP_PKEY_CTX_free);
  if (!ctx || EVP_PKEY_decrypt_init(ctx.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(ctx.get(), EVP_sha256()) != 1)
    return Error{Errc::unavailable, 0, "OpenSSL cannot now"};
  const auto in = wrapped.encrypted_key.bytes;
  std::size_t size = cek.size();
  if (EVP_PKEY_decrypt(ctx.get(), cek.data(), &size, in.data(), in.size()) == 1) return size;
  return Error{Errc::decryption_failed, 0, "it does not decrypt"};  // whatever was wrong with it
}

class KeyFile final : public KeyProvider {
 public:
  explicit KeyFile(Pkey pkey) : pkey_(std::move(pkey)) {}
  std::string_view uid_prefix() const noexcept override { return "file::"; }
  Result<std::shared_ptr<const Key>> resolve(std::string_view kid) const override {
    if (kid != "file::key") return Error{Errc::not_found, 0, "no such key"};
    KeyInfo info{.uid = "file::key"};
    info.bits = static_cast<std::uint32_t>(EVP_PKEY_get_bits(pkey_.get()));
    info.algs.insert(Alg::RSA_OAEP_256);
    return content_keys_.rsa_key(info, [pkey = pkey_](const WrappedCek& wrapped, auto cek) {
      return unwrap(pkey, wrapped, cek);
    });
  }

 private:
  const Pkey pkey_;
  const ContentKeys content_keys_ = ContentKeys::open().value();
};

int main(int argc, char** argv) try {
  std::FILE* pem = argc == 2 ? std::fopen(argv[1], "r") : nullptr;
  const Pkey pkey(pem ? PEM_read_PrivateKey(pem, nullptr, nullptr, nullptr) : nullptr,
                  EVP_PKEY_free);
  std::string token;
  if (!pkey || !std::getline(std::cin, token)) return 2;
  std::fclose(pem);
  Options options;
  options.providers = {std::make_shared<KeyFile>(pkey)};
  const Kms kms = open(options).value();
  std::vector<std::uint8_t> payload(kms.decrypt_bound(token).value());
  const std::size_t size = kms.decrypt(token, payload).value();
  std::cout.write(reinterpret_cast<const char*>(payload.data()), static_cast<std::streamsize>(size))
      << '\n';
} catch (const BadResult& bad) {
  std::cerr << bad.what() << '\n';
  return static_cast<int>(bad.error().code);
}
