// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <catch2/catch.hpp>

#include "../core/processes.hpp"
#include "support.hpp"

namespace jwekms::db::test {

/// A result's code; none when it is a value.
template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "ok" : std::string(name(result.error().code));
}

inline const std::string damaged_text = "the key record is damaged";
template <class T>
bool says_damaged(const Result<T>& result) {
  return !result && result.error().code == Errc::internal_error &&
         result.error().text == damaged_text;
}

/// Somebody else with access to the file.
inline SQLite::Database raw(const std::string& path) {
  return SQLite::Database(path, SQLite::OPEN_READWRITE, 5000);
}

using support::in_child;

}  // namespace jwekms::db::test
