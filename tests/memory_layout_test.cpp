// Placing buffers in one block.
#include "engine/memory_layout.h"

#include <random>

#include "tests/kernel_test.h"

namespace espalier::test {
namespace {

// The most bytes in use at once: no layout can be smaller.
int64_t floor_of(const std::vector<BufferLife>& buffers) {
  int64_t most = 0;
  for (const BufferLife& at : buffers) {
    int64_t sum = 0;
    for (const BufferLife& b : buffers)
      if (b.first <= at.first && at.first <= b.last) sum += (b.bytes + 63) / 64 * 64;
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace

TEST_CASE("buffers that are in use at once never overlap, and every offset is aligned") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<BufferLife> buffers;
    for (int i = 0, count = static_cast<int>(random() % 20); i < count; ++i) {
      const int first = static_cast<int>(random() % 15);
      buffers.push_back(
          {static_cast<int64_t>(random() % 5000), first, first + static_cast<int>(random() % 6)});
    }
    const MemoryLayout layout = lay_out(buffers);
    CHECK(layout.bytes >= floor_of(buffers));
    for (size_t i = 0; i < buffers.size(); ++i) {
      CHECK(layout.offsets[i] % 64 == 0);
      CHECK(layout.offsets[i] + buffers[i].bytes <= layout.bytes);
      for (size_t k = 0; k < i; ++k) {
        const BufferLife &a = buffers[i], &b = buffers[k];
        if (a.last < b.first || b.last < a.first) continue;
        CHECK((layout.offsets[i] + a.bytes <= layout.offsets[k] ||
               layout.offsets[k] + b.bytes <= layout.offsets[i]));
      }
    }
  }
}

TEST_CASE("a chain of equal buffers takes two places") {
  std::vector<BufferLife> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({1000, i, i + 1});
  CHECK(lay_out(chain).bytes == 2 * 1024);
  CHECK(lay_out({}).bytes == 0);
}

}  // namespace espalier::test
