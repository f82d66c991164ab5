// SPDX-License-Identifier: Apache-2.0

// The rate of jwekms::handle, in this process: what server.py holds the server's rate against.
//
// usage: jwekms-service-bench DATABASE PRINCIPAL BODY-FILE SECONDS THREADS
// It posts the body to /v1/crypto/decrypt, over and over, and says: requests, failures,
// microseconds by the clock, microseconds of CPU.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "jwekms/jwekms.hpp"

namespace {

using Clock = std::chrono::steady_clock;

[[nodiscard]] jwekms::Kms open_database(const char* path, const char* principal) {
  jwekms::Options options;
  options.database.path = path;
  return jwekms::open(options).value().on_behalf_of(principal).value();
}

[[nodiscard]] std::string contents(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

[[nodiscard]] double cpu_us() {
  timespec time{};
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const jwekms::Kms kms = open_database(argv[1], argv[2]);
  const std::string body = contents(argv[3]);
  const jwekms::ServiceRequest request{
      .method = "POST", .target = "/v1/crypto/decrypt", .body = body};
  if (jwekms::handle(kms, request).status != 200) return 1;

  std::atomic<std::uint64_t> requests = 0, failures = 0;
  const double cpu_before = cpu_us();
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + std::chrono::seconds(std::atoi(argv[4]));
  std::vector<std::thread> threads;
  for (int i = std::atoi(argv[5]); i > 0; --i)
    threads.emplace_back([&] {
      std::uint64_t served = 0;
      for (; Clock::now() < end; ++served)
        if (jwekms::handle(kms, request).status != 200) ++failures;
      requests += served;
    });
  for (std::thread& each : threads) each.join();
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
  std::printf("%llu %llu %lld %.0f\n", static_cast<unsigned long long>(requests),
              static_cast<unsigned long long>(failures), static_cast<long long>(us.count()),
              cpu_us() - cpu_before);
  return failures == 0 ? 0 : 1;
}
