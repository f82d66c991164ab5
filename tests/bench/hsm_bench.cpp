// SPDX-License-Identifier: Apache-2.0

// What a decryption with a key in an HSM costs above the token's own work: compact text through the
// public API, beside a bare loop that makes only the Cryptoki calls that cannot be left out, on
// input decoded beforehand, with a session for each thread and handles found once. See README.md.
// usage: jwekms-hsm-bench [--quick]   with a token as tests/bench/hsm.sh makes it

#include <malloc.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>

#include "../pkcs11/token.hpp"
#include "crypto/oaep.hpp"
#include "raw_openssl.hpp"

namespace {

using namespace jwekms;
using bench::Bytes;
using bench::DecodedToken;

// ---- The bare loop ----

CK_GCM_PARAMS gcm_params(const DecodedToken& token) {
  const auto* aad = reinterpret_cast<const unsigned char*>(token.protected_b64.data());
  return {const_cast<unsigned char*>(token.iv.data()),
          token.iv.size(),
          token.iv.size() * 8,
          const_cast<unsigned char*>(aad),
          token.protected_b64.size(),
          128};
}

/// One thread's session, the key's handle, and a token taken apart.
class Bare {
 public:
  Bare(const std::string& text, CK_OBJECT_CLASS object_class, const std::string& uid)
      : token_(text), key_(raw_.find(object_class, uid.substr(token::prefix().size())).at(0)) {
    sealed_ = token_.ciphertext;
    sealed_.insert(sealed_.end(), token_.tag.begin(), token_.tag.end());
  }
  virtual ~Bare() = default;
  [[nodiscard]] virtual bool decrypt(std::span<std::uint8_t> out) = 0;

 protected:
  [[nodiscard]] bool decrypt(CK_MECHANISM mechanism, CK_OBJECT_HANDLE key, const Bytes& in,
                             std::uint8_t* out, CK_ULONG& size) {
    return raw_.f->C_DecryptInit(raw_.session, &mechanism, key) == CKR_OK &&
           raw_.f->C_Decrypt(raw_.session, const_cast<unsigned char*>(in.data()), in.size(), out,
                             &size) == CKR_OK;
  }
  [[nodiscard]] bool decrypt_gcm(CK_OBJECT_HANDLE key, std::span<std::uint8_t> out) {
    CK_GCM_PARAMS params = gcm_params(token_);
    CK_ULONG size = out.size();
    return decrypt({CKM_AES_GCM, &params, sizeof(params)}, key, sealed_, out.data(), size) &&
           size == token_.ciphertext.size();
  }

  token::Raw raw_;
  DecodedToken token_;
  Bytes sealed_;
  CK_OBJECT_HANDLE key_;
};

class BareDirect final : public Bare {
 public:
  BareDirect(const std::string& text, const std::string& uid) : Bare(text, CKO_SECRET_KEY, uid) {}
  bool decrypt(std::span<std::uint8_t> out) override { return decrypt_gcm(key_, out); }
};

CK_RSA_PKCS_OAEP_PARAMS oaep_params(Hash hash) {
  const bool sha1 = hash == Hash::sha1;
  return {sha1 ? CKM_SHA_1 : CKM_SHA256, sha1 ? CKG_MGF1_SHA1 : CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED,
          nullptr, 0};
}

/// C_Decrypt, and AES-GCM by OpenSSL. Where the token does not know the hash, the bare RSA
/// operation and the library's own way to take the padding off.
class BareProcess final : public Bare {
 public:
  BareProcess(const std::string& text, const std::string& uid, Hash hash)
      : Bare(text, CKO_PRIVATE_KEY, uid),
        hash_(hash),
        params_(oaep_params(hash)),
        native_(hash == Hash::sha1 ||
                token::expected_column().at("RSA-OAEP-256: decrypt, CEK in the process") == "yes"),
        gcm_(std::array<std::uint8_t, 32>{}) {}

  bool decrypt(std::span<std::uint8_t> out) override {
    std::array<std::uint8_t, 512> room;
    CK_ULONG size = token_.encrypted_key.size();
    if (native_)
      return Bare::decrypt({CKM_RSA_PKCS_OAEP, &params_, sizeof(params_)}, key_,
                           token_.encrypted_key, room.data(), size) &&
             size == 32 && gcm_.decrypt(room.data(), token_, out.data());
    if (!Bare::decrypt({CKM_RSA_X_509, nullptr, 0}, key_, token_.encrypted_key, room.data(), size))
      return false;
    const std::span<std::uint8_t> em = std::span(room).first(token_.encrypted_key.size());
    crypto::OaepOpened opened;
    crypto::align_right(em, size);
    crypto::oaep_unpad(*support::library(), hash_, em, opened);
    return opened.good != 0 && opened.size == 32 &&
           gcm_.decrypt(opened.bytes.data(), token_, out.data());
  }

 private:
  const Hash hash_;
  CK_RSA_PKCS_OAEP_PARAMS params_;
  const bool native_;
  bench::RawGcm gcm_;
};

/// C_UnwrapKey, C_Decrypt, C_DestroyObject: no attribute is read back.
class BareBoundary final : public Bare {
 public:
  BareBoundary(const std::string& text, const std::string& uid, Hash hash)
      : Bare(text, CKO_PRIVATE_KEY, uid), params_(oaep_params(hash)) {}

  bool decrypt(std::span<std::uint8_t> out) override {
    const CK_OBJECT_HANDLE cek = unwrap();
    const bool opened = decrypt_gcm(cek, out);
    return destroy(cek) && opened;
  }

 private:
  /// CK_INVALID_HANDLE when it fails.
  [[nodiscard]] CK_OBJECT_HANDLE unwrap() {
    CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE attributes[] = {
        {CKA_CLASS, &secret, sizeof(secret)}, {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, &no, sizeof(no)},         {CKA_PRIVATE, &yes, sizeof(yes)},
        {CKA_SENSITIVE, &yes, sizeof(yes)},   {CKA_EXTRACTABLE, &no, sizeof(no)},
        {CKA_DECRYPT, &yes, sizeof(yes)},
    };
    CK_MECHANISM mechanism{CKM_RSA_PKCS_OAEP, &params_, sizeof(params_)};
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    const CK_RV rv =
        raw_.f->C_UnwrapKey(raw_.session, &mechanism, key_, token_.encrypted_key.data(),
                            token_.encrypted_key.size(), attributes, std::size(attributes), &key);
    return rv == CKR_OK ? key : CK_INVALID_HANDLE;
  }
  [[nodiscard]] bool destroy(CK_OBJECT_HANDLE key) {
    return raw_.f->C_DestroyObject(raw_.session, key) == CKR_OK;
  }

  CK_RSA_PKCS_OAEP_PARAMS params_;
};

// ---- Measuring ----

constexpr std::size_t max_threads = 2;

/// One input and two ways to decrypt it.
struct Case {
  std::string name;
  const Kms& kms;
  std::string text;
  std::string plaintext;
  std::function<std::unique_ptr<Bare>()> make_bare;
};

/// The two ways, for one thread, and a buffer for both. It has room for a tag, which some tokens
/// want.
struct Lane {
  explicit Lane(const Case& c) : kms(c.kms), text(c.text), bare(c.make_bare()) {
    out.resize(c.plaintext.size() + 16);
  }
  [[nodiscard]] bool run(bool ours) {
    if (!ours) return bare->decrypt(out);
    return kms.decrypt(text, out).has_value();
  }
  const Kms& kms;
  const std::string& text;
  std::unique_ptr<Bare> bare;
  Bytes out;
};

double seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Gives the calling thread the `i`th of the process's CPUs to itself: new threads often start on
/// the same one, and stay there for longer than a pass takes.
void take_cpu(std::size_t i) {
  cpu_set_t ours;
  if (sched_getaffinity(getpid(), sizeof(ours), &ours) != 0) throw std::runtime_error("no CPUs");
  i %= static_cast<std::size_t>(CPU_COUNT(&ours));
  std::size_t cpu = 0;
  for (;; ++cpu)
    if (CPU_ISSET(cpu, &ours) && i-- == 0) break;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof(one), &one) != 0) throw std::runtime_error("no CPU to itself");
}

/// Seconds that `count` operations in each lane take: of CPU for one thread, which what else the
/// machine does disturbs little; of the clock for several, which show what they wait for, too. What
/// a new thread sets up at its first operation (OpenSSL's random generator) is not counted.
double time_pass(std::span<Lane> lanes, bool ours, std::size_t count) {
  std::atomic<bool> good = true;
  const auto work = [&](Lane& lane) {
    for (std::size_t i = 0; i < count; ++i)
      if (!lane.run(ours)) good = false;
  };
  double start = 0;
  double taken = 0;
  if (lanes.size() == 1) {
    start = seconds(CLOCK_THREAD_CPUTIME_ID);
    work(lanes[0]);
    taken = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
  } else {
    std::barrier ready(static_cast<std::ptrdiff_t>(lanes.size()),
                       [&]() noexcept { start = seconds(CLOCK_MONOTONIC); });
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < lanes.size(); ++i)
      threads.emplace_back([&, i] {
        take_cpu(i);
        if (!lanes[i].run(ours)) good = false;
        ready.arrive_and_wait();
        work(lanes[i]);
      });
    threads.clear();
    taken = seconds(CLOCK_MONOTONIC) - start;
  }
  if (!good) throw std::runtime_error("a decryption failed");
  return taken;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Short passes of both sides by turns. Prints the best rate of each, and the median of what
/// neighbouring passes make of each other.
void measure(const Case& c, std::vector<Lane>& all, std::size_t threads, bool quick) {
  const std::span lanes = std::span(all).first(threads);
  // Threads in each other's way make a short pass a matter of luck.
  const double pass_seconds = quick ? 0.001 : threads == 1 ? 0.02 : 0.1;
  const int pairs = quick ? 2 : 60;
  const double once = time_pass(lanes, false, 10) / 10;
  const std::size_t count = std::max<std::size_t>(1, static_cast<std::size_t>(pass_seconds / once));
  double best[2] = {1e9, 1e9};
  std::vector<double> ratios;
  for (int i = 0; i < pairs; ++i) {
    double taken[2];
    for (const bool ours : {i % 2 == 0, i % 2 != 0}) {
      taken[ours] = time_pass(lanes, ours, count);
      best[ours] = std::min(best[ours], taken[ours]);
    }
    ratios.push_back(taken[0] / taken[1]);
  }
  const auto rate = [&](double t) { return static_cast<double>(count * threads) / t; };
  std::printf("%-26s %7zu %10.0f %10.0f %8.2f %8.2f\n", c.name.c_str(), threads, rate(best[1]),
              rate(best[0]), best[0] / best[1], median(ratios));
  std::fflush(stdout);
}

/// Both ways once in each lane: the answers must be right.
void rehearse(const Case& c, std::vector<Lane>& lanes) {
  for (Lane& lane : lanes)
    for (const bool ours : {true, false}) {
      std::ranges::fill(lane.out, 0);
      if (!lane.run(ours) ||
          support::text(std::span(lane.out).first(c.plaintext.size())) != c.plaintext)
        throw std::runtime_error("not decrypted: " + c.name);
    }
}

// ---- The cases ----

std::string some_text(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 64) % 26);
  return text;
}

std::string size_name(std::size_t size) {
  return size < 1024 ? std::to_string(size) + " B" : std::to_string(size / 1024) + " KiB";
}

void add_direct(const Kms& kms, std::vector<Case>& cases) {
  const std::string uid = token::prefix() + "bench";
  (void)kms.create_key({.uid = uid, .type = KeyType::oct}).value();
  for (const std::size_t size : {64UL, 1UL << 10, 64UL << 10}) {
    const std::string plaintext = some_text(size);
    const std::string text = token::encrypt(kms, uid, Alg::dir, Enc::A256GCM, plaintext);
    cases.push_back({"dir, " + size_name(size), kms, text, plaintext,
                     [text, uid] { return std::make_unique<BareDirect>(text, uid); }});
  }
}

template <class Way>
void add_rsa(const std::string& name, const Kms& kms, const std::string& uid, Alg alg,
             std::vector<Case>& cases) {
  const std::string plaintext = some_text(1024);
  const std::string text = token::make(kms, uid, alg, Enc::A256GCM, plaintext);
  cases.push_back({name + ", " + std::string(row(alg).name), kms, text, plaintext,
                   [text, uid, alg] { return std::make_unique<Way>(text, uid, row(alg).hash); }});
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc == 2 && argv[1] == std::string_view("--quick");
  if (argc != 1 && !quick) {
    std::fprintf(stderr, "usage: %s [--quick]\n", argv[0]);
    return 2;
  }
  // SoftHSM allocates several buffers a call. Whether the C library gives their pages back after
  // each, and faults them in anew, is luck: neither side is to have it.
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  const token::Expected& expected = token::expected();
  const Kms process = token::open(CekBoundary::process);
  const Kms boundary = token::open(CekBoundary::hsm);
  std::vector<Case> cases;
  if (expected.gcm) add_direct(process, cases);
  const std::string uid = token::rsa_uid(process, CekBoundary::process);
  add_rsa<BareProcess>("process", process, uid, Alg::RSA_OAEP, cases);
  add_rsa<BareProcess>("process", process, uid, Alg::RSA_OAEP_256, cases);
  if (expected.boundary_sha1) {
    const std::string kept = token::rsa_uid(boundary, CekBoundary::hsm);
    add_rsa<BareBoundary>("boundary", boundary, kept, Alg::RSA_OAEP, cases);
    if (expected.boundary_sha256)
      add_rsa<BareBoundary>("boundary", boundary, kept, Alg::RSA_OAEP_256, cases);
  }
  std::printf("%-26s %7s %10s %10s %8s %8s\n", token::name().c_str(), "threads", "ours/s", "bare/s",
              "of best", "median");
  for (const Case& c : cases) {
    std::vector<Lane> lanes;
    for (std::size_t i = 0; i < max_threads; ++i) lanes.emplace_back(c);
    rehearse(c, lanes);
    for (const std::size_t threads : {1UL, max_threads}) measure(c, lanes, threads, quick);
  }
}
