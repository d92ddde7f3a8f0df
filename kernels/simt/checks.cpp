#include "kernels/simt/checks.h"

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>

#include "kernels/simt/emulator.h"
#include "kernels/simt/simt.h"

namespace espalier::simt::checks {
namespace {

constexpr size_t word = 4;
constexpr unsigned most_warps = 32;

// Who used which bytes of a word, and when by the clock of that thread's warp: one number, so that
// a word of memory costs two. Blocks count modulo 2^16; two that seem one race as any two do.
struct Stamp {
  uint64_t launch : 14, block : 16, thread : 10, clock : 20, bytes : 4;
};

struct Cell {
  Stamp write, read;
};

struct SharedCell {
  Cell cell;
  uint64_t block;    // the one that wrote there
  unsigned written;  // bytes
};

struct Block {
  const unsigned char* shared = nullptr;
  uint64_t number = 0;  // of all that ever ran
  // clocks[w][v]: up to where warp w knows what warp v did; its own is at clocks[w][w].
  uint32_t clocks[most_warps][most_warps] = {};
  std::vector<SharedCell> cells;
  // What is known to whoever passes a barrier in shared memory, by where that lies.
  std::unordered_map<uint32_t, std::array<uint32_t, most_warps>> barriers;
};

// Cells of any memory but a block's, a page at a time.
class Pages {
 public:
  Cell& at(uintptr_t address) {
    const uintptr_t page = address / page_bytes;
    Slot& slot = cache_[page % cached];
    if (slot.page != page) slot = {page, find(page)};
    return slot.cells[address % page_bytes / word];
  }
  void clear() {
    pages_.clear();
    std::fill(std::begin(cache_), std::end(cache_), Slot());
  }

 private:
  static constexpr size_t page_bytes = 4096, cached = 256;
  struct Slot {
    uintptr_t page = 0;
    Cell* cells = nullptr;
  };
  Cell* find(uintptr_t page) {
    std::unique_ptr<Cell[]>& cells = pages_[page];
    if (!cells) cells = std::make_unique<Cell[]>(page_bytes / word);
    return cells.get();
  }
  std::unordered_map<uintptr_t, std::unique_ptr<Cell[]>> pages_;
  Slot cache_[cached];
};

// The parts of the GPU's memory that were used last.
class Extents {
 public:
  void clear() { std::fill(std::begin(known_), std::end(known_), MemoryExtent()); }
  MemoryExtent around(const unsigned char* at) {
    for (const MemoryExtent& extent : known_)
      if (extent.begin <= at && at < extent.end) return extent;
    const MemoryExtent found = extent_of_device_memory(at);
    if (found.begin) known_[next_++ % count] = found;
    return found;
  }

 private:
  static constexpr size_t count = 4;
  MemoryExtent known_[count];
  size_t next_ = 0;
};

struct Checks {
  uint64_t launch = 0, blocks_started = 0;
  std::vector<Block> blocks;  // of a cluster
  Pages pages;
  Extents extents;
};

Checks& checks() {
  static Checks& instance = *new Checks;
  return instance;
}

unsigned warp_of(unsigned thread) { return thread / warp_size; }

Stamp stamp_now(const Block& block, unsigned bytes) {
  const unsigned warp = warp_of(lane->number);
  return {checks().launch, block.number & 0xffff, lane->number, block.clocks[warp][warp], bytes};
}

// Whether what `before` tells of may meet a use of these bytes by the running lane.
bool races(const Stamp& before, const Block& block, unsigned bytes) {
  if (!(before.bytes & bytes) || before.launch != checks().launch) return false;
  if (before.block != (block.number & 0xffff)) return true;
  if (before.thread == lane->number) return false;
  const unsigned own = warp_of(lane->number), other = warp_of(before.thread);
  const uint32_t known = block.clocks[own][other];
  return own == other ? before.clock >= known : before.clock > known;
}

[[noreturn]] void race(const Stamp& before, const char* did, Use now, const std::string& where) {
  fault(std::string("a race: ") + (now == Use::read ? "reads " : "writes ") + where +
        ", which thread " + std::to_string(before.thread) +
        (before.block == (checks().blocks[lane->rank].number & 0xffff) ? "" : " of another block") +
        " " + did + " with no barrier between them");
}

template <class Where>
void use_word(Cell& cell, const Block& block, unsigned bytes, Use kind, Where where) {
  if (races(cell.write, block, bytes)) race(cell.write, "wrote", kind, where());
  if (kind == Use::read) {
    cell.read = stamp_now(block, bytes);
    return;
  }
  if (races(cell.read, block, bytes)) race(cell.read, "read", kind, where());
  cell.write = stamp_now(block, bytes);
}

// Calls f(address of a word, its bytes as bits) for each word that [address, address + count)
// meets.
template <class F>
void for_each_word(uintptr_t address, size_t count, F f) {
  const uintptr_t end = address + count;
  while (address < end) {
    const uintptr_t start = address / word * word, next = std::min<uintptr_t>(end, start + word);
    f(start, ((1u << (next - address)) - 1) << (address - start));
    address = next;
  }
}

bool is_shared(size_t offset, size_t bytes) {
  const auto within = [&](size_t begin, size_t end) {
    return begin <= offset && offset < end && bytes <= end - offset;
  };
  return within(0, running.static_bytes) || within(static_shared_bytes, running.shared_bytes);
}

// Calls f(cell, bytes of it) for those that lie there in the running lane's block and were used.
template <class F>
void for_each_cell(const void* at, size_t bytes, F f) {
  Block& block = checks().blocks[lane->rank];
  const auto offset = static_cast<size_t>(static_cast<const unsigned char*>(at) - block.shared);
  for_each_word(offset, bytes, [&](uintptr_t start, unsigned mask) {
    SharedCell& cell = block.cells[start / word];
    if (cell.block == block.number) f(cell, mask);
  });
}

void use_shared(Block& block, size_t offset, size_t bytes, Use kind) {
  const auto where = [&] { return "shared memory at " + std::to_string(offset); };
  if (!is_shared(offset, bytes))
    fault("out of bounds: " + std::to_string(bytes) + " bytes of " + where() +
          ", of which there are " + std::to_string(running.static_bytes) + " and from " +
          std::to_string(static_shared_bytes) + " to " + std::to_string(running.shared_bytes));
  for_each_word(offset, bytes, [&](uintptr_t at, unsigned mask) {
    SharedCell& own = block.cells[at / word];
    if (own.block != block.number) own = {{}, block.number, 0};
    if (kind == Use::write)
      own.written |= mask;
    else if ((own.written & mask) != mask)
      fault("unwritten: reads " + where() + ", which nobody has written");
    use_word(own.cell, block, mask, kind, where);
  });
}

void use_global(const Block& block, const unsigned char* at, size_t bytes, Use kind) {
  const MemoryExtent extent = checks().extents.around(at);
  const auto where = [&] {
    return extent.on_gpu ? "memory of the GPU, " + std::to_string(at - extent.begin) +
                               " bytes into " + std::to_string(extent.end - extent.begin)
                         : std::string("memory of the host");
  };
  if (extent.on_gpu && (!extent.begin || at + bytes > extent.end))
    fault("out of bounds: " + std::to_string(bytes) + " bytes of " +
          (extent.begin ? where() : "memory of the GPU that nobody took"));
  for_each_word(reinterpret_cast<uintptr_t>(at), bytes, [&](uintptr_t address, unsigned mask) {
    use_word(checks().pages.at(address), block, mask, kind, where);
  });
}

}  // namespace

void start_launch(const Grid& grid) {
  Checks& c = checks();
  constexpr uint64_t launches = 1 << 14;
  c.launch = (c.launch + 1) % launches;
  if (c.launch == 0) c.pages.clear();
  c.extents.clear();
  c.blocks.resize(grid.cluster);
}

void start_block(unsigned rank, const unsigned char* shared) {
  Block& block = checks().blocks[rank];
  block.shared = shared;
  block.number = ++checks().blocks_started;
  block.barriers.clear();
  for (auto& clocks : block.clocks) std::fill(std::begin(clocks), std::end(clocks), 0u);
  for (unsigned w = 0; w < most_warps; ++w) block.clocks[w][w] = 1;
  if (block.cells.size() < running.shared_bytes / word)
    block.cells.resize(running.shared_bytes / word);
}

void order(uint32_t warps) {
  Block& block = checks().blocks[lane->rank];
  const auto met = [&](unsigned w) { return warps >> w & 1u; };
  uint32_t joined[most_warps] = {};
  for (unsigned w = 0; w < most_warps; ++w)
    if (met(w))
      for (unsigned v = 0; v < most_warps; ++v) joined[v] = std::max(joined[v], block.clocks[w][v]);
  for (unsigned w = 0; w < most_warps; ++w)
    if (met(w)) {
      std::copy(std::begin(joined), std::end(joined), std::begin(block.clocks[w]));
      ++block.clocks[w][w];
    }
}

void use(const void* at, size_t bytes, Use kind) {
  if (!lane || running.in_collective || is_of_emulator(at)) return;
  Block& block = checks().blocks[lane->rank];
  const auto* p = static_cast<const unsigned char*>(at);
  const auto offset = static_cast<size_t>(p - block.shared + shared_fence_bytes);
  if (offset < running.shared_bytes + 2 * shared_fence_bytes)
    use_shared(block, offset - shared_fence_bytes, bytes, kind);
  else
    use_global(block, p, bytes, kind);
}

void forget(const void* at, size_t bytes) {
  for_each_cell(at, bytes, [](SharedCell& cell, unsigned mask) { cell.written &= ~mask; });
}
void remember(const void* at, size_t bytes) {
  for_each_cell(at, bytes, [](SharedCell& cell, unsigned mask) { cell.written |= mask; });
}

void release(uint32_t barrier) {
  Block& block = checks().blocks[lane->rank];
  const unsigned warp = warp_of(lane->number);
  auto& known = block.barriers[barrier];
  for (unsigned v = 0; v < most_warps; ++v) known[v] = std::max(known[v], block.clocks[warp][v]);
  ++block.clocks[warp][warp];
}
void acquire(uint32_t barrier) {
  Block& block = checks().blocks[lane->rank];
  uint32_t* const clocks = block.clocks[warp_of(lane->number)];
  const auto& known = block.barriers[barrier];
  for (unsigned v = 0; v < most_warps; ++v)
    if (v != warp_of(lane->number)) clocks[v] = std::max(clocks[v], known[v]);
}

}  // namespace espalier::simt::checks
