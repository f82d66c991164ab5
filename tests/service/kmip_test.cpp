// SPDX-License-Identifier: Apache-2.0

// KMIP's Import, from the requests in kmip/.

#include "support.hpp"

using namespace service_test;

namespace {

std::string sample(std::string_view name) {
  return read_file(JWEKMS_TEST_DATA "/service/kmip/" + std::string(name) + ".json");
}

std::string hex(std::span<const std::uint8_t> raw) {
  std::string text;
  for (const std::uint8_t byte : raw) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

const support::Bytes& cek() {
  static const support::Bytes bytes = support::pattern(32, 5);
  return bytes;
}

std::string wrapped(const Api& api, Alg alg, const support::Bytes& key = cek()) {
  return hex(support::from_b64(support::wrap_b64(*api.rsa, alg, key)));
}

std::map<std::string, std::string> values(const Api& api) {
  return {{"uid", "imported"},
          {"bits", "256"},
          {"kid", "rsa"},
          {"hash", "SHA256"},
          {"wrapped", wrapped(api, Alg::RSA_OAEP_256)},
          {"store_in_hsm", "false"}};
}

Reply import(const Api& api, const std::map<std::string, std::string>& with,
             std::string_view name = "import") {
  return post(api.kms, "/kmip/2_1", fill(sample(name), with));
}

/// The value of the first item with a tag; "" when there is none.
std::string item(const json::Value& in, std::string_view tag) {
  const std::optional<json::Value> own = in.find("tag"), value = in.find("value");
  if (!own || !value) return {};
  if (own->as_string().equals(tag))
    return value->kind() == json::Kind::string ? std::string(value->as_string().raw())
                                               : std::string(value->text());
  for (const json::Value& inner : value->elements())
    if (std::string found = item(inner, tag); !found.empty()) return found;
  return {};
}
std::string item(const Reply& reply, std::string_view tag) {
  return item(json::read(reply.body, {.max_depth = 32}).value(), tag);
}

/// "422 CryptographicFailure", or "200 <the new key's UID>".
std::string outcome(const Reply& reply) {
  const bool failed = item(reply, "ResultStatus") == "OperationFailed";
  return std::to_string(reply.status) + " " +
         item(reply, failed ? "ResultReason" : "UniqueIdentifier");
}

/// The sample with one piece of text in another's place.
std::string changed(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  if (at == text.npos) throw std::runtime_error("not in the sample: " + std::string(from));
  return text.replace(at, from.size(), to);
}

std::string decrypts(const Api& api, const std::string& kid, Enc enc, const support::Bytes& key) {
  const support::TokenParts t =
      support::seal_token(header("dir", row(enc).name, kid), key, bytes("value"), enc);
  return post(api.kms, "/v1/crypto/decrypt", dir_body(t)).outcome();
}

}  // namespace

TEST_CASE("a wrapped key is imported and serves dir") {
  const Api api;
  const Reply reply = import(api, values(api));
  CHECK(reply.status == 200);
  CHECK(reply.operation == "kmip");
  CHECK(reply.kid == "rsa");
  CHECK(reply.body ==
        R"({"tag":"ImportResponse","type":"Structure","value":[{"tag":"UniqueIdentifier",)"
        R"("type":"TextString","value":"imported"}]})");
  CHECK(decrypts(api, "imported", Enc::A256GCM, cek()) == "200");
  CHECK(get(api.kms, "/v1/crypto/keys/imported")["parent"] == "rsa");
}

TEST_CASE("the length gives the enc and the hash the alg") {
  const Api api;
  for (const auto& [bits, enc] :
       {std::pair{128U, Enc::A128GCM}, {192U, Enc::A192GCM}, {256U, Enc::A256GCM}})
    for (const auto& [hash, alg] :
         {std::pair{"SHA1", Alg::RSA_OAEP}, {"SHA256", Alg::RSA_OAEP_256}}) {
      const support::Bytes key = support::pattern(bits / 8, 6);
      auto with = values(api);
      with["uid"] = "";
      with["bits"] = std::to_string(bits);
      with["hash"] = hash;
      with["wrapped"] = wrapped(api, alg, key);
      const Reply reply = import(api, with);
      REQUIRE(reply.status == 200);
      CHECK(decrypts(api, item(reply, "UniqueIdentifier"), enc, key) == "200");
    }
}

TEST_CASE("a request in another client's shape") {
  const Api api;
  CHECK(outcome(import(api, values(api), "import_store_in_hsm")) == "200 imported");
  auto with = values(api);
  with["store_in_hsm"] = "true";
  with["uid"] = "another";  // the wrapping key is not in an HSM
  CHECK(outcome(import(api, with, "import_store_in_hsm")) == "400 InvalidMessage");
  with["uid"] = "";
  CHECK(outcome(import(api, with, "import_store_in_hsm")) == "400 InvalidMessage");
  with["store_in_hsm"] = "false";
  with["uid"] = "hsm::softhsm2::0::another";
  CHECK(outcome(import(api, with, "import_store_in_hsm")) == "400 InvalidMessage");
}

TEST_CASE("failures are KMIP's own, and HTTP's too") {
  const Api api;
  const auto with = [&](const std::string& name, const std::string& value) {
    auto all = values(api);
    all[name] = value;
    return outcome(import(api, all));
  };
  CHECK(with("kid", "nobody") == "404 ItemNotFound");
  CHECK(with("kid", "") == "400 InvalidMessage");
  CHECK(with("kid", "oct") == "422 CryptographicFailure");
  CHECK(with("bits", "128") == "422 CryptographicFailure");
  CHECK(with("bits", "100") == "422 UnsupportedCryptographicParameters");
  CHECK(with("hash", "SHA1") == "422 CryptographicFailure");
  CHECK(with("hash", "SHA512") == "422 UnsupportedCryptographicParameters");  // off by policy
  CHECK(with("hash", "MD5") == "422 UnsupportedCryptographicParameters");
  CHECK(with("wrapped", "") == "400 InvalidMessage");
  CHECK(with("wrapped", "0") == "400 InvalidMessage");
  CHECK(with("wrapped", "0x00") == "400 InvalidMessage");
  CHECK(with("wrapped", std::string(4098, '0')) == "400 InvalidMessage");
  CHECK(with("wrapped", "00") == "422 CryptographicFailure");
  CHECK(with("uid", "oct") == "409 ObjectAlreadyExists");
  CHECK(with("uid", "hsm::nonsense") == "400 InvalidMessage");
  (void)api.kms.set_key_state("rsa", KeyState::compromised).value();
  CHECK(with("uid", "") == "403 PermissionDenied");
}

TEST_CASE("an outage and a damaged record are what they are") {
  const Api api;
  for (const auto& [code, expected] : {std::pair{Errc::unavailable, "503 GeneralFailure"},
                                       {Errc::internal_error, "500 InternalServerError"}}) {
    auto provider = std::make_shared<support::FakeProvider>();
    provider->faults().resolve = Error{code, 0, "as ordered"};
    const Kms kms = support::kms_over(provider, Policy{});
    CHECK(outcome(post(kms, "/kmip/2_1", fill(sample("import"), values(api)))) == expected);
  }
}

TEST_CASE("what the key would not be is refused") {
  const Api api;
  const std::string good = fill(sample("import"), values(api));
  const auto with = [&](std::string_view from, std::string_view to) {
    return outcome(post(api.kms, "/kmip/2_1", changed(good, from, to)));
  };
  const std::string unsupported = "422 UnsupportedCryptographicParameters";
  CHECK(with(R"("OAEP")", R"("PKCS1v15")") == unsupported);
  CHECK(with(R"("OAEP")", R"("0x00000008")") == unsupported);
  CHECK(with(R"("NoEncoding")", R"("TTLVEncoding")") == unsupported);
  CHECK(with(R"("Encrypt")", R"("MACSign")") == unsupported);
  CHECK(with(R"("AES")", R"("ChaCha20")") == unsupported);
  CHECK(with(R"("NotWrapped")", R"("AsRegistered")") == "400 InvalidMessage");
  CHECK(with(R"("Raw")", R"("PKCS8")") == "400 InvalidMessage");
  CHECK(with(R"("value": "SymmetricKey")", R"("value": "PrivateKey")") == "400 InvalidMessage");
  CHECK(with("2108", "4") == "400 InvalidMessage");
  CHECK(with(R"("value": 256)", R"("value": 128)") == "400 InvalidMessage");
  CHECK(with(R"("PaddingMethod")", R"("BlockCipherMode")") == unsupported);
  CHECK(with(R"("KeyWrappingData")", R"("Other")") == "400 InvalidMessage");
  const std::string state = R"({"tag":"State","type":"Enumeration","value":")";
  const std::string_view attribute = R"({ "tag": "CryptographicUsageMask")";
  CHECK(with(attribute, state + "PreActive\"}," + std::string(attribute)) == "400 InvalidMessage");
  CHECK(with(attribute, state + "Active\"}," + std::string(attribute)) == "200 imported");
  const std::string mask =
      R"({"tag":"MaskGeneratorHashingAlgorithm","type":"Enumeration","value":")";
  const std::string_view padding = R"({ "tag": "PaddingMethod")";
  CHECK(with(padding, mask + "SHA1\"}," + std::string(padding)) == unsupported);
  const std::string source = R"({"tag":"PSource","type":"ByteString","value":")";
  CHECK(with(padding, source + "00\"}," + std::string(padding)) == unsupported);
}

TEST_CASE("items are held to their shape") {
  const Api api;
  const std::string good = fill(sample("import"), values(api));
  for (const auto& [from, to] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"("type": "TextString")", R"("type": "Integer")"},
           {R"("type": "TextString")", R"("type": "TextString", "more": 1)"},
           {R"("type": "TextString")", R"("type": 1)"},
           {R"("type": "TextString")", R"("type": "Text\u0053tring")"},
           {R"("type": "TextString", "value": "imported")", R"("type": "TextString", "value": 1)"},
           {R"("type": "TextString", "value": "imported")", R"("type": "TextString")"},
           {R"({ "tag": "UniqueIdentifier")", R"({ "name": "UniqueIdentifier")"},
           {R"("type": "Enumeration", "value": "OAEP")", R"("type": "Enumeration", "value": 2)"},
           {R"("type": "Integer", "value": 256)", R"("type": "Integer", "value": "256")"},
           {R"("type": "Integer", "value": 256)", R"("type": "Integer", "value": -256)"},
           {R"({ "tag": "ReplaceExisting", "type": "Boolean", "value": false })", "1"},
           {R"({ "tag": "ReplaceExisting", "type": "Boolean", "value": false })",
            R"({"tag":"ObjectType","type":"Enumeration","value":"SymmetricKey"})"},
           {R"({ "tag": "ReplaceExisting", "type": "Boolean", "value": false })",
            R"({"tag":"Attributes","type":"TextString","value":"x"})"}}) {
    INFO(to);
    const Reply reply = post(api.kms, "/kmip/2_1", changed(good, from, to));
    CHECK(outcome(reply) == "400 InvalidMessage");
    CHECK(reply.error == Errc::bad_request);
  }
}

TEST_CASE("other operations are answered in KMIP's terms") {
  const Api api;
  const Reply reply = post(api.kms, "/kmip/2_1", sample("create"));
  CHECK(outcome(reply) == "400 OperationNotSupported");
  CHECK(item(reply, "Operation") == "Create");
  CHECK(item(reply, "ResultStatus") == "OperationFailed");
  CHECK_FALSE(item(reply, "ResultMessage").empty());
  CHECK(item(reply, "ProtocolVersionMajor") == "2");
  const Reply unknown =
      post(api.kms, "/kmip/2_1", R"({"tag":"Frobnicate","type":"Structure","value":[]})");
  CHECK(outcome(unknown) == "400 InvalidMessage");
  CHECK(unknown.body.find("Frobnicate") == std::string::npos);
  for (const std::string_view body : {"", "{}", "[]", "1", R"({"tag":"Import"})", "{\"tag\":",
                                      R"({"tag":"Import","type":"Structure","value":{}})",
                                      R"({"tag":"Import","type":"Structure","value":[]})"})
    CHECK(outcome(post(api.kms, "/kmip/2_1", body)) == "400 InvalidMessage");
}

TEST_CASE("a message around the operation is answered by a message") {
  const Api api;
  const std::string import = fill(sample("import"), values(api));
  const json::Value payload = *json::read(import, {.max_depth = 32}).value().find("value");
  std::map<std::string, std::string> with{
      {"major", "2"}, {"operation", "Import"}, {"payload", std::string(payload.text())}};
  const auto send = [&] { return post(api.kms, "/kmip/2_1", fill(sample("message"), with)); };

  const Reply good = send();
  CHECK(outcome(good) == "200 imported");
  CHECK(item(good, "ResultStatus") == "Success");
  CHECK(item(good, "UniqueBatchItemID") == "0A1B");
  CHECK(item(good, "BatchCount") == "1");
  const Reply again = send();
  CHECK(outcome(again) == "200 ObjectAlreadyExists");
  CHECK(again.error == Errc::conflict);
  with["operation"] = "Destroy";
  CHECK(outcome(send()) == "200 OperationNotSupported");
  with["operation"] = "Nothing";
  CHECK(outcome(send()) == "200 InvalidMessage");
  with["major"] = "1";
  CHECK(outcome(send()) == "200 InvalidMessage");
  with["major"] = "2";
  with["payload"] = "1";
  CHECK(outcome(send()) == "200 InvalidMessage");

  const std::string message = fill(sample("message"), values(api));
  CHECK(outcome(post(api.kms, "/kmip/2_1", R"({"tag":"RequestMessage","value":[]})")) ==
        "200 InvalidMessage");
}
