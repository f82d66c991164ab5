// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "jwekms/hsm.hpp"

/// expected.txt: what each token of the tests is known to do. run.sh says where it is and which
/// token is under test.
namespace token {

inline std::string env(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) throw std::runtime_error("not set: " + name);
  return value;
}

inline std::string name() { return env("JWEKMS_TEST_TOKEN"); }

/// SoftHSM behind p11-kit, which hides AES-GCM and with it all that rests on it.
inline bool is_p11kit() { return name() == "P11KIT"; }

/// A token in a process of its own does what it does in ours.
inline std::string column_name() {
  if (is_p11kit()) return "SOFTHSM2";
  return name().starts_with("REMOTE_") ? name().substr(7) : name();
}

/// The column of the token under test: cells by the name of their row.
inline std::map<std::string, std::string> read_expected_column() {
  constexpr std::string_view mark = " | ";
  std::ifstream file(env("JWEKMS_TEST_EXPECTED"));
  std::map<std::string, std::string> column;
  std::size_t index = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> cells;
    for (std::size_t end; (end = line.find(mark)) != line.npos; line.erase(0, end + mark.size()))
      cells.push_back(line.substr(0, end));
    cells.push_back(line);
    if (cells[0] == "name") continue;  // for people
    if (cells[0] == "token")
      while (cells.at(++index) != column_name()) continue;
    if (!column.emplace(cells[0], cells.at(index)).second)
      throw std::runtime_error("expected.txt has twice: " + cells[0]);
  }
  return column;
}
inline const std::map<std::string, std::string>& expected_column() {
  static const std::map<std::string, std::string> column = read_expected_column();
  return column;
}

inline bool expects(const std::string& what) {
  return expected_column().at(what).substr(0, 3) == "yes";
}

/// The rows that the tests of the provider go by.
struct Expected {
  /// Whose row of the provider it takes.
  std::string model = is_p11kit() ? "other" : expected_column().at("model");
  bool gcm = !is_p11kit() && expects("dir: decrypt");
  bool boundary_sha1 = !is_p11kit() && expects("RSA-OAEP: decrypt, CEK in the HSM");
  bool boundary_sha256 = expects("RSA-OAEP-256: decrypt, CEK in the HSM");
  bool logout_under_load(jwekms::CekBoundary boundary) const {
    return boundary == jwekms::CekBoundary::process ? logout_process : logout_hsm;
  }
  bool logout_process = expects("C_Logout under load is safe, process boundary");
  bool logout_hsm = expects("C_Logout under load is safe, HSM boundary and dir");
  bool starts_at_once = expects("many forked processes start at once");
};
inline const Expected& expected() {
  static const Expected expected;
  return expected;
}

}  // namespace token
