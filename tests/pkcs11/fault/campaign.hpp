// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Puts every code of the recovery table at every call that an operation makes.
///
///   setenv("JWEKMS_FAULT_TARGET", softhsm, 1);           // before the provider loads the module
///   fault::Module module(fault_path);                    // the path that the provider is given
///   auto report = fault::campaign(module, {}, [&] {      // one operation, from call to answer
///     auto got = kms.decrypt(token, out);
///     if (got) return text_is_right(out) ? fault::Outcome::ok : fault::Outcome::wrong;
///     return is_expected(got.error()) ? fault::Outcome::clean_error : fault::Outcome::wrong;
///   });
///   for (const auto& failure : report.failures) FAIL_CHECK(failure);
///
/// The hot path makes few calls. For the cold one let the operation open and close the provider,
/// too; for the path of recovery put the first fault into Options::before.

#ifndef CRYPTOKI_COMPAT
#define CRYPTOKI_COMPAT
#endif
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "fault.h"

namespace fault {

/// libjwekms-fault.so as a test sees it. fault.h says what each function does.
class Module {
 public:
  explicit Module(const char* path) : handle_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (!handle_) throw std::runtime_error(dlerror());
#define JWEKMS_FAULT_FIND(name)                                                   \
  name = reinterpret_cast<decltype(name)>(dlsym(handle_, "jwekms_fault_" #name)); \
  if (!name) throw std::runtime_error(std::string(path) + " has no jwekms_fault_" + #name);
    JWEKMS_FAULT_FIND(reset)
    JWEKMS_FAULT_FIND(inject)
    JWEKMS_FAULT_FIND(inject_slot)
    JWEKMS_FAULT_FIND(delay)
    JWEKMS_FAULT_FIND(lie)
    JWEKMS_FAULT_FIND(find_more)
    JWEKMS_FAULT_FIND(most_sessions)
    JWEKMS_FAULT_FIND(clear_rules)
    JWEKMS_FAULT_FIND(struck)
    JWEKMS_FAULT_FIND(effects)
    JWEKMS_FAULT_FIND(calls)
    JWEKMS_FAULT_FIND(function_name)
    JWEKMS_FAULT_FIND(overlaps)
    JWEKMS_FAULT_FIND(watch)
    JWEKMS_FAULT_FIND(sessions)
    JWEKMS_FAULT_FIND(session_objects)
    JWEKMS_FAULT_FIND(token_objects)
    JWEKMS_FAULT_FIND(log_clear)
    JWEKMS_FAULT_FIND(log_next)
#undef JWEKMS_FAULT_FIND
  }
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module() { dlclose(handle_); }

  /// Takes the log out.
  std::vector<std::string> log() {
    std::vector<std::string> lines;
    char line[1024];
    while (log_next(line, sizeof line) >= 0) lines.emplace_back(line);
    return lines;
  }

  decltype(&jwekms_fault_reset) reset;
  decltype(&jwekms_fault_inject) inject;
  decltype(&jwekms_fault_inject_slot) inject_slot;
  decltype(&jwekms_fault_delay) delay;
  decltype(&jwekms_fault_lie) lie;
  decltype(&jwekms_fault_find_more) find_more;
  decltype(&jwekms_fault_most_sessions) most_sessions;
  decltype(&jwekms_fault_clear_rules) clear_rules;
  decltype(&jwekms_fault_struck) struck;
  decltype(&jwekms_fault_effects) effects;
  decltype(&jwekms_fault_calls) calls;
  decltype(&jwekms_fault_function_name) function_name;
  decltype(&jwekms_fault_overlaps) overlaps;
  decltype(&jwekms_fault_watch) watch;
  decltype(&jwekms_fault_sessions) sessions;
  decltype(&jwekms_fault_session_objects) session_objects;
  decltype(&jwekms_fault_token_objects) token_objects;
  decltype(&jwekms_fault_log_clear) log_clear;
  decltype(&jwekms_fault_log_next) log_next;

 private:
  void* handle_;
};

/// The codes of the recovery table, one or more of each row, and some that belong to no row.
/// A wrong PIN is not among them: after it nothing works again, by intention.
inline std::vector<CK_RV> recovery_codes() {
  return {// drop the session
          CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_OPERATION_ACTIVE,
          // log in and find again
          CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID,
          CKR_UNWRAPPING_KEY_HANDLE_INVALID,
          // load again
          CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT,
          CKR_TOKEN_NOT_RECOGNIZED, CKR_CRYPTOKI_NOT_INITIALIZED, CKR_SLOT_ID_INVALID,
          // the token text is bad
          CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_ENCRYPTED_DATA_INVALID,
          CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_DATA_INVALID, CKR_DATA_LEN_RANGE,
          CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE, CKR_KEY_SIZE_RANGE,
          // others
          CKR_HOST_MEMORY, CKR_SESSION_COUNT, CKR_OPERATION_NOT_INITIALIZED, CKR_BUFFER_TOO_SMALL,
          CKR_FUNCTION_CANCELED, CKR_MECHANISM_INVALID, CKR_FUNCTION_NOT_SUPPORTED,
          CKR_VENDOR_DEFINED + 1};
}

enum class Outcome {
  ok,           ///< the right answer
  clean_error,  ///< an error that the caller may be given
  wrong         ///< anything else
};

/// A code at the nth call of a function; count as in jwekms_fault_inject.
struct Fault {
  std::string function;
  unsigned nth;
  CK_RV code;
  unsigned count = 1;
};

inline std::string describe(const Fault& fault) {
  char code[32];
  std::snprintf(code, sizeof code, "0x%lx", fault.code);
  return fault.function + " #" + std::to_string(fault.nth) + " -> " + code;
}

struct Options {
  std::vector<CK_RV> codes = recovery_codes();
  std::vector<Fault> before;  ///< put in before each run, so that the path behind them is covered
  std::function<bool(const Fault&)> skip;  ///< true: leave this one out
  /// Looks at what the operation made and takes it away: the faults are over, and its calls are
  /// not counted. Called after every operation with its outcome; its answer is the one that counts.
  std::function<Outcome(Outcome)> afterwards;
  /// Called after each run, when it works again. True: sessions and their objects are other ones
  /// from then on, and what is open now is the measure of a leak.
  std::function<bool()> between;
  unsigned max_nth = 32;  ///< of each function; a loop need not be failed everywhere
  std::chrono::milliseconds hang_after{20000};     ///< a run that takes longer aborts the program
  std::chrono::milliseconds recover_within{5000};  ///< until the operation must work again
  bool trace = std::getenv("JWEKMS_CAMPAIGN_TRACE") != nullptr;  ///< name each run, to find a crash
};

struct Report {
  unsigned runs = 0;
  unsigned ok = 0;                    ///< the fault was made good within the operation
  unsigned clean_errors = 0;          ///< it was reported
  unsigned missed = 0;                ///< it did not strike: the operation took another way
  std::vector<std::string> failures;  ///< empty: passed
};

/// Aborts the program, with a word on what it was at, when a run does not come back.
class Watchdog {
 public:
  Watchdog() : thread_([this] { watch(); }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  /// Until the next arm or disarm, `time` may pass.
  void arm(std::string what, std::chrono::milliseconds time) {
    {
      const std::lock_guard lock(mutex_);
      what_ = std::move(what);
      deadline_ = Clock::now() + time;
      armed_ = true;
    }
    changed_.notify_one();
  }
  void disarm() {
    const std::lock_guard lock(mutex_);
    armed_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void watch() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      if (!armed_) {
        changed_.wait(lock);
      } else if (changed_.wait_until(lock, deadline_) == std::cv_status::timeout && armed_ &&
                 Clock::now() >= deadline_) {
        std::fprintf(stderr, "hang: %s\n", what_.c_str());
        std::abort();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string what_;
  Clock::time_point deadline_{};
  bool armed_ = false;
  bool stop_ = false;
  std::thread thread_;  // last: it uses all the others
};

using Operation = std::function<Outcome()>;
/// Looks at what a test wants to know beside the outcome; returns what is wrong, or nothing.
using Check = std::function<std::string(const Fault&, Outcome)>;

/// Runs `operation` once per fault and tells what went wrong. A hang aborts.
inline Report campaign(Module& module, const Options& options, const Operation& operation,
                       const Check& check = {}) {
  using Clock = std::chrono::steady_clock;
  Watchdog watchdog;
  Report report;

  const auto finish = [&](Outcome outcome) {
    module.clear_rules();
    return options.afterwards ? options.afterwards(outcome) : outcome;
  };
  const auto works_again = [&] {
    for (const auto end = Clock::now() + options.recover_within;;) {
      if (finish(operation()) == Outcome::ok) return true;
      if (Clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  };
  const auto prepare = [&] {
    module.reset();
    for (const Fault& fault : options.before)
      if (module.inject(fault.function.c_str(), fault.nth, fault.code, fault.count) != 0)
        throw std::invalid_argument(fault.function);
  };

  // Twice, so that what is opened once and kept is open, and is the measure of a leak.
  watchdog.arm("the operation without a fault", 2 * options.hang_after);
  module.clear_rules();
  if (finish(operation()) != Outcome::ok || finish(operation()) != Outcome::ok) {
    report.failures.push_back("the operation fails without a fault");
    return report;
  }
  long sessions = module.sessions();
  long session_objects = module.session_objects();
  long token_objects = module.token_objects();

  prepare();
  const Outcome counted = operation();
  std::vector<std::pair<std::string, unsigned long>> calls;
  for (unsigned i = 0; const char* name = module.function_name(i); ++i)
    if (const unsigned long count = module.calls(name)) calls.emplace_back(name, count);
  (void)finish(counted);
  works_again();
  watchdog.disarm();

  const auto run = [&](const Fault& fault) {
    const std::string what = describe(fault);
    if (options.trace) std::fprintf(stderr, "campaign: %s\n", what.c_str());
    watchdog.arm(what, options.hang_after + options.recover_within);
    prepare();
    module.inject(fault.function.c_str(), fault.nth, fault.code, fault.count);
    Outcome outcome = operation();
    const bool missed = module.struck() == 0;
    const std::vector<std::string> log = module.log();
    outcome = finish(outcome);

    ++report.runs;
    report.missed += missed;
    report.ok += outcome == Outcome::ok;
    report.clean_errors += outcome == Outcome::clean_error;
    const auto failed = [&](const std::string& why) {
      std::string text = what + ": " + why + "; the calls:";
      const std::size_t first = log.size() > 12 ? log.size() - 12 : 0;
      for (std::size_t i = first; i < log.size(); ++i) text += "\n    " + log[i];
      report.failures.push_back(text);
    };
    if (outcome == Outcome::wrong) failed("a wrong answer");
    if (check)
      if (const std::string wrong = check(fault, outcome); !wrong.empty()) failed(wrong);
    if (!works_again()) failed("does not work again");
    watchdog.disarm();

    const auto leaked = [&](const char* kind, long& before, long now) {
      if (now > before)
        failed(std::string(kind) + " leaked: " + std::to_string(now) + " after " +
               std::to_string(before));
      before = now > before ? now : before;  // told once, not again after each later run
    };
    leaked("sessions", sessions, module.sessions());
    leaked("session objects", session_objects, module.session_objects());
    leaked("token objects", token_objects, module.token_objects());
    if (options.between && options.between()) {
      sessions = module.sessions();
      session_objects = module.session_objects();
    }
  };

  for (const auto& [function, count] : calls)
    for (unsigned nth = 1; nth <= count && nth <= options.max_nth; ++nth)
      for (const CK_RV code : options.codes) {
        const Fault fault{function, nth, code, 1};
        if (!options.skip || !options.skip(fault)) run(fault);
      }
  return report;
}

}  // namespace fault
