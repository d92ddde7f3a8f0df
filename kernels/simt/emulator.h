// A GPU on the host: blocks one after another, each thread of a block a fibre with a stack of its
// own. Lanes run in an order that ESPALIER_LANE_ORDER seeds and only change at barriers and
// collectives, the last lane of a warp computing what all of them get.
//
// Faults (a barrier that some threads never reach, lanes of a warp in different collectives, a
// shape that no GPU would launch) end the launch; like a GPU's they are sticky until taken. Races
// and accesses out of bounds are found in its checked mode (kernels/simt/checks.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/function_ref.h"
#include "kernels/simt/stream.h"

namespace espalier::simt {

struct Grid;

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

struct Lane;

// A copy under way to shared memory: `present` bytes from global memory, then zeros.
struct AsyncCopy {
  uint32_t to;
  const void* from;
  unsigned bytes, present, group;
};

// A product of a warpgroup that is under way: what `run` needs of each lane.
struct AsyncProduct {
  uint64_t a, b;  // descriptors
  void* d;
  bool accumulate;
  unsigned group;
  void (*run)(Lane* const* lanes, size_t index);  // the lanes' products of this index
};

// One thread of the grid that runs.
struct Lane {
  Index thread, block;
  unsigned number = 0;              // in its block
  unsigned rank = 0;                // of its block in the cluster
  void* collective_slot = nullptr;  // what it brought to its warp's collective
  unsigned char* shared = nullptr;  // its block's shared memory
  std::vector<AsyncCopy> copies{};  // its own, in order
  unsigned copy_group = 0;          // that its next copy belongs to
  std::vector<AsyncProduct> products{};
  unsigned product_group = 0;
};

struct Running {
  Index block_size, grid_size;
  size_t shared_bytes = 0;     // of a block
  size_t static_bytes = 0;     // that the kernel has asked for by shared_memory()
  bool in_collective = false;  // a lane computes for its warp
  uint64_t cluster = 0;        // counts all that ever ran
};

extern Lane* lane;  // that runs now; null outside kernels
extern Running running;

// The most shared memory that a block may have, as on sm_90: 227 KiB.
constexpr size_t most_shared = 227u << 10;
// Where dynamic shared memory starts in a block's, after what shared_memory() takes.
constexpr size_t static_shared_bytes = 48u << 10;
// What stands unused on both sides of a block's shared memory.
constexpr size_t shared_fence_bytes = 16u << 10;

unsigned char* static_shared(size_t bytes);
unsigned char* dynamic_shared();

// Faults unless `bytes` of the block's shared memory lie at `address`, a multiple of them.
void check_shared(const char* what, uint32_t address, unsigned bytes);

void wait_for_block();
void wait_for_warp();
void wait_for_group(unsigned number, unsigned threads);
// Suspends the lane until `ready` holds.
void wait_until(FunctionRef<bool()> ready);

// All lanes of the warp meet, each with its slot; the last to come runs `compute` on them.
void collective(const char* what, void* slot, FunctionRef<void(Lane* const* lanes)> compute);

// The same of the 128 lanes of a warpgroup.
void warpgroup_collective(const char* what, void* slot,
                          FunctionRef<void(Lane* const* lanes)> compute);

// Where launches of this thread go in place of being run; null: they run.
using RecordedWork = std::vector<std::function<void()>>;
inline thread_local RecordedWork* recorded_work = nullptr;

// Runs `kernel` for every thread of the grid. Not at all while a fault stands.
void run_grid(const Grid& grid, FunctionRef<void()> kernel) noexcept;

// How a launch reaches the memory of the emulated GPU, which is closed to the host between
// launches.
struct MemoryExtent {
  bool on_gpu = false;
  const unsigned char *begin = nullptr, *end = nullptr;  // null where nobody has taken it
};
struct DeviceMemoryDoors {
  void (*open)() = nullptr;
  void (*close)() = nullptr;
  MemoryExtent (*extent)(const void* at) = nullptr;  // of what was taken around `at`
};
void set_device_memory(DeviceMemoryDoors doors) noexcept;
MemoryExtent extent_of_device_memory(const void* at);
// Whether `at` lies in the running lane's stack or in what the emulator itself keeps.
bool is_of_emulator(const void* at) noexcept;

// Ends the launch and keeps `problem` for take_fault(), with the thread that met it.
[[noreturn]] void fault(const std::string& problem);
bool has_fault() noexcept;
std::string take_fault();  // empty where there was none

}  // namespace espalier::simt
