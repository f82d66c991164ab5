// SPDX-License-Identifier: Apache-2.0
#include "jwekms/doctor.hpp"

#include <array>
#include <chrono>
#include <thread>

#include "providers/pkcs11/instance.hpp"
#include "providers/pkcs11/new_objects.hpp"
#include "providers/pkcs11/token_facts.hpp"
#include "providers/pkcs11/trials.hpp"

namespace jwekms::pkcs11 {

namespace {

using namespace std::chrono_literals;
/// A token that was lost half-way may come back, and then still has the doctor's keys.
constexpr auto sweep_interval = 250ms;
constexpr int sweep_attempts = 20;

constexpr Error left_behind{
    Errc::unavailable, 0, "the HSM is out of reach; keys labelled jwekms-doctor-... may be on it"};

[[nodiscard]] std::string code_of(CK_RV rv) {
  const std::string_view name = name_of(rv);
  if (name != "CKR_?") return std::string(name);
  std::string digits;
  for (CK_RV rest = rv; rest != 0; rest >>= 4)
    digits.insert(digits.begin(), "0123456789ABCDEF"[rest & 15]);
  return "CKR_ 0x" + digits;
}

/// How a trial ended in a failure: the call and its code, and what was wrong if the code was not.
[[nodiscard]] std::string failure(std::string_view call, CK_RV rv, std::string_view wrong = {}) {
  std::string text(call);
  text += ' ' + code_of(rv);
  if (!wrong.empty()) {
    text += ": ";
    text += wrong;
  }
  return text;
}
template <class Way>
[[nodiscard]] std::string failure(const Trial<Way>& trial) {
  return trial.wrong == nullptr ? failure(trial.at, trial.rv)
                                : failure(trial.at, CKR_OK, trial.wrong);
}

/// Destroys all token objects that carry one of the labels, whatever they are.
[[nodiscard]] Result<Step> destroy_labelled(TokenSlot& slot, const Session& session,
                                            std::initializer_list<std::string> labels) {
  Step last{};
  bool none = true;
  for (const std::string& label : labels) {
    Template wanted;
    wanted.flag(CKA_TOKEN, true);
    wanted.text(CKA_LABEL, label);
    std::vector<CK_OBJECT_HANDLE> found;
    if (const CK_RV rv = find_objects(session, wanted, found); rv != CKR_OK) return Step{rv};
    for (const CK_OBJECT_HANDLE object : found) {
      none = false;
      const CK_RV rv = destroy(session, object);
      if (rv != CKR_OK) last = {rv};
    }
  }
  return none ? slot.believe_absence(session) : last;
}

/// One slot under examination. Whatever it makes on the token carries its label.
class Examination {
 public:
  Examination(const Instance& instance, std::shared_ptr<TokenSlot> slot, std::string label)
      : library_(instance.library()),
        boundary_(instance.settings().boundary),
        raw_allowed_(instance.settings().raw_rsa_fallback),
        slot_(std::move(slot)),
        label_(std::move(label)) {}

  /// Errors: unavailable, internal_error.
  [[nodiscard]] Result<std::vector<HsmFinding>> run() {
    const Result<void> examined = examine();
    if (!examined && !made_keys_) return examined.error();
    const Result<void> swept = sweep_insistently();
    if (!examined) return swept ? examined.error() : left_behind;
    if (!swept) return left_behind;
    if (made_keys_)
      found(destroyed_ == CKR_OK ? HsmVerdict::can : HsmVerdict::cannot, "keys: destroy",
            destroyed_ == CKR_OK ? "C_DestroyObject" : failure("C_DestroyObject", destroyed_),
            "keys labelled jwekms-doctor-... stay on the token; remove them with its own tools");
    return std::move(findings_);
  }

 private:
  using Try = std::function<Result<Step>(const Session&, Progress&)>;
  using Make = std::function<Result<Step>(const Session&)>;

  void found(HsmVerdict verdict, std::string what, std::string how, const char* means,
             bool needed = false) {
    const bool good = verdict == HsmVerdict::fact || verdict == HsmVerdict::can;
    findings_.push_back(
        {slot_->number(), verdict, std::move(what), std::move(how), good ? "" : means, needed});
  }

  [[nodiscard]] std::string last_failure() const { return findings_.back().how; }

  [[nodiscard]] Result<void> examine() {
    TokenFacts facts;
    const Result<Outcome> read =
        slot_->run([&](const Session& session) { return read_token_facts(session, facts); });
    if (!read) return read.error();
    for (auto& [name, value] : facts) found(HsmVerdict::fact, name, value, "");
    if (const Result<void> r = rsa(); !r) return r;
    if (const Result<void> r = aes(); !r) return r;
    return attributes();
  }

  // ---- What the trials have in common ----

  enum class Came : std::uint8_t { good, wrong, nowhere };

  /// Runs a trial and tells what came of it. Errors: unavailable.
  [[nodiscard]] Result<Came> attempt(const Try& trial, std::string& how) {
    Progress progress;
    const Result<Outcome> outcome = slot_->run([&](const Session& session) {
      progress = {};
      return trial(session, progress);
    });
    if (!outcome) {
      if (outcome.error().code == Errc::unavailable) return outcome.error();
      how = failure(progress.at, CKR_OK, outcome.error().text);
      return Came::nowhere;
    }
    if (!outcome->ok()) {
      how = failure(progress.at, outcome->rv);
      return Came::nowhere;
    }
    how = progress.at;
    if (progress.wrong == nullptr) return Came::good;
    how = failure(progress.at, progress.code, progress.wrong);
    return Came::wrong;
  }

  /// Whether the token can do something. Errors: unavailable.
  [[nodiscard]] Result<bool> ability(std::string what, const char* means, const Try& trial) {
    std::string how;
    const Result<Came> came = attempt(trial, how);
    if (!came) return came.error();
    const bool can = *came == Came::good;
    found(can ? HsmVerdict::can : HsmVerdict::cannot, std::move(what), std::move(how), means);
    return can;
  }

  /// A property that everybody would like a token to have.
  [[nodiscard]] Result<void> property(const char* what, const char* means, const Try& trial) {
    std::string how;
    const Result<Came> came = attempt(trial, how);
    if (!came) return came.error();
    switch (*came) {
      case Came::good: how = "yes"; break;
      case Came::wrong: break;
      case Came::nowhere: how.insert(0, "not examined: "); break;
    }
    found(*came == Came::wrong ? HsmVerdict::warning : HsmVerdict::fact, what, std::move(how),
          means);
    return {};
  }

  /// Makes a token object, which sweep() takes away. Errors: unavailable.
  [[nodiscard]] Result<bool> make(std::string what, const char* call, const char* means,
                                  const Make& generate) {
    made_keys_ = true;
    return ability(std::move(what), means, [&](const Session& session, Progress& progress) {
      progress.at = call;
      return generate(session);
    });
  }
  [[nodiscard]] Result<KeyObject> find() {
    KeyObject object;
    const Result<Outcome> outcome = slot_->run(
        [&](const Session& session) { return find_key(*slot_, session, label_, object); });
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return refused_search;
    return object;
  }

  /// Destroys what was made, and notes it when the token would not. Errors: unavailable.
  [[nodiscard]] Result<void> sweep() { return destroy({label_, cek_label()}); }
  [[nodiscard]] Result<void> destroy(std::initializer_list<std::string> labels) {
    const Result<Outcome> outcome = slot_->run(
        [&](const Session& session) { return destroy_labelled(*slot_, session, labels); });
    if (!outcome) return outcome.error();
    if (!outcome->ok()) destroyed_ = outcome->rv;
    return {};
  }
  [[nodiscard]] Result<void> sweep_insistently() {
    Result<void> swept = sweep();
    for (int i = 1; !swept && i < sweep_attempts; ++i) {
      std::this_thread::sleep_for(sweep_interval);
      swept = sweep();
    }
    return swept;
  }
  [[nodiscard]] std::string cek_label() const { return label_ + "-cek"; }

  // ---- RSA ----

  [[nodiscard]] Result<bool> make_rsa(std::string what, std::uint32_t bits, CekBoundary boundary,
                                      const char* means) {
    return make(std::move(what), "C_GenerateKeyPair", means, [&](const Session& session) {
      KeyObject object;
      return generate_rsa(*slot_, session, label_, label_, bits, boundary, object);
    });
  }

  [[nodiscard]] Result<void> rsa() {
    constexpr const char* elsewhere = "keys of this size must be made with the HSM's own tools";
    const Result<bool> made = make_rsa("RSA-2048: create", 2048, CekBoundary::process, elsewhere);
    if (!made) return made.error();
    if (const Result<void> r = *made ? with_rsa_key() : without_rsa_key(last_failure()); !r)
      return r;
    if (const Result<void> r = sweep(); !r) return r;
    for (const std::uint32_t bits : {3072U, 4096U}) {
      const Result<bool> larger = make_rsa("RSA-" + std::to_string(bits) + ": create", bits,
                                           CekBoundary::process, elsewhere);
      if (!larger) return larger.error();
      if (const Result<void> r = sweep(); !r) return r;
    }
    const Result<bool> guarded =
        make_rsa("RSA-2048 that only unwraps: create", 2048, CekBoundary::hsm,
                 "keys for the HSM boundary must be made with the HSM's own tools");
    if (!guarded) return guarded.error();
    return sweep();
  }

  [[nodiscard]] static bool is_examined(const AlgRow& alg) noexcept {
    return alg.mode == KeyManagement::rsa_oaep && alg.support == Support::implemented;
  }
  /// In the name of an operation and of the boundary that rests on it.
  [[nodiscard]] bool needs(const AlgRow& alg, CekBoundary boundary) const {
    return boundary == boundary_ && Policy{}.algs.contains(alg.id);
  }
  void found_for(const AlgRow& alg, const char* what, bool can, std::string how, const char* means,
                 bool needed = false) {
    found(can ? HsmVerdict::can : HsmVerdict::cannot, std::string(alg.name) + ": " + what,
          std::move(how), means, needed);
  }

  static constexpr const char* in_process = "decrypt, CEK in the process";
  static constexpr const char* in_hsm = "decrypt, CEK in the HSM";
  static constexpr const char* keep = "keep a CEK in the HSM";
  static constexpr const char* process_means =
      "with cek_boundary process, decrypt, reencrypt and unwrap_key of tokens with this alg fail "
      "with unsupported_algorithm";
  static constexpr const char* hsm_means =
      "with cek_boundary hsm, decrypt and reencrypt of tokens with this alg fail with "
      "unsupported_algorithm";
  static constexpr const char* keep_means = "unwrap_key with store_in_hsm is refused for this alg";
  static constexpr const char* bare = "bare RSA: decrypt";
  static constexpr const char* bare_means = "raw_rsa_fallback is of no use";

  [[nodiscard]] Result<void> without_rsa_key(const std::string& failure) {
    const std::string how = "not examined: " + failure;
    for (const AlgRow& alg : alg_table) {
      if (!is_examined(alg)) continue;
      found_for(alg, in_process, false, how, process_means, needs(alg, CekBoundary::process));
      found_for(alg, in_hsm, false, how, hsm_means, needs(alg, CekBoundary::hsm));
      found_for(alg, keep, false, how, keep_means);
    }
    found(HsmVerdict::cannot, bare, how, bare_means);
    return {};
  }

  [[nodiscard]] Result<void> with_rsa_key() {
    const Result<KeyObject> object = find();
    if (!object) return object.error();
    const Result<std::shared_ptr<const crypto::RsaPublicKey>> public_key =
        crypto::RsaPublicKey::from_numbers(library_, object->n, object->e);
    if (!public_key) return public_key.error();
    const RsaObject key(library_, slot_, *object, *public_key, raw_allowed_, CekBoundary::process);
    for (const AlgRow& alg : alg_table) {
      if (!is_examined(alg)) continue;
      if (const Result<void> r = try_process(key, alg); !r) return r;
      if (const Result<void> r = try_hsm(key, alg); !r) return r;
    }
    const Result<Trial<OaepWay>> raw = key.try_oaep(row(Alg::RSA_OAEP), OaepWay::raw);
    if (!raw) return raw.error();
    found(raw->way ? HsmVerdict::can : HsmVerdict::cannot, bare,
          raw->way ? "CKM_RSA_X_509" : failure(*raw), bare_means);
    return {};
  }

  [[nodiscard]] Result<void> try_process(const RsaObject& key, const AlgRow& alg) {
    Result<Trial<OaepWay>> trial = key.try_oaep(alg, OaepWay::native);
    if (!trial) return trial.error();
    std::string how = "CKM_RSA_PKCS_OAEP";
    if (!trial->way) {
      how = failure(*trial);
      if (raw_allowed_) {
        trial = key.try_oaep(alg, OaepWay::raw);
        if (!trial) return trial.error();
        if (trial->way) how = "CKM_RSA_X_509, padding off in the process; " + how;
      }
    }
    found_for(alg, in_process, trial->way.has_value(), std::move(how), process_means,
              needs(alg, CekBoundary::process));
    return {};
  }

  [[nodiscard]] Result<void> try_hsm(const RsaObject& key, const AlgRow& alg) {
    const Result<Trial<CekSize>> trial = key.try_unwrap(alg);
    if (!trial) return trial.error();
    std::string how = "C_UnwrapKey, CKM_AES_GCM";
    if (trial->way == CekSize::by_digest) how += "; its size by C_DigestKey";
    if (!trial->way) how = failure(*trial);
    const bool can = trial->way.has_value();
    found_for(alg, in_hsm, can, how, hsm_means, needs(alg, CekBoundary::hsm));
    if (can) return try_keeping(key, alg);
    found_for(alg, keep, false, std::move(how), keep_means);
    return {};
  }

  [[nodiscard]] Result<void> try_keeping(const RsaObject& key, const AlgRow& alg) {
    const EncRow& enc = row(Enc::A256GCM);
    Cek cek;
    const auto access = InsecureSecretAccess::token();
    if (const Result<void> r = library_->random(cek.fill(enc.cek_bytes, access)); !r) return r;
    const Result<std::vector<std::uint8_t>> wrapped = key.public_key().wrap(alg, cek);
    if (!wrapped) return wrapped.error();
    const JoseHeader header{};
    KeyObject object;
    const Result<Outcome> kept =
        key.try_to_keep({alg, enc, header, {*wrapped}}, cek_label(), cek_label(), object);
    if (!kept && kept.error().code == Errc::unavailable) return kept.error();
    std::string how = "C_UnwrapKey";
    if (!kept)
      how = failure(how, CKR_OK, kept.error().text);
    else if (!kept->ok())
      how = failure(how, kept->rv);
    found_for(alg, keep, kept && kept->ok(), std::move(how), keep_means);
    return destroy({cek_label()});
  }

  // ---- AES ----

  static constexpr const char* dir_encrypt = "dir: encrypt";
  static constexpr const char* dir_encrypt_means =
      "encrypt and reencrypt under dir with AES keys in this HSM fail with unsupported_algorithm";
  static constexpr const char* dir_decrypt = "dir: decrypt";
  static constexpr const char* dir_decrypt_means =
      "decrypt and reencrypt of tokens with dir for keys in this HSM fail with "
      "unsupported_algorithm";

  [[nodiscard]] Result<void> aes() {
    const Result<bool> made =
        make("AES-256: create", "C_GenerateKey", "AES keys must be made with the HSM's own tools",
             [&](const Session& session) {
               KeyObject object;
               return generate_aes(*slot_, session, label_, label_, 32, object);
             });
    if (!made) return made.error();
    if (const Result<void> r = *made ? with_aes_key() : without_aes_key(last_failure()); !r)
      return r;
    return sweep();
  }

  [[nodiscard]] Result<void> with_aes_key() {
    const Result<KeyObject> object = find();
    if (!object) return object.error();
    const Locator locator(*object);
    const auto with_key = [&](const auto& trial) -> Try {
      return [&](const Session& session, Progress& progress) -> Result<Step> {
        CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
        Result<Step> located = locator.locate(*slot_, session, key);
        if (!located || located->rv != CKR_OK) return located;
        return trial(*library_, session, key, progress);
      };
    };
    std::string not_by_gcm;
    const Result<bool> encrypts =
        ability(dir_encrypt, dir_encrypt_means, with_key(try_gcm_encrypt));
    if (!encrypts) return encrypts.error();
    if (!*encrypts) not_by_gcm = last_failure();
    const Result<bool> decrypts =
        ability(dir_decrypt, dir_decrypt_means, with_key(try_gcm_decrypt));
    if (!decrypts) return decrypts.error();
    if (!*decrypts) not_by_gcm = last_failure();
    return key_encryption_key(not_by_gcm);
  }

  [[nodiscard]] Result<void> without_aes_key(const std::string& failure) {
    const std::string how = "not examined: " + failure;
    found(HsmVerdict::cannot, dir_encrypt, how, dir_encrypt_means);
    found(HsmVerdict::cannot, dir_decrypt, how, dir_decrypt_means);
    return key_encryption_key(how);
  }

  /// @param not_by_gcm  why AES-GCM is not to be had; empty: it is.
  [[nodiscard]] Result<void> key_encryption_key(const std::string& not_by_gcm) {
    constexpr const char* means = "key_encryption_key cannot go this way";
    const bool by_gcm = not_by_gcm.empty();
    found(by_gcm ? HsmVerdict::can : HsmVerdict::cannot, "key-encryption key: AES-GCM",
          by_gcm ? "CKM_AES_GCM" : not_by_gcm, means);
    const Result<bool> wraps = ability("key-encryption key: AES key wrap", means, try_key_wrap);
    if (!wraps) return wraps.error();
    return {};
  }

  // ---- Attributes ----

  [[nodiscard]] Result<void> attributes() {
    if (const Result<void> r =
            property("unwrapped keys are as asked for",
                     "a CEK that is unwrapped in this token can be read from it: refused here",
                     [&](const Session& session, Progress& progress) {
                       return try_unwrapped_attributes(library_, session, progress);
                     });
        !r)
      return r;
    if (const Result<void> r = property(
            "CKA_SIGN is off by default",
            "say CKA_SIGN = false and CKA_SIGN_RECOVER = false when you make a key for the HSM "
            "boundary with other tools",
            try_sign_default);
        !r)
      return r;
    if (const Result<void> r =
            property("CKA_UNWRAP_TEMPLATE is kept to",
                     "another program with the PIN can unwrap a CEK so that it can be read",
                     [&](const Session& session, Progress& progress) {
                       return try_unwrap_template(library_, session, progress);
                     });
        !r)
      return r;
    return property("keys that are not extractable stay",
                    "another program with the PIN can bring a CEK out", try_wrap_out);
  }

  const std::shared_ptr<const crypto::Library>& library_;
  const CekBoundary boundary_;
  const bool raw_allowed_;
  const std::shared_ptr<TokenSlot> slot_;
  const std::string label_;
  bool made_keys_ = false;
  CK_RV destroyed_ = CKR_OK;
  std::vector<HsmFinding> findings_;
};

[[nodiscard]] Result<std::string> new_label(const crypto::Library& library) {
  std::array<std::uint8_t, 8> nonce;
  if (const Result<void> drawn = library.random(nonce); !drawn) return drawn.error();
  std::string label = "jwekms-doctor-";
  for (const std::uint8_t byte : nonce) {
    label += "0123456789abcdef"[byte >> 4];
    label += "0123456789abcdef"[byte & 15];
  }
  return label;
}

}  // namespace
}  // namespace jwekms::pkcs11

namespace jwekms {

Result<std::vector<HsmFinding>> doctor(const HsmOptions& options) {
  using namespace pkcs11;
  const crypto::ErrorQueueGuard guard;
  const Result<std::shared_ptr<const crypto::Library>> library = crypto::Library::open("");
  if (!library) return library.error();
  const Result<InstanceSettings> settings = read_settings(options, 0);
  if (!settings) return settings.error();
  const Instance instance(*library, *settings, nullptr, {});
  const Result<std::string> label = new_label(**library);
  if (!label) return label.error();
  std::vector<HsmFinding> all;
  for (const std::shared_ptr<TokenSlot>& slot : instance.slots()) {
    Result<std::vector<HsmFinding>> findings = Examination(instance, slot, *label).run();
    if (!findings) return findings.error();
    std::ranges::move(*findings, std::back_inserter(all));
  }
  return all;
}

}  // namespace jwekms
