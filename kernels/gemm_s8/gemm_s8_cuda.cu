// Resources (scripts/checks/cuda_resources; shared memory of products is dynamic):
//   copied_kernel  128  98304  256  0.25
//   read_kernel     96  49152  128  0.25
//   hopper_kernel  168  196672  384  0.19
//   pack_kernel     24      0  256  1.00
#include "kernels/gemm_mma/gemm_launch_simt.h"
#include "kernels/gemm_s8/gemm_s8.h"
#include "kernels/round_within.h"

namespace espalier::cuda {
namespace {

using namespace simt;

constexpr unsigned pack_threads = 256;

// B is packed as rows of k for each n, filled up with zeros.
__global__ void pack_kernel(const int8_t* B, int64_t k_stride, int64_t n_stride, int64_t K,
                            int8_t* packed, int64_t row, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * pack_threads + threadIdx.x;
  if (i >= count) return;
  const int64_t n = i / row, k = i % row;
  packed[i] = k < K ? B[k * k_stride + n * n_stride] : int8_t{0};
}

struct Finish {
  GemmS8Output output;
  const int32_t* bias;
  const float* multiplier;
  int zero_point;
  const int8_t* table;
  void* C;
  int64_t c_row_stride;

  __device__ void operator()(int64_t, int64_t m, int64_t n, int32_t sum) const {
    const int64_t at = m * c_row_stride + n;
    if (bias) sum += bias[n];
    if (output == GemmS8Output::s32) {
      static_cast<int32_t*>(C)[at] = sum;
      return;
    }
    const float scaled = static_cast<float>(sum) * multiplier[n];
    if (output == GemmS8Output::s8) {
      const int32_t code = code_of(scaled, zero_point);
      static_cast<int8_t*>(C)[at] = table ? table[code + 128] : static_cast<int8_t>(code);
    } else {
      int16_t& c = static_cast<int16_t*>(C)[at];
      const int32_t moved = c + round_within(scaled, -32768, 32767);
      c = static_cast<int16_t>(moved < -32768 ? -32768 : moved > 32767 ? 32767 : moved);
    }
  }
};

bool on_boundaries(const void* data, int64_t row_stride) {
  return reinterpret_cast<uintptr_t>(data) % mma_chunk == 0 && row_stride % mma_chunk == 0;
}

}  // namespace

int64_t gemm_s8_packed_size(int64_t K, int64_t N) noexcept { return mma_packed_row(K) * N; }

void gemm_s8_pack_b(const int8_t* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                    std::byte* packed) noexcept {
  const int64_t row = mma_packed_row(K), count = row * N;
  launch(pack_kernel, {.blocks_x = divide_up(count, pack_threads), .threads = pack_threads}, B,
         k_stride, n_stride, K, reinterpret_cast<int8_t*>(packed), row, count);
}

void gemm_s8_run(const GemmS8& g) noexcept {
  const MmaShape s{g.M, g.N, g.K, {}, {}};
  const auto* packed = reinterpret_cast<const int8_t*>(g.packed_b);
  const int64_t row = mma_packed_row(g.K);
  const Finish finish{g.output, g.bias, g.multiplier, g.zero_point, g.table, g.C, g.c_row_stride};
  if (on_boundaries(g.A, g.a_row_stride) && on_boundaries(packed, row))
    launch_copied<MmaS8>(s, {g.A, g.a_row_stride}, {packed, row}, MmaOneTerm(), finish);
  else
    launch_read<MmaS8>(s, MmaRead<int8_t>{{g.A, g.a_row_stride, 1}},
                       MmaRead<int8_t>{{packed, row, 1}}, MmaOneTerm(), finish);
}

}  // namespace espalier::cuda
