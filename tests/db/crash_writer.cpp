// SPDX-License-Identifier: Apache-2.0
// Writes keys to a database until it is killed, and says of each one, after it was acknowledged,
// "+" that it is there, "?" that it is about to be destroyed, "-" that it was. usage:
// jwekms_crash_writer DATABASE RSA_PKCS8_FILE PREFIX
#include <cstdlib>

#include "support.hpp"

using namespace jwekms;
using namespace jwekms::db::test;

namespace {

/// One line, in one write: a reader sees all of it or, if this process is killed first, none.
void say(const std::string& text) {
  const std::string line = text + '\n';
  if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
}
void say(const Result<KeyInfo>& made) {
  if (!made) _exit(10 + static_cast<int>(made.error().code));
  say('+' + made->uid);
}

std::shared_ptr<const Key> parent_key(KeyProvider& db, const Bytes& der) {
  const Result<KeyInfo> imported = db.import(rsa_import(der, "parent"));
  if (!imported && imported.error().code != Errc::conflict) _exit(4);
  return db.resolve("parent").value();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const Bytes der = read_file(argv[2]);
  const std::string prefix = argv[3];
  const auto db = try_open(options_for(argv[1]));
  if (!db) return 10 + static_cast<int>(db.error().code);
  const auto parent = parent_key(**db, der);
  const AlgRow& alg = row(Alg::RSA_OAEP_256);
  const EncRow& enc = row(Enc::A128GCM);
  const JoseHeader header{};
  for (int i = 0;; ++i) {
    const auto uid = [&](const char* kind) {
      return prefix + "-" + kind + "-" + std::to_string(i);
    };
    say((*db)->create(oct_request(uid("create"))));
    say((*db)->import(raw_import(Bytes(32, static_cast<std::uint8_t>(i)), uid("import"))));
    const Result<NewCek> cek = parent->wrap(alg, enc);
    if (!cek) return 5;
    say((*db)->import_wrapped(*parent, {alg, enc, header, {cek->encrypted_key}},
                              {.uid = uid("wrapped"), .aliases = {}, .owner = {}}));
    if (i % 8 == 3) say((*db)->import(rsa_import(der, uid("rsa"))));  // checking it takes long
    if (!(*db)->add_alias(uid("create"), uid("alias"))) return 6;
    say('+' + uid("alias"));
    say('?' + uid("import"));
    if (!(*db)->set_state(uid("import"), KeyState::destroyed)) return 7;
    say('-' + uid("import"));
  }
}
