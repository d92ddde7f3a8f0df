// The checked mode of the emulated GPU: each fault that it looks for, committed by a kernel, and
// beside it the kernel that is right.
#include "kernels/simt/checks.h"

#include <doctest/doctest.h>

#include <vector>

#include "engine/device_scope.h"
#include "kernels/simt/hopper.h"
#include "tests/fault_test.h"

namespace espalier::test {
namespace {

using namespace simt;

bool starts(const std::string& text, const std::string& with) { return text.rfind(with, 0) == 0; }

// Whoever reads too early comes before who writes, or after: the order of the threads says which.
bool is_early(const std::string& fault) {
  return starts(fault, "a race: ") || starts(fault, "unwritten: ");
}

struct Row {
  alignas(16) int values[128];
};

// ---- races ----

enum class Between { nothing, shuffle, warp, group, block };

// Each thread reads what its neighbour `distance` away wrote.
__global__ void neighbour_kernel(int* out, Between between, unsigned distance) {
  Row& row = shared_memory<Row>();
  const unsigned i = threadIdx.x;
  row.values[i] = static_cast<int>(i);
  if (between == Between::shuffle) shuffle(1, 0);
  if (between == Between::warp) sync_warp();
  if (between == Between::group && i < 64) sync_group(1, 64);
  if (between == Between::block) sync_block();
  out[i] = row.values[i ^ distance];
}

// Reads, and then writes what others may not have read yet.
__global__ void overwrite_kernel(int* out, bool waits) {
  Row& row = shared_memory<Row>();
  const unsigned i = threadIdx.x;
  row.values[i] = 1;
  sync_block();
  out[i] = row.values[127 - i];
  if (waits) sync_block();
  row.values[i] = 2;
}

// Two blocks at one place, or each at its own.
__global__ void blocks_kernel(int* out, bool apart) {
  if (threadIdx.x == 0) out[apart ? blockIdx.x : 0] = 1;
}

// Two threads at the bytes of one word.
__global__ void bytes_kernel(int8_t* out, bool apart) {
  if (threadIdx.x % 32 == 0) out[apart ? threadIdx.x / 32 : 0] = 1;
}

__global__ void copied_by_another_kernel(const int* from, int* out, bool waits) {
  Row& row = shared_memory<Row>();
  const unsigned i = threadIdx.x;
  copy_async<4>(shared_address(row.values + i), from + i, 4);
  commit_copies();
  wait_for_copies<0>();
  if (waits) sync_block();
  out[i] = row.values[i ^ 32];
}

struct Boxes {
  alignas(1024) unsigned char bytes[8 * 128];
  alignas(8) uint64_t full, empty;
};

// A box that is loaded again, when all have read it or sooner.
__global__ void reloaded_kernel(const __grid_constant__ TensorMap map, int* out, bool waits) {
  Boxes& boxes = shared_memory<Boxes>();
  const uint32_t full = shared_address(&boxes.full), empty = shared_address(&boxes.empty);
  if (threadIdx.x == 0) {
    barrier_init(full, 1);
    barrier_init(empty, blockDim.x / 32);
    barriers_ready();
  }
  sync_block();
  for (unsigned turn = 0; turn < 2; ++turn) {
    if (threadIdx.x == 0) {
      if (waits && turn > 0) barrier_wait(empty, 0);
      barrier_arrive_expecting(full, sizeof boxes.bytes);
      load_box(shared_address(boxes.bytes), map, 0, 0, full);
    }
    barrier_wait(full, turn);
    out[threadIdx.x] = boxes.bytes[threadIdx.x];
    sync_warp();
    if (lane_id() == 0) barrier_arrive(empty);
  }
}

// ---- out of bounds ----

__global__ void static_shared_kernel(unsigned at) {
  if (threadIdx.x == 0) shared_memory<Row>().values[at] = 1;
}
__global__ void dynamic_shared_kernel(int at) {
  if (threadIdx.x == 0) dynamic_shared()[at] = 1;
}
__global__ void global_kernel(float* values, int64_t count) {
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) values[i] = 1;
}

// ---- unwritten ----

__global__ void unwritten_kernel(int* out, unsigned written) {
  Row& row = shared_memory<Row>();
  for (unsigned i = threadIdx.x; i < written; i += blockDim.x) row.values[i] = 1;
  sync_block();
  if (threadIdx.x == 0) out[0] = row.values[127];
}
__global__ void early_kernel(const int* from, int* out, bool waits) {
  Row& row = shared_memory<Row>();
  const unsigned i = threadIdx.x;
  row.values[i] = 1;
  copy_async<4>(shared_address(row.values + i), from + i, 4);
  commit_copies();
  if (waits) wait_for_copies<0>();
  out[i] = row.values[i];
}

constexpr Grid block{.threads = 128};

}  // namespace

TEST_CASE("a checked GPU finds races in shared memory") {
  std::vector<int> out(128);
  const auto neighbour = [&](Between between, unsigned distance) {
    return fault_of(neighbour_kernel, block, out.data(), between, distance);
  };
  const std::string race = "a race: ";
  CHECK(is_early(neighbour(Between::nothing, 1)));
  CHECK(starts(neighbour(Between::shuffle, 1), race));
  CHECK(neighbour(Between::warp, 1) == "");
  CHECK(starts(neighbour(Between::warp, 32), race));
  CHECK(is_early(neighbour(Between::group, 64)));  // the last two warps did not meet the first
  CHECK(neighbour(Between::block, 64) == "");
  CHECK(fault_of(neighbour_kernel, {.threads = 64}, out.data(), Between::group, 32u) == "");

  CHECK(starts(fault_of(overwrite_kernel, block, out.data(), false), race));
  CHECK(fault_of(overwrite_kernel, block, out.data(), true) == "");
}

TEST_CASE("a checked GPU finds races of blocks, and tells bytes of a word apart") {
  std::vector<int> out(2);
  const std::string between = fault_of(blocks_kernel, {.blocks_x = 2}, out.data(), false);
  CHECK(
      starts(between, "a race: writes memory of the host, which thread 0 of another block wrote"));
  CHECK(fault_of(blocks_kernel, {.blocks_x = 2}, out.data(), true) == "");
  CHECK(fault_of(blocks_kernel, {.blocks_x = 1}, out.data(), false) == "");

  std::vector<int8_t> bytes(4);
  CHECK(starts(fault_of(bytes_kernel, block, bytes.data(), false), "a race: "));
  CHECK(fault_of(bytes_kernel, block, bytes.data(), true) == "");
}

TEST_CASE("a checked GPU holds asynchronous copies to a wait, and others to a barrier") {
  alignas(16) const int from[128] = {};
  std::vector<int> out(128);
  CHECK(is_early(fault_of(copied_by_another_kernel, block, from, out.data(), false)));
  CHECK(fault_of(copied_by_another_kernel, block, from, out.data(), true) == "");
  CHECK(starts(fault_of(early_kernel, block, from, out.data(), false), "unwritten: "));
  CHECK(fault_of(early_kernel, block, from, out.data(), true) == "");
}

TEST_CASE("a checked GPU orders memory by barriers that lie in it") {
  alignas(16) static const unsigned char matrix[8 * 128] = {};
  TensorMap map;
  REQUIRE(make_tensor_map(map, matrix, 1, 128, 8, 128, 8));
  std::vector<int> out(128);
  CHECK(is_early(fault_of(reloaded_kernel, block, map, out.data(), false)));
  CHECK(fault_of(reloaded_kernel, block, map, out.data(), true) == "");
}

TEST_CASE("a checked GPU finds what lies out of bounds") {
  const std::string out_of_bounds = "out of bounds: ";
  CHECK(fault_of(static_shared_kernel, {.threads = 32}, 127u) == "");
  CHECK(starts(fault_of(static_shared_kernel, {.threads = 32}, 128u), out_of_bounds));
  const auto dynamic = [](int at) {
    return fault_of(dynamic_shared_kernel, {.threads = 32, .shared_bytes = 64}, at);
  };
  CHECK(dynamic(63) == "");
  CHECK(starts(dynamic(64), out_of_bounds));
  CHECK(starts(dynamic(-1), out_of_bounds));

  const DeviceScope gpu(Device::cuda());
  const Tensor values = Tensor::empty({5});
  const auto global = [](float* at, int64_t count) {
    return fault_of(global_kernel, {.threads = 32}, at, count);
  };
  CHECK(global(values.data<float>(), 5) == "");
  CHECK(starts(global(values.data<float>(), 6), out_of_bounds));
  CHECK(starts(global(values.data<float>() - 1, 5), out_of_bounds));
  float* gone = nullptr;
  {
    const Tensor large = Tensor::empty({100'000});
    gone = large.data<float>();
    CHECK(global(gone, 5) == "");
  }
  CHECK(starts(global(gone, 5), out_of_bounds + "4 bytes of memory of the GPU that nobody took"));
}

TEST_CASE("a checked GPU finds reads of shared memory that nobody wrote") {
  int out = 0;
  CHECK(starts(fault_of(unwritten_kernel, block, &out, 127u),
               "unwritten: reads shared memory at 508"));
  CHECK(fault_of(unwritten_kernel, block, &out, 128u) == "");
}

}  // namespace espalier::test
