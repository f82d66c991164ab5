// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "../fault/campaign.hpp"
#include "replica.hpp"

// Slots that hold the same keys serve as one: two tokens of SoftHSM, and one of NSS.

using namespace replica;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

const std::string first = "hsm::softhsm2::0::";
const std::string second = "hsm::softhsm2::1::";

fault::Module& faults() {
  static fault::Module module(variable("MODULE").c_str());
  return module;
}

/// What the pool had to say.
class Warnings {
 public:
  WarningSink sink() {
    return [this](std::string_view text) {
      const std::lock_guard lock(mutex_);
      texts_.emplace_back(text);
    };
  }
  int count(std::string_view part) const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(std::count_if(texts_.begin(), texts_.end(), [&](const auto& text) {
      return text.find(part) != text.npos;
    }));
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
};

Options two_slots(CekBoundary boundary = CekBoundary::process) {
  Options all;
  all.hsms.push_back(token::options(boundary));
  all.hsms[0].slots.push_back({.number = 1, .token_label = "spare", .pin = variable("PIN")});
  all.hsm_pools = {{.slots = {"hsm::softhsm2::0", "hsm::softhsm2::1"}}};
  all.policy = Policy::permissive();
  all.on_warning = [](std::string_view) {};
  return all;
}

Options with_nss(CekBoundary boundary = CekBoundary::process) {
  Options all = two_slots(boundary);
  HsmOptions nss;
  nss.model = "other";
  nss.module_path = env("JWEKMS_TEST_NSS_MODULE");
  nss.init_args = env("JWEKMS_TEST_NSS_INIT_ARGS");
  nss.slots = {{.number = 0,
                .token_label = env("JWEKMS_TEST_NSS_LABEL"),
                .pin = env("JWEKMS_TEST_NSS_PIN")}};
  nss.cek_boundary = boundary;
  all.hsms[0].slots.pop_back();
  all.hsms.push_back(nss);
  all.hsm_pools = {{.slots = {"hsm::softhsm2::0", "hsm::other::0"}}};
  return all;
}

/// The tokens, open for the whole program, with a key in each that is the same: "replica".
struct Tokens {
  Kms kms = jwekms::open(with_nss()).value();
  Kms softhsm = jwekms::open(two_slots()).value();
  Token one{variable("MODULE"), "jwekms"};
  Token two{variable("MODULE"), "spare"};
  Token nss{env("JWEKMS_TEST_NSS_MODULE"), env("JWEKMS_TEST_NSS_LABEL")};
  Tokens() {
    for (const Token* token : {&one, &two, &nss}) token->add("replica", *support::rsa_key());
  }
};
const Tokens& tokens() {
  static Tokens* all = new Tokens;  // never destroyed: a Kms must not outlive main()
  return *all;
}

/// Makes one slot dead for as long as it lives.
class Dead {
 public:
  explicit Dead(const Token& token) {
    faults().inject_slot("*", token.slot(), 1, CKR_DEVICE_ERROR, 0);
    faults().log_clear();
  }
  ~Dead() { faults().clear_rules(); }
  Dead(const Dead&) = delete;
  Dead& operator=(const Dead&) = delete;
};

/// Calls of a function, by slot, of sessions that were opened since the log was cleared.
std::map<CK_SLOT_ID, int> calls_by_slot(const std::string& function) {
  std::map<std::string, CK_SLOT_ID> sessions;
  std::map<CK_SLOT_ID, int> calls;
  for (const std::string& line : faults().log()) {
    std::istringstream words(line);
    std::string name, word, session, slot;
    words >> name;
    while (words >> word) {
      if (word.starts_with("session=")) session = word;
      if (word.starts_with("slot=")) slot = word.substr(5);
    }
    if (name == "C_OpenSession" && !session.empty()) sessions[session] = std::stoul(slot);
    if (name == function && sessions.contains(session)) ++calls[sessions[session]];
  }
  return calls;
}

/// The plaintext, or what the error says.
std::string decrypt_or_say(const Kms& kms, const std::string& text) {
  Bytes out(text.size());
  const Result<std::size_t> size = kms.decrypt(text, out);
  if (!size) return size.error().text;
  return support::text(std::span(out).first(*size));
}

/// How threads that decrypt fare.
struct Fare {
  std::atomic<int> good = 0, wrong = 0;
  std::mutex mutex;
  std::set<std::string> answers;
  void note(const std::string& answer) {
    if (answer == "pool") {
      ++good;
      return;
    }
    ++wrong;
    const std::lock_guard lock(mutex);
    answers.insert(answer);
  }
};

/// Decrypts in threads while `meanwhile` runs.
template <class Work>
void under_load(const Kms& kms, const std::string& text, int threads, Fare& fare, Work meanwhile) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i)
    all.emplace_back([&] {
      while (!stop) fare.note(decrypt_or_say(kms, text));
    });
  meanwhile();
  stop = true;
  for (std::thread& thread : all) thread.join();
}

/// Whether a slot that was Dead is used again within a while.
bool is_taken_back(const Token& token, const Kms& kms, const std::string& text) {
  for (const auto end = Clock::now() + 15s; Clock::now() < end;) {
    for (int i = 0; i < 8; ++i)
      if (decrypt(kms, text) != "pool") return false;
    for (const std::string& line : faults().log())
      if (line.find("C_OpenSession slot=" + std::to_string(token.slot())) == 0 &&
          line.ends_with("-> 0x0"))
        return true;
    std::this_thread::sleep_for(20ms);
  }
  return false;
}

std::string token_for(const std::string& uid, Alg alg = Alg::RSA_OAEP) {
  return make(tokens().softhsm, uid, alg, Enc::A256GCM, "pool");
}

}  // namespace

TEST_CASE("a pool spreads the load over its slots") {
  const std::string text = token_for(first + "replica");
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    faults().reset();
    const Kms kms = jwekms::open(two_slots(boundary)).value();
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i)
          if (decrypt(kms, text) != "pool") ++wrong;
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
    const auto calls = calls_by_slot("C_Decrypt");
    REQUIRE(calls.size() == 2);
    for (const auto& [slot, count] : calls) CHECK(count > 80);
  }
}

TEST_CASE("a slot that was passed over is not asked for keys that another has") {
  std::vector<std::string> labels;
  for (int i = 0; i < 10; ++i) labels.push_back("many-" + std::to_string(i));
  for (const std::string& label : labels) tokens().one.add(label, *support::rsa_key());
  const std::string text = token_for(first + "replica");
  const Kms kms = jwekms::open(two_slots()).value();
  {
    const Dead dead(tokens().two);
    // It is tried ever more seldom, every few seconds in the end.
    for (const auto end = Clock::now() + 3s; Clock::now() < end;)
      CHECK(decrypt(kms, text) == "pool");
    const auto before = faults().struck();
    for (const std::string& label : labels) CHECK(kms.public_jwk(first + label));
    CHECK(faults().struck() < before + labels.size());
  }
  for (const std::string& label : labels) tokens().one.remove(label);
}

TEST_CASE("a dead slot is passed over, and taken back") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm})
    for (const Token* token : {&tokens().one, &tokens().two}) {
      const std::string text = token_for(first + "replica");
      const Kms kms = jwekms::open(two_slots(boundary)).value();
      CHECK(decrypt(kms, text) == "pool");
      {
        const Dead dead(*token);
        for (int i = 0; i < 40; ++i) CHECK(decrypt(kms, text) == "pool");
        CHECK(support::code_of(kms.describe_key(first + "replica")) == "ok");
        CHECK(decrypt(kms, token::encrypt(kms, first + "replica", Alg::RSA_OAEP_256, Enc::A128GCM,
                                          "made")) ==
              (boundary == CekBoundary::hsm ? "error: unavailable" : "made"));
      }
      CHECK(is_taken_back(*token, kms, text));
    }
}

TEST_CASE("eight threads see nothing of a slot that dies and returns") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const std::string text = token_for(first + "replica");
    const Kms kms = jwekms::open(two_slots(boundary)).value();
    CHECK(decrypt(kms, text) == "pool");
    Fare fare;
    faults().reset();
    under_load(kms, text, 8, fare, [&] {
      for (const Token* token : {&tokens().two, &tokens().one}) {
        std::this_thread::sleep_for(100ms);
        {
          const Dead dead(*token);
          std::this_thread::sleep_for(700ms);
        }
        CHECK(is_taken_back(*token, kms, text));
      }
    });
    CHECK(fare.wrong == 0);
    for (const std::string& answer : fare.answers) CHECK(answer == "pool");
    CHECK(fare.good > 50);
    // The module was not taken down for the sake of one slot.
    CHECK(faults().calls("C_Finalize") == 0);
  }
}

TEST_CASE("a slot that only a reload brings back is not given up, at the others' small cost") {
  const std::string text = token_for(first + "replica");
  const Kms kms = jwekms::open(two_slots()).value();
  CHECK(decrypt(kms, text) == "pool");
  Fare fare;
  faults().reset();
  {
    const Dead dead(tokens().two);
    under_load(kms, text, 4, fare, [&] {
      for (const auto end = Clock::now() + 20s;
           Clock::now() < end && faults().calls("C_Finalize") == 0;)
        std::this_thread::sleep_for(50ms);
      std::this_thread::sleep_for(500ms);
    });
    CHECK(faults().calls("C_Finalize") == 1);
    CHECK(decrypt(kms, text) == "pool");  // a module is read although one slot does not answer
  }
  CHECK(fare.wrong == 0);
  for (const std::string& answer : fare.answers) CHECK(answer == "pool");
  CHECK(is_taken_back(tokens().two, kms, text));
}

TEST_CASE("a pool opens with a slot missing, and not with all") {
  const std::string text = token_for(first + "replica");
  Warnings warnings;
  Options all = two_slots();
  all.on_warning = warnings.sink();
  for (const Token* token : {&tokens().one, &tokens().two}) {
    const Dead dead(*token);
    const Kms kms = jwekms::open(all).value();
    CHECK(decrypt(kms, text) == "pool");
  }
  CHECK(warnings.count("is not there: hsm::softhsm2::0::") == 1);
  CHECK(warnings.count("is not there: hsm::softhsm2::1::") == 1);
  CHECK(warnings.count(variable("PIN")) == 0);
  {
    const Dead dead(tokens().one);
    all.hsm_pools.clear();
    CHECK(support::code_of(jwekms::open(all)) == "unavailable");
  }
  all = two_slots();
  for (HsmSlot& slot : all.hsms[0].slots) slot.token_label = "no such token";
  CHECK(support::code_of(jwekms::open(all)) == "unavailable");
}

TEST_CASE("a pool makes good every fault of one slot that the token text could not have caused") {
  const std::string text = token_for(first + "replica");
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    std::optional<Kms> kms;
    const auto renew = [&] {
      kms.reset();
      kms = jwekms::open(two_slots(boundary)).value();
      for (int i = 0; i < 4; ++i) (void)decrypt(*kms, text);
      return true;
    };
    renew();
    std::string answer;
    fault::Options options;
    options.codes = {CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN, CKR_DEVICE_ERROR,
                     CKR_HOST_MEMORY,    CKR_SESSION_COUNT,      CKR_GENERAL_ERROR};
    options.max_nth = 4;
    options.between = renew;
    const fault::Report report = fault::campaign(
        faults(), options,
        [&] {
          answer = decrypt(*kms, text);
          return answer == "pool" ? fault::Outcome::ok : fault::Outcome::clean_error;
        },
        [&](const fault::Fault& fault, fault::Outcome outcome) -> std::string {
          if (outcome == fault::Outcome::ok) return {};
          if (fault.code != CKR_GENERAL_ERROR) return "answered " + answer;
          // Said of the token text, or of what the token can do: one slot's word is enough.
          return answer == "error: unavailable" ? "answered " + answer : "";
        });
    CHECK(report.runs > 10);
    for (const std::string& failure : report.failures) FAIL_CHECK(failure);
  }
}

TEST_CASE("a slot that answers all with GENERAL_ERROR is passed over like any lost one") {
  const std::string text = token_for(first + "replica");
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = jwekms::open(two_slots(boundary)).value();
    for (int i = 0; i < 4; ++i) CHECK(decrypt(kms, text) == "pool");
    const CK_SLOT_ID slot = tokens().two.slot();
    for (const char* function : {"C_GetTokenInfo", "C_UnwrapKey", "C_Decrypt"})
      faults().inject_slot(function, slot, 1, CKR_GENERAL_ERROR, 0);
    for (int i = 0; i < 20; ++i) CHECK(decrypt(kms, text) == "pool");
    faults().clear_rules();
    CHECK(is_taken_back(tokens().two, kms, text));
  }
}

TEST_CASE("all slots dead is unavailable, whatever the token") {
  const std::string text = token_for(first + "replica");
  const Kms kms = jwekms::open(two_slots()).value();
  CHECK(decrypt(kms, text) == "pool");
  faults().inject("*", 1, CKR_DEVICE_ERROR, 0);
  CHECK(decrypt(kms, text) == "error: unavailable");
  CHECK(decrypt(kms, text) == "error: unavailable");
  faults().clear_rules();
  for (const auto end = Clock::now() + 15s; Clock::now() < end && decrypt(kms, text) != "pool";)
    std::this_thread::sleep_for(50ms);
  CHECK(decrypt(kms, text) == "pool");
}

TEST_CASE("what comes of a token's bytes is asked of one slot alone") {
  const std::string good = token_for(first + "replica");
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = jwekms::open(two_slots(boundary)).value();
    CHECK(decrypt(kms, good) == "pool");
    CHECK(decrypt(kms, good) == "pool");
    for (const std::size_t at : {good.find('.') + 9, good.size() - 2}) {
      std::string bad = good;
      bad[at] = bad[at] == 'A' ? 'B' : 'A';
      faults().reset();
      for (int i = 0; i < 10; ++i) CHECK(decrypt(kms, bad) == "error: decryption_failed");
      CHECK(faults().calls("C_Decrypt") == 10);
    }
  }
}

TEST_CASE("another key under the same label is passed over, with a warning") {
  tokens().one.add("differs", *support::rsa_key());
  tokens().two.add("differs", *support::other_rsa_key());
  Warnings warnings;
  Options all = two_slots();
  all.on_warning = warnings.sink();
  const Kms kms = jwekms::open(all).value();
  const std::string text = token_for(first + "differs");
  for (int i = 0; i < 10; ++i) CHECK(decrypt(kms, text) == "pool");
  CHECK(warnings.count(second + "differs") == 1);
  // Under its own UID it is a key like any other.
  const std::string own = make(kms, second + "differs", Alg::RSA_OAEP, Enc::A256GCM, "own");
  CHECK(decrypt(kms, own) == "own");
  CHECK(kms.public_jwk(first + "differs").value() != kms.public_jwk(second + "differs").value());
  {
    const Dead dead(tokens().one);
    CHECK(decrypt(kms, text) == "error: unavailable");
  }
  tokens().one.remove("differs");
  tokens().two.remove("differs");
}

TEST_CASE("a key that is in one slot only is served by that") {
  const Kms kms = jwekms::open(two_slots()).value();
  CHECK(support::code_of(kms.describe_key(first + "alone")) == "not_found");
  tokens().two.add("alone", *support::rsa_key());
  const KeyInfo info = kms.describe_key(first + "alone").value();
  CHECK(info.uid == first + "alone");
  const std::string text = make(kms, first + "alone", Alg::RSA_OAEP, Enc::A256GCM, "pool");
  for (int i = 0; i < 10; ++i) CHECK(decrypt(kms, text) == "pool");
  CHECK(kms.public_jwk(first + "alone").value().find(first + "alone") != std::string::npos);
  {
    // Whether there is such a key cannot be told while a slot is away.
    const Dead dead(tokens().one);
    CHECK(support::code_of(kms.describe_key(first + "nowhere")) == "unavailable");
  }
  tokens().two.remove("alone");
}

TEST_CASE("AES keys, new keys and kept CEKs are in the slot that their UID names") {
  const support::TempDir dir;
  Options all = two_slots();
  all.database.path = dir.file("keys");
  const Kms kms = jwekms::open(all).value();
  (void)kms.create_key({.uid = first + "aes", .type = KeyType::oct}).value();
  (void)kms.create_key({.uid = second + "aes-2", .type = KeyType::oct}).value();
  const std::string direct = token::encrypt(kms, first + "aes", Alg::dir, Enc::A256GCM, "direct");
  for (int i = 0; i < 4; ++i) CHECK(decrypt(kms, direct) == "direct");
  CHECK(support::code_of(kms.describe_key(first + "aes-2")) == "not_found");
  CHECK(support::code_of(kms.describe_key(second + "aes")) == "not_found");
  {
    const Dead dead(tokens().one);
    CHECK(decrypt(kms, direct) == "error: unavailable");
    CHECK(support::code_of(kms.create_key({.uid = first + "new"})) == "unavailable");
    CHECK(support::code_of(kms.create_key({.uid = second + "new"})) == "ok");
    // The CEK goes to the database with whichever slot is at hand.
    const std::string text = token_for(first + "replica");
    CHECK(kms.unwrap_key(text, {}).value().parent == first + "replica");
    CHECK(support::code_of(kms.unwrap_key(text, {.uid = first + "kept"})) == "unavailable");
    CHECK(kms.unwrap_key(text, {.uid = second + "kept"}).value().uid == second + "kept");
  }
  const std::string text = token_for(first + "replica");
  std::string made;
  for (const auto end = Clock::now() + 15s; made.empty() && Clock::now() < end;) {
    const Result<KeyInfo> kept = kms.unwrap_key(text, {.store_in_hsm = true});
    if (kept) made = kept->uid;
  }
  CHECK(made.starts_with(first + "cek-"));

  std::vector<std::string> listed;
  const KeyPage page = kms.list_keys({}, "hsm::softhsm2::").value();
  for (const KeyInfo& info : page.keys) listed.push_back(info.uid);
  for (const std::string& uid : {first + "aes", first + "replica", made, second + "aes-2",
                                 second + "kept", second + "new", second + "replica"}) {
    INFO(uid);
    CHECK(std::count(listed.begin(), listed.end(), uid) == 1);
  }
  for (const std::string& uid :
       {first + "aes", made, second + "aes-2", second + "kept", second + "new"})
    CHECK(support::code_of(kms.set_key_state(uid, KeyState::destroyed)) == "ok");
}

TEST_CASE("destroying a key in one slot leaves it to the other") {
  for (const Token* token : {&tokens().one, &tokens().two})
    token->add("doomed", *support::rsa_key());
  const Kms kms = jwekms::open(two_slots()).value();
  const std::string text = token_for(first + "doomed");
  CHECK(decrypt(kms, text) == "pool");
  CHECK(support::code_of(kms.set_key_state(first + "doomed", KeyState::destroyed)) == "ok");
  for (int i = 0; i < 6; ++i) CHECK(decrypt(kms, text) == "pool");
  CHECK(support::code_of(kms.set_key_state(second + "doomed", KeyState::destroyed)) == "ok");
  CHECK(decrypt(kms, text) == "error: not_found");
}

TEST_CASE("a pool of two models") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    faults().reset();
    const Kms kms = jwekms::open(with_nss(boundary)).value();
    const std::string text = token_for(first + "replica");
    for (int i = 0; i < 20; ++i) CHECK(decrypt(kms, text) == "pool");
    const unsigned long calls = faults().calls("C_Decrypt");
    CHECK(calls >= 10);
    CHECK(calls < 20);  // NSS did the others
    {
      const Dead dead(tokens().one);
      for (int i = 0; i < 20; ++i) CHECK(decrypt(kms, text) == "pool");
    }
    // What only one of them can do is done by that: SoftHSM has no OAEP with SHA-256 in the token.
    const std::string with_sha256 = token_for(first + "replica", Alg::RSA_OAEP_256);
    for (int i = 0; i < 6; ++i) CHECK(decrypt(kms, with_sha256) == "pool");
  }
}

TEST_CASE("a forked child uses the pool") {
  const std::string text = token_for(first + "replica");
  const Kms kms = jwekms::open(two_slots()).value();
  CHECK(decrypt(kms, text) == "pool");
  const pid_t child = fork();
  if (child == 0) {
    bool good = true;
    for (int i = 0; i < 4; ++i) good = good && decrypt(kms, text) == "pool";
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(decrypt(kms, text) == "pool");
}

TEST_CASE("a pool that is not one is a bad request") {
  const auto code = [](const std::vector<std::string>& slots) {
    Options all = two_slots();
    all.hsm_pools = {{.slots = slots}};
    return std::string(support::code_of(jwekms::open(all)));
  };
  const std::string one = "hsm::softhsm2::0", two = "hsm::softhsm2::1";
  CHECK(code({}) == "bad_request");
  CHECK(code({one}) == "bad_request");
  CHECK(code({one, one}) == "bad_request");
  CHECK(code({one, "hsm::softhsm2::2"}) == "bad_request");
  CHECK(code({one, "hsm::softhsm2_1::0"}) == "bad_request");
  CHECK(code({one, "hsm::other::0"}) == "bad_request");
  CHECK(code({one, "hsm::softhsm2"}) == "bad_request");
  CHECK(code({one, two + "::label"}) == "bad_request");
  CHECK(code({one, ""}) == "bad_request");
  CHECK(code({one, "softhsm2::1"}) == "bad_request");
  CHECK(code({one, two}) == "ok");
  Options all = two_slots();
  all.hsm_pools.push_back({.slots = {two, one}});
  CHECK(support::code_of(jwekms::open(all)) == "bad_request");
  // A CEK must not come out of the one slot because another is dead.
  all = with_nss();
  all.hsms[1].cek_boundary = CekBoundary::hsm;
  CHECK(support::code_of(jwekms::open(all)) == "bad_request");
}
