// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include "token.hpp"

namespace token {

enum class Use { gcm, key_wrap };

/// An AES-256 key of the token that wraps; gone at the end of the test.
class WrappingKey {
 public:
  WrappingKey(const char* label, Use use, CK_ULONG size = 32) : uid(prefix() + label) {
    const Kms kms = open();
    if (use == Use::gcm)
      (void)kms
          .create_key(
              {.uid = uid, .type = KeyType::oct, .enc = size == 32 ? Enc::A256GCM : Enc::A128GCM})
          .value();
    else
      generate(label, size);
  }
  ~WrappingKey() {
    if (const Result<Kms> kms = try_open(options()))
      (void)kms->set_key_state(uid, KeyState::destroyed);
  }
  WrappingKey(const WrappingKey&) = delete;
  WrappingKey& operator=(const WrappingKey&) = delete;

  const std::string uid;

 private:
  static void generate(std::string label, CK_ULONG size) {
    const Raw raw;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE attributes[] = {
        {CKA_TOKEN, &yes, sizeof(yes)},          {CKA_PRIVATE, &yes, sizeof(yes)},
        {CKA_SENSITIVE, &yes, sizeof(yes)},      {CKA_EXTRACTABLE, &no, sizeof(no)},
        {CKA_WRAP, &yes, sizeof(yes)},           {CKA_UNWRAP, &yes, sizeof(yes)},
        {CKA_ENCRYPT, &no, sizeof(no)},          {CKA_DECRYPT, &no, sizeof(no)},
        {CKA_LABEL, label.data(), label.size()}, {CKA_ID, label.data(), label.size()},
        {CKA_VALUE_LEN, &size, sizeof(size)}};
    CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
    CK_OBJECT_HANDLE key = 0;
    Raw::check(
        raw.f->C_GenerateKey(raw.session, &mechanism, attributes, std::size(attributes), &key));
  }
};

/// What a database says of its key-encryption key.
inline std::string entry_of(const std::string& path) {
  SQLite::Database database(path, SQLite::OPEN_READONLY, 5000);
  SQLite::Statement find(database, "SELECT value FROM meta WHERE name = 'kek'");
  if (!find.executeStep()) return {};
  return {static_cast<const char*>(find.getColumn(0).getBlob()),
          static_cast<std::size_t>(find.getColumn(0).getBytes())};
}

inline Options with_kek(const std::string& database, const std::string& uid) {
  Options all;
  all.hsms.push_back(options());
  all.database.path = database;
  all.database.key_encryption_key = uid;
  all.policy = Policy::permissive();
  all.on_warning = [](std::string_view) {};
  return all;
}

}  // namespace token
