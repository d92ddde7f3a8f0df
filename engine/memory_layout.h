// Placing buffers that live for a while into one block of memory.
#pragma once

#include <cstdint>
#include <vector>

namespace espalier {

// A buffer is in use from step `first` to step `last`, both included.
struct BufferLife {
  int64_t bytes;
  int first, last;
};

// An offset (a multiple of 64) for each buffer such that no two that are in use at once overlap:
// the largest first, each at the lowest place that is free during its life (Pisarchyk & Lee,
// arXiv 2001.03288, "greedy by size").
struct MemoryLayout {
  std::vector<int64_t> offsets;
  int64_t bytes;  // of the whole block
};
MemoryLayout lay_out(const std::vector<BufferLife>& buffers);

}  // namespace espalier
