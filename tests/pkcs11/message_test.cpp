// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>

#include "providers/pkcs11/gcm_ops.hpp"
#include "token.hpp"

// Content on its way through a token: no plaintext stays where a failure leaves it, not even one
// that an exception carries past the caller.

using namespace token;

namespace {

/// 5000 bytes, which small_ has no room for, and 500, which it has.
const std::size_t sizes[] = {500, 5000};

struct Message {
  explicit Message(std::size_t size)
      : ciphertext_b64(support::b64(std::vector<std::uint8_t>(size, 'c'))) {}
  [[nodiscard]] SealedContent sealed() const { return {{iv}, {"e30", {}}, ciphertext_b64, {tag}}; }
  std::string ciphertext_b64;
  std::vector<std::uint8_t> iv = std::vector<std::uint8_t>(12, 'i');
  std::vector<std::uint8_t> tag = std::vector<std::uint8_t>(16, 't');
};

/// What a token does that writes the plaintext.
void open_as_token(pkcs11::GcmMessage& message) {
  REQUIRE(message.fits());
  REQUIRE(support::code_of(message.decode()) == "ok");
  std::ranges::fill(message.opened().first(message.opened().size() - pkcs11::gcm_tag_size), 'p');
}

bool holds_plaintext(std::span<const std::uint8_t> bytes) {
  return std::ranges::find(bytes, 'p') != bytes.end();
}

}  // namespace

TEST_CASE("a plaintext that is not delivered is wiped, an exception or not") {
  for (const std::size_t size : sizes)
    for (const std::size_t room : {std::size_t{0}, pkcs11::gcm_tag_size}) {
      CAPTURE(size, room);
      pkcs11::ScratchPool pool;
      std::vector<std::uint8_t> out(size + room, 'p');
      const Message content(size);
      const SealedContent sealed = content.sealed();
      try {
        pkcs11::GcmMessage message(sealed, out, pool);
        open_as_token(message);
        throw std::bad_alloc();
      } catch (const std::bad_alloc&) {
        CHECK_FALSE(holds_plaintext(out));
      }
      CHECK_FALSE(holds_plaintext(pool.take(size).bytes(InsecureSecretAccess::token())));
    }
}

TEST_CASE("a plaintext that is delivered is whole, and there alone") {
  for (const std::size_t size : sizes)
    for (const std::size_t room : {std::size_t{0}, pkcs11::gcm_tag_size}) {
      CAPTURE(size, room);
      pkcs11::ScratchPool pool;
      std::vector<std::uint8_t> out(size + room, 'o');
      const Message content(size);
      const SealedContent sealed = content.sealed();
      {
        pkcs11::GcmMessage message(sealed, out, pool);
        open_as_token(message);
        CHECK(message.deliver() == size);
      }
      CHECK(std::ranges::count(out, 'p') == static_cast<std::ptrdiff_t>(size));
      CHECK_FALSE(holds_plaintext(pool.take(size).bytes(InsecureSecretAccess::token())));
    }
}
