// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <map>

#include "providers/pkcs11/budgets.hpp"
#include "token.hpp"

// How often a key may encrypt, where there is no database to count in, and which names it counts
// under.

using namespace token;

namespace {

/// Grants what is asked for and remembers it.
class Counter final : public core::EncryptionCounter {
 public:
  Result<std::uint64_t> lease_encryptions(std::string_view uid, std::uint64_t most,
                                          std::uint64_t limit) override {
    CHECK(limit == std::uint64_t{1} << 32);
    ++leases[std::string(uid)];
    return most;
  }
  std::map<std::string, int> leases;
};

}  // namespace

TEST_CASE("a process without a database uses a sixteenth of what a key may, and no more") {
  CHECK(pkcs11::ProcessBudget::most == std::uint64_t{1} << 28);
  pkcs11::ProcessBudget budget(3);
  for (int i = 0; i < 3; ++i) CHECK(support::code_of(budget.take()) == "ok");
  for (int i = 0; i < 3; ++i) CHECK(support::code_of(budget.take()) == "forbidden");
}

TEST_CASE("a key is counted under its UID and as its token's") {
  const auto counter = std::make_shared<Counter>();
  pkcs11::Budgets budgets(counter, std::make_shared<const crypto::ForkMark>());
  const pkcs11::TokenSlot::Name token{.label = "t", .serial = "s"};
  const auto first = budgets.of("hsm::other::0::k", token, "k");
  const auto second = budgets.of("hsm::other_1::0::k", token, "k");
  const auto another = budgets.of("hsm::other_1::0::l", token, "l");
  for (const auto& budget : {first, second, another})
    CHECK(support::code_of(budget->take()) == "ok");
  const std::string shared = pkcs11::Budgets::name_in_token(token, "k");
  CHECK(counter->leases ==
        std::map<std::string, int>{{"hsm::other::0::k", 1},
                                   {"hsm::other_1::0::k", 1},
                                   {"hsm::other_1::0::l", 1},
                                   {shared, 1},
                                   {pkcs11::Budgets::name_in_token(token, "l"), 1}});
  CHECK_FALSE(parse_key_uid(shared));
  // In a process that counts for itself, too.
  pkcs11::Budgets alone(nullptr, std::make_shared<const crypto::ForkMark>());
  CHECK(support::code_of(alone.of("hsm::other::0::k", token, "k")->take()) == "ok");
}
