// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <stdexcept>

namespace support {

/// A pipe that one process waits on and another signals.
class Signal {
 public:
  Signal() {
    if (pipe(ends_.data()) != 0) throw std::runtime_error("no pipe");
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() {
    (void)close(ends_[0]);
    (void)close(ends_[1]);
  }
  void send() const { (void)!write(ends_[1], "x", 1); }
  void wait() const {
    char c = 0;
    (void)!read(ends_[0], &c, 1);
  }

 private:
  std::array<int, 2> ends_{};
};

/// Runs a function in a forked child.
class Child {
 public:
  explicit Child(const std::function<int()>& run) : pid_(fork()) {
    if (pid_ == 0) end_with(run);
  }
  /// What the function returned, or -1 if the child came to another end.
  [[nodiscard]] int exit_code() const {
    int status = 0;
    if (pid_ < 0 || waitpid(pid_, &status, 0) != pid_ || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
  }

 private:
  /// Whatever is thrown: the child does not go on with its parent's tests.
  [[noreturn]] static void end_with(const std::function<int()>& run) noexcept { _exit(run()); }
  pid_t pid_;
};

/// Child::exit_code() of a child that is waited for at once.
inline int in_child(const std::function<int()>& run) { return Child(run).exit_code(); }

}  // namespace support
