// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include "jwekms.h"
#include "jwekms/result.hpp"
#include "jwekms/secret.hpp"
#include "struct_size.hpp"

/// What every entry has in common: the guard around it, and the way output goes out.
namespace jwekms::capi {

/// A caller's mistake, not a token's: it may cost an exception, which guarded() catches.
[[noreturn]] inline void bad_argument(const char* text) {
  throw BadResult(Error{Errc::bad_request, 0, text});
}

inline void require_known(std::uint32_t flags, std::uint32_t known) {
  if ((flags & ~known) != 0) bad_argument("a flag that this release does not know");
}

/// `to = from`, where zero stands for the default that `to` holds.
template <class To, class From>
void set(To& to, From from) {
  if (from != 0) to = To{from};
}

template <class Body>
[[nodiscard]] Result<void> run(Body& body) noexcept {
  try {
    return body();
  } catch (const BadResult& bad) {
    return bad.error();
  } catch (const std::bad_alloc&) {
    return Error{Errc::unavailable, 0, "out of memory"};
  } catch (...) {
    return Error{Errc::internal_error, 0, "unexpected exception"};
  }
}

/// Runs an entry's body, `Result<void>()`, and reports in C's terms. Nothing is thrown into C.
/// Nothing runs at all if `error` cannot be written to.
template <class Body>
[[nodiscard]] jwekms_status guarded(jwekms_error* error, Body&& body) noexcept {
  constexpr std::size_t first_size = JWEKMS_SIZE_THROUGH(jwekms_error, text);
  if (error != nullptr && error->struct_size < first_size) return JWEKMS_BAD_REQUEST;

  const Result<void> result = run(body);
  const Error failure = result ? Error{Errc{}, 0, ""} : result.error();
  const auto status = static_cast<jwekms_status>(failure.code);
  if (error != nullptr) {
    error->code = status;
    error->position = failure.position;
    error->reserved = 0;
    error->text = failure.text;
  }
  return status;
}

/// The caller's `(out, out_len)`, as jwekms.h lays it down. Make it first: whatever fails later,
/// `*out_len` is then 0 and `out` wiped.
template <class Unit>
class Output {
 public:
  Output(Unit* out, std::size_t* out_len) : out_(out), size_(out_len) {
    if (size_ == nullptr) bad_argument("out_len is NULL");
    capacity_ = std::exchange(*size_, 0);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() {
    if (out_ != nullptr && !written_) secure_wipe(out_, capacity_);
  }

  /// @param bound  `Result<size_t>()`, touches no key.
  /// @param write  `Result<size_t>(span<Unit>)`, does nothing when the span is too small.
  template <class Bound, class Write>
  [[nodiscard]] Result<void> fill(Bound bound, Write write) {
    if (out_ == nullptr) return tell(bound());
    const Result<std::size_t> size = write(std::span<Unit>{out_, capacity_});
    if (!size) {
      if (size.error().code == Errc::buffer_too_small) (void)tell(bound());
      return size.error();
    }
    *size_ = *size;
    written_ = true;
    return {};
  }

  /// For a text that is there already.
  [[nodiscard]] Result<void> copy(std::span<const Unit> from) {
    return fill([&] { return Result{from.size()}; },
                [&](std::span<Unit> to) -> Result<std::size_t> {
                  if (to.size() < from.size())
                    return Error{Errc::buffer_too_small, 0, "the output buffer is small"};
                  std::copy(from.begin(), from.end(), to.begin());
                  return from.size();
                });
  }

 private:
  /// At least 1: see jwekms.h.
  [[nodiscard]] Result<void> tell(const Result<std::size_t>& bound) noexcept {
    if (!bound) return bound.error();
    *size_ = std::max<std::size_t>(*bound, 1);
    return {};
  }

  Unit* out_;
  std::size_t* size_;
  std::size_t capacity_ = 0;
  bool written_ = false;
};

}  // namespace jwekms::capi
