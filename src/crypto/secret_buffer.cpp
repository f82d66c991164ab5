// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret_buffer.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <utility>

namespace jwekms::crypto {

SecretBuffer::SecretBuffer(std::size_t size, InChildren in_children) : size_(size) {
  if (size == 0) return;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  if (size > SIZE_MAX - page) throw std::bad_alloc();
  mapped_ = (size + page - 1) / page * page;
  void* pages = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    mapped_ = 0;
    throw std::bad_alloc();
  }
  data_ = static_cast<std::uint8_t*>(pages);
  locked_ = mlock(data_, mapped_) == 0;
  // One advice a call: they are numbers, not bits. Memory that cannot be kept out of core dumps
  // and children is not fit for secrets.
  if (madvise(data_, mapped_, MADV_DONTDUMP) != 0 ||
      (in_children == InChildren::zeros && madvise(data_, mapped_, MADV_WIPEONFORK) != 0)) {
    release();
    throw std::bad_alloc();
  }
}

SecretBuffer::SecretBuffer(SecretBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)),
      locked_(std::exchange(other.locked_, false)) {}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    mapped_ = std::exchange(other.mapped_, 0);
    locked_ = std::exchange(other.locked_, false);
  }
  return *this;
}

void SecretBuffer::lock() const noexcept { (void)mlock(data_, mapped_); }

void SecretBuffer::truncate(std::size_t size) noexcept {
  secure_wipe(data_ + size, size_ - size);
  size_ = size;
}

void SecretBuffer::release() noexcept {
  if (data_ == nullptr) return;
  secure_wipe(data_, mapped_);
  (void)munmap(data_, mapped_);
  data_ = nullptr;
  size_ = mapped_ = 0;
  locked_ = false;
}

}  // namespace jwekms::crypto
