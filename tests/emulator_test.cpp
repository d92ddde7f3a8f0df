// The emulated GPU itself: what kernels see, and the faults that end them.
#include "kernels/simt/emulator.h"

#include <doctest/doctest.h>

#include <vector>

#include "engine/staging.h"
#include "kernels/simt/simt.h"
#include "tests/fault_test.h"

namespace espalier::test {
namespace {

using namespace simt;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

__global__ void number_kernel(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  out[block * blockDim.x + threadIdx.x] += static_cast<int>(block * blockDim.x + threadIdx.x) + 1;
}

struct Row {
  int values[64];
};

// Each thread reads what another warp wrote before the barrier.
__global__ void reverse_kernel(int* values) {
  Row& row = shared_memory<Row>();
  row.values[threadIdx.x] = values[threadIdx.x];
  sync_block();
  values[threadIdx.x] = row.values[63 - threadIdx.x];
}

__global__ void collective_kernel(int* sums, uint32_t* votes, int* turned) {
  const int lane_number = static_cast<int>(lane_id());
  sums[threadIdx.x] = warp_sum(lane_number);
  votes[threadIdx.x] = ballot(lane_number % 3 == 0);
  turned[threadIdx.x] = shuffle(lane_number, (lane_id() + 1) % warp_size);
}

struct Slots {
  int values[4];
};

__global__ void block_sum_kernel(int* sums) {
  sums[threadIdx.x] = block_reduce(1, 0, shared_memory<Slots>().values, Add());
}

__global__ void divergent_barrier_kernel(int) {
  if (threadIdx.x < 32) sync_block();
}
__global__ void mixed_collectives_kernel(int) {
  if (lane_id() < 16)
    ballot(true);
  else
    shuffle(1, 0);
}
__global__ void partial_warp_kernel(int) {
  if (lane_id() != 5) sync_warp();
}
struct Large {
  char bytes[64 << 10];
};
__global__ void too_much_shared_kernel(int) { shared_memory<Large>(); }

// The first two warps meet without the third.
__global__ void group_kernel(int* values) {
  Row& row = shared_memory<Row>();
  if (threadIdx.x >= 64) return;
  row.values[threadIdx.x] = static_cast<int>(threadIdx.x);
  sync_group(1, 64);
  values[threadIdx.x] = row.values[63 - threadIdx.x];
}

}  // namespace

TEST_CASE("a copy that nobody waits for lands when the stream goes on, and not before") {
  const Tensor staged = staging_tensor({4}, DType::f32, Device::cuda());
  staged.fill_(1);
  const Tensor there = sent_to(Device::cuda(), staged);
  staged.fill_(2);  // which is too early
  CHECK(there.to_vector() == std::vector<double>(4, 2));
}

TEST_CASE("every thread of a grid runs once and knows its place") {
  std::vector<int> out(2 * 3 * 2 * 64);
  CHECK(fault_of(number_kernel, {.blocks_x = 2, .blocks_y = 3, .blocks_z = 2, .threads = 64},
                 out.data()) == "");
  for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == static_cast<int>(i) + 1);
}

TEST_CASE("a barrier holds until every thread has come") {
  std::vector<int> values(64);
  for (int i = 0; i < 64; ++i) values[static_cast<size_t>(i)] = i;
  CHECK(fault_of(reverse_kernel, {.threads = 64}, values.data()) == "");
  for (int i = 0; i < 64; ++i) CHECK(values[static_cast<size_t>(i)] == 63 - i);
}

TEST_CASE("a barrier of a part of the block is for that part alone") {
  std::vector<int> values(64);
  CHECK(fault_of(group_kernel, {.threads = 96}, values.data()) == "");
  for (int i = 0; i < 64; ++i) CHECK(values[static_cast<size_t>(i)] == 63 - i);
}

TEST_CASE("lanes of a warp exchange values") {
  std::vector<int> sums(64), turned(64);
  std::vector<uint32_t> votes(64);
  CHECK(fault_of(collective_kernel, {.threads = 64}, sums.data(), votes.data(), turned.data()) ==
        "");
  for (size_t i = 0; i < 64; ++i) {
    CHECK(sums[i] == 31 * 32 / 2);
    CHECK(votes[i] == 0x49249249u);
    CHECK(turned[i] == static_cast<int>(i + 1) % 32);
  }
}

TEST_CASE("products of bytes keep their signs") {
  CHECK(dot_s8(0x80ff7f02u, 0x80017f03u, 5) == 5 + 128 * 128 - 1 + 127 * 127 + 6);
  CHECK(dot_u8_s8(0x80ff7f02u, 0x80017f03u, 5) == 5 - 128 * 128 + 255 + 127 * 127 + 6);
}

TEST_CASE("a block sums over its warps") {
  std::vector<int> sums(128);
  CHECK(fault_of(block_sum_kernel, {.threads = 128}, sums.data()) == "");
  for (const int sum : sums) CHECK(sum == 128);
}

TEST_CASE("faults end a launch, say where, and are gone when taken") {
  CHECK(contains(fault_of(divergent_barrier_kernel, {.threads = 64}, 0),
                 "32 threads wait for ever, 32 of them at a barrier that 32 left out"));
  const std::string mixed = fault_of(mixed_collectives_kernel, {.blocks_x = 1, .threads = 32}, 0);
  CHECK(contains(mixed, "lanes of a warp meet in"));
  CHECK(contains(mixed, "(block 0,0,0, thread"));
  CHECK(contains(fault_of(partial_warp_kernel, {.threads = 32}, 0), "31 threads wait for ever"));
  CHECK(contains(fault_of(too_much_shared_kernel, {.threads = 32}, 0), "static shared memory"));
  CHECK(contains(fault_of(divergent_barrier_kernel, {.threads = 33}, 0), "a multiple of 32"));
  CHECK(contains(fault_of(divergent_barrier_kernel, {.threads = 64, .shared_bytes = 1 << 20}, 0),
                 "bytes of shared memory"));
  CHECK(
      contains(fault_of(divergent_barrier_kernel, {.blocks_x = 3, .threads = 32, .cluster = 2}, 0),
               "in clusters of 2"));
  std::vector<int> sums(128);
  CHECK(fault_of(block_sum_kernel, {.threads = 128}, sums.data()) == "");
}

TEST_CASE("nothing runs while a fault stands") {
  std::vector<int> sums(128, 7);
  launch(partial_warp_kernel, {.threads = 32}, 0);
  CHECK(has_fault());
  launch(block_sum_kernel, {.threads = 128}, sums.data());
  CHECK(sums[0] == 7);
  CHECK(take_fault() != "");
  CHECK(!has_fault());
}

}  // namespace espalier::test
