// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/doctor.hpp"

#include "jwekms/base64url.hpp"
#include "providers/pkcs11/gcm_ops.hpp"
#include "providers/pkcs11/instance.hpp"
#include "providers/pkcs11/new_objects.hpp"

namespace jwekms::pkcs11 {

namespace {

/// One slot under examination.
class Examination {
 public:
  Examination(const std::shared_ptr<const crypto::Library>& library,
              std::shared_ptr<TokenSlot> slot, std::string label, bool raw_allowed,
              std::vector<Finding>& findings)
      : library_(library),
        slot_(std::move(slot)),
        label_(std::move(label)),
        raw_allowed_(raw_allowed),
        findings_(findings) {}

  /// Errors: unavailable.
  [[nodiscard]] Result<void> run() {
    if (const Result<void> r = rsa(); !r) return r;
    return aes();
  }

 private:
  using Make = std::function<Result<Step>(const Session&, KeyObject&)>;

  void found(std::string what, bool can, std::string how, const char* means) {
    findings_.push_back({slot_->number(), std::move(what), can, std::move(how), can ? "" : means});
  }

  /// Without a key when the token refuses.
  [[nodiscard]] Result<Outcome> make(const Make& generate, KeyObject& object) {
    return run_making(*slot_, label_,
                      [&](const Session& session) { return generate(session, object); });
  }
  void destroy(const KeyObject& object) {
    (void)slot_->run([&](const Session& session) { return destroy_key(*slot_, session, object); });
  }

  [[nodiscard]] Result<void> rsa() {
    KeyObject object;
    const Result<Outcome> made = make(
        [&](const Session& session, KeyObject& made_object) {
          return generate_rsa(*slot_, session, label_, label_, 2048, CekBoundary::process,
                              made_object);
        },
        object);
    if (!made && made.error().code == Errc::unavailable) return made.error();
    found("makes an RSA-2048 pair", made && made->ok(),
          made ? name_of(made->rv) : made.error().text,
          "RSA keys must be brought in with the HSM's own tools; the rest of RSA is not examined");
    if (!made || !made->ok()) return {};
    const Result<void> tried = try_rsa(object);
    destroy(object);
    return tried;
  }

  [[nodiscard]] Result<void> try_rsa(const KeyObject& object) {
    const Result<std::shared_ptr<const crypto::RsaPublicKey>> public_key =
        crypto::RsaPublicKey::from_numbers(library_, object.n, object.e);
    if (!public_key) return public_key.error();
    const RsaObject key(library_, slot_, object, *public_key, raw_allowed_);
    for (const AlgRow& alg : alg_table) {
      if (alg.mode != KeyManagement::rsa_oaep || alg.support != Support::implemented) continue;
      const std::string name(alg.name);
      const Result<Trial<OaepWay>> oaep = key.try_oaep(alg, raw_allowed_);
      if (!oaep) return oaep.error();
      const bool raw = oaep->way == OaepWay::raw;
      found(name + ", process boundary", oaep->way.has_value(),
            raw ? std::string("CKM_RSA_X_509, padding off in the process; itself ") +
                      name_of(oaep->rv)
            : oaep->way ? std::string("CKM_RSA_PKCS_OAEP")
                        : std::string(oaep->why) + " " + name_of(oaep->rv),
            "tokens with this alg fail with unsupported_algorithm; see raw_rsa_fallback");
      const Result<Trial<CekSize>> kept = key.try_unwrap(alg);
      if (!kept) return kept.error();
      const bool by_hmac = kept->way == CekSize::by_hmac;
      found(name + ", HSM boundary", kept->way.has_value(),
            by_hmac     ? "C_UnwrapKey, twice: CKA_VALUE_LEN is not known"
            : kept->way ? std::string("C_UnwrapKey")
                        : std::string(kept->why) + ": " + name_of(kept->rv),
            "with cek_boundary = hsm, and to keep CEKs in the HSM, this alg is refused");
    }
    return {};
  }

  [[nodiscard]] Result<void> aes() {
    KeyObject object;
    const Result<Outcome> made = make(
        [&](const Session& session, KeyObject& made_object) {
          return generate_aes(*slot_, session, label_, label_, 32, made_object);
        },
        object);
    if (!made && made.error().code == Errc::unavailable) return made.error();
    found("makes an AES-256 key", made && made->ok(), made ? name_of(made->rv) : made.error().text,
          "no keys for dir are made here");
    if (!made || !made->ok()) return {};
    const Result<Outcome> gcm = slot_->run([&](const Session& session) -> Result<Step> {
      CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
      const Result<Step> located = Locator(object).locate(*slot_, session, handle);
      if (!located || located->rv != CKR_OK) return located;
      std::array<std::uint8_t, 12> iv;
      if (const Result<void> drawn = library_->random(iv); !drawn) return drawn.error();
      constexpr std::uint8_t text[] = {'x', 'y', 'z'};
      std::array<std::uint8_t, sizeof(text) + gcm_tag_size> sealed;
      const Step encrypted = gcm_encrypt(session, handle, iv, "aad", text, sealed);
      if (encrypted.rv != CKR_OK) return encrypted;
      std::array<char, 4> ciphertext;
      base64url::encode(std::span(sealed).first(sizeof(text)), ciphertext.data());
      const SealedContent content{{iv},
                                  {"aad", {}},
                                  {ciphertext.data(), ciphertext.size()},
                                  {std::span(sealed).last(gcm_tag_size)}};
      GcmMessage message(content, slot_->scratch());
      if (const Result<void> decoded = message.decode(); !decoded) return decoded.error();
      return gcm_decrypt(session, handle, message, Phase::setup);
    });
    destroy(object);
    if (!gcm) return gcm.error();
    found("AES-GCM", gcm->ok(), gcm->ok() ? "CKM_AES_GCM" : name_of(gcm->rv),
          "keys for dir, and the HSM boundary, are out of reach");
    return {};
  }

  const std::shared_ptr<const crypto::Library>& library_;
  const std::shared_ptr<TokenSlot> slot_;
  const std::string label_;
  const bool raw_allowed_;
  std::vector<Finding>& findings_;
};

}  // namespace

Result<std::vector<Finding>> examine(const std::shared_ptr<const crypto::Library>& library,
                                     const HsmOptions& options) {
  const Result<InstanceSettings> settings = read_settings(options, 0);
  if (!settings) return settings.error();
  Instance instance(library, *settings, {});
  std::array<std::uint8_t, 4> nonce;
  if (const Result<void> drawn = library->random(nonce); !drawn) return drawn.error();
  std::string label = "jwekms-doctor";
  for (const std::uint8_t byte : nonce) {
    label += '-';
    label += std::to_string(byte);
  }
  std::vector<Finding> findings;
  for (const std::shared_ptr<TokenSlot>& slot : instance.slots()) {
    Examination examination(library, slot, label, settings->raw_rsa_fallback, findings);
    if (const Result<void> r = examination.run(); !r) return r.error();
  }
  return findings;
}

Result<std::string> doctor(const HsmOptions& options) {
  const Result<std::shared_ptr<const crypto::Library>> library = crypto::Library::open("");
  if (!library) return library.error();
  const Result<std::vector<Finding>> findings = examine(*library, options);
  if (!findings) return findings.error();
  std::string text;
  for (const Finding& finding : *findings) {
    text += "slot " + std::to_string(finding.slot) + ": " + (finding.can ? "yes  " : "no   ") +
            finding.what + " (" + finding.how + ")\n";
    if (!finding.means.empty()) text += "             " + finding.means + "\n";
  }
  return text;
}

}  // namespace jwekms::pkcs11
