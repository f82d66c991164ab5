// SPDX-License-Identifier: Apache-2.0
#include "failure.hpp"

#include "text.hpp"

namespace cli {

void fail_usage(std::string text, std::string hint) {
  throw Failure{.exit = exit_usage, .texts = {std::move(text)}, .hint = std::move(hint)};
}

void fail(std::string text, std::string hint) {
  throw Failure{.texts = {std::move(text)}, .hint = std::move(hint)};
}

void fail(const jwekms::Error& error, std::string_view about) {
  std::string text;
  if (!about.empty()) text = in_quotes(about) + ": ";
  text += error.text;
  if (error.position != 0) text += " (at byte " + std::to_string(error.position) + ')';
  throw Failure{.exit = exit_code(error.code), .code = error.code, .texts = {std::move(text)}};
}

std::string usual_hint(jwekms::Errc code, std::string_view principal) {
  using jwekms::Errc;
  switch (code) {
    case Errc::bad_request: return {};
    case Errc::forbidden:
      if (principal.empty())
        return "'jwekms key show KID' tells the key's state and what it serves.";
      return "The key's owner may allow it: 'jwekms grant KID " + shown(principal) +
             " PERMISSION'.";
    case Errc::not_found: return "'jwekms key list' shows the keys that there are.";
    case Errc::conflict:
      return "The name is taken, for good if its key was destroyed: choose another.";
    case Errc::too_large: return "[policy.limits] of the configuration sets the limits.";
    case Errc::unsupported_algorithm:
      return "[policy] of the configuration names what is allowed; 'jwekms key show KID' tells "
             "what "
             "the key serves.";
    case Errc::decryption_failed:
      return "The wrong key, or the token was changed on its way: which of the two, nothing tells.";
    case Errc::crypto_failure:
      return "'jwekms key show KID' tells the key's type and what it serves.";
    case Errc::unavailable:
      return "The database or the HSM is out of reach: try again; 'jwekms doctor' looks at HSMs.";
    case Errc::internal_error: return {};
    case Errc::buffer_too_small: return {};
  }
  return {};
}

}  // namespace cli
