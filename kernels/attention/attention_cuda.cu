// Resources (scripts/checks/cuda_resources), beside the dynamic shared memory of staged_bytes():
//   forward_kernel   72  0  256  0.38
//   backward_kernel  96  0  256  0.25
//
// A block a head, a warp a query; backward then takes a warp a key, which computes its column of P
// and dS again, so that nothing is added to by two threads. Where a head fits, its rows lie in
// shared memory, an odd number of values apart: lanes that read one column of 32 rows meet no bank
// twice.
#include <limits>
#include <numbers>

#include "kernels/attention/attention.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

constexpr unsigned block_threads = 256, warps = block_threads / warp_size;
// Of an sm_86 block: what every architecture has.
constexpr int64_t most_staged = 96 << 10;

// Rows of T x D values, in global or in shared memory.
template <class T>
struct Matrix {
  const T* at;
  int64_t stride;
  __device__ const T* row(int64_t i) const { return at + i * stride; }
};

template <class T>
struct Problem {
  AttentionHeads heads;
  AttentionShape<T> shape;
  bool staged;  // rows lie in shared memory

  // Of blockIdx.x, in elements.
  __device__ int64_t start(const AttentionHeads::Steps& steps) const {
    return heads.start(blockIdx.x, steps);
  }
  __device__ T logit_scale() const { return shape.scale * std::numbers::log2e_v<T>; }
};

ESPALIER_ANYWHERE constexpr int64_t odd(int64_t n) { return n | 1; }

// Copies `rows` rows into shared memory at `to`, which moves on behind them.
template <class T>
__device__ Matrix<T> stage(Matrix<T> from, int64_t rows, int64_t width, T*& to) {
  const Matrix<T> staged{to, odd(width)};
  for (int64_t i = threadIdx.x; i < rows * width; i += block_threads)
    to[i / width * staged.stride + i % width] = from.row(i / width)[i % width];
  to += rows * staged.stride;
  return staged;
}

template <class T>
__device__ T dot(const T* a, const T* b, int64_t n) {
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum = multiply_add(a[i], b[i], sum);
  return sum;
}

// sum over i < n of weights[i] x[i, d]
template <class T>
__device__ T combine(const T* weights, Matrix<T> x, int64_t n, int64_t d) {
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum = multiply_add(weights[i], x.row(i)[d], sum);
  return sum;
}

template <class T>
__global__ void forward_kernel(Problem<T> p, const T* q, const T* k, const T* v, T* out, T* stats) {
  const auto& s = p.shape;
  const int64_t in = p.start(p.heads.in), lane = lane_id();
  q += in, out += p.start(p.heads.out);
  T* shared = reinterpret_cast<T*>(dynamic_shared());
  T* const e = shared + warp_id() * s.tokens;  // of this warp's query
  shared += warps * s.tokens;
  Matrix<T> keys{k + in, s.row_stride}, values{v + in, s.row_stride};
  if (p.staged) {
    keys = stage(keys, s.tokens, s.head_dim, shared);
    values = stage(values, s.tokens, s.head_dim, shared);
    sync_block();
  }
  for (int64_t i = warp_id(); i < s.queries; i += warps) {
    for (int64_t j = lane; j < s.tokens; j += warp_size)
      e[j] = dot(q + i * s.row_stride, keys.row(j), s.head_dim) * p.logit_scale();
    T largest = -std::numeric_limits<T>::infinity();
    for (int64_t j = lane; j < s.tokens; j += warp_size) largest = Maximum()(e[j], largest);
    largest = warp_maximum(largest);
    T sum = 0;
    for (int64_t j = lane; j < s.tokens; j += warp_size) sum += e[j] = exp2(e[j] - largest);
    sum = warp_sum(sum);
    sync_warp();
    for (int64_t d = lane; d < s.head_dim; d += warp_size)
      out[i * s.out_stride + d] = combine(e, values, s.tokens, d) / sum;
    if (stats && lane == 0) {
      T* const own = stats + int64_t{blockIdx.x} * 2 * s.tokens;
      own[i] = largest, own[s.tokens + i] = 1 / sum;
    }
    sync_warp();
  }
}

// What both halves of backward read.
template <class T>
struct Rows {
  Matrix<T> q, k, v, dout;
  const T *largest, *inverse;  // the statistics of forward

  __device__ T probability(const Problem<T>& p, int64_t i, int64_t j) const {
    const T logit = dot(q.row(i), k.row(j), p.shape.head_dim) * p.logit_scale();
    return exp2(logit - largest[i]) * inverse[i];
  }
};

// Row i of dS and of dq, and delta[i], by one warp; ds holds T values.
template <class T>
__device__ void query_gradient(const Problem<T>& p, const Rows<T>& x, int64_t i, T* ds, T* delta,
                               T* dq) {
  const auto& s = p.shape;
  T sum = 0;
  for (int64_t j = lane_id(); j < s.tokens; j += warp_size) {
    const T share = x.probability(p, i, j);
    ds[j] = dot(x.dout.row(i), x.v.row(j), s.head_dim);
    sum = multiply_add(share, ds[j], sum);
  }
  sum = warp_sum(sum);
  if (lane_id() == 0) delta[i] = sum;
  for (int64_t j = lane_id(); j < s.tokens; j += warp_size)
    ds[j] = x.probability(p, i, j) * (ds[j] - sum) * s.scale;
  sync_warp();
  for (int64_t d = lane_id(); d < s.head_dim; d += warp_size) dq[d] = combine(ds, x.k, s.tokens, d);
  sync_warp();
}

// Row j of dk and dv by one warp; share and ds hold T values each.
template <class T>
__device__ void key_gradient(const Problem<T>& p, const Rows<T>& x, int64_t j, const T* delta,
                             T* share, T* ds, T* dk, T* dv) {
  const auto& s = p.shape;
  for (int64_t i = lane_id(); i < s.queries; i += warp_size) {
    share[i] = x.probability(p, i, j);
    ds[i] = share[i] * (dot(x.dout.row(i), x.v.row(j), s.head_dim) - delta[i]) * s.scale;
  }
  sync_warp();
  for (int64_t d = lane_id(); d < s.head_dim; d += warp_size) {
    dv[d] = combine(share, x.dout, s.queries, d);
    dk[d] = combine(ds, x.q, s.queries, d);
  }
  sync_warp();
}

template <class T>
__global__ void backward_kernel(Problem<T> p, const T* q, const T* k, const T* v, const T* dout,
                                const T* stats, T* dq, T* dk, T* dv) {
  const auto& s = p.shape;
  const int64_t in = p.start(p.heads.in);
  const T* const own = stats + int64_t{blockIdx.x} * 2 * s.tokens;
  Rows<T> x{{q + in, s.row_stride},
            {k + in, s.row_stride},
            {v + in, s.row_stride},
            {dout + p.start(p.heads.out), s.out_stride},
            own,
            own + s.tokens};
  dq += in, dk += in, dv += in;
  T* shared = reinterpret_cast<T*>(dynamic_shared());
  T *const share = shared + warp_id() * 2 * s.tokens, *const ds = share + s.tokens;
  shared += warps * 2 * s.tokens;
  T* const delta = shared;
  shared += s.tokens;
  if (p.staged) {
    x.q = stage(x.q, s.queries, s.head_dim, shared);
    x.k = stage(x.k, s.tokens, s.head_dim, shared);
    x.v = stage(x.v, s.tokens, s.head_dim, shared);
    x.dout = stage(x.dout, s.queries, s.head_dim, shared);
    sync_block();
  }
  for (int64_t i = warp_id(); i < s.queries; i += warps)
    query_gradient(p, x, i, ds, delta, dq + i * s.row_stride);
  for (int64_t i = s.queries + warp_id(); i < s.tokens; i += warps)
    for (int64_t d = lane_id(); d < s.head_dim; d += warp_size) dq[i * s.row_stride + d] = 0;
  sync_block();
  for (int64_t j = warp_id(); j < s.tokens; j += warps)
    key_gradient(p, x, j, delta, share, ds, dk + j * s.row_stride, dv + j * s.row_stride);
}

// Shared memory for `rows` rows of tokens beside `matrices` staged ones, where that fits.
template <class T>
struct Plan {
  Problem<T> problem;
  Grid grid;

  Plan(const AttentionHeads& heads, const AttentionShape<T>& shape, int64_t rows, int64_t matrices)
      : problem{heads, shape, false} {
    const int64_t size = sizeof(T), least = rows * shape.tokens * size;
    const int64_t all = least + matrices * shape.tokens * odd(shape.head_dim) * size;
    problem.staged = all <= most_staged;
    grid = {.blocks_x = static_cast<unsigned>(heads.count),
            .threads = block_threads,
            .shared_bytes = static_cast<unsigned>(problem.staged ? all : least)};
  }
};

// Rows of T values that a block of backward has in shared memory; forward has fewer.
constexpr int64_t backward_rows = 2 * warps + 1;

}  // namespace

template <class T>
int64_t attention_most_tokens() noexcept {
  return most_staged / (backward_rows * static_cast<int64_t>(sizeof(T)));
}

template <class T>
void attention_forward_heads(const AttentionHeads& heads, const AttentionShape<T>& shape,
                             const T* q, const T* k, const T* v, T* out, T* stats) noexcept {
  const Plan<T> plan(heads, shape, warps, 2);
  launch(forward_kernel<T>, plan.grid, plan.problem, q, k, v, out, stats);
}

template <class T>
void attention_backward_heads(const AttentionHeads& heads, const AttentionShape<T>& shape,
                              const T* q, const T* k, const T* v, const T* dout, const T* stats,
                              T* dq, T* dk, T* dv) noexcept {
  const Plan<T> plan(heads, shape, backward_rows, 4);
  launch(backward_kernel<T>, plan.grid, plan.problem, q, k, v, dout, stats, dq, dk, dv);
}

#define ESPALIER_ATTENTION(T)                                                                      \
  template int64_t attention_most_tokens<T>() noexcept;                                            \
  template void attention_forward_heads(const AttentionHeads&, const AttentionShape<T>&, const T*, \
                                        const T*, const T*, T*, T*) noexcept;                      \
  template void attention_backward_heads(const AttentionHeads&, const AttentionShape<T>&,          \
                                         const T*, const T*, const T*, const T*, const T*, T*, T*, \
                                         T*) noexcept;                                             \
  void attention_forward(const AttentionShape<T>& shape, const T* q, const T* k, const T* v,       \
                         T* out, T* stats, T*) noexcept {                                          \
    attention_forward_heads({1, 1, {}, {}}, shape, q, k, v, out, stats);                           \
  }                                                                                                \
  void attention_backward(const AttentionShape<T>& shape, const T* q, const T* k, const T* v,      \
                          const T* dout, const T* stats, T* dq, T* dk, T* dv, T*) noexcept {       \
    attention_backward_heads({1, 1, {}, {}}, shape, q, k, v, dout, stats, dq, dk, dv);             \
  }
ESPALIER_ATTENTION(float)
ESPALIER_ATTENTION(double)
#undef ESPALIER_ATTENTION

}  // namespace espalier::cuda
