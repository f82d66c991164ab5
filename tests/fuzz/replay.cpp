// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over files, without a fuzzer: the corpus as an ordinary test.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  std::size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::vector<char> text(std::istreambuf_iterator<char>(file), {});
      // Exact size on the heap, so that the sanitizer sees a read past the end.
      const auto bytes = std::make_unique<std::uint8_t[]>(text.size());
      std::copy(text.begin(), text.end(), bytes.get());
      LLVMFuzzerTestOneInput(bytes.get(), text.size());
      ++files;
    }
  }
  std::printf("%zu inputs replayed\n", files);
  return files == 0 ? 1 : 0;
}
