// SPDX-License-Identifier: Apache-2.0

// What a decryption costs above OpenSSL's own work: compact text through the public API, beside raw
// EVP calls on the same input, decoded beforehand, with contexts that keep their keys.
//
//   cmake -S . -B build -DJWEKMS_BENCH=ON && cmake --build build --target jwekms-bench
//   build/tests/bench/jwekms-bench            about a minute
//   build/tests/bench/jwekms-bench --quick    only to see that it runs
//
// Read the ratios: times move from machine to machine. The two sides take turns, many times, and
// the least CPU time of each counts, so that a busy machine disturbs little. All flags of Google
// Benchmark work too, --benchmark_filter=dir/64 for one.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

#include "allocations.hpp"
#include "crypto/rsa_key.hpp"
#include "jwekms/jwekms.hpp"
#include "raw_openssl.hpp"

namespace {

using namespace jwekms;
using bench::Bytes;
using bench::DecodedToken;

/// A key database in a folder that goes away.
class Keys {
 public:
  Keys() : folder_(make_folder()), kms_(open_database(folder_)) {}
  ~Keys() { std::filesystem::remove_all(folder_); }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
  [[nodiscard]] const Kms& kms() const noexcept { return kms_; }

 private:
  static std::string make_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "jwekms-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    return name;
  }
  static Kms open_database(const std::string& folder) {
    Options options;
    options.database.path = folder + "/keys.sqlite";
    options.on_warning = [](std::string_view) {};
    return open(options).value();
  }
  std::string folder_;
  Kms kms_;
};

/// One input and two ways to decrypt it.
struct Case {
  std::string name;
  std::string token;
  DecodedToken decoded;
  std::function<bool(const DecodedToken&, std::uint8_t*)> raw;
  Bytes out;

  Case(std::string case_name, std::string compact, std::size_t size,
       std::function<bool(const DecodedToken&, std::uint8_t*)> raw_decrypt)
      : name(std::move(case_name)),
        token(std::move(compact)),
        decoded(token),
        raw(std::move(raw_decrypt)),
        out(size) {}
};

struct Figures {
  double ours_ns = 0, raw_ns = 0;
  std::uint64_t allocations = 0;
};
/// In the order in which the cases were made.
using Table = std::vector<std::pair<std::string, Figures>>;

std::string encrypt(const Kms& kms, std::span<const std::uint8_t> plaintext,
                    const EncryptOptions& options) {
  std::string out(kms.encrypt_bound(plaintext.size(), options), '\0');
  out.resize(kms.encrypt(plaintext, out, options).value());
  return out;
}

Bytes some_bytes(std::size_t size) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 131 + (i >> 8));
  return out;
}

std::string size_name(std::size_t size) {
  if (size < 1024) return std::to_string(size) + "B";
  if (size < 1024 * 1024) return std::to_string(size / 1024) + "KiB";
  return std::to_string(size / 1024 / 1024) + "MiB";
}

void add_direct(const Kms& kms, std::vector<std::unique_ptr<Case>>& cases) {
  const Bytes key = some_bytes(32);
  const ImportKey import{.format = KeyFormat::raw, .data = key, .uid = "shared"};
  (void)kms.import_key(import).value();
  const auto gcm = std::make_shared<bench::RawGcm>(std::span<const std::uint8_t, 32>(key));
  for (const std::size_t size : {64UL, 1UL << 10, 64UL << 10, 1UL << 20, 16UL << 20})
    cases.push_back(std::make_unique<Case>(
        "dir/" + size_name(size),
        encrypt(kms, some_bytes(size), {.key = "shared", .alg = Alg::dir}), size,
        [gcm](const DecodedToken& token, std::uint8_t* out) { return gcm->decrypt(token, out); }));
}

void add_rsa(const Kms& kms, std::vector<std::unique_ptr<Case>>& cases) {
  const auto key = crypto::RsaKey::generate(crypto::Library::open("").value(), 2048).value();
  const crypto::SecretBuffer secret = key->to_pkcs8().value();
  const auto der = secret.bytes(InsecureSecretAccess::token());
  (void)kms.import_key({.format = KeyFormat::der, .data = der, .uid = "rsa"}).value();
  const auto rsa = std::make_shared<bench::RawRsa>(der);
  cases.push_back(std::make_unique<Case>(
      "RSA-2048-OAEP-256/1KiB", encrypt(kms, some_bytes(1024), {.key = "rsa"}), 1024,
      [rsa](const DecodedToken& token, std::uint8_t* out) { return rsa->decrypt(token, out); }));
}

/// Both ways once, which must agree; and how often ours allocates when all is warm.
Figures rehearse(const Kms& kms, Case& c) {
  Bytes other(c.out.size());
  if (!c.raw(c.decoded, other.data()) || kms.decrypt(c.token, c.out).value() != c.out.size() ||
      c.out != other)
    throw std::runtime_error("the two sides disagree: " + c.name);
  const std::uint64_t before = bench::allocations();
  (void)kms.decrypt(c.token, c.out).value();
  return {.allocations = bench::allocations() - before};
}

void register_case(const Kms& kms, Case& c) {
  const auto set_unit = [](benchmark::internal::Benchmark* b) { b->Unit(benchmark::kNanosecond); };
  set_unit(benchmark::RegisterBenchmark((c.name + "/ours").c_str(), [&](benchmark::State& state) {
    for (auto _ : state)
      if (!kms.decrypt(c.token, c.out)) state.SkipWithError("decryption failed");
  }));
  set_unit(benchmark::RegisterBenchmark((c.name + "/raw").c_str(), [&](benchmark::State& state) {
    for (auto _ : state)
      if (!c.raw(c.decoded, c.out.data())) state.SkipWithError("decryption failed");
  }));
}

/// Keeps the least CPU time of all repetitions of a benchmark.
class LeastTimes final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      failed_ |= run.error_occurred;
      if (run.run_type != Run::RT_Iteration) continue;
      const std::string name = run.run_name.function_name;
      const auto [at, first] = least_.emplace(name, run.GetAdjustedCPUTime());
      if (!first) at->second = std::min(at->second, run.GetAdjustedCPUTime());
    }
  }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  /// 0 if the benchmark was filtered out.
  [[nodiscard]] double least_ns(const std::string& name) const {
    const auto found = least_.find(name);
    return found == least_.end() ? 0 : found->second;
  }

 private:
  std::map<std::string, double> least_;
  bool failed_ = false;
};

void print(const Table& table) {
  std::printf("%-24s %14s %14s %9s %12s\n", "decrypt", "ours ns/op", "raw ns/op", "ours/raw",
              "allocations");
  for (const auto& [name, f] : table)
    if (f.ours_ns > 0 && f.raw_ns > 0)
      std::printf("%-24s %14.0f %14.0f %9.2f %12llu\n", name.c_str(), f.ours_ns, f.raw_ns,
                  f.ours_ns / f.raw_ns, static_cast<unsigned long long>(f.allocations));
  std::printf("allocations: malloc and its kin, by anybody, in one call of ours\n");
}

/// Our defaults first, so that what the user gives wins.
std::vector<std::string> benchmark_flags(int argc, char** argv) {
  std::vector<std::string> flags{argv[0], "--benchmark_enable_random_interleaving=true",
                                 "--benchmark_repetitions=30", "--benchmark_min_time=0.05"};
  for (int i = 1; i < argc; ++i) {
    if (argv[i] == std::string_view("--quick"))
      flags.insert(flags.end(), {"--benchmark_repetitions=2", "--benchmark_min_time=0.0001"});
    else
      flags.emplace_back(argv[i]);
  }
  return flags;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> flags = benchmark_flags(argc, argv);
  std::vector<char*> pointers;
  for (std::string& flag : flags) pointers.push_back(flag.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;

  const Keys keys;
  std::vector<std::unique_ptr<Case>> cases;
  add_direct(keys.kms(), cases);
  add_rsa(keys.kms(), cases);
  Table table;
  for (const auto& c : cases) {
    table.emplace_back(c->name, rehearse(keys.kms(), *c));
    register_case(keys.kms(), *c);
  }
  LeastTimes times;
  benchmark::RunSpecifiedBenchmarks(&times);
  for (auto& [name, figures] : table) {
    figures.ours_ns = times.least_ns(name + "/ours");
    figures.raw_ns = times.least_ns(name + "/raw");
  }
  print(table);
  return times.failed() ? 1 : 0;
}
