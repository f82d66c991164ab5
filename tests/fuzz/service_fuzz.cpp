// SPDX-License-Identifier: Apache-2.0
// Any request to the REST service: a line with method and target, then the body. The database has
// the keys of tests/vectors/jwcrypto.json, so that good tokens in the corpus, and their mutants,
// reach the cryptography.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "kms.hpp"

namespace {

using namespace jwekms;
using namespace fuzz;

constexpr std::string_view rsa_jwk =
    R"({"kty":"RSA","n":"nPJyMpG_LmR0uTQPAIVcjI6UArXW7kzqgNhfyuQq1IVubvpgcyk8LAwGxz4nZpKzuA)"
    R"(jdVWWtVLT1kRpyDfNZq_hRlLqNarsnmKrcHSW-zA_MfyIBxKhJYPZ08DWsPESKW1fSogYIUIIok4dsnlsV5n)"
    R"(rvc0P9sTSekiE1T_mbEdAoVs-d3Q9j-MIMbA9iNrm98td8FJbQ8SlsDa8_FMWJxp33lp8dotua6Lz2zqWJc5)"
    R"(kmAvAuvA-WN1El9nyhcG4GQ78i_n0rEuSVjO8fdk8P_Sr7rzzv-lPnFR_hrjr6DJAiS69DRdJzywvi8-G_KM)"
    R"(r4YC_N2X197kNW2J25IEYK0w","e":"AQAB","d":"QbD8-YulkN59OLPAf8BSP4bCDuxbnPzWvr1SQxMDll)"
    R"(aPJaZozmr5A5q5D5ZFWZqX3LThJ4haZ3Uiv-xoxswPwXo7c1wuKvlRFoaVgSG2XaVTO_dY9B5YMFyYD573i3)"
    R"(ZIzvjQcf7CZihEoZNydEm9ve3A4ecYfZ5_rLx3mxTnwilNnIITzdjKgnTPH7hz-72GIJ8ZU08OtyamDiDbAU)"
    R"(HRsvkgKCoZFsAk41c7grT2FUOC3Eovij_-aoQvBfpJrYedxT-uIPxcZp0r1vt8kEbRcmvB9e_EBgcx5CCyfD)"
    R"(KtYpDqynWBQO7JbY6IyBUYXi8Cs4ExVz_U1QOSImWgYV1d-Q","p":"yQf3SYDB7nlcmNQm81rk4XnZYW5WU)"
    R"(pjS12KPJnPx8tCDdNQga8etiK-vZ9ir7wQY-jyN7ShM2rDyvymJ2CWtkcYIEbq4hTB_7A7fExovKNavJlUdv)"
    R"(uAvLcfnGSSd7bujueG0kuhWw_UZZkiGP2Z0GxAKyiCZeu5G1k1bIwfvu70","q":"x9ygnI662e6Ivd2pvXI)"
    R"(qAyLG2yzcRYIWpE1v6nf2C7Qf1qM6hxr5jRvZtVr3jVSi29gH-Z6XOjylS6tiwsxb4DVIBDPLsL9kFqwIFSJ)"
    R"(2_xhmKOZFSZexDrgVNiFSOVV3MDECyGuX8TwXg-V0E6FO27jDUsOyNA_4GunM9iLPgc8","dp":"bF6n9u67)"
    R"(HJQ9z4EmUi-gjNAD2FsDm9kYZ9WQt7jvJ-cxxkwIAjINIU8b7o5F-T4rPNJh7AO6knWrFlQNJAEDtT6c4PnY)"
    R"(OKxxeU53ALQv0gMRPkfKFjiCFlraAJrVq-9oDm9WyY8IHvDEtXfJLupLEr-uIVI7iqJie2oOBC9mE70","dq)"
    R"(":"YEnE_2gsUU6AhqjCXEkiQHyCvZlxTfOMoP_FyXqeCalwJWJikjDGxdsDGkKHPYnnJG-B-BsV1LLfGAOsA)"
    R"(xmdsfk5hvzFR5QNznZ3NmdyWRgSL-Ywv3HblbHOVlPbX0_zqj4Sjyh2_XvsAFmNgN-YNHdhcwBhXH_NEnpNi)"
    R"(s_elTU","qi":"eJhXHNq5X3rJP0ktmmWmygJSmycUooq7m5Tb60MiQqdqMjxAK9VlZ-faeUNc1ChTmEnOVL)"
    R"(iRFt8mBpuUXWnXDjWVm69rrbxrPUsSSuje40VftJyCVmUoD-8-XGa_sSZEYvlOqYHbjKVTJW73jDReMs_qF1)"
    R"(Eg70S9-zrF059_Mbo","kid":"jwcrypto-rsa2048"})";
constexpr std::string_view oct_jwk =
    R"({"kty":"oct","k":"teGk5Ef0Aw6aUfUAY4_MJWmkghVDWLzGxN3qMWG-F_I","kid":"jwcrypto-oct25)"
    R"(6"})";

Kms open_with_keys(const Folder& folder) {
  Kms kms = open_kms(folder);
  for (const std::string_view jwk : {rsa_jwk, oct_jwk}) {
    const std::string body = R"({"jwk":)" + std::string(jwk) + "}";
    require(handle(kms, {"POST", "/v1/crypto/keys", body}).status == 201);
  }
  return kms;
}

/// Making an RSA key takes too long to be done thousands of times.
bool makes_rsa_key(const ServiceRequest& request) {
  return request.target == "/v1/crypto/keys" &&
         request.body.find("jwk") == std::string_view::npos &&
         (request.body.find("RSA") != std::string_view::npos ||
          request.body.find("\\u") != std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  static const Kms kms = open_with_keys(folder);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t space = std::min(line.find(' '), line.size());
  const ServiceRequest request{.method = line.substr(0, space),
                               .target = line.substr(std::min(space + 1, line.size())),
                               .body = text.substr(std::min(line.size() + 1, text.size()))};
  if (makes_rsa_key(request)) return 0;
  // The keys that other inputs need stay as they are.
  if (request.method != "GET" && request.method != "POST" &&
      request.target.find_first_of("j%") != std::string_view::npos)
    return 0;

  const ServiceResponse response = handle(kms, request);
  require(response.status >= 200 && response.status < 500);
  require(response.status < 400 || response.error.has_value());
  require(!response.content_type.empty() && response.allow.empty() == (response.status != 405));
  require(response.kid.size() <= max_uid_bytes);
  require(json::read(response.body.view(), {.max_depth = 32}).has_value());
  return 0;
}
