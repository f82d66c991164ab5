// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <set>

#include "support.hpp"

using namespace jwekms;
using namespace support;

namespace {

using Draw = std::array<std::uint8_t, 16>;

/// All zero if there is none.
Draw draw() {
  Draw drawn{};
  if (!library()->random(drawn)) drawn = {};
  return drawn;
}

Draw draw_in_child() {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    const Draw drawn = draw();
    _exit(write(ends[1], drawn.data(), drawn.size()) == ssize_t{sizeof drawn} ? 0 : 1);
  }
  close(ends[1]);
  Draw drawn{};
  if (read(ends[0], drawn.data(), drawn.size()) != ssize_t{sizeof drawn}) drawn = {};
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return drawn;
}

}  // namespace

// CEKs and IVs: with one IV twice under one key AES-GCM is broken.
TEST_CASE("a forked child draws other random numbers than its parent", "[random]") {
  std::set<Draw> seen{Draw{}, draw()};  // the generator is there, and is inherited
  for (int i = 0; i < 4; ++i) {
    CHECK(seen.insert(draw_in_child()).second);
    CHECK(seen.insert(draw()).second);
  }
}
