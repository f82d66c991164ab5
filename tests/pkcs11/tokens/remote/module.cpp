// SPDX-License-Identifier: Apache-2.0
// The client's half of wire.hpp: a PKCS#11 module whose token lives in another process.
//
// The socket is named in C_Initialize's reserved string, "socket=PATH", or in JWEKMS_REMOTE_SOCKET.
// One connection a process; threads take turns. When the server goes, every call gives DEVICE_ERROR
// until C_Finalize and C_Initialize. A forked child has to call C_Initialize, as Cryptoki has it.
#include <cstdlib>
#include <mutex>

#include "wire.hpp"

namespace remote {
namespace {

struct Connection {
  std::mutex mutex;
  int socket = -1;    // -1 also when the server went
  pid_t process = 0;  // that called C_Initialize; 0 before
};

Connection& connection() {
  static Connection& one = *new Connection;
  return one;
}

void hang_up() {
  if (connection().socket >= 0) close(connection().socket);
  connection().socket = -1;
}

Reader exchange(const Writer& request) {
  send(connection().socket, request);
  return receive(connection().socket);
}

CK_RV initialize(void* given) {
  Connection& one = connection();
  const std::lock_guard lock(one.mutex);
  if (one.process == getpid()) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
  hang_up();  // the parent's, if it was one's parent
  const auto* args = static_cast<CK_C_INITIALIZE_ARGS*>(given);
  const char* path = std::getenv("JWEKMS_REMOTE_SOCKET");
  if (args && args->pReserved) {
    path = static_cast<const char*>(args->pReserved);
    if (std::strncmp(path, "socket=", 7) != 0) return CKR_ARGUMENTS_BAD;
    path += 7;
  }
  if (!path) return CKR_ARGUMENTS_BAD;
  try {
    const sockaddr_un address = address_of(path);
    one.socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(one.socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw Broken();
    Writer request;
    request.put(call_C_Initialize);
    const CK_RV rv = exchange(request).get<CK_RV>();
    if (rv == CKR_OK)
      one.process = getpid();
    else
      hang_up();
    return rv;
  } catch (const std::exception&) {
    hang_up();
    return CKR_DEVICE_ERROR;
  }
}

CK_RV finalize(void*) {
  Connection& one = connection();
  const std::lock_guard lock(one.mutex);
  if (one.process != getpid()) return CKR_CRYPTOKI_NOT_INITIALIZED;
  hang_up();
  one.process = 0;
  return CKR_OK;
}

// Takes as many of `rest` as the kind's function wants, and goes on with the other kinds.
template <class... A, class Rest>
auto split(void (*)(Writer&, A...), const Rest& rest) {
  return [&]<std::size_t... head>(std::index_sequence<head...>) {
    return [&]<std::size_t... tail>(std::index_sequence<tail...>) {
      return std::pair(std::tuple<A...>(std::get<head>(rest)...),
                       std::tuple(std::get<sizeof...(A) + tail>(rest)...));
    }
    (std::make_index_sequence<std::tuple_size_v<Rest> - sizeof...(A)>());
  }
  (std::make_index_sequence<sizeof...(A)>());
}

template <class Kind, class... Kinds, class Args>
void ask_all(Writer& to, const Args& args) {
  const auto [mine, rest] = split(&Kind::ask, args);
  std::apply([&](auto... each) { Kind::ask(to, each...); }, mine);
  if constexpr (sizeof...(Kinds) > 0) ask_all<Kinds...>(to, rest);
}

template <class Kind, class... Kinds, class Args>
void take_all(Reader& from, CK_RV rv, const Args& args) {
  const auto [mine, rest] = split(&Kind::ask, args);
  std::apply([&](auto... each) { Kind::take(from, rv, each...); }, mine);
  if constexpr (sizeof...(Kinds) > 0) take_all<Kinds...>(from, rv, rest);
}

template <Call call, class Function, class... Kinds>
struct Stub;
template <Call call, class... A, class... Kinds>
struct Stub<call, CK_RV (*)(A...), Kinds...> {
  static CK_RV function(A... a) {
    Connection& one = connection();
    const std::lock_guard lock(one.mutex);
    if (one.process != getpid()) return CKR_CRYPTOKI_NOT_INITIALIZED;
    if (one.socket < 0) return CKR_DEVICE_ERROR;
    try {
      const std::tuple args(a...);
      Writer request;
      request.put(call);
      ask_all<Kinds...>(request, args);
      Reader answer = exchange(request);
      const CK_RV rv = answer.get<CK_RV>();
      take_all<Kinds...>(answer, rv, args);
      return rv;
    } catch (const std::exception&) {
      hang_up();
      return CKR_DEVICE_ERROR;
    }
  }
};

// What is not forwarded.
template <class Function>
struct Missing;
template <class... A>
struct Missing<CK_RV (*)(A...)> {
  static CK_RV function(A...) { return CKR_FUNCTION_NOT_SUPPORTED; }
};

CK_RV get_function_list(CK_FUNCTION_LIST** list);

CK_FUNCTION_LIST& own_list() {
  static CK_FUNCTION_LIST list = [] {
    CK_FUNCTION_LIST made{};
    made.version = {2, 40};
    made.C_Initialize = initialize;
    made.C_Finalize = finalize;
    made.C_GetFunctionList = get_function_list;
#define X(name, ...) made.name = &Stub<call_##name, decltype(made.name), __VA_ARGS__>::function;
    JWEKMS_REMOTE_CALLS(X)
#undef X
#define X(name) made.name = &Missing<decltype(made.name)>::function;
    X(C_InitToken)
    X(C_InitPIN)
    X(C_SetPIN)
    X(C_GetOperationState)
    X(C_SetOperationState)
    X(C_SignUpdate)
    X(C_SignFinal)
    X(C_SignRecoverInit)
    X(C_SignRecover)
    X(C_VerifyUpdate)
    X(C_VerifyFinal)
    X(C_VerifyRecoverInit)
    X(C_VerifyRecover)
    X(C_DigestEncryptUpdate)
    X(C_DecryptDigestUpdate)
    X(C_SignEncryptUpdate)
    X(C_DecryptVerifyUpdate)
    X(C_GetFunctionStatus)
    X(C_CancelFunction)
    X(C_WaitForSlotEvent)
#undef X
    return made;
  }();
  return list;
}

CK_RV get_function_list(CK_FUNCTION_LIST** list) {
  if (!list) return CKR_ARGUMENTS_BAD;
  *list = &own_list();
  return CKR_OK;
}

}  // namespace
}  // namespace remote

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  return remote::get_function_list(list);
}
