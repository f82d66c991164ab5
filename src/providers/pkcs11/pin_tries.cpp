// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/pin_tries.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <cerrno>
#include <ctime>
#include <new>

namespace jwekms::pkcs11 {

namespace {

constexpr time_t longest_login_s = 10;

/// Not CKR_USER_PIN_NOT_INITIALIZED: a token that is being made anew has none as yet, and counts no
/// tries.
[[nodiscard]] bool is_about_the_pin(CK_RV rv) noexcept {
  return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE ||
         rv == CKR_PIN_EXPIRED || rv == CKR_PIN_LOCKED || rv == CKR_USER_TYPE_INVALID;
}

}  // namespace

struct PinTries::Shared {
  pthread_mutex_t mutex;
  std::atomic<bool> refused;
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

void PinTries::leave(CK_RV rv) noexcept {
  if (is_about_the_pin(rv)) shared_->refused.store(true);
  (void)pthread_mutex_unlock(&shared_->mutex);
}

}  // namespace jwekms::pkcs11
