// SPDX-License-Identifier: Apache-2.0
// A managed key is reached through its provider and never copied.
#include "jwekms/provider.hpp"

struct Custom : jwekms::ContentKey {
  jwekms::Result<std::size_t> decrypt(const jwekms::SealedContent&,
                                      std::span<std::uint8_t>) const override {
    return std::size_t{0};
  }
  jwekms::Result<void> encrypt(const jwekms::Aad&, std::span<const std::uint8_t>,
                               const jwekms::SealInto&) const override {
    return {};
  }
};

void use(const Custom& key) {
#ifdef JWEKMS_EXPECT_OK
  const Custom& same = key;
#else
  const Custom same = key;
#endif
  (void)same;
}
