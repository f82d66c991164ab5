// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Cryptoki over a stream socket, for tests: libjwekms-remote.so sends each call to
/// jwekms-remote-server, where the token lives. What a token keeps inside therefore never is in the
/// memory of the caller.
///
/// A message is a 64-bit length and that many bytes; a request begins with the number of the call,
/// an answer with the CK_RV. Both ends run on one machine from one build, so numbers go as they
/// are. JWEKMS_REMOTE_CALLS says for each function what its arguments are; both ends follow from
/// that.
#ifndef CRYPTOKI_COMPAT
#define CRYPTOKI_COMPAT
#endif
#include <p11-kit/pkcs11.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace remote {

struct Broken : std::runtime_error {
  Broken() : std::runtime_error("the other end is gone or talks nonsense") {}
};

/// Wipes what it gives back: a test that looks for secrets in memory is not to find this file's
/// copies.
template <class T>
struct Wiping : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = Wiping<U>;
  };
  void deallocate(T* at, std::size_t count) {
    explicit_bzero(at, count * sizeof(T));
    std::allocator<T>::deallocate(at, count);
  }
};
using Bytes = std::vector<unsigned char, Wiping<unsigned char>>;
constexpr std::uint64_t max_message = 64U << 20;

// --- Messages ------------------------------------------------------------------------------------

class Writer {
 public:
  template <class T>
  void put(const T& plain) {
    const auto* first = reinterpret_cast<const unsigned char*>(&plain);
    bytes.insert(bytes.end(), first, first + sizeof plain);
  }
  void put(const void* data, CK_ULONG size) {
    put(size);
    const auto* first = static_cast<const unsigned char*>(data);
    if (size) bytes.insert(bytes.end(), first, first + size);
  }
  Bytes bytes;
};

class Reader {
 public:
  explicit Reader(Bytes from) : bytes_(std::move(from)) {}
  template <class T>
  T get() {
    T plain;
    std::memcpy(&plain, take(sizeof plain), sizeof plain);
    return plain;
  }
  Bytes get_bytes() {
    const auto size = get<CK_ULONG>();
    const unsigned char* first = take(size);
    return {first, first + size};
  }

 private:
  const unsigned char* take(CK_ULONG size) {
    if (size > bytes_.size() - at_) throw Broken();
    at_ += size;
    return bytes_.data() + at_ - size;
  }
  Bytes bytes_;
  std::size_t at_ = 0;
};

inline void send_all(int socket, const void* data, std::size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t sent = ::send(socket, at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) throw Broken();
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

inline void receive_all(int socket, void* data, std::size_t size) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = ::recv(socket, at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw Broken();
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}

inline void send(int socket, const Writer& message) {
  const std::uint64_t size = message.bytes.size();
  send_all(socket, &size, sizeof size);
  send_all(socket, message.bytes.data(), size);
}

inline Reader receive(int socket) {
  std::uint64_t size = 0;
  receive_all(socket, &size, sizeof size);
  if (size > max_message) throw Broken();
  Bytes bytes(size);
  receive_all(socket, bytes.data(), size);
  return Reader(std::move(bytes));
}

inline sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) throw Broken();
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// --- Kinds of arguments --------------------------------------------------------------------------
//
// A kind stands for one or more arguments in a row. For the client it sends them (`ask`) and takes
// the answer into them (`take`); for the server an object of the kind reads them (constructor),
// gives them to the token (`args`) and sends the answer (`answer`).

/// A number or a handle that goes in.
template <class T>
struct In {
  static void ask(Writer& to, T value) { to.put(value); }
  static void take(Reader&, CK_RV, T) {}
  explicit In(Reader& from) : value(from.get<T>()) {}
  auto args() { return std::tuple(value); }
  void answer(Writer&, CK_RV) {}
  T value;
};
using Handle = In<CK_ULONG>;
using Flag = In<CK_BBOOL>;

/// A pointer that is not sent: callbacks and reserved ones.
template <class T>
struct Ignored {
  static void ask(Writer&, T) {}
  static void take(Reader&, CK_RV, T) {}
  explicit Ignored(Reader&) {}
  auto args() { return std::tuple(T{}); }
  void answer(Writer&, CK_RV) {}
};

/// Bytes that go in: pointer and size.
struct Data {
  static void ask(Writer& to, const CK_BYTE* data, CK_ULONG size) { to.put(data, data ? size : 0); }
  static void take(Reader&, CK_RV, const CK_BYTE*, CK_ULONG) {}
  explicit Data(Reader& from) : bytes(from.get_bytes()) { bytes.reserve(1); }  // never NULL
  auto args() { return std::tuple(bytes.data(), CK_ULONG(bytes.size())); }
  void answer(Writer&, CK_RV) {}
  Bytes bytes;
};

/// A struct without pointers, or a new handle, that comes out.
template <class T>
struct Out {
  static void ask(Writer& to, T* out) { to.put(CK_BBOOL(out != nullptr)); }
  static void take(Reader& from, CK_RV rv, T* out) {
    if (rv == CKR_OK && out) *out = from.get<T>();
  }
  explicit Out(Reader& from) : given(from.get<CK_BBOOL>()) {}
  auto args() { return std::tuple(given ? &value : nullptr); }
  void answer(Writer& to, CK_RV rv) {
    if (rv == CKR_OK && given) to.put(value);
  }
  CK_BBOOL given;
  T value{};
};
using NewHandle = Out<CK_ULONG>;

/// An array that comes out: pointer, or NULL to ask for the size, and the size in and out.
template <class T>
struct Array {
  static void ask(Writer& to, T* out, CK_ULONG* size) {
    to.put(CK_BBOOL(out != nullptr));
    to.put(out && size ? *size : 0UL);  // without room for it the size may be anything
  }
  static void take(Reader& from, CK_RV, T* out, CK_ULONG* size) {
    const auto now = from.get<CK_ULONG>();
    const Bytes bytes = from.get_bytes();
    if (size) *size = now;
    if (out && !bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  }
  explicit Array(Reader& from) : given(from.get<CK_BBOOL>()), size(from.get<CK_ULONG>()) {
    if (size > max_message / sizeof(T)) throw Broken();
    values.resize(given ? size + 1 : 0);  // never empty: NULL would ask for the size
  }
  auto args() { return std::tuple(given ? values.data() : nullptr, &size); }
  void answer(Writer& to, CK_RV rv) {
    to.put(size);
    to.put(values.data(), rv == CKR_OK && given ? size * sizeof(T) : 0);
  }
  CK_BBOOL given;
  CK_ULONG size;
  std::vector<T> values;
};
using Output = Array<CK_BYTE>;

/// C_FindObjects: array, room in it, number found.
struct Found {
  static void ask(Writer& to, CK_OBJECT_HANDLE*, CK_ULONG room, CK_ULONG*) { to.put(room); }
  static void take(Reader& from, CK_RV rv, CK_OBJECT_HANDLE* out, CK_ULONG, CK_ULONG* count) {
    if (rv != CKR_OK) return;
    const Bytes bytes = from.get_bytes();
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    *count = bytes.size() / sizeof *out;
  }
  explicit Found(Reader& from) : values(from.get<CK_ULONG>() % 65536 + 1) {}
  auto args() { return std::tuple(values.data(), CK_ULONG(values.size() - 1), &count); }
  void answer(Writer& to, CK_RV rv) {
    if (rv == CKR_OK) to.put(values.data(), count * sizeof values[0]);
  }
  std::vector<CK_OBJECT_HANDLE> values;
  CK_ULONG count = 0;
};

/// Random bytes: pointer and size, filled.
struct Random {
  static void ask(Writer& to, CK_BYTE*, CK_ULONG size) { to.put(size); }
  static void take(Reader& from, CK_RV rv, CK_BYTE* out, CK_ULONG size) {
    const Bytes bytes = from.get_bytes();
    if (rv == CKR_OK && bytes.size() == size && size) std::memcpy(out, bytes.data(), size);
  }
  explicit Random(Reader& from) {
    const auto size = from.get<CK_ULONG>();
    if (size > max_message) throw Broken();
    bytes.resize(size);
  }
  auto args() { return std::tuple(bytes.data(), CK_ULONG(bytes.size())); }
  void answer(Writer& to, CK_RV rv) { to.put(bytes.data(), rv == CKR_OK ? bytes.size() : 0); }
  Bytes bytes;
};

/// A mechanism. The parameters with pointers in them are taken apart; all others go as bytes.
struct Mechanism {
  static void ask(Writer& to, CK_MECHANISM* used) {
    to.put(CK_BBOOL(used != nullptr));
    if (!used) return;
    to.put(used->mechanism);
    to.put(used->pParameter, used->pParameter ? used->ulParameterLen : 0);
    if (const auto* gcm = parameter<CK_GCM_PARAMS>(*used, CKM_AES_GCM)) {
      to.put(gcm->iv_ptr, gcm->iv_ptr ? gcm->iv_len : 0);
      to.put(gcm->aad_ptr, gcm->aad_ptr ? gcm->aad_len : 0);
    } else if (const auto* oaep = parameter<CK_RSA_PKCS_OAEP_PARAMS>(*used, CKM_RSA_PKCS_OAEP)) {
      to.put(oaep->source_data, oaep->source_data ? oaep->source_data_len : 0);
    } else if (const auto* ecdh = parameter<CK_ECDH1_DERIVE_PARAMS>(*used, CKM_ECDH1_DERIVE)) {
      to.put(ecdh->shared_data, ecdh->shared_data ? ecdh->shared_data_len : 0);
      to.put(ecdh->public_data, ecdh->public_data ? ecdh->public_data_len : 0);
    }
  }
  static void take(Reader&, CK_RV, CK_MECHANISM*) {}
  explicit Mechanism(Reader& from) : given(from.get<CK_BBOOL>()) {
    if (!given) return;
    used.mechanism = from.get<CK_ULONG>();
    bytes = from.get_bytes();
    used.pParameter = bytes.empty() ? nullptr : bytes.data();
    used.ulParameterLen = bytes.size();
    if (auto* gcm = parameter<CK_GCM_PARAMS>(used, CKM_AES_GCM)) {
      first = from.get_bytes();
      second = from.get_bytes();
      gcm->iv_ptr = pointer(first);
      gcm->aad_ptr = pointer(second);
    } else if (auto* oaep = parameter<CK_RSA_PKCS_OAEP_PARAMS>(used, CKM_RSA_PKCS_OAEP)) {
      first = from.get_bytes();
      oaep->source_data = pointer(first);
    } else if (auto* ecdh = parameter<CK_ECDH1_DERIVE_PARAMS>(used, CKM_ECDH1_DERIVE)) {
      first = from.get_bytes();
      second = from.get_bytes();
      ecdh->shared_data = pointer(first);
      ecdh->public_data = pointer(second);
    }
  }
  auto args() { return std::tuple(given ? &used : nullptr); }
  void answer(Writer&, CK_RV) {}

  template <class T>
  static T* parameter(const CK_MECHANISM& of, CK_MECHANISM_TYPE type) {
    const bool fits = of.mechanism == type && of.pParameter && of.ulParameterLen == sizeof(T);
    return fits ? static_cast<T*>(of.pParameter) : nullptr;
  }
  static CK_BYTE* pointer(Bytes& of) { return of.empty() ? nullptr : of.data(); }
  CK_BBOOL given;
  CK_MECHANISM used{};
  Bytes bytes, first, second;
};

/// Attributes that go in, with a template in a template (CKA_UNWRAP_TEMPLATE).
struct Template {
  static constexpr CK_ULONG array_attribute = 0x40000000UL;

  static void ask(Writer& to, const CK_ATTRIBUTE* attributes, CK_ULONG count) {
    to.put(attributes ? count : 0UL);
    for (CK_ULONG i = 0; attributes && i < count; ++i) {
      const CK_ATTRIBUTE& each = attributes[i];
      to.put(each.type);
      if (each.type & array_attribute)
        ask(to, static_cast<const CK_ATTRIBUTE*>(each.pValue), each.ulValueLen / sizeof each);
      else
        to.put(each.pValue, each.pValue ? each.ulValueLen : 0);
    }
  }
  static void take(Reader&, CK_RV, const CK_ATTRIBUTE*, CK_ULONG) {}
  explicit Template(Reader& from) {
    for (auto left = from.get<CK_ULONG>(); left > 0; --left) {
      const auto type = from.get<CK_ULONG>();
      if (type & array_attribute) {
        nested.emplace_back(from);
        auto& inner = nested.back().attributes;
        attributes.push_back({type, inner.data(), CK_ULONG(inner.size() * sizeof inner[0])});
      } else {
        values.push_back(from.get_bytes());
        attributes.push_back({type, values.back().data(), CK_ULONG(values.back().size())});
      }
    }
  }
  auto args() { return std::tuple(attributes.data(), CK_ULONG(attributes.size())); }
  void answer(Writer&, CK_RV) {}
  std::vector<CK_ATTRIBUTE> attributes;
  std::list<Bytes> values;  // a list: what is in it stays where it is
  std::list<Template> nested;
};

/// C_GetAttributeValue: types and room go in, sizes and values come out, whatever the CK_RV.
struct Attributes {
  static void ask(Writer& to, CK_ATTRIBUTE* attributes, CK_ULONG count) {
    to.put(count);
    for (CK_ULONG i = 0; i < count; ++i) {
      to.put(attributes[i].type);
      to.put(CK_BBOOL(attributes[i].pValue != nullptr));
      to.put(attributes[i].ulValueLen);
    }
  }
  static void take(Reader& from, CK_RV, CK_ATTRIBUTE* attributes, CK_ULONG count) {
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_ATTRIBUTE& each = attributes[i];
      const auto room = each.ulValueLen;
      each.ulValueLen = from.get<CK_ULONG>();
      const Bytes bytes = from.get_bytes();
      if (bytes.size() > room) throw Broken();
      if (each.pValue && !bytes.empty()) std::memcpy(each.pValue, bytes.data(), bytes.size());
    }
  }
  explicit Attributes(Reader& from) {
    for (auto left = from.get<CK_ULONG>(); left > 0; --left) {
      const auto type = from.get<CK_ULONG>();
      const auto given = from.get<CK_BBOOL>();
      const auto room = from.get<CK_ULONG>();
      if (given && room > max_message) throw Broken();
      values.emplace_back(given ? room + 1 : 0);
      attributes.push_back({type, given ? values.back().data() : nullptr, given ? room : 0});
    }
  }
  auto args() { return std::tuple(attributes.data(), CK_ULONG(attributes.size())); }
  void answer(Writer& to, CK_RV) {
    for (const CK_ATTRIBUTE& each : attributes) {
      to.put(each.ulValueLen);
      const bool written = each.pValue && each.ulValueLen != CK_UNAVAILABLE_INFORMATION;
      to.put(each.pValue, written ? each.ulValueLen : 0);
    }
  }
  std::vector<CK_ATTRIBUTE> attributes;
  std::list<Bytes> values;
};

// --- The calls -----------------------------------------------------------------------------------

// Everything but what is local to the client (C_Initialize, C_Finalize, C_GetFunctionList), events,
// operation state and the two-in-one functions. C_Initialize is call 0, C_Finalize the hanging up.
#define JWEKMS_REMOTE_CALLS(X)                                                      \
  X(C_GetInfo, Out<CK_INFO>)                                                        \
  X(C_GetSlotList, Flag, Array<CK_SLOT_ID>)                                         \
  X(C_GetSlotInfo, Handle, Out<CK_SLOT_INFO>)                                       \
  X(C_GetTokenInfo, Handle, Out<CK_TOKEN_INFO>)                                     \
  X(C_GetMechanismList, Handle, Array<CK_MECHANISM_TYPE>)                           \
  X(C_GetMechanismInfo, Handle, Handle, Out<CK_MECHANISM_INFO>)                     \
  X(C_OpenSession, Handle, Handle, Ignored<void*>, Ignored<CK_NOTIFY>, NewHandle)   \
  X(C_CloseSession, Handle)                                                         \
  X(C_CloseAllSessions, Handle)                                                     \
  X(C_GetSessionInfo, Handle, Out<CK_SESSION_INFO>)                                 \
  X(C_Login, Handle, Handle, Data)                                                  \
  X(C_Logout, Handle)                                                               \
  X(C_CreateObject, Handle, Template, NewHandle)                                    \
  X(C_CopyObject, Handle, Handle, Template, NewHandle)                              \
  X(C_DestroyObject, Handle, Handle)                                                \
  X(C_GetObjectSize, Handle, Handle, Out<CK_ULONG>)                                 \
  X(C_GetAttributeValue, Handle, Handle, Attributes)                                \
  X(C_SetAttributeValue, Handle, Handle, Template)                                  \
  X(C_FindObjectsInit, Handle, Template)                                            \
  X(C_FindObjects, Handle, Found)                                                   \
  X(C_FindObjectsFinal, Handle)                                                     \
  X(C_EncryptInit, Handle, Mechanism, Handle)                                       \
  X(C_Encrypt, Handle, Data, Output)                                                \
  X(C_EncryptUpdate, Handle, Data, Output)                                          \
  X(C_EncryptFinal, Handle, Output)                                                 \
  X(C_DecryptInit, Handle, Mechanism, Handle)                                       \
  X(C_Decrypt, Handle, Data, Output)                                                \
  X(C_DecryptUpdate, Handle, Data, Output)                                          \
  X(C_DecryptFinal, Handle, Output)                                                 \
  X(C_DigestInit, Handle, Mechanism)                                                \
  X(C_Digest, Handle, Data, Output)                                                 \
  X(C_DigestKey, Handle, Handle)                                                    \
  X(C_DigestUpdate, Handle, Data)                                                   \
  X(C_DigestFinal, Handle, Output)                                                  \
  X(C_SignInit, Handle, Mechanism, Handle)                                          \
  X(C_Sign, Handle, Data, Output)                                                   \
  X(C_VerifyInit, Handle, Mechanism, Handle)                                        \
  X(C_Verify, Handle, Data, Data)                                                   \
  X(C_GenerateKey, Handle, Mechanism, Template, NewHandle)                          \
  X(C_GenerateKeyPair, Handle, Mechanism, Template, Template, NewHandle, NewHandle) \
  X(C_WrapKey, Handle, Mechanism, Handle, Handle, Output)                           \
  X(C_UnwrapKey, Handle, Mechanism, Handle, Data, Template, NewHandle)              \
  X(C_DeriveKey, Handle, Mechanism, Handle, Template, NewHandle)                    \
  X(C_SeedRandom, Handle, Data)                                                     \
  X(C_GenerateRandom, Handle, Random)

enum Call : std::uint32_t {
  call_C_Initialize,
#define X(name, ...) call_##name,
  JWEKMS_REMOTE_CALLS(X)
#undef X
};

}  // namespace remote
