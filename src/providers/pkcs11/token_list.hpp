// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "providers/pkcs11/cryptoki.hpp"

namespace jwekms::pkcs11 {

/// A token that is present, in the order of C_GetSlotList.
struct Token {
  CK_SLOT_ID slot_id;
  std::string label;
  std::string serial;
};

/// A token as the module tells of it now: without a name when it does not answer.
[[nodiscard]] Token read_token(CK_FUNCTION_LIST& functions, CK_SLOT_ID slot_id);

/// The tokens of an initialised module, seen with libp11.
///
/// libp11 enumerates slots and reads token labels and serials here, and does no more. Sessions and
/// login are the module's own calls elsewhere: libp11 0.4.12 hangs when C_OpenSession fails, trusts
/// a stale login flag, and unpads RSA only in software. It loads the module once more, which
/// answers that it is initialised already.
class TokenList {
 public:
  /// Null when the module does not answer. @param path  of a module that is initialised.
  /// @param functions  the same module's.
  /// @param ours       as for the destructor: whether it may be finalised when it does not.
  [[nodiscard]] static std::unique_ptr<TokenList> read(const std::string& path,
                                                       const std::string& init_args,
                                                       CK_FUNCTION_LIST& functions, bool ours);
  TokenList(const TokenList&) = delete;
  TokenList& operator=(const TokenList&) = delete;
  /// Calls C_CloseAllSessions on every slot and C_Finalize: only when that is wanted, and while no
  /// other call is under way.
  ~TokenList();
  /// Gives libp11's memory up without a call to the module: it belongs to somebody else, or to the
  /// process that forked this one.
  static void abandon(std::unique_ptr<TokenList> list) noexcept { (void)list.release(); }

  [[nodiscard]] const std::vector<Token>& tokens() const noexcept { return tokens_; }

 private:
  TokenList() = default;
  struct Libp11;
  std::unique_ptr<Libp11> libp11_;
  std::vector<Token> tokens_;
};

}  // namespace jwekms::pkcs11
