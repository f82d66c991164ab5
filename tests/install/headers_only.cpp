// SPDX-License-Identifier: Apache-2.0
// Takes a token apart with the headers alone: no library is linked.
#include <jwekms/jose_header.hpp>
#include <jwekms/jwe.hpp>

#include <cstdio>

int main() {
  // {"alg":"dir","enc":"A256GCM","kid":"k"}
  constexpr std::string_view token =
      "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiayJ9..AAAAAAAAAAAAAAAA.AA."
      "AAAAAAAAAAAAAAAAAAAAAA";
  const jwekms::Policy policy;
  const jwekms::JweView view = jwekms::parse_jwe(token, policy.limits).value();
  jwekms::HeaderBuffer buffer;
  const auto header = jwekms::decode_protected_header(view.protected_b64, buffer, policy.limits);
  const jwekms::JoseHeader jose =
      jwekms::read_header(view, header.value(), view.recipient, policy).value();
  if (jose.alg->id != jwekms::Alg::dir || jose.kid.view() != "k") return 1;
  std::puts("headers only: ok");
}
