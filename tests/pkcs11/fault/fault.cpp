// SPDX-License-Identifier: Apache-2.0
// A PKCS#11 module that forwards to another one, counts, logs and fails calls on demand. See
// fault.h.
#define CRYPTOKI_COMPAT
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "fault.h"

namespace {

// What a function is to this module; its arguments follow from its type.
enum class Kind {
  library,   // no session, no slot
  slot,      // the first argument is a slot
  session,   // the first argument is a session
  ends,      // a session, and the call ends the active operation
  ends_out,  // the same, and the last two arguments are the output and its size
  releases,  // a session, and the call gives something back: it is done even if it is to fail
};

// All of CK_FUNCTION_LIST in its order.
#define FUNCTIONS(X)                \
  X(C_Initialize, library)          \
  X(C_Finalize, library)            \
  X(C_GetInfo, library)             \
  X(C_GetFunctionList, library)     \
  X(C_GetSlotList, library)         \
  X(C_GetSlotInfo, slot)            \
  X(C_GetTokenInfo, slot)           \
  X(C_GetMechanismList, slot)       \
  X(C_GetMechanismInfo, slot)       \
  X(C_InitToken, slot)              \
  X(C_InitPIN, session)             \
  X(C_SetPIN, session)              \
  X(C_OpenSession, slot)            \
  X(C_CloseSession, releases)       \
  X(C_CloseAllSessions, slot)       \
  X(C_GetSessionInfo, session)      \
  X(C_GetOperationState, session)   \
  X(C_SetOperationState, session)   \
  X(C_Login, session)               \
  X(C_Logout, session)              \
  X(C_CreateObject, session)        \
  X(C_CopyObject, session)          \
  X(C_DestroyObject, session)       \
  X(C_GetObjectSize, session)       \
  X(C_GetAttributeValue, session)   \
  X(C_SetAttributeValue, session)   \
  X(C_FindObjectsInit, session)     \
  X(C_FindObjects, session)         \
  X(C_FindObjectsFinal, releases)   \
  X(C_EncryptInit, session)         \
  X(C_Encrypt, ends_out)            \
  X(C_EncryptUpdate, session)       \
  X(C_EncryptFinal, ends_out)       \
  X(C_DecryptInit, session)         \
  X(C_Decrypt, ends_out)            \
  X(C_DecryptUpdate, session)       \
  X(C_DecryptFinal, ends_out)       \
  X(C_DigestInit, session)          \
  X(C_Digest, ends_out)             \
  X(C_DigestUpdate, session)        \
  X(C_DigestKey, session)           \
  X(C_DigestFinal, ends_out)        \
  X(C_SignInit, session)            \
  X(C_Sign, ends_out)               \
  X(C_SignUpdate, session)          \
  X(C_SignFinal, ends_out)          \
  X(C_SignRecoverInit, session)     \
  X(C_SignRecover, ends_out)        \
  X(C_VerifyInit, session)          \
  X(C_Verify, ends)                 \
  X(C_VerifyUpdate, session)        \
  X(C_VerifyFinal, ends)            \
  X(C_VerifyRecoverInit, session)   \
  X(C_VerifyRecover, ends_out)      \
  X(C_DigestEncryptUpdate, session) \
  X(C_DecryptDigestUpdate, session) \
  X(C_SignEncryptUpdate, session)   \
  X(C_DecryptVerifyUpdate, session) \
  X(C_GenerateKey, session)         \
  X(C_GenerateKeyPair, session)     \
  X(C_WrapKey, session)             \
  X(C_UnwrapKey, session)           \
  X(C_DeriveKey, session)           \
  X(C_SeedRandom, session)          \
  X(C_GenerateRandom, session)      \
  X(C_GetFunctionStatus, session)   \
  X(C_CancelFunction, session)      \
  X(C_WaitForSlotEvent, library)

enum Id : unsigned {
#define X(name, kind) id_##name,
  FUNCTIONS(X)
#undef X
      id_count
};

constexpr std::array<const char*, id_count> names = {
#define X(name, kind) #name,
    FUNCTIONS(X)
#undef X
};

constexpr unsigned any_function = id_count;
constexpr CK_ULONG any_slot = ~0UL;
constexpr std::size_t log_lines = 65536;

struct Rule {
  unsigned function;
  CK_ULONG slot;
  unsigned nth;    // calls until it strikes, this one included; 0 = it strikes now
  unsigned count;  // strikes left; 0 = for ever
  CK_RV rv;
  unsigned delay_ms;
  unsigned long serial = 0;
  bool spent = false;
};

struct Lie {
  CK_OBJECT_CLASS object_class;
  CK_ATTRIBUTE_TYPE attribute;
  int value;
};

struct Session {
  CK_ULONG slot;
  std::string decrypt;  // mechanism and key of the last Init, for the log of what follows it
  std::string encrypt;
  std::set<CK_OBJECT_HANDLE> objects;
  std::thread::id caller;   // within a call
  std::thread::id working;  // between an Init and what ends it
};

struct State {
  std::mutex mutex;  // never held while the target works or a call sleeps
  CK_FUNCTION_LIST* target = nullptr;
  std::array<unsigned long, id_count> calls{};
  std::vector<Rule> rules;
  std::vector<Lie> lies;
  CK_ULONG found_more = 0;
  std::size_t most_sessions = SIZE_MAX;
  unsigned long newest = 0;  // rule, and
  unsigned long struck = 0;  // how often it has
  unsigned effects = JWEKMS_FAULT_SESSION | JWEKMS_FAULT_LOGIN | JWEKMS_FAULT_LIBRARY;
  std::map<CK_SESSION_HANDLE, Session> sessions;
  long token_objects = 0;
  unsigned long overlaps = 0;
  jwekms_fault_watcher watcher = nullptr;  // set while no call is under way
  void* watcher_context = nullptr;
  std::deque<std::string> log;
  std::FILE* file = nullptr;
};

// Never destroyed: a host may call into the module from its own exit handlers.
State& state() {
  static State& all = *new State;
  return all;
}

using Lock = std::lock_guard<std::mutex>;

CK_FUNCTION_LIST* target() { return state().target; }

// --- What the calls tell the log -----------------------------------------------------------------

std::string hex(CK_ULONG number) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%lx", number);
  return text;
}

std::string field(const char* name, CK_ULONG number) {
  return std::string(" ") + name + "=" + std::to_string(number);
}

std::string types(const CK_ATTRIBUTE* attributes, CK_ULONG count) {
  std::string text = " types=";
  for (CK_ULONG i = 0; attributes && i < count; ++i)
    text += (i ? "," : "") + hex(attributes[i].type);
  return text;
}

std::string mechanism(const CK_MECHANISM* used) {
  return used ? " mechanism=" + hex(used->mechanism) : " mechanism=none";
}

std::string mechanism_and_key(const CK_MECHANISM* used, CK_OBJECT_HANDLE key) {
  return mechanism(used) + field("key", key);
}

std::string size(const char* name, const CK_ULONG* length) {
  return length ? field(name, *length) : "";
}

// Called after the call, so that what it wrote can be read; only if `rv` says that it did.
template <unsigned id, class... A>
std::string facts(CK_RV rv, const std::tuple<A...>& a) {
  const auto created = [&](CK_OBJECT_HANDLE* handle) {
    return rv == CKR_OK && handle ? field("new", *handle) : "";
  };
  if constexpr (id == id_C_OpenSession)
    return field("flags", std::get<1>(a)) +
           (rv == CKR_OK && std::get<4>(a) ? field("session", *std::get<4>(a)) : "");
  else if constexpr (id == id_C_Login)
    return field("user", std::get<1>(a));
  else if constexpr (id == id_C_EncryptInit || id == id_C_DecryptInit || id == id_C_SignInit ||
                     id == id_C_VerifyInit)
    return mechanism_and_key(std::get<1>(a), std::get<2>(a));
  else if constexpr (id == id_C_Encrypt || id == id_C_Decrypt)
    return field("in", std::get<2>(a)) + (rv == CKR_OK ? size("out", std::get<4>(a)) : "");
  else if constexpr (id == id_C_CreateObject)
    return types(std::get<1>(a), std::get<2>(a)) + created(std::get<3>(a));
  else if constexpr (id == id_C_CopyObject)
    return field("object", std::get<1>(a)) + types(std::get<2>(a), std::get<3>(a)) +
           created(std::get<4>(a));
  else if constexpr (id == id_C_DestroyObject)
    return field("object", std::get<1>(a));
  else if constexpr (id == id_C_GetAttributeValue || id == id_C_SetAttributeValue)
    return field("object", std::get<1>(a)) + types(std::get<2>(a), std::get<3>(a));
  else if constexpr (id == id_C_FindObjectsInit)
    return types(std::get<1>(a), std::get<2>(a));
  else if constexpr (id == id_C_FindObjects)
    return field("max", std::get<2>(a)) + (rv == CKR_OK ? size("found", std::get<3>(a)) : "");
  else if constexpr (id == id_C_GenerateKey)
    return mechanism(std::get<1>(a)) + types(std::get<2>(a), std::get<3>(a)) +
           created(std::get<4>(a));
  else if constexpr (id == id_C_GenerateKeyPair)
    return mechanism(std::get<1>(a)) + types(std::get<2>(a), std::get<3>(a)) + " private" +
           types(std::get<4>(a), std::get<5>(a)) + created(std::get<6>(a)) +
           created(std::get<7>(a));
  else if constexpr (id == id_C_WrapKey)
    return mechanism_and_key(std::get<1>(a), std::get<2>(a)) + field("object", std::get<3>(a));
  else if constexpr (id == id_C_UnwrapKey)
    return mechanism_and_key(std::get<1>(a), std::get<2>(a)) +
           types(std::get<5>(a), std::get<6>(a)) + created(std::get<7>(a));
  else if constexpr (id == id_C_DeriveKey)
    return mechanism_and_key(std::get<1>(a), std::get<2>(a)) +
           types(std::get<3>(a), std::get<4>(a)) + created(std::get<5>(a));
  else if constexpr (id == id_C_GenerateRandom)
    return field("size", std::get<2>(a));
  else
    return {};
}

// Remembers what an Init began, and tells it again with each call that goes on with it.
template <unsigned id>
std::string operation(Session& session, CK_RV rv, const std::string& said) {
  if constexpr (id == id_C_DecryptInit) {
    if (rv == CKR_OK) session.decrypt = said;
  } else if constexpr (id == id_C_EncryptInit) {
    if (rv == CKR_OK) session.encrypt = said;
  } else if constexpr (id == id_C_Decrypt || id == id_C_DecryptUpdate || id == id_C_DecryptFinal) {
    return session.decrypt;
  } else if constexpr (id == id_C_Encrypt || id == id_C_EncryptUpdate || id == id_C_EncryptFinal) {
    return session.encrypt;
  }
  return {};
}

void write_log(std::string line) {
  State& all = state();
  if (all.file) {
    std::fprintf(all.file, "%s\n", line.c_str());
    std::fflush(all.file);
  }
  if (all.log.size() == log_lines) all.log.pop_front();
  all.log.push_back(std::move(line));
}

// --- What is open --------------------------------------------------------------------------------

// The token knows best whether an object lives longer than its session (C_CopyObject inherits it).
bool is_token_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  CK_BBOOL on_token = CK_FALSE;
  CK_ATTRIBUTE attribute{CKA_TOKEN, &on_token, sizeof on_token};
  return target()->C_GetAttributeValue(session, object, &attribute, 1) == CKR_OK && on_token;
}

void track_new(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  const bool on_token = is_token_object(session, object);
  const Lock lock(state().mutex);
  const auto found = state().sessions.find(session);
  if (on_token)
    ++state().token_objects;
  else if (found != state().sessions.end())
    found->second.objects.insert(object);
}

void track_destroyed(CK_OBJECT_HANDLE object) {
  const Lock lock(state().mutex);
  for (auto& [handle, session] : state().sessions)
    if (session.objects.erase(object)) return;
  --state().token_objects;
}

// Forgets a session before it is closed: afterwards another thread may own its handle.
CK_RV close_session(CK_SESSION_HANDLE session) {
  State& all = state();
  decltype(all.sessions)::node_type node;
  {
    const Lock lock(all.mutex);
    node = all.sessions.extract(session);
  }
  const CK_RV rv = target()->C_CloseSession(session);
  if (rv != CKR_OK && rv != CKR_SESSION_HANDLE_INVALID) {
    const Lock lock(all.mutex);
    all.sessions.insert(std::move(node));
  }
  return rv;
}

// A call that the target has done changes what is open.
template <unsigned id, class... A>
void track(const std::tuple<A...>& a) {
  State& all = state();
  if constexpr (id == id_C_OpenSession) {
    const Lock lock(all.mutex);
    all.sessions[*std::get<4>(a)] = Session{std::get<0>(a), {}, {}, {}, {}, {}};
  } else if constexpr (id == id_C_CloseAllSessions) {
    const Lock lock(all.mutex);
    std::erase_if(all.sessions, [&](auto& each) { return each.second.slot == std::get<0>(a); });
  } else if constexpr (id == id_C_Finalize) {
    const Lock lock(all.mutex);
    all.sessions.clear();
  } else if constexpr (id == id_C_CreateObject) {
    track_new(std::get<0>(a), *std::get<3>(a));
  } else if constexpr (id == id_C_CopyObject || id == id_C_GenerateKey) {
    track_new(std::get<0>(a), *std::get<4>(a));
  } else if constexpr (id == id_C_GenerateKeyPair) {
    track_new(std::get<0>(a), *std::get<6>(a));
    track_new(std::get<0>(a), *std::get<7>(a));
  } else if constexpr (id == id_C_UnwrapKey) {
    track_new(std::get<0>(a), *std::get<7>(a));
  } else if constexpr (id == id_C_DeriveKey) {
    if (std::get<5>(a)) track_new(std::get<0>(a), *std::get<5>(a));
  } else if constexpr (id == id_C_DestroyObject) {
    track_destroyed(std::get<1>(a));
  }
}

// --- Rules ---------------------------------------------------------------------------------------

struct Verdict {
  CK_RV rv = CKR_OK;
  unsigned delay_ms = 0;
};

// Counts the call and asks every rule; the first code found holds.
Verdict judge(unsigned id, CK_ULONG slot) {
  State& all = state();
  ++all.calls[id];
  Verdict verdict;
  for (Rule& rule : all.rules) {
    if (rule.function != any_function && rule.function != id) continue;
    if (rule.slot != any_slot && rule.slot != slot) continue;
    if (rule.nth > 0 && --rule.nth > 0) continue;
    all.struck += rule.serial == all.newest;
    if (verdict.rv == CKR_OK) verdict.rv = rule.rv;
    verdict.delay_ms += rule.delay_ms;
    rule.spent = rule.count > 0 && --rule.count == 0;
  }
  std::erase_if(all.rules, [](const Rule& rule) { return rule.spent; });
  return verdict;
}

int add_rule(const char* function, Rule rule) {
  rule.function = any_function;
  if (function && std::strcmp(function, "*") != 0) {
    const auto found = std::find_if(names.begin(), names.end(),
                                    [&](auto each) { return !std::strcmp(each, function); });
    if (found == names.end()) return -1;
    rule.function = static_cast<unsigned>(found - names.begin());
  }
  State& all = state();
  const Lock lock(all.mutex);
  rule.serial = ++all.newest;
  all.struck = 0;
  all.rules.push_back(rule);
  return 0;
}

// An injected code makes true what it says.
void take_effect(CK_RV rv, CK_SESSION_HANDLE session) {
  State& all = state();
  unsigned effects = 0;
  bool known = false;
  {
    const Lock lock(all.mutex);
    effects = all.effects;
    known = all.sessions.contains(session);
  }
  const bool session_gone = rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED;
  if (session_gone && (effects & JWEKMS_FAULT_SESSION) && known) {
    close_session(session);
  } else if (rv == CKR_USER_NOT_LOGGED_IN && (effects & JWEKMS_FAULT_LOGIN) && known) {
    target()->C_Logout(session);
  } else if (rv == CKR_CRYPTOKI_NOT_INITIALIZED && (effects & JWEKMS_FAULT_LIBRARY)) {
    target()->C_Finalize(nullptr);
    track<id_C_Finalize>(std::tuple());
  }
}

// --- Lies ----------------------------------------------------------------------------------------

CK_RV tell(const Lie& lie, CK_ATTRIBUTE& attribute) {
  if (lie.value < 0) {
    attribute.ulValueLen = ~0UL;
    return CKR_ATTRIBUTE_TYPE_INVALID;
  }
  if (attribute.pValue && attribute.ulValueLen >= sizeof(CK_BBOOL))
    *static_cast<CK_BBOOL*>(attribute.pValue) = lie.value ? CK_TRUE : CK_FALSE;
  return CKR_OK;
}

// What the caller is told instead of what the target has said.
template <unsigned id, class... A>
CK_RV lie(CK_RV rv, const std::tuple<A...>& a) {
  State& all = state();
  if constexpr (id == id_C_FindObjects) {
    const Lock lock(all.mutex);
    if (rv == CKR_OK && std::get<3>(a) && all.found_more) *std::get<3>(a) += all.found_more;
  } else if constexpr (id == id_C_GetAttributeValue) {
    std::vector<Lie> lies;
    {
      const Lock lock(all.mutex);
      lies = all.lies;
    }
    if (lies.empty()) return rv;
    CK_OBJECT_CLASS of_object = ~0UL;
    CK_ATTRIBUTE attribute{CKA_CLASS, &of_object, sizeof of_object};
    (void)target()->C_GetAttributeValue(std::get<0>(a), std::get<1>(a), &attribute, 1);
    for (const Lie& each : lies)
      for (CK_ULONG i = 0; i < std::get<3>(a); ++i)
        if (std::get<2>(a)[i].type == each.attribute &&
            (each.object_class == ~0UL || each.object_class == of_object))
          if (const CK_RV told = tell(each, std::get<2>(a)[i]); rv == CKR_OK) rv = told;
  }
  return rv;
}

// --- Who is in a session -------------------------------------------------------------------------

// With the lock held. A session is one thread's from the call that begins an operation to the one
// that ends it.
void enter(Session& session) {
  const std::thread::id self = std::this_thread::get_id();
  const std::thread::id none;
  if (session.caller != none || (session.working != none && session.working != self))
    ++state().overlaps;
  session.caller = self;
}

template <unsigned id, Kind kind>
void leave(Session& session, CK_RV rv) {
  constexpr bool begins = id == id_C_FindObjectsInit || id == id_C_EncryptInit ||
                          id == id_C_DecryptInit || id == id_C_SignInit || id == id_C_DigestInit;
  constexpr bool ends = kind == Kind::ends || kind == Kind::ends_out || kind == Kind::releases;
  session.caller = {};
  if (begins && rv == CKR_OK) session.working = std::this_thread::get_id();
  if (ends && rv != CKR_BUFFER_TOO_SMALL) session.working = {};
}

// --- Forwarding ----------------------------------------------------------------------------------

// Ends the operation in the target with an output of its own, which is thrown away.
template <class Function, class Tuple>
void drain(Function function, const Tuple& args, CK_RV rv) {
  constexpr std::size_t n = std::tuple_size_v<Tuple>;
  Tuple changed = args;
  if (rv == CKR_BUFFER_TOO_SMALL) {
    std::get<n - 2>(changed) = nullptr;  // asks for the size and leaves the operation active
    std::apply(function, changed);
    return;
  }
  CK_ULONG size = 0;
  std::get<n - 2>(changed) = nullptr;
  std::get<n - 1>(changed) = &size;
  if (std::apply(function, changed) != CKR_OK) return;
  std::vector<unsigned char> scratch(size + 1);
  std::get<n - 2>(changed) = scratch.data();
  std::apply(function, changed);
  explicit_bzero(scratch.data(), scratch.size());
}

template <unsigned id, class Function, class Tuple>
CK_RV do_call(Function function, const Tuple& args) {
  if (!function) return CKR_FUNCTION_NOT_SUPPORTED;
  if constexpr (id == id_C_CloseSession) {
    return close_session(std::get<0>(args));
  } else {
    const CK_RV rv = std::apply(function, args);
    if (rv == CKR_OK) track<id>(args);
    return rv;
  }
}

template <unsigned id, Kind kind, class Function, class Tuple>
CK_RV fail(Function function, const Tuple& args, CK_RV rv) {
  constexpr bool done_anyway = kind == Kind::releases || kind == Kind::ends ||
                               id == id_C_CloseAllSessions || id == id_C_Finalize;
  if constexpr (done_anyway) {
    do_call<id>(function, args);
  } else if constexpr (kind == Kind::ends_out) {
    drain(function, args, rv);
  }
  if constexpr (kind == Kind::library || kind == Kind::slot)
    take_effect(rv, 0);
  else
    take_effect(rv, std::get<0>(args));
  return rv;
}

template <unsigned id, Kind kind, auto member, class... A>
CK_RV forward(A... a) {
  State& all = state();
  const std::tuple args(a...);
  constexpr bool on_session = kind != Kind::library && kind != Kind::slot;

  Verdict verdict;
  std::string line = names[id];
  {
    const Lock lock(all.mutex);
    CK_ULONG slot = any_slot - 1;
    if constexpr (kind == Kind::slot) slot = std::get<0>(args);
    if constexpr (on_session) {
      const auto found = all.sessions.find(std::get<0>(args));
      if (found != all.sessions.end()) {
        slot = found->second.slot;
        enter(found->second);
      }
    }
    verdict = judge(id, slot);
    if constexpr (id == id_C_OpenSession)
      if (all.sessions.size() >= all.most_sessions) verdict.rv = CKR_SESSION_COUNT;
  }
  if (all.watcher) all.watcher(names[id], 1, all.watcher_context);
  if (verdict.delay_ms) std::this_thread::sleep_for(std::chrono::milliseconds(verdict.delay_ms));

  const auto function = target()->*member;
  const CK_RV rv = verdict.rv != CKR_OK ? fail<id, kind>(function, args, verdict.rv)
                                        : lie<id>(do_call<id>(function, args), args);

  if (all.watcher) all.watcher(names[id], 0, all.watcher_context);
  const std::string said = facts<id>(rv, args);
  const Lock lock(all.mutex);
  if constexpr (kind == Kind::slot) line += field("slot", std::get<0>(args));
  if constexpr (on_session) {
    line += field("session", std::get<0>(args));
    const auto found = all.sessions.find(std::get<0>(args));
    if (found != all.sessions.end()) {
      leave<id, kind>(found->second, rv);
      line += operation<id>(found->second, rv, said);
      // Closed behind this module's back.
      if (rv == CKR_SESSION_HANDLE_INVALID && verdict.rv == CKR_OK) all.sessions.erase(found);
    }
  }
  line += said + " -> " + hex(rv) + (verdict.rv != CKR_OK ? " injected" : "");
  write_log(std::move(line));
  return rv;
}

// The function that stands before a member of the list; its arguments come from the member's type.
template <unsigned id, Kind kind, auto member>
struct Forward;
template <unsigned id, Kind kind, class... A, CK_RV (*CK_FUNCTION_LIST::*member)(A...)>
struct Forward<id, kind, member> {
  static CK_RV call(A... a) { return forward<id, kind, member, A...>(a...); }
};

CK_RV get_function_list(CK_FUNCTION_LIST** list);

CK_FUNCTION_LIST& own_list() {
  static CK_FUNCTION_LIST list = [] {
    CK_FUNCTION_LIST made{};
#define X(name, kind) made.name = &Forward<id_##name, Kind::kind, &CK_FUNCTION_LIST::name>::call;
    FUNCTIONS(X)
#undef X
    made.C_GetFunctionList = get_function_list;
    return made;
  }();
  return list;
}

CK_RV load() {
  State& all = state();
  const Lock lock(all.mutex);
  if (all.target) return CKR_OK;
  const char* path = std::getenv("JWEKMS_FAULT_TARGET");
  void* handle = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  const auto get =
      handle ? reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList")) : nullptr;
  if (!get || get(&all.target) != CKR_OK) {
    std::fprintf(stderr, "jwekms-fault: JWEKMS_FAULT_TARGET=%s: %s\n", path ? path : "(unset)",
                 path && !handle ? dlerror() : "no module");
    return CKR_LIBRARY_LOAD_FAILED;
  }
  if (const char* log = std::getenv("JWEKMS_FAULT_LOG")) all.file = std::fopen(log, "a");
  own_list().version = all.target->version;
  return CKR_OK;
}

CK_RV get_function_list(CK_FUNCTION_LIST** list) {
  if (!list) return CKR_ARGUMENTS_BAD;
  if (const CK_RV rv = load(); rv != CKR_OK) return rv;
  *list = &own_list();
  return CKR_OK;
}

}  // namespace

#define EXPORT __attribute__((visibility("default")))

extern "C" {

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) { return get_function_list(list); }

EXPORT void jwekms_fault_reset(void) {
  const Lock lock(state().mutex);
  state().rules.clear();
  state().lies.clear();
  state().found_more = 0;
  state().most_sessions = SIZE_MAX;
  state().calls = {};
  state().overlaps = 0;
  state().struck = 0;
  state().log.clear();
}

EXPORT void jwekms_fault_clear_rules(void) {
  const Lock lock(state().mutex);
  state().rules.clear();
  state().lies.clear();
  state().found_more = 0;
  state().most_sessions = SIZE_MAX;
}

EXPORT void jwekms_fault_lie(unsigned long object_class, unsigned long attribute, int value) {
  const Lock lock(state().mutex);
  state().lies.push_back({object_class, attribute, value});
}

EXPORT void jwekms_fault_most_sessions(unsigned long count) {
  const Lock lock(state().mutex);
  state().most_sessions = count;
}

EXPORT void jwekms_fault_find_more(unsigned long count) {
  const Lock lock(state().mutex);
  state().found_more = count;
}

EXPORT int jwekms_fault_inject(const char* function, unsigned nth, CK_RV rv, unsigned count) {
  return add_rule(function, {0, any_slot, nth, count, rv, 0});
}

EXPORT int jwekms_fault_inject_slot(const char* function, unsigned long slot, unsigned nth,
                                    CK_RV rv, unsigned count) {
  return add_rule(function, {0, slot, nth, count, rv, 0});
}

EXPORT int jwekms_fault_delay(const char* function, unsigned nth, unsigned delay_ms,
                              unsigned count) {
  return add_rule(function, {0, any_slot, nth, count, CKR_OK, delay_ms});
}

EXPORT unsigned long jwekms_fault_struck(void) {
  const Lock lock(state().mutex);
  return state().struck;
}

EXPORT void jwekms_fault_effects(unsigned effects) {
  const Lock lock(state().mutex);
  state().effects = effects;
}

EXPORT unsigned long jwekms_fault_calls(const char* function) {
  const Lock lock(state().mutex);
  unsigned long calls = 0;
  for (unsigned i = 0; i < id_count; ++i)
    if (!function || !std::strcmp(function, "*") || !std::strcmp(function, names[i]))
      calls += state().calls[i];
  return calls;
}

EXPORT const char* jwekms_fault_function_name(unsigned index) {
  return index < id_count ? names[index] : nullptr;
}

EXPORT unsigned long jwekms_fault_overlaps(void) {
  const Lock lock(state().mutex);
  return state().overlaps;
}

EXPORT void jwekms_fault_watch(jwekms_fault_watcher watcher, void* context) {
  state().watcher = watcher;
  state().watcher_context = context;
}

EXPORT long jwekms_fault_sessions(void) {
  const Lock lock(state().mutex);
  return static_cast<long>(state().sessions.size());
}

EXPORT long jwekms_fault_session_objects(void) {
  const Lock lock(state().mutex);
  std::size_t objects = 0;
  for (const auto& [handle, session] : state().sessions) objects += session.objects.size();
  return static_cast<long>(objects);
}

EXPORT long jwekms_fault_token_objects(void) {
  const Lock lock(state().mutex);
  return state().token_objects;
}

EXPORT void jwekms_fault_log_clear(void) {
  const Lock lock(state().mutex);
  state().log.clear();
}

EXPORT int jwekms_fault_log_next(char* line, unsigned long size) {
  const Lock lock(state().mutex);
  if (state().log.empty()) return -1;
  const std::string oldest = std::move(state().log.front());
  state().log.pop_front();
  if (line && size) std::snprintf(line, size, "%s", oldest.c_str());
  return static_cast<int>(oldest.size());
}

}  // extern "C"
