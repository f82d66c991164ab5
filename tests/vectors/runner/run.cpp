// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <stdexcept>

#include "json_line.hpp"
#include "jwekms/algorithms.hpp"
#include "jwekms/jwe.hpp"

namespace vectors {

namespace {

template <class Row>
[[nodiscard]] bool is_not_yet(const Row* row) noexcept {
  return row != nullptr && row->support == jwekms::Support::not_yet;
}

/// The alg of the recipient that a `kid` names; null when the token cannot be read that far.
[[nodiscard]] const jwekms::AlgRow* alg_of_recipient(std::string_view token, std::string_view kid) {
  const auto view = jwekms::parse_jwe(token, jwekms::Limits{});
  if (!view) return nullptr;
  std::array<char, 32> name;
  std::optional<std::size_t> size;
  jwekms::for_each_recipient(*view, [&](const jwekms::Recipient& recipient) {
    const auto member = [&](std::string_view wanted) {
      return recipient.header ? recipient.header->find(wanted) : std::nullopt;
    };
    const auto own_kid = member("kid"), alg = member("alg");
    if (!own_kid || !alg || !own_kid->as_string().equals(kid)) return true;
    size = alg->as_string().copy_to(name);
    return false;
  });
  return size ? jwekms::find_alg({name.data(), *size}) : nullptr;
}

[[nodiscard]] bool needs_what_is_not_yet(const Case& c) {
  if (is_not_yet(jwekms::find_enc(c.enc))) return true;
  if (c.algs.size() > 1) return is_not_yet(alg_of_recipient(c.token, c.kid));
  return !c.algs.empty() && is_not_yet(jwekms::find_alg(c.algs[0]));
}

/// What is wrong with a key that unwrap kept: it must encrypt and decrypt by itself, and open the
/// content that it came with.
[[nodiscard]] std::string fault_of_kept(Backend& backend, const KeptCek& kept, const Case& c,
                                        const std::string& uid) {
  const std::string text = "kept";
  const Answer token = backend.encrypt(text, uid, c.enc);
  if (!token.ok()) return "the kept key does not encrypt: " + token.code;
  const Answer back = backend.decrypt(token.bytes, {});
  if (back.bytes != text) return "the kept key does not decrypt what it encrypted: " + back.code;
  if (!c.plaintext) return {};
  const Answer content = kept.decrypt(c.token, uid, c.enc);
  if (!content.ok()) return "the kept key does not open the token's content: " + content.code;
  if (content.bytes != *c.plaintext)
    return "the kept key opens the token's content to another plaintext";
  return {};
}

[[nodiscard]] std::string join(const std::vector<std::string>& parts, const char* between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

}  // namespace

Run::Run(const VectorFile& file, PolicyKind policy, const std::filesystem::path& store,
         const std::vector<Exception>& exceptions)
    : file_(file), policy_(policy), exceptions_(exceptions) {
  clients_.push_back(connect(open_cpp(store / "cpp.db", policy), store / "cpp.db"));
  clients_.push_back(connect(open_c(store / "c.db", policy), store / "c.db"));
}

Run::Client Run::connect(std::unique_ptr<Backend> backend,
                         const std::filesystem::path& database) const {
  Client client{std::move(backend), std::make_unique<KeptCek>(database), {}};
  for (const KeyText& key : file_.keys) {
    const Answer made = client.backend->import_jwk(key.jwk);
    if (!made.ok()) client.refused_keys[key.kid] = made.code;
    if (made.ok() && made.bytes != key.kid)
      throw std::runtime_error(file_.suite + ": the key " + key.kid + " was imported as " +
                               made.bytes);
  }
  return client;
}

Answer Run::ask(const Client& client, const Case& c) const {
  // In a general serialization the name of the key picks the recipient.
  const bool name_key = c.caller_names_key || c.serialization == "general";
  const std::string key = name_key ? c.kid : std::string();
  Backend& backend = *client.backend;
  Answer answer = c.unwrap ? backend.unwrap(c.token, key) : backend.decrypt(c.token, key);
  if (c.unwrap && answer.ok()) answer.fault = fault_of_kept(backend, *client.kept, c, answer.bytes);
  // A key that was not let in is missing for the reason that it was not let in.
  const auto refused = client.refused_keys.find(c.kid);
  if (answer.code == "not_found" && refused != client.refused_keys.end())
    answer.code = refused->second;
  return answer;
}

const Exception* Run::exception_for(const Case& c) const {
  const auto found = std::ranges::find_if(exceptions_, [&](const Exception& e) {
    return fnmatch(e.suite.c_str(), file_.suite.c_str(), 0) == 0 &&
           fnmatch(e.id.c_str(), c.id.c_str(), 0) == 0;
  });
  return found == exceptions_.end() ? nullptr : &*found;
}

Run::Finding Run::judge(const Case& c) const {
  Finding finding;
  const Exception* const exception = exception_for(c);
  finding.is_exception = exception != nullptr;
  const std::vector<std::string> expected =
      exception ? std::vector{exception->expect} : c.expected(policy_);
  for (const Client& client : clients_) {
    Answer answer = ask(client, c);
    const std::string by = " (" + std::string(client.backend->name()) + ")";
    if (std::ranges::find(expected, answer.code) == expected.end())
      finding.problems.push_back("expected " + join(expected, " or ") + ", got " + answer.code +
                                 by);
    if (!answer.fault.empty()) finding.problems.push_back(answer.fault + by);
    const bool decrypted = answer.ok() && !c.unwrap;
    if (decrypted && c.plaintext && answer.bytes != *c.plaintext)
      finding.problems.push_back("the plaintext is another" + by);
    const bool first = &client == &clients_.front();
    if (!first &&
        (answer.code != finding.answer.code || (decrypted && answer.bytes != finding.answer.bytes)))
      finding.problems.push_back("the interfaces disagree" + by);
    if (first) finding.answer = std::move(answer);
  }
  return finding;
}

void Run::print_all(bool name_policy, Totals& totals) {
  for (const Case& c : file_.cases) {
    if (c.default_policy_only && policy_ == PolicyKind::all) continue;
    JsonLine line;
    line.add("id", c.id);
    if (name_policy) line.add("policy", name(policy_));
    if (needs_what_is_not_yet(c)) {
      ++totals.skipped;
      line.add("result", "skipped");
      std::cout << line.text() << '\n';
      continue;
    }
    const Finding finding = judge(c);
    line.add("result", finding.answer.code);
    if (finding.answer.ok() && !c.unwrap) line.add_b64u("plaintext_b64u", finding.answer.bytes);
    if (finding.is_exception) line.add_true("exception");
    std::cout << line.text() << '\n';
    ++(finding.problems.empty() ? totals.passed : totals.failed);
    if (!finding.problems.empty())
      std::cerr << file_.suite << '/' << c.id << " [" << name(policy_)
                << "]: " << join(finding.problems, "; ") << '\n';
  }
}

}  // namespace vectors
