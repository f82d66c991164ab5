// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <regex>

#include "table.hpp"

using namespace gate;

namespace {

class InDatabase final : public Place {
 public:
  explicit InDatabase(const Kms& host_kms) : Place(host_kms) { renew(); }
  std::string listing() const override { return ""; }
  std::string alias() override { return rsa + " alias"; }
  std::string state() const override {
    std::ostringstream out;
    for (const std::string& uid : {rsa, oct}) {
      const KeyInfo info = host.describe_key(uid).value();
      out << uid << ' ' << info.version << ' ' << static_cast<int>(info.state) << ' '
          << info.aliases.size() << '\n';
      const std::vector<Grant> grants = host.grants(uid).value();
      for (const Grant& grant : grants)
        out << grant.principal << ' ' << grant.permissions.bits() << '\n';
    }
    return out.str();
  }

 private:
  std::string prefix() const override { return "db"; }
  void make_keys() override {
    const Bytes der = pkcs8(*rsa_key()), raw = pattern(32);
    (void)host
        .import_key({.format = KeyFormat::der,
                     .data = der,
                     .uid = rsa,
                     .aliases = {rsa + " alias"},
                     .owner = "olga"})
        .value();
    (void)host.import_key({.format = KeyFormat::raw, .data = raw, .uid = oct, .owner = "olga"})
        .value();
  }
};

class InProvider final : public Place {
 public:
  InProvider(const Kms& host_kms, std::shared_ptr<FullProvider> provider, std::string place)
      : Place(host_kms), provider_(std::move(provider)), place_(std::move(place)) {
    renew();
  }
  std::string listing() const override { return std::string(provider_->uid_prefix()); }
  /// All that reached the provider and its keys, but for the search for a key.
  std::string state() const override {
    return std::to_string(provider_->changes + provider_->calls().all() -
                          provider_->calls().resolve);
  }

 private:
  std::string prefix() const override { return place_; }
  void make_keys() override {
    provider_->put(rsa, KeyType::rsa);
    provider_->put(oct, KeyType::oct);
  }
  std::shared_ptr<FullProvider> provider_;
  std::string place_;
};

/// A database, an HSM with hana as its admin and another with henk, and a provider of somebody's
/// own, with hana.
struct World {
  std::shared_ptr<FullProvider> hsm = std::make_shared<FullProvider>(
      "hsm::softhsm2::", std::vector<std::string>{"someone", "hana"});
  std::shared_ptr<FullProvider> other_hsm =
      std::make_shared<FullProvider>("hsm::softhsm2_1::", std::vector<std::string>{"henk"});
  std::shared_ptr<FullProvider> cloud =
      std::make_shared<FullProvider>("cloud:", std::vector<std::string>{"hana"});
  TempDir folder;
  Kms host = open(options_in(folder, {hsm, other_hsm, cloud})).value();
  World() { make_own_keys(host); }
};

}  // namespace

TEST_CASE("who may do what with keys in the database", "[gate][threat]") {
  const World world;
  InDatabase place(world.host);
  for (const Row& row : database_table) check_row(row, place);
}

TEST_CASE("who may do what with keys in an HSM", "[gate][threat]") {
  const World world;
  InProvider place(world.host, world.hsm, "hsm::softhsm2::0::");
  for (const Row& row : hsm_table) check_row(row, place);
  check_row(into_hsm, place);
}

TEST_CASE("who may do what with keys of a provider of one's own", "[gate][threat]") {
  const World world;
  InProvider place(world.host, world.cloud, "cloud:");
  for (const Row& row : hsm_table) check_row(row, place);
}

namespace {

std::string source(const std::string& path) {
  std::ifstream in(JWEKMS_TEST_DATA "/../" + path);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// What a caller can call.
std::set<std::string> members_of_kms(const std::string& header) {
  const std::size_t begin = header.find("class JWEKMS_API Kms {");
  const std::size_t end = header.find(" private:", begin);
  REQUIRE(end != std::string::npos);
  const std::string text = header.substr(begin, end - begin);
  // Declarations stand at two spaces; what continues one stands deeper.
  const std::regex declaration(R"(\n  (?!//)[^ \n][^(;]*?\b(\w+)\()");
  std::set<std::string> names;
  for (std::sregex_iterator at(text.begin(), text.end(), declaration); at != std::sregex_iterator();
       ++at)
    names.insert((*at)[1]);
  return names;
}

}  // namespace

TEST_CASE("every member of Kms stands in both tables", "[gate]") {
  // Whatever touches no key.
  const std::set<std::string> open_to_all{"Kms",           "principal",     "policy",
                                          "decrypt_bound", "encrypt_bound", "reencrypt_bound",
                                          "operator"};
  std::set<std::string> members = members_of_kms(source("include/jwekms/kms.hpp"));
  CHECK(members.size() > 18);
  for (const std::string& name : open_to_all) members.erase(name);

  const auto rows_of = [](const auto& table) {
    std::set<std::string> names;
    for (const Row& row : table) {
      const std::string name(row.operation);
      names.insert(name.substr(0, name.find(' ')));
    }
    return names;
  };
  CHECK(rows_of(database_table) == members);
  CHECK(rows_of(hsm_table) == members);

  CHECK(members_of_kms("class JWEKMS_API Kms {\n public:\n  [[nodiscard]] Result<void> wide_open(\n"
                       "      int a) const;\n private:\n") == std::set<std::string>{"wide_open"});
}

TEST_CASE("every operation stands in a table", "[gate]") {
  std::set<std::string> in_tables{into_hsm.operation};
  for (const Row& row : database_table) in_tables.insert(row.operation);
  for (const Row& row : hsm_table) in_tables.insert(row.operation);
  for (const auto& [name, operation] : operations()) CHECK(in_tables.contains(name));
}

TEST_CASE("in the core, the gate alone asks a provider for a key", "[gate]") {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(JWEKMS_TEST_DATA "/../src/core")) {
    const std::string name = entry.path().filename();
    if (name == "gate.cpp") continue;
    INFO(name);
    CHECK(source("src/core/" + name).find("resolve(") == std::string::npos);
    ++files;
  }
  CHECK(files > 8);
}
