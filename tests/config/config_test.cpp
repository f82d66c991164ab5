// SPDX-License-Identifier: Apache-2.0
#include "jwekms/config.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "config/read_config.hpp"

using namespace jwekms;

namespace {

// Byte for byte what the use case shows.
constexpr std::string_view use_case = R"([[hsm_instances]]
hsm_model = "softhsm2" # or: utimaco, proteccio, crypt2pay, smartcardhsm
hsm_admin = ["admin"]
hsm_slot = [0]
hsm_password = ["changeme"]
[http]
port = 9998
hostname = "0.0.0.0"
[db]
database_type = "sqlite"
sqlite_path = "data/kms-objects"
)";

[[nodiscard]] std::string joined(const std::vector<ConfigProblem>& problems) {
  std::string all;
  for (const ConfigProblem& each : problems) all += (all.empty() ? "" : "\n") + each.text;
  return all;
}

[[nodiscard]] Config parse(std::string_view text) {
  std::vector<ConfigProblem> problems;
  Result<Config> config = parse_config(text, "/etc/kms/kms.toml", problems);
  INFO(joined(problems));
  REQUIRE(config);
  CHECK(problems.empty());
  return *std::move(config);
}

[[nodiscard]] std::vector<ConfigProblem> problems_of(std::string_view text) {
  std::vector<ConfigProblem> problems;
  const Result<Config> config = parse_config(text, "kms.toml", problems);
  CHECK(config.has_value() == problems.empty());
  if (!config) CHECK(config.error().code == Errc::bad_request);
  return problems;
}

[[nodiscard]] std::string example() {
  std::ifstream file(JWEKMS_EXAMPLE_CONFIG);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Every key of a document, with the tables that it is in.
void collect_keys(const toml::table& table, const std::string& path, std::set<std::string>& out) {
  for (const auto& [key, node] : table) {
    const std::string full = path.empty() ? std::string(key.str()) : path + '.' + key.str().data();
    out.insert(full);
    if (const toml::table* inner = node.as_table()) collect_keys(*inner, full, out);
    if (const toml::array* array = node.as_array())
      for (const toml::node& each : *array)
        if (const toml::table* inner = each.as_table()) collect_keys(*inner, full, out);
  }
}

struct Folder {
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path = "/tmp/jwekms-config-XXXXXX";
};

}  // namespace

TEST_CASE("the use case's configuration", "[config]") {
  const Config config = parse(use_case);
  REQUIRE(config.kms.hsms.size() == 1);
  const HsmOptions& hsm = config.kms.hsms[0];
  CHECK(hsm.model == "softhsm2");
  CHECK(hsm.admins == std::vector<std::string>{"admin"});
  REQUIRE(hsm.slots.size() == 1);
  CHECK(hsm.slots[0].number == 0);
  CHECK(hsm.slots[0].pin == "changeme");
  CHECK(hsm.slots[0].login == HsmLogin::user);
  CHECK(hsm.module_path.empty());
  CHECK(hsm.cek_boundary == CekBoundary::process);
  CHECK_FALSE(hsm.raw_rsa_fallback.has_value());
  CHECK(config.server.port == 9998);
  CHECK(config.server.hostname == "0.0.0.0");
  CHECK(config.server.tls.certificate.empty());
  CHECK_FALSE(config.server.auth.configured());
  CHECK(config.server.auth.anonymous == "admin");
  CHECK(config.kms.database.path == "/etc/kms/data/kms-objects");
  CHECK(config.kms.database.kek_path.empty());
}

TEST_CASE("a configured database is made with its folders, for its owner alone", "[config]") {
  const Folder folder;
  std::vector<ConfigProblem> problems;
  Result<Config> config = parse_config("[db]\nsqlite_path = \"data/more/kms-objects\"",
                                       folder.path + "/kms.toml", problems);
  REQUIRE(config);
  config->kms.on_warning = [](std::string_view) {};
  REQUIRE(open(config->kms));
  for (const char* made : {"/data", "/data/more"}) {
    struct stat status {};
    REQUIRE(stat((folder.path + made).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
  }
  CHECK(std::filesystem::is_regular_file(folder.path + "/data/more/kms-objects"));
  CHECK(std::filesystem::is_regular_file(folder.path + "/data/more/kms-objects.kek"));
}

TEST_CASE("nothing at all is a configuration", "[config]") {
  const Config config = parse("");
  CHECK(config.kms.hsms.empty());
  CHECK(config.kms.database.path.empty());
  CHECK(config.server.hostname == "127.0.0.1");
}

TEST_CASE("what an HSM may be given", "[config]") {
  const Config config = parse(R"(
[[hsm_instances]]
hsm_model = "other"
module_path = "lib/p11.so"
init_args = "configdir=x"
cek_boundary = "hsm"
max_sessions = 7
session_timeout_ms = 250
raw_rsa_fallback = false
forbid_weak_keys = true
  [[hsm_instances.slots]]
  number = 3
  token_label = "label"
  token_serial = "serial"
  password = "file:pins/3"
  [[hsm_instances.slots]]
  number = 4
  slot_id = 2015921219
  login = "none"
[[hsm_instances]]
hsm_model = "softhsm2"
hsm_admin = ["a", "b"]
hsm_slot = [0, 5]
hsm_password = ["env:PIN", "file:/run/pin"]
[[hsm_pools]]
slots = ["hsm::softhsm2::0", "hsm::softhsm2::5"]
)");
  REQUIRE(config.kms.hsms.size() == 2);
  const HsmOptions& one = config.kms.hsms[0];
  CHECK(one.module_path == "/etc/kms/lib/p11.so");
  CHECK(one.init_args == "configdir=x");
  CHECK(one.cek_boundary == CekBoundary::hsm);
  CHECK(one.max_sessions == 7);
  CHECK(one.session_timeout == std::chrono::milliseconds(250));
  CHECK(one.raw_rsa_fallback == false);
  CHECK(one.forbid_weak_keys);
  CHECK(one.admins.empty());
  REQUIRE(one.slots.size() == 2);
  CHECK(one.slots[0].number == 3);
  CHECK(one.slots[0].token_label == "label");
  CHECK(one.slots[0].token_serial == "serial");
  CHECK(one.slots[0].pin == "file:/etc/kms/pins/3");
  CHECK_FALSE(one.slots[0].slot_id.has_value());
  CHECK(one.slots[1].slot_id == 2015921219U);
  CHECK(one.slots[1].login == HsmLogin::none);
  const HsmOptions& two = config.kms.hsms[1];
  CHECK(two.admins == std::vector<std::string>{"a", "b"});
  REQUIRE(two.slots.size() == 2);
  CHECK(two.slots[0].pin == "env:PIN");
  CHECK(two.slots[1].number == 5);
  CHECK(two.slots[1].pin == "file:/run/pin");
  REQUIRE(config.kms.hsm_pools.size() == 1);
  CHECK(config.kms.hsm_pools[0].slots.size() == 2);
}

TEST_CASE("database, policy and OpenSSL", "[config]") {
  const Config config = parse(R"(
admins = ["root", "*"]
[db]
sqlite_path = "/var/lib/k/keys.db"
kek_path = "kek"
cache_ttl_ms = 5
cache_entries = 6
busy_timeout_ms = 7
[policy]
algs = ["RSA-OAEP-512"]
encs = ["A192GCM", "A128GCM"]
rsa_min_bits = 3072
require_kid = false
require_protected = false
allow_zip = true
allow_compromised = true
[policy.limits]
max_token_bytes = 1
max_header_bytes = 2
max_recipients = 3
max_inflated_bytes = 4
max_inflated_ratio = 5
[openssl]
properties = "fips=yes"
config = "fips.cnf"
)");
  const DatabaseOptions& db = config.kms.database;
  CHECK(db.path == "/var/lib/k/keys.db");
  CHECK(db.kek_path == "/etc/kms/kek");
  CHECK(db.cache_ttl == std::chrono::milliseconds(5));
  CHECK(db.cache_entries == 6);
  CHECK(db.busy_timeout == std::chrono::milliseconds(7));
  const Policy& policy = config.kms.policy;
  CHECK(policy.algs == AlgSet{Alg::RSA_OAEP_512});
  CHECK(policy.encs == EncSet{Enc::A128GCM, Enc::A192GCM});
  CHECK(policy.rsa_min_bits == 3072);
  CHECK_FALSE(policy.require_kid);
  CHECK_FALSE(policy.require_protected);
  CHECK(policy.allow_zip);
  CHECK(policy.allow_compromised);
  CHECK(policy.limits.max_token_bytes == 1);
  CHECK(policy.limits.max_header_bytes == 2);
  CHECK(policy.limits.max_recipients == 3);
  CHECK(policy.limits.max_inflated_bytes == 4);
  CHECK(policy.limits.max_inflated_ratio == 5);
  CHECK(config.kms.admins == std::vector<std::string>{"root", "*"});
  CHECK(config.kms.openssl_properties == "fips=yes");
  CHECK(config.kms.openssl_config == "/etc/kms/fips.cnf");
  CHECK(parse("[db]\nsqlite_path = \"k\"\nkey_encryption_key = \"hsm::softhsm2::0::kek\"")
            .kms.database.key_encryption_key == "hsm::softhsm2::0::kek");
}

TEST_CASE("the server's part", "[config]") {
  const ServerOptions server = parse(R"(
[http]
port = 1
hostname = "::"
workers = 2
shutdown_timeout_ms = 3
[http.tls]
certificate = "c.pem"
key = "k.pem"
client_ca = "/ca.pem"
require_client_certificate = true
[http.limits]
max_body_bytes = 10
max_header_bytes = 600
max_connections = 12
idle_timeout_ms = 13
request_timeout_ms = 14
requests_per_second = 15
failed_unwraps_per_minute = 16
[auth]
client_certificates = true
anonymous = "nobody"
[[auth.tokens]]
principal = "billing"
sha256 = "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"
[auth.jwt]
keys = "jwks.json"
issuer = "i"
audience = "a"
principal_claim = "client_id"
leeway_s = 0
[audit]
path = "audit.jsonl"
)")
                                   .server;
  CHECK(server.port == 1);
  CHECK(server.hostname == "::");
  CHECK(server.workers == 2);
  CHECK(server.shutdown_timeout == std::chrono::milliseconds(3));
  CHECK(server.tls.certificate == "/etc/kms/c.pem");
  CHECK(server.tls.key == "/etc/kms/k.pem");
  CHECK(server.tls.client_ca == "/ca.pem");
  CHECK(server.tls.require_client_certificate);
  CHECK(server.limits.max_body_bytes == 10);
  CHECK(server.limits.max_header_bytes == 600);
  CHECK(server.limits.max_connections == 12);
  CHECK(server.limits.idle_timeout == std::chrono::milliseconds(13));
  CHECK(server.limits.request_timeout == std::chrono::milliseconds(14));
  CHECK(server.limits.requests_per_second == 15);
  CHECK(server.limits.failed_unwraps_per_minute == 16);
  CHECK(server.auth.configured());
  CHECK(server.auth.client_certificates);
  CHECK(server.auth.anonymous == "nobody");
  REQUIRE(server.auth.tokens.size() == 1);
  CHECK(server.auth.tokens[0].principal == "billing");
  CHECK(server.auth.tokens[0].sha256[10] == 0xAA);
  CHECK(server.auth.tokens[0].sha256[31] == 0xFF);
  REQUIRE(server.auth.jwt.has_value());
  CHECK(server.auth.jwt->keys_path == "/etc/kms/jwks.json");
  CHECK(server.auth.jwt->issuer == "i");
  CHECK(server.auth.jwt->audience == "a");
  CHECK(server.auth.jwt->principal_claim == "client_id");
  CHECK(server.auth.jwt->leeway == std::chrono::seconds(0));
  CHECK(server.audit_path == "/etc/kms/audit.jsonl");
}

namespace {

struct Bad {
  std::string_view text;
  std::vector<std::string_view> problems;
};

const std::vector<Bad> bad_configurations{
    // Unknown keys, in every table.
    {"\nhttpd = 1",
     {"kms.toml:2: httpd: unknown key; known here: admins, audit, auth, db, hsm_instances, "
      "hsm_pools, "
      "http, openssl, policy"}},
    {"[http]\nport = 1\nhost = \"x\"",
     {"kms.toml:3: http.host: unknown key; known here: hostname, limits, port, "
      "shutdown_timeout_ms, tls, workers"}},
    {"[audit]\nfile = \"x\"", {"kms.toml:2: audit.file: unknown key; known here: path"}},
    {"[http.limits]\nx = 1",
     {"kms.toml:2: http.limits.x: unknown key; known here: "
      "failed_unwraps_per_minute, idle_timeout_ms, max_body_bytes, "
      "max_connections, max_header_bytes, request_timeout_ms, "
      "requests_per_second"}},
    {"[policy.limits]\nx = 1",
     {"kms.toml:2: policy.limits.x: unknown key; known here: max_header_bytes, "
      "max_inflated_bytes, max_inflated_ratio, max_recipients, max_token_bytes"}},
    {"[openssl]\nx = 1", {"kms.toml:2: openssl.x: unknown key; known here: config, properties"}},
    {"[auth]\nx.y = 1",
     {"kms.toml:2: auth.x: unknown key; known here: anonymous, client_certificates, jwt, tokens"}},
    // Wrong types and values.
    {"http = 1", {"kms.toml:1: http: expected a table, found an integer"}},
    {"[http]\nport = \"9998\"",
     {"kms.toml:2: http.port: expected an integer from 0 to 65535, found a string"}},
    {"[http]\nport = 65536", {"kms.toml:2: http.port: expected an integer from 0 to 65535"}},
    {"[http]\nport = -1", {"kms.toml:2: http.port: expected an integer from 0 to 65535"}},
    {"[http]\nport = 1.0",
     {"kms.toml:2: http.port: expected an integer from 0 to 65535, found a number with a point"}},
    {"[http]\nhostname = [\"a\"]",
     {"kms.toml:2: http.hostname: expected a string, found an array"}},
    {"[http]\nhostname = \"a\\u0000b\"",
     {"kms.toml:2: http.hostname: expected a string without NUL"}},
    {"[policy]\nrequire_kid = 1",
     {"kms.toml:2: policy.require_kid: expected true or false, found an integer"}},
    {"[policy]\nrequire_kid = 1979-05-27",
     {"kms.toml:2: policy.require_kid: expected true or false, found a date or time"}},
    {"[policy]\nalgs = \"dir\"",
     {"kms.toml:2: policy.algs: expected an array of strings, found a string"}},
    {"[policy]\nalgs = [\"RSA1_5\"]",
     {"kms.toml:2: policy.algs: expected names of what is implemented: RSA-OAEP, RSA-OAEP-256, "
      "RSA-OAEP-384, RSA-OAEP-512, dir"}},
    {"[policy]\nencs = [\n  \"A128GCM\",\n  5]",
     {"kms.toml:4: policy.encs: expected a string, found an integer"}},
    // HSMs.
    {"[hsm_instances]\nhsm_model = \"softhsm2\"",
     {"kms.toml:1: hsm_instances: expected an array of tables, [[hsm_instances]], found a table"}},
    {"hsm_instances = [1]",
     {"kms.toml:1: hsm_instances: expected an array of tables, [[hsm_instances]], found an "
      "integer"}},
    {"\n[[hsm_instances]]\n",
     {"kms.toml:2: hsm_instances.hsm_model: is missing: expected one of \"softhsm2\", "
      "\"utimaco\", \"proteccio\", \"crypt2pay\", \"smartcardhsm\", \"other\"",
      "kms.toml:2: hsm_instances.slots: is missing: expected slots, or hsm_slot with "
      "hsm_password"}},
    {"[[hsm_instances]]\nhsm_model = \"luna\"\nhsm_slot = [0]\nhsm_password = [\"hunter2\"]",
     {"kms.toml:2: hsm_instances.hsm_model: expected one of \"softhsm2\", \"utimaco\", "
      "\"proteccio\", \"crypt2pay\", \"smartcardhsm\", \"other\""}},
    {"[[hsm_instances]]\nhsm_model = \"other\"\nhsm_slot = [0, 1]\nhsm_password = [\"hunter2\"]",
     {"kms.toml:4: hsm_instances.hsm_password: expected one password for each hsm_slot"}},
    {"[[hsm_instances]]\nhsm_model = \"other\"\nhsm_slot = 0\nhsm_password = \"hunter2\"",
     {"kms.toml:3: hsm_instances.hsm_slot: expected an array of integers, found an integer",
      "kms.toml:4: hsm_instances.hsm_password: expected an array of strings, found a string"}},
    {"[[hsm_instances]]\nhsm_model = \"other\"\nhsm_slot = [0]\nhsm_password = [2222]",
     {"kms.toml:4: hsm_instances.hsm_password: expected a string, found an integer",
      "kms.toml:4: hsm_instances.hsm_password: expected one password for each hsm_slot"}},
    {"[[hsm_instances]]\nhsm_model = \"other\"\nhsm_slot = [-1]\nhsm_password = []",
     {"kms.toml:3: hsm_instances.hsm_slot: expected an integer from 0 to 9223372036854775807"}},
    {"[[hsm_instances]]\nhsm_model = \"other\"\nhsm_slot = [0]\nhsm_password = [\"hunter2\"]\n"
     "slots = [{number = 0, password = \"hunter2\"}]",
     {"kms.toml:5: hsm_instances.slots: expected either slots or hsm_slot with hsm_password"}},
    {"[[hsm_instances]]\nhsm_model = \"other\"\nslots = [{number = 1, login = \"none\"},\n"
     "{number = 0, login = \"none\"}, {number = 1, login = \"none\"}]",
     {"kms.toml:3: hsm_instances.slots: two slots have one number"}},
    {"[[hsm_instances]]\nhsm_model = \"other\"\n[[hsm_instances.slots]]\nnumber = 1",
     {"kms.toml:3: hsm_instances.slots.password: is missing: expected a PIN, or login = "
      "\"none\""}},
    {"[[hsm_instances]]\nhsm_model = \"other\"\n[[hsm_instances.slots]]\nlogin = \"so\"\n"
     "password = \"hunter2\"",
     {"kms.toml:3: hsm_instances.slots.number: is missing: expected the slot's number in key UIDs",
      "kms.toml:4: hsm_instances.slots.login: expected one of \"user\", \"none\""}},
    {"[[hsm_instances]]\nhsm_model = \"other\"\nhsm_slot = []\nhsm_password = []\n"
     "cek_boundary = \"outside\"\nmax_sessions = 0\nraw_rsa_fallback = \"yes\"",
     {"kms.toml:5: hsm_instances.cek_boundary: expected one of \"process\", \"hsm\"",
      "kms.toml:6: hsm_instances.max_sessions: expected an integer from 1 to 4096",
      "kms.toml:7: hsm_instances.raw_rsa_fallback: expected true or false, found a string"}},
    {"[[hsm_pools]]\nslots = [\"hsm::softhsm2::0\"]",
     {"kms.toml:2: hsm_pools.slots: expected two or more of hsm::<model>::<slot>"}},
    // The database.
    {"[db]\ndatabase_type = \"postgresql\"\ndatabase_url = \"postgresql://u:hunter2@h/d\"",
     {"kms.toml:1: db.sqlite_path: is missing: expected the file of the database",
      "kms.toml:2: db.database_type: PostgreSQL is not in this version: expected \"sqlite\""}},
    {"[db]\ndatabase_type = \"mysql\"\nsqlite_path = \"x\"",
     {"kms.toml:2: db.database_type: expected \"sqlite\""}},
    {"[db]\nsqlite_path = \"\"\ndatabase_url = \"x\"",
     {"kms.toml:2: db.sqlite_path: expected the file of the database",
      "kms.toml:3: db.database_url: is for a database server; \"sqlite\" takes sqlite_path"}},
    {"[db]\nsqlite_path = \"x\"\nkek_path = \"y\"\nkey_encryption_key = \"hsm::other::0::z\"",
     {"kms.toml:4: db.key_encryption_key: expected either kek_path or key_encryption_key"}},
    {"[db]\nsqlite_path = \"x\"\nkey_encryption_key = \"kek\"",
     {"kms.toml:3: db.key_encryption_key: expected a key in an HSM, "
      "hsm::<model>::<slot>::<label>"}},
    {"[db]\nsqlite_path = \"x\"\nkey_encryption_key = \"hsm::luna::0::kek\"",
     {"kms.toml:3: db.key_encryption_key: expected a key in an HSM, "
      "hsm::<model>::<slot>::<label>"}},
    // Who may come in.
    {"[http.tls]\ncertificate = \"c\"\nrequire_client_certificate = true",
     {"kms.toml:1: http.tls.key: is missing: expected a PEM file",
      "kms.toml:3: http.tls.require_client_certificate: needs client_ca"}},
    {"[auth]\nclient_certificates = true",
     {"kms.toml:2: auth.client_certificates: needs http.tls.client_ca"}},
    {"[[auth.tokens]]\nprincipal = \"\"\nsha256 = \"hunter2\"",
     {"kms.toml:2: auth.tokens.principal: expected a name of 1 to 256 bytes without control "
      "characters, not \"*\"",
      "kms.toml:3: auth.tokens.sha256: expected the SHA-256 of the token, 64 hexadecimal "
      "digits"}},
    {"[auth]\nanonymous = \"*\"",
     {"kms.toml:2: auth.anonymous: expected a name of 1 to 256 bytes without control characters, "
      "not \"*\""}},
    {"admins = [\"a\", \"\"]", {"kms.toml:1: admins: expected names of principals, or \"*\""}},
    {"[auth.jwt]\nkeys = \"k\"",
     {"kms.toml:1: auth.jwt.issuer: is missing: expected the `iss` of every token",
      "kms.toml:1: auth.jwt.audience: is missing: expected what must be among the `aud` of every "
      "token"}},
    // Syntax. What the text says is not repeated.
    {"a = 1\na = 2",
     {"kms.toml:2: Error while parsing key-value pair: cannot redefine existing "
      "integer"}},
    {"\n\nhsm_password = hunter2",
     {"kms.toml:3: Error while parsing value: could not "
      "determine value type"}},
    {"hsm_password = [trunter2]", {"kms.toml:1: Error while parsing boolean: expected 'true'"}},
    {"hsm_password = \"hunter2",
     {"kms.toml:1: Error while parsing string: encountered "
      "end-of-file"}},
    {"hsm_password = 0123456",
     {"kms.toml:1: Error while parsing decimal integer: leading zeroes "
      "are prohibited"}},
    {"[http", {"kms.toml:1: Error while parsing table header: encountered end-of-file"}},
    {"x = \"\xff\"", {"kms.toml:1: Encountered invalid utf-8 sequence"}},
};

}  // namespace

TEST_CASE("bad configurations are told by line and by what was expected", "[config]") {
  for (const Bad& bad : bad_configurations) {
    INFO(bad.text);
    const std::vector<ConfigProblem> problems = problems_of(bad.text);
    std::string expected;
    for (std::string_view each : bad.problems)
      expected.append(expected.empty() ? "" : "\n").append(each);
    CHECK(joined(problems) == expected);
    for (const ConfigProblem& each : problems) {
      CHECK(each.text.find("unter2") == std::string::npos);
      CHECK(each.text.starts_with("kms.toml:" + std::to_string(each.line) + ": "));
    }
  }
}

TEST_CASE("no prefix of a good configuration crashes or repeats its password", "[config]") {
  std::size_t refused = 0;
  for (std::size_t size = 0; size < use_case.size(); ++size) {
    const std::vector<ConfigProblem> problems = problems_of(use_case.substr(0, size));
    refused += problems.empty() ? 0 : 1;
    CHECK(joined(problems).find("change") == std::string::npos);
  }
  CHECK(refused > 100);
}

TEST_CASE("the example documents every key and no other", "[config]") {
  // As it stands, and with what is behind `#` and a letter or bracket switched on.
  (void)parse(example());
  const std::string everything =
      std::regex_replace(example(), std::regex("\n( *)#([a-z\\[])"), "\n$1$2");
  config::Document document{.name = "kms.toml", .folder = "/"};
  const Result<Config> config = config::read_config(everything, document);
  CHECK_FALSE(config);
  // These two exclude what stands beside them.
  REQUIRE(document.problems.size() == 1);
  CHECK(document.problems[0].text.find("db.database_url: is for a database server") !=
        std::string::npos);

  const toml::parse_result parsed = toml::parse(std::string_view(everything));
  REQUIRE(parsed.succeeded());
  std::set<std::string> present;
  collect_keys(parsed.table(), "", present);
  CHECK(present == document.asked);
  CHECK(present.size() > 70);
}

TEST_CASE("values in the example that are called defaults are the defaults", "[config]") {
  const Config example_config = parse(example());
  const Config defaults = parse("");
  CHECK(example_config.server.port == defaults.server.port);
  CHECK(example_config.server.hostname == defaults.server.hostname);
  CHECK(example_config.server.workers == defaults.server.workers);
  CHECK(example_config.server.shutdown_timeout == defaults.server.shutdown_timeout);
  const ServerLimits& limits = example_config.server.limits;
  CHECK(limits.max_body_bytes == ServerLimits{}.max_body_bytes);
  CHECK(limits.max_header_bytes == ServerLimits{}.max_header_bytes);
  CHECK(limits.max_connections == ServerLimits{}.max_connections);
  CHECK(limits.idle_timeout == ServerLimits{}.idle_timeout);
  CHECK(limits.request_timeout == ServerLimits{}.request_timeout);
  CHECK(limits.requests_per_second == ServerLimits{}.requests_per_second);
  CHECK(limits.failed_unwraps_per_minute == ServerLimits{}.failed_unwraps_per_minute);
  CHECK(example_config.server.auth.anonymous == defaults.server.auth.anonymous);
  const DatabaseOptions& db = example_config.kms.database;
  CHECK(db.cache_ttl == DatabaseOptions{}.cache_ttl);
  CHECK(db.cache_entries == DatabaseOptions{}.cache_entries);
  CHECK(db.busy_timeout == DatabaseOptions{}.busy_timeout);
  const Policy& policy = example_config.kms.policy;
  CHECK(policy.algs == Policy{}.algs);
  CHECK(policy.encs == Policy{}.encs);
  CHECK(policy.rsa_min_bits == Policy{}.rsa_min_bits);
  CHECK(policy.limits.max_token_bytes == Limits{}.max_token_bytes);
  CHECK(policy.limits.max_header_bytes == Limits{}.max_header_bytes);
  CHECK(policy.limits.max_recipients == Limits{}.max_recipients);
  CHECK(policy.limits.max_inflated_bytes == Limits{}.max_inflated_bytes);
  CHECK(policy.limits.max_inflated_ratio == Limits{}.max_inflated_ratio);
}

TEST_CASE("a file: its folder, its mode, its size", "[config]") {
  const Folder folder;
  const std::string path = folder.path + "/kms.toml";
  std::ofstream(path) << use_case;
  std::vector<ConfigProblem> problems;

  REQUIRE(chmod(path.c_str(), 0640) == 0);
  const Result<Config> readable = load_config(path, problems);
  REQUIRE(readable);
  CHECK(readable->kms.database.path == folder.path + "/data/kms-objects");
  REQUIRE(readable->warnings.size() == 1);
  CHECK(readable->warnings[0] == path + " holds a password and others may read it: chmod 600");

  REQUIRE(chmod(path.c_str(), 0600) == 0);
  CHECK(load_config(path, problems)->warnings.empty());

  std::ofstream(path, std::ios::app) << std::string(std::size_t{1} << 20, '\n');
  const Result<Config> large = load_config(path, problems);
  REQUIRE_FALSE(large);
  CHECK(large.error().code == Errc::unavailable);
  CHECK(joined(problems) == path + ": cannot be read, or is larger than 1 MiB");
  CHECK(load_config(folder.path, problems).error().code == Errc::unavailable);
  CHECK(load_config(folder.path + "/none", problems).error().code == Errc::unavailable);
}
