// SPDX-License-Identifier: Apache-2.0
// The server's half of wire.hpp. usage: jwekms-remote-server SOCKET MODULE [INIT_ARGS]
//
// Each connection gets a process of its own that loads the module, so clients are to the token what
// separate programs are. All end with the server.
#include <dlfcn.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "wire.hpp"

namespace remote {
namespace {

CK_FUNCTION_LIST* load(const char* path) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const auto get =
      handle ? reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList")) : nullptr;
  CK_FUNCTION_LIST* list = nullptr;
  if (!get || get(&list) != CKR_OK) {
    std::fprintf(stderr, "%s: %s\n", path, handle ? "no module" : dlerror());
    std::exit(1);
  }
  return list;
}

// Braces: the arguments are read in the order in which the client wrote them.
template <class... Kinds, class Function>
void serve(Function function, Reader& from, Writer& to) {
  std::tuple<Kinds...> kinds{Kinds(from)...};
  const CK_RV rv = std::apply(
      [&](auto&... each) { return std::apply(function, std::tuple_cat(each.args()...)); }, kinds);
  to.put(rv);
  std::apply([&](auto&... each) { (each.answer(to, rv), ...); }, kinds);
}

void serve_one(int socket, const char* path, const char* init_args) {
  CK_FUNCTION_LIST* token = load(path);
  for (;;) {
    Reader request = receive(socket);
    Writer answer;
    switch (request.get<Call>()) {
      case call_C_Initialize: {
        CK_C_INITIALIZE_ARGS args{};
        args.flags = CKF_OS_LOCKING_OK;
        args.pReserved = const_cast<char*>(init_args);
        answer.put(token->C_Initialize(&args));
        break;
      }
#define X(name, ...) \
  case call_##name: serve<__VA_ARGS__>(token->name, request, answer); break;
        JWEKMS_REMOTE_CALLS(X)
#undef X
      default: throw Broken();
    }
    send(socket, answer);
  }
}

int listen_at(const char* path) {
  const sockaddr_un address = address_of(path);
  unlink(path);
  umask(0077);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 64) != 0) {
    std::perror(path);
    std::exit(1);
  }
  return listener;
}

}  // namespace
}  // namespace remote

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: %s SOCKET MODULE [INIT_ARGS]\n", argv[0]);
    return 1;
  }
  signal(SIGCHLD, SIG_IGN);  // nobody waits for the children
  const pid_t server = getpid();
  const int listener = remote::listen_at(argv[1]);
  for (;;) {
    const int socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    if (fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != server) _exit(1);  // it went before the line above
      close(listener);
      try {
        remote::serve_one(socket, argv[2], argc == 4 ? argv[3] : nullptr);
      } catch (const std::exception&) {
        _exit(0);  // the client hung up
      }
    }
    close(socket);
  }
}
