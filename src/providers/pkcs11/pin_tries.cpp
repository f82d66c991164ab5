// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/pin_tries.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <new>

namespace jwekms::pkcs11 {

namespace {

constexpr time_t longest_login_s = 10;

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;  // one for all processes
constexpr Clock::duration first_wait = 2s;
constexpr Clock::duration longest_wait = 5min;

}  // namespace

/// Not CKR_USER_PIN_NOT_INITIALIZED: a token that is being made anew has none as yet, and counts no
/// tries.
bool refuses_pin(CK_RV rv) noexcept {
  return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE ||
         rv == CKR_PIN_EXPIRED || rv == CKR_PIN_LOCKED || rv == CKR_USER_TYPE_INVALID;
}

bool may_refuse_pin(CK_RV rv) noexcept {
  return rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN && rv != CKR_USER_PIN_NOT_INITIALIZED &&
         !refuses_pin(rv) && !is_lost({rv});
}

struct PinTries::Shared {
  pthread_mutex_t mutex;
  std::atomic<bool> refused;
  // Under the mutex:
  unsigned in_doubt;  ///< Tries in a row that may have been refused.
  Clock::duration wait;
  Clock::time_point not_before;
};

PinTries::PinTries() {
  void* page =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::bad_alloc();
  shared_ = new (page) Shared{};
  // Robust: a process that dies in C_Login does not keep the others out.
  pthread_mutexattr_t attributes;
  (void)pthread_mutexattr_init(&attributes);
  (void)pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  (void)pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  (void)pthread_mutex_init(&shared_->mutex, &attributes);
  (void)pthread_mutexattr_destroy(&attributes);
}

/// The mutex may be held by another process: it goes with the last mapping.
PinTries::~PinTries() { (void)munmap(shared_, sizeof(Shared)); }

bool PinTries::refused() const noexcept { return shared_->refused.load(); }

bool PinTries::enter() noexcept {
  // Not pthread_mutex_clocklock(), which gcc 12's race detector does not know.
  timespec until{};
  (void)clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += longest_login_s;
  const int result = pthread_mutex_timedlock(&shared_->mutex, &until);
  if (result == EOWNERDEAD) (void)pthread_mutex_consistent(&shared_->mutex);
  return result == 0 || result == EOWNERDEAD;
}

bool PinTries::waits() const noexcept { return Clock::now() < shared_->not_before; }

void PinTries::leave(CK_RV rv) noexcept {
  if (refuses_pin(rv)) shared_->refused.store(true);
  if (rv == CKR_OK) {
    shared_->in_doubt = 0;
    shared_->wait = {};
  } else if (may_refuse_pin(rv) && ++shared_->in_doubt >= 2) {
    shared_->wait = std::clamp(shared_->wait * 2, first_wait, longest_wait);
    shared_->not_before = Clock::now() + shared_->wait;
  }
  (void)pthread_mutex_unlock(&shared_->mutex);
}

}  // namespace jwekms::pkcs11
