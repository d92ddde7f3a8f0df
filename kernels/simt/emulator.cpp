#include "kernels/simt/emulator.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/simt/checks.h"
#include "kernels/simt/fibre.h"
#include "kernels/simt/simt.h"

namespace espalier::simt {

Lane* lane = nullptr;
Running running;

namespace {

constexpr size_t stack_bytes = 128u << 10;
constexpr unsigned most_threads = 1024, most_groups = 16;

// Those who meet: all of `expected` have come when `generation` moves on.
struct Meeting {
  unsigned arrived = 0, expected = 0;
  uint32_t generation = 0, warps = 0;  // those of whom some have come, bit by bit
};

// A warp or a warpgroup, which compute together.
struct Team {
  Meeting meeting;
  const char* what = nullptr;
  std::vector<Lane*> lanes{};
};
constexpr unsigned warpgroup_lanes = 4 * warp_size;

// A block's shared memory, on the boundary that dynamic_shared() promises.
class SharedMemory {
 public:
  unsigned char* data() {
    void* at = bytes_.data();
    size_t room = bytes_.size();
    at = std::align(boundary, running.shared_bytes + 2 * shared_fence_bytes, at, room);
    return static_cast<unsigned char*>(at) + shared_fence_bytes;
  }
  // Whoever reads what nobody wrote shall see it.
  void reset() { bytes_.assign(running.shared_bytes + 2 * shared_fence_bytes + boundary, 0xff); }

 private:
  static constexpr size_t boundary = 1024;
  std::vector<unsigned char> bytes_;
};

struct Block {
  SharedMemory shared;
  Meeting all, groups[most_groups];
  std::vector<Team> warps, warpgroups;
};

struct Thread : Lane {
  Fibre fibre;
  FunctionRef<bool()>* ready = nullptr;  // what it waits for
  bool done = false;
};

// The launch at hand. One at a time: a GPU's streams are one queue here.
struct Emulator {
  std::mutex mutex;
  FunctionRef<void()>* kernel = nullptr;
  std::vector<Block> blocks;  // of a cluster
  std::vector<Thread> threads;
  std::vector<unsigned char*> stacks;  // of as many threads as the largest launch had
  std::vector<size_t> order;
  std::mt19937 random{1};
  Fibre scheduler;
  DeviceMemoryDoors memory;
  std::string problem;
  bool ended = false;  // by a fault
};

// ESPALIER_LANE_ORDER is the seed of the order, 1 by default.
Emulator* made() {
  auto* emulator = new Emulator;
  if (const char* seed = std::getenv("ESPALIER_LANE_ORDER"))
    emulator->random.seed(static_cast<uint32_t>(std::strtoul(seed, nullptr, 10)));
  return emulator;
}

Emulator& emulator() {
  static Emulator& instance = *made();
  return instance;
}

Thread& self() { return *static_cast<Thread*>(lane); }
Block& own_block() { return emulator().blocks[lane->rank]; }

void run_thread() {
  (*emulator().kernel)();
  self().done = true;
  switch_to(self().fibre, emulator().scheduler);
}

// Suspends until all of the meeting have come, the last of whom goes on at once.
template <class F>
void meet(Meeting& meeting, F last) {
  const uint32_t generation = meeting.generation;
  meeting.warps |= 1u << lane->number / warp_size;
  if (++meeting.arrived == meeting.expected) {
    last();
    meeting.arrived = 0;
    meeting.warps = 0;
    ++meeting.generation;
    return;
  }
  wait_until([&] { return meeting.generation != generation; });
}

// The same at a barrier, which orders memory.
void meet_in_order(Meeting& meeting) {
  meet(meeting, [&] {
    if (checks::enabled) checks::order(meeting.warps);
  });
}

void compute_together(Team& team, const char* kind, const char* what, void* slot,
                      FunctionRef<void(Lane* const*)> compute) {
  if (team.meeting.arrived == 0) team.what = what;
  if (std::string_view(team.what) != what)
    fault(std::string("lanes of a ") + kind + " meet in " + team.what + " and in " + what);
  lane->collective_slot = slot;
  meet(team.meeting, [&] {
    running.in_collective = true;
    compute(team.lanes.data());
    running.in_collective = false;
  });
}

void place(const Grid& grid, unsigned first_block) {
  Emulator& e = emulator();
  for (size_t i = 0; i < e.threads.size(); ++i) {
    Thread& t = e.threads[i];
    t.done = false;
    t.ready = nullptr;
    t.copies.clear();
    t.copy_group = 0;
    t.products.clear();
    t.product_group = 0;
    t.number = static_cast<unsigned>(i) % grid.threads;
    t.rank = static_cast<unsigned>(i) / grid.threads;
    const unsigned block = first_block + t.rank;
    t.thread = {t.number, 0, 0};
    t.block = {block % grid.blocks_x, block / grid.blocks_x % grid.blocks_y,
               block / grid.blocks_x / grid.blocks_y};
    t.shared = e.blocks[t.rank].shared.data();
    Block& own = e.blocks[t.rank];
    own.warps[t.number / warp_size].lanes[t.number % warp_size] = &t;
    if (const size_t i = t.number / warpgroup_lanes; i < own.warpgroups.size())
      own.warpgroups[i].lanes[t.number % warpgroup_lanes] = &t;
    start(t.fibre, run_thread);
  }
}

void reset(Block& block, const Grid& grid) {
  block.shared.reset();
  block.all = {0, grid.threads, 0};
  std::fill(std::begin(block.groups), std::end(block.groups), Meeting());
  const auto teams = [&](unsigned lanes) {
    Team team;
    team.meeting.expected = lanes;
    team.lanes.resize(lanes);
    return std::vector<Team>(grid.threads / lanes, team);
  };
  block.warps = teams(warp_size);
  block.warpgroups = teams(warpgroup_lanes);
}

// Where the threads that wait are, for the message of a launch that cannot go on.
std::string standstill() {
  const Emulator& e = emulator();
  size_t done = 0, at_barrier = 0;
  for (const Thread& t : e.threads) done += t.done;
  for (const Block& block : e.blocks) at_barrier += block.all.arrived;
  return std::to_string(e.threads.size() - done) + " threads wait for ever, " +
         std::to_string(at_barrier) + " of them at a barrier that " + std::to_string(done) +
         " left out";
}

void run_cluster() {
  Emulator& e = emulator();
  std::shuffle(e.order.begin(), e.order.end(), e.random);
  for (size_t left = e.threads.size(); left > 0 && !e.ended;) {
    bool moved = false;
    for (size_t i : e.order) {
      Thread& t = e.threads[i];
      lane = &t;
      if (t.done || (t.ready && !(*t.ready)())) continue;
      moved = true;
      switch_to(e.scheduler, t.fibre);
      if (e.ended) break;
      left -= t.done;
    }
    if (!moved && !e.ended) {
      e.problem = standstill();
      e.ended = true;
    }
  }
  lane = nullptr;
}

std::string complaint(const Grid& grid) {
  if (grid.threads == 0 || grid.threads > most_threads || grid.threads % warp_size != 0)
    return "a block of " + std::to_string(grid.threads) + " threads; a multiple of 32 up to 1024";
  if (grid.shared_bytes > most_shared)
    return std::to_string(grid.shared_bytes) + " bytes of shared memory; a block has " +
           std::to_string(most_shared);
  if (grid.cluster == 0 || grid.blocks_x % grid.cluster != 0)
    return std::to_string(grid.blocks_x) + " blocks in clusters of " + std::to_string(grid.cluster);
  return "";
}

void prepare(const Grid& grid) {
  Emulator& e = emulator();
  running.block_size = {grid.threads, 1, 1};
  running.grid_size = {grid.blocks_x, grid.blocks_y, grid.blocks_z};
  running.shared_bytes = static_shared_bytes + grid.shared_bytes;
  running.static_bytes = 0;
  running.in_collective = false;
  e.blocks.resize(grid.cluster);
  const size_t count = size_t{grid.threads} * grid.cluster;
  while (e.stacks.size() < count) e.stacks.push_back(make_stack(stack_bytes));
  e.threads.resize(count);
  for (size_t i = 0; i < count; ++i) e.threads[i].fibre = {nullptr, e.stacks[i], stack_bytes};
  e.order.resize(count);
  std::iota(e.order.begin(), e.order.end(), size_t{0});
}

}  // namespace

void wait_until(FunctionRef<bool()> ready) {
  Thread& t = self();
  t.ready = &ready;
  while (!ready()) switch_to(t.fibre, emulator().scheduler);
  t.ready = nullptr;
}

void wait_for_block() { meet_in_order(own_block().all); }

void wait_for_warp() {
  collective("sync_warp", nullptr, [](Lane* const*) {
    if (checks::enabled) checks::order(1u << lane->number / warp_size);
  });
}

void wait_for_group(unsigned number, unsigned threads) {
  if (number >= most_groups || threads == 0 || threads % warp_size != 0)
    fault("barrier " + std::to_string(number) + " of " + std::to_string(threads) + " threads");
  Meeting& group = own_block().groups[number];
  if (group.arrived == 0) group.expected = threads;
  if (group.expected != threads) fault("threads meet at one barrier with different counts");
  meet_in_order(group);
}

void collective(const char* what, void* slot, FunctionRef<void(Lane* const*)> compute) {
  compute_together(own_block().warps[lane->number / warp_size], "warp", what, slot, compute);
}

void warpgroup_collective(const char* what, void* slot, FunctionRef<void(Lane* const*)> compute) {
  std::vector<Team>& groups = own_block().warpgroups;
  const size_t own = lane->number / warpgroup_lanes;
  if (own >= groups.size())
    fault(std::string(what) + " by a warp that is of no warpgroup: the block has too few");
  compute_together(groups[own], "warpgroup", what, slot, compute);
}

unsigned char* static_shared(size_t bytes) {
  if (bytes > static_shared_bytes)
    fault(std::to_string(bytes) + " bytes of static shared memory; use dynamic_shared()");
  running.static_bytes = std::max(running.static_bytes, bytes);
  return lane->shared;
}

unsigned char* dynamic_shared() { return lane->shared + static_shared_bytes; }

void check_shared(const char* what, uint32_t address, unsigned bytes) {
  if (address % bytes == 0 && address + bytes <= running.shared_bytes) return;
  fault(std::string(what) + " of " + std::to_string(bytes) + " bytes at " +
        std::to_string(address) + " of " + std::to_string(running.shared_bytes) +
        " of shared memory");
}

void run_grid(const Grid& grid, FunctionRef<void()> kernel) noexcept {
  Emulator& e = emulator();
  const std::lock_guard lock(e.mutex);
  if (!e.problem.empty()) return;
  e.problem = complaint(grid);
  const unsigned blocks = grid.blocks_x * grid.blocks_y * grid.blocks_z;
  if (!e.problem.empty() || blocks == 0) return;
  prepare(grid);
  e.kernel = &kernel;
  e.ended = false;
  if (checks::enabled) checks::start_launch(grid);
  if (e.memory.open) e.memory.open();
  for (unsigned first = 0; first < blocks && !e.ended; first += grid.cluster) {
    for (Block& block : e.blocks) reset(block, grid);
    ++running.cluster;
    place(grid, first);
    if (checks::enabled)
      for (unsigned rank = 0; rank < grid.cluster; ++rank)
        checks::start_block(rank, e.blocks[rank].shared.data());
    run_cluster();
  }
  if (e.memory.close) e.memory.close();
}

void set_device_memory(DeviceMemoryDoors doors) noexcept { emulator().memory = doors; }

MemoryExtent extent_of_device_memory(const void* at) {
  const auto extent = emulator().memory.extent;
  return extent ? extent(at) : MemoryExtent();
}

bool is_of_emulator(const void* at) noexcept {
  const auto within = [&](const void* begin, size_t bytes) {
    return reinterpret_cast<uintptr_t>(at) - reinterpret_cast<uintptr_t>(begin) < bytes;
  };
  const std::vector<Thread>& threads = emulator().threads;
  return within(self().fibre.stack, stack_bytes) || within(&lane, sizeof lane) ||
         within(&running, sizeof running) ||
         within(threads.data(), threads.size() * sizeof(Thread));
}

void fault(const std::string& problem) {
  Emulator& e = emulator();
  const auto at = [](const Index& i) {
    return std::to_string(i.x) + "," + std::to_string(i.y) + "," + std::to_string(i.z);
  };
  e.problem = problem + " (block " + at(lane->block) + ", thread " + at(lane->thread) + ")";
  e.ended = true;
  for (;;) switch_to(self().fibre, e.scheduler);
}

bool has_fault() noexcept { return !emulator().problem.empty(); }

std::string take_fault() {
  const std::lock_guard lock(emulator().mutex);
  return std::exchange(emulator().problem, "");
}

}  // namespace espalier::simt
