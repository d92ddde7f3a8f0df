// Barriers in shared memory, copies of boxes and products of warpgroups on the emulated GPU.
#include "kernels/simt/hopper.h"

#include <doctest/doctest.h>

#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/cast/cast.h"
#include "kernels/simt/checks.h"
#include "tests/fault_test.h"

namespace espalier::test {
namespace {

using namespace simt;

constexpr unsigned row_bytes = 128, group_bytes = 8 * row_bytes;

// ---- boxes ----

struct Box {
  alignas(1024) unsigned char bytes[16 * row_bytes];
  alignas(8) uint64_t barrier;
};

// One box, as it lies in shared memory.
__global__ void box_kernel(const __grid_constant__ TensorMap map, int64_t column, int64_t row,
                           unsigned char* out) {
  Box& box = shared_memory<Box>();
  const uint32_t barrier = shared_address(&box.barrier);
  if (threadIdx.x == 0) {
    barrier_init(barrier, 1);
    barriers_ready();
    barrier_arrive_expecting(barrier, sizeof box.bytes);
    load_box(shared_address(box.bytes), map, column, row, barrier);
  }
  sync_block();
  barrier_wait(barrier, 0);
  for (unsigned i = threadIdx.x; i < sizeof box.bytes; i += blockDim.x) out[i] = box.bytes[i];
}

__global__ void early_box_kernel(const __grid_constant__ TensorMap map, unsigned char* out) {
  Box& box = shared_memory<Box>();
  const uint32_t barrier = shared_address(&box.barrier);
  if (threadIdx.x != 0) return;
  barrier_init(barrier, 1);
  barrier_arrive_expecting(barrier, sizeof box.bytes);
  load_box(shared_address(box.bytes), map, 0, 0, barrier);
  *out = box.bytes[0];
}
__global__ void misplaced_box_kernel(const __grid_constant__ TensorMap map) {
  Box& box = shared_memory<Box>();
  load_box(shared_address(box.bytes + 512), map, 0, 0, shared_address(&box.barrier));
}
// Half of the bytes that the barrier expects.
__global__ void missing_box_kernel(const __grid_constant__ TensorMap map) {
  Box& box = shared_memory<Box>();
  const uint32_t barrier = shared_address(&box.barrier);
  if (threadIdx.x != 0) return;
  barrier_init(barrier, 1);
  barrier_arrive_expecting(barrier, 2 * sizeof box.bytes);
  load_box(shared_address(box.bytes), map, 0, 0, barrier);
  barrier_wait(barrier, 0);
}

// ---- barriers ----

// Two warps hand a value to and fro by two barriers.
struct Turns {
  uint64_t barriers[2];
  int value;
};
__global__ void turns_kernel(int* out, int rounds) {
  Turns& turns = shared_memory<Turns>();
  const uint32_t full = shared_address(turns.barriers), empty = full + 8;
  if (threadIdx.x == 0) {
    barrier_init(full, 1);
    barrier_init(empty, 1);
    barriers_ready();
  }
  sync_block();
  for (int i = 0; i < rounds && lane_id() == 0; ++i) {
    const unsigned parity = static_cast<unsigned>(i) % 2;
    if (warp_id() == 0) {
      if (i > 0) barrier_wait(empty, 1 - parity);
      turns.value = i * i;
      barrier_arrive(full);
    } else {
      barrier_wait(full, parity);
      out[i] = turns.value;
      barrier_arrive(empty);
    }
  }
}
__global__ void crowded_barrier_kernel(int) {
  Turns& turns = shared_memory<Turns>();
  const uint32_t barrier = shared_address(turns.barriers);
  if (threadIdx.x == 0) barrier_init(barrier, 2);
  sync_block();
  barrier_wait(barrier, 1);  // the phase before the first is over
  if (threadIdx.x == 0) barrier_arrive_expecting(barrier, 16);
  if (threadIdx.x < 2) barrier_arrive(barrier);
}

// ---- products ----

struct Bf16 {
  using Raw = uint16_t;
  using Sum = float;
  static Raw raw(int v) { return cast_detail::to_bfloat16(static_cast<float>(v)).bits; }
  static void multiply(Sum (&d)[128], uint64_t a, uint64_t b, bool accumulate) {
    wgmma_m64n256k16_bf16(d, a, b, accumulate);
  }
};
struct F16 {
  using Raw = uint16_t;
  using Sum = float;
  static Raw raw(int v) { return cast_detail::to_float16(static_cast<float>(v)).bits; }
  static void multiply(Sum (&d)[128], uint64_t a, uint64_t b, bool accumulate) {
    wgmma_m64n256k16_f16(d, a, b, accumulate);
  }
};
struct S8 {
  using Raw = int8_t;
  using Sum = int32_t;
  static Raw raw(int v) { return static_cast<int8_t>(v); }
  static void multiply(Sum (&d)[128], uint64_t a, uint64_t b, bool accumulate) {
    wgmma_m64n256k32_s8(d, a, b, accumulate);
  }
};

constexpr unsigned M = 64, N = 256;

// Copies `rows` rows of 128 bytes to where load_box would put them.
__device__ void place(unsigned char* to, const unsigned char* from, unsigned rows) {
  for (unsigned i = threadIdx.x; i < rows * row_bytes; i += blockDim.x) {
    const unsigned r = i / row_bytes, byte = i % row_bytes;
    to[r * row_bytes + ((byte / 16) ^ (r % 8)) * 16 + byte % 16] = from[i];
  }
}

// D [64, 256] = A B twice over, for 128 bytes of k; `before` sees D's first element ahead of the
// wait.
template <class Type>
__global__ void product_kernel(const unsigned char* A, const unsigned char* B,
                               typename Type::Sum* D, typename Type::Sum* before) {
  unsigned char* const a = dynamic_shared();
  unsigned char* const b = a + M * row_bytes;
  place(a, A, M);
  place(b, B, N);
  sync_block();
  typename Type::Sum d[128];
  for (auto& value : d) value = 77;
  wgmma_begin();
  for (unsigned i = 0; i < 8; ++i)
    Type::multiply(d, wgmma_descriptor(shared_address(a)) + i % 4 * wgmma_step,
                   wgmma_descriptor(shared_address(b)) + i % 4 * wgmma_step, i > 0);
  wgmma_commit();
  if (threadIdx.x == 0) *before = d[0];
  wgmma_wait<0>(d);
  for (unsigned r = 0; r < 128; ++r) {
    const unsigned i = threadIdx.x;
    const unsigned row = i / 32 * 16 + i % 32 / 4 + r / 2 % 2 * 8;
    D[row * N + r / 4 * 8 + i % 4 * 2 + r % 2] = d[r];
  }
}

template <class Type>
void check_product() {
  using Raw = typename Type::Raw;
  constexpr unsigned K = row_bytes / sizeof(Raw);
  std::mt19937 random(1);
  std::uniform_int_distribution<int> any(-100, 100);
  const auto drawn = [&](size_t count) {
    std::vector<int> values(count);
    for (int& v : values) v = any(random);
    return values;
  };
  const std::vector<int> A = drawn(M * K), B = drawn(N * K);
  std::vector<Raw> a, b;
  for (int v : A) a.push_back(Type::raw(v));
  for (int v : B) b.push_back(Type::raw(v));
  std::vector<typename Type::Sum> D(M * N);
  typename Type::Sum before = 0;
  CHECK(fault_of(product_kernel<Type>, {.threads = 128, .shared_bytes = (M + N) * row_bytes},
                 reinterpret_cast<const unsigned char*>(a.data()),
                 reinterpret_cast<const unsigned char*>(b.data()), D.data(), &before) == "");
  CHECK(before == 77);
  int64_t wrong = 0;
  for (unsigned m = 0; m < M; ++m)
    for (unsigned n = 0; n < N; ++n) {
      int sum = 0;
      for (unsigned k = 0; k < K; ++k) sum += 2 * A[m * K + k] * B[n * K + k];
      wrong += D[m * N + n] != static_cast<typename Type::Sum>(sum);
    }
  CHECK(wrong == 0);
}

enum class Mistake { swizzle, lanes, bounds };

__global__ void mistaken_product_kernel(Mistake mistake) {
  uint64_t a = wgmma_descriptor(shared_address(dynamic_shared())), b = a;
  if (mistake == Mistake::swizzle) a &= ~(uint64_t{3} << 62);
  if (mistake == Mistake::lanes && threadIdx.x == 5) b += wgmma_step;
  if (mistake == Mistake::bounds) b += group_bytes >> 4;
  float d[128] = {};
  wgmma_m64n256k16_bf16(d, a, b, false);
  wgmma_commit();
  wgmma_wait<0>(d);
}
__global__ void too_few_kernel(int) { wgmma_begin(); }

}  // namespace

TEST_CASE("a box comes with its chunks swizzled, and zeros outside the matrix") {
  constexpr int64_t rows = 20, columns = 150, stride = 160;
  alignas(16) static unsigned char matrix[rows * stride];
  std::iota(std::begin(matrix), std::end(matrix), static_cast<unsigned char>(0));
  TensorMap map;
  REQUIRE(make_tensor_map(map, matrix, 1, columns, rows, stride, 16));
  for (const int64_t column : {0, 32, 128})
    for (const int64_t row : {0, 3, 16}) {
      INFO("column ", column, " row ", row);
      std::vector<unsigned char> out(sizeof(Box::bytes));
      CHECK(fault_of(box_kernel, {.threads = 64}, map, column, row, out.data()) == "");
      int64_t wrong = 0;
      for (int64_t r = 0; r < 16; ++r)
        for (int64_t c = 0; c < int64_t{row_bytes}; ++c) {
          const bool inside = row + r < rows && column + c < columns;
          const int64_t at = r * int64_t{row_bytes} + ((c / 16) ^ (r % 8)) * 16 + c % 16;
          wrong += out[static_cast<size_t>(at)] !=
                   (inside ? matrix[(row + r) * stride + column + c] : 0);
        }
      CHECK(wrong == 0);
    }
  CHECK(!make_tensor_map(map, matrix + 1, 1, columns, rows, stride, 16));
  CHECK(!make_tensor_map(map, matrix, 1, columns, rows, 150, 16));
  REQUIRE(make_tensor_map(map, matrix, 1, columns, rows, stride, 16));
  CHECK(fault_of(misplaced_box_kernel, {}, map).find("a box of 2048 bytes for 512") == 0);
  CHECK(fault_of(missing_box_kernel, {}, map).find("1 threads wait for ever") == 0);
  unsigned char early = 0;
  const std::string fault = fault_of(early_box_kernel, {}, map, &early);
  CHECK((checks::enabled ? fault.find("unwritten: ") == 0 : fault == "" && early == 0xff));
}

TEST_CASE("barriers in shared memory hold until all have arrived, phase after phase") {
  std::vector<int> out(7);
  CHECK(fault_of(turns_kernel, {.threads = 64}, out.data(), 7) == "");
  for (int i = 0; i < 7; ++i) CHECK(out[static_cast<size_t>(i)] == i * i);
  CHECK(fault_of(crowded_barrier_kernel, {.threads = 32}, 0)
            .find("more threads arrive at a barrier than it was made for") == 0);
}

TEST_CASE("warpgroups multiply what their descriptors name, and have it after the wait") {
  check_product<Bf16>();
  check_product<F16>();
  check_product<S8>();
}

TEST_CASE("products of warpgroups by wrong descriptors, or by too few threads, are faults") {
  constexpr Grid grid{.threads = 128, .shared_bytes = N * row_bytes};
  const auto mistaken = [&](Mistake mistake) {
    return fault_of(mistaken_product_kernel, grid, mistake);
  };
  CHECK(mistaken(Mistake::swizzle).find("a matrix descriptor without swizzles") == 0);
  if (!checks::enabled) {  // which finds first that nobody wrote what is read
    CHECK(mistaken(Mistake::bounds).find("wgmma of 16 bytes at ") == 0);
    CHECK(mistaken(Mistake::lanes).find("lanes of a warpgroup multiply by different") == 0);
  }
  CHECK(fault_of(too_few_kernel, {.threads = 96}, 0).find("wgmma_begin by a warp that is of no") ==
        0);
}

}  // namespace espalier::test
