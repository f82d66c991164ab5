// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>

#include "service/call.hpp"
#include "service/kmip_import.hpp"
#include "service/reply.hpp"
#include "service/ttlv.hpp"

// KMIP 2.1 as JSON: an operation alone, `{"tag":"Import",...}`, answered by `ImportResponse`; or a
// RequestMessage with one batch item, answered by a ResponseMessage. A failure is a ResponseMessage
// in both cases; the HTTP status tells of it in the first, and is 200 in the second, where HTTP is
// but the transport.

namespace jwekms::service {

namespace {

using ttlv::Item;
using ttlv::Structure;

/// KMIP 2.1 §11.37: so that an operation which is not offered is told from one that does not exist.
constexpr std::array<std::string_view, 57> operations{
    // clang-format off
    "Create", "CreateKeyPair", "Register", "ReKey", "DeriveKey", "Certify", "ReCertify", "Locate",
    "Check", "Get", "GetAttributes", "GetAttributeList", "AddAttribute", "ModifyAttribute",
    "DeleteAttribute", "ObtainLease", "GetUsageAllocation", "Activate", "Revoke", "Destroy",
    "Archive", "Recover", "Validate", "Query", "Cancel", "Poll", "Notify", "Put", "ReKeyKeyPair",
    "DiscoverVersions", "Encrypt", "Decrypt", "Sign", "SignatureVerify", "MAC", "MACVerify",
    "RNGRetrieve", "RNGSeed", "Hash", "CreateSplitKey", "JoinSplitKey", "Import", "Export", "Log",
    "Login", "Logout", "DelegatedLogin", "AdjustAttribute", "SetAttribute", "SetEndpointRole",
    "PKCS11", "Interop", "ReProvision", "SetDefaults", "SetConstraints", "GetConstraints",
    "QueryAsynchronousRequests",
    // clang-format on
};

/// A batch item's end: KMIP 2.1 §9.9 and §11.48.
struct Outcome {
  std::string_view operation{};  ///< Empty when it could not be read.
  std::string uid{};             ///< Of the key that was made.
  std::optional<Error> error{};
  std::string_view reason{};
};

[[nodiscard]] std::string_view reason_of(Errc code) noexcept {
  switch (code) {
    case Errc::bad_request: return "InvalidMessage";
    case Errc::forbidden: return "PermissionDenied";
    case Errc::not_found: return "ItemNotFound";
    case Errc::conflict: return "ObjectAlreadyExists";
    case Errc::too_large: return "ServerLimitExceeded";
    case Errc::unsupported_algorithm: return "UnsupportedCryptographicParameters";
    case Errc::decryption_failed:
    case Errc::crypto_failure: return "CryptographicFailure";
    case Errc::unavailable: return "GeneralFailure";
    case Errc::internal_error:
    case Errc::buffer_too_small: return "InternalServerError";
  }
  return "InternalServerError";
}

[[nodiscard]] Outcome failed(std::string_view operation, const Error& error,
                             std::string_view reason = {}) {
  return {.operation = operation,
          .uid = {},
          .error = error,
          .reason = reason.empty() ? reason_of(error.code) : reason};
}

[[nodiscard]] Outcome run(Call& call, std::string_view operation, Structure payload) {
  const auto* known = std::ranges::find(operations, operation);
  if (known == operations.end()) return failed({}, {Errc::bad_request, 0, "not a KMIP operation"});
  if (*known != "Import")
    return failed(*known, {Errc::bad_request, 0, "the server does not offer this operation"},
                  "OperationNotSupported");
  Result<std::string> uid = import_wrapped_key(call.kms, payload, call.kid);
  if (!uid) return failed(*known, uid.error());
  return {.operation = *known, .uid = *std::move(uid)};
}

[[nodiscard]] Json unique_identifier(const std::string& uid) {
  return ttlv::text("UniqueIdentifier", uid);
}

template <class... Items>
[[nodiscard]] std::vector<Json> list(Items... items) {
  std::vector<Json> all;
  (all.push_back(std::move(items)), ...);
  return all;
}

[[nodiscard]] Json response_header() {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return ttlv::structure(
      "ResponseHeader",
      list(ttlv::structure("ProtocolVersion", list(ttlv::integer("ProtocolVersionMajor", 2),
                                                   ttlv::integer("ProtocolVersionMinor", 1))),
           ttlv::date_time("TimeStamp", now.count()), ttlv::integer("BatchCount", 1)));
}

/// @param item_id  UniqueBatchItemID, hexadecimal as it came; empty when there was none.
[[nodiscard]] Json response_message(const Outcome& outcome, std::string_view item_id = {}) {
  std::vector<Json> item;
  if (!outcome.operation.empty()) item.push_back(ttlv::enumeration("Operation", outcome.operation));
  if (!item_id.empty()) item.push_back(ttlv::byte_string("UniqueBatchItemID", item_id));
  item.push_back(ttlv::enumeration("ResultStatus", outcome.error ? "OperationFailed" : "Success"));
  if (outcome.error) {
    item.push_back(ttlv::enumeration("ResultReason", outcome.reason));
    item.push_back(ttlv::text("ResultMessage", outcome.error->text));
  } else {
    item.push_back(ttlv::structure("ResponsePayload", list(unique_identifier(outcome.uid))));
  }
  return ttlv::structure("ResponseMessage",
                         list(response_header(), ttlv::structure("BatchItem", std::move(item))));
}

[[nodiscard]] Answer answer(const Json& tree, int status, const Outcome& outcome) {
  Answer made{.body = print(tree), .status = status};
  if (outcome.error) made.error = outcome.error->code;
  return made;
}

/// An operation without a message around it.
[[nodiscard]] Answer answer_bare(const Outcome& outcome) {
  if (outcome.error)
    return answer(response_message(outcome), http_status(outcome.error->code), outcome);
  const std::string tag = std::string(outcome.operation) + "Response";
  return answer(ttlv::structure(tag, list(unique_identifier(outcome.uid))), 200, outcome);
}

[[nodiscard]] Result<void> check_header(Structure& message) {
  Structure header(message, "RequestHeader");
  Structure version(header, "ProtocolVersion");
  const std::uint32_t major = version.integer("ProtocolVersionMajor").value_or(0);
  const std::uint32_t batch = header.integer("BatchCount").value_or(1);
  for (const Structure* part : {&message, &header, &version})
    if (const Result<void> read = part->error(); !read) return read.error();
  if (major != 2) return Error{Errc::bad_request, 0, "the ProtocolVersion must be 2.x"};
  if (batch != 1) return Error{Errc::bad_request, 0, "a message has one BatchItem"};
  return {};
}

/// Chapter 8 of KMIP 2.1.
[[nodiscard]] Answer answer_message(Call& call, const Item& root) {
  const auto respond = [](const Outcome& outcome, std::string_view item_id = {}) {
    return answer(response_message(outcome, item_id), 200, outcome);
  };
  Structure message(root);
  if (const Result<void> header = check_header(message); !header)
    return respond(failed({}, header.error()));
  Structure item(message, "BatchItem");
  Structure payload(item, "RequestPayload");
  const Item* operation = item.find("Operation");
  const bool has_id = item.bytes("UniqueBatchItemID").has_value();
  if (operation == nullptr || operation->type != "Enumeration" || !item.error() || !payload.error())
    return respond(failed({}, {Errc::bad_request, 0, "the BatchItem cannot be read"}));
  const std::string_view id =
      has_id ? item.find("UniqueBatchItemID")->value.as_string().raw() : std::string_view{};
  return respond(run(call, operation->value.as_string().raw(), std::move(payload)), id);
}

}  // namespace

Result<Answer> kmip(Call& call) {
  // A message is nested twice as deep as what it means.
  const Result<json::Value> text = json::read(
      call.body, {.max_bytes = call.kms.policy().limits.max_token_bytes, .max_depth = 32});
  if (!text) return answer_bare(failed({}, text.error()));
  const Result<Item> root = ttlv::read_item(*text);
  if (!root) return answer_bare(failed({}, root.error()));
  if (root->tag == "RequestMessage") return answer_message(call, *root);
  return answer_bare(run(call, root->tag, Structure(*root)));
}

}  // namespace jwekms::service
