#include "engine/memory_layout.h"

#include <algorithm>
#include <numeric>

#include "engine/storage.h"

namespace espalier {
namespace {

constexpr auto alignment = static_cast<int64_t>(Storage::alignment);

int64_t rounded(int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

bool meet(const BufferLife& a, const BufferLife& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

MemoryLayout lay_out(const std::vector<BufferLife>& buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  MemoryLayout layout{std::vector<int64_t>(buffers.size()), 0};
  std::vector<size_t> placed;  // by offset
  for (size_t i : order) {
    const int64_t bytes = rounded(buffers[i].bytes);
    int64_t at = 0;
    for (size_t other : placed) {
      if (!meet(buffers[i], buffers[other])) continue;
      if (at + bytes <= layout.offsets[other]) break;
      at = std::max(at, layout.offsets[other] + rounded(buffers[other].bytes));
    }
    layout.offsets[i] = at;
    layout.bytes = std::max(layout.bytes, at + bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), at,
                         [&](int64_t value, size_t p) { return value < layout.offsets[p]; }),
        i);
  }
  return layout;
}

}  // namespace espalier
