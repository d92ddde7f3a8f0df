// Resources (scripts/checks/cuda_resources), beside the dynamic shared memory of a Plan:
//   attention_kernel  64  0  128  0.50
//
// A block a head, a warp a query. Where a head fits, its codes lie in shared memory, four to a
// word: a key's along its width, values along the tokens, as dp4a multiplies them. Rows of words
// are an odd number apart: lanes that read one column of 32 rows meet no bank twice. Sums are
// exact, so that their order does not matter.
#include "kernels/attention_s8/attention_s8_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

constexpr unsigned block_threads = 128, warps = block_threads / warp_size;
// Of an sm_86 block: what every architecture has.
constexpr int64_t most_shared = 96 << 10;

ESPALIER_ANYWHERE constexpr int64_t words(int64_t codes) { return (codes + 3) / 4; }
ESPALIER_ANYWHERE constexpr int64_t odd(int64_t n) { return n | 1; }

// Codes `step` apart from `first` on, of `count`, as a word; past the end they are 0.
__device__ uint32_t word_of(const int8_t* x, int64_t step, int64_t first, int64_t count) {
  uint32_t word = 0;
  for (int64_t i = 0; i < 4 && first + i < count; ++i)
    word |= static_cast<uint32_t>(static_cast<uint8_t>(x[(first + i) * step])) << 8 * i;
  return word;
}

struct Operands {
  const int8_t *q, *k, *v;  // of a head
};

// A head that is read where it lies.
class InPlace {
 public:
  __device__ InPlace(const Operands& x, const AttentionS8& s, uint32_t*) : x_(x), s_(s) {}
  static int64_t shared_words(const AttentionS8&) { return 0; }

  __device__ void take_query(int64_t i) { query_ = x_.q + i * s_.row_stride; }
  __device__ int32_t score(int64_t j) const {
    const int8_t* key = x_.k + j * s_.row_stride;
    int32_t sum = 0;
    for (int64_t d = 0; d < s_.head_dim; ++d) sum += query_[d] * key[d];
    return sum;
  }
  __device__ int32_t combine(const uint32_t* weights, int64_t d) const {
    const auto* weight = reinterpret_cast<const uint8_t*>(weights);
    int32_t sum = 0;
    for (int64_t j = 0; j < s_.tokens; ++j) sum += weight[j] * x_.v[j * s_.row_stride + d];
    return sum;
  }

 private:
  const Operands x_;
  const AttentionS8& s_;
  const int8_t* query_ = nullptr;
};

// One whose codes lie in shared memory, once the block has met.
class Staged {
 public:
  __device__ Staged(const Operands& x, const AttentionS8& s, uint32_t* shared)
      : x_(x),
        s_(s),
        width_(static_cast<int>(words(s.head_dim))),
        height_(static_cast<int>(words(s.tokens))),
        keys_(shared),
        values_(keys_ + s.tokens * odd(width_)),
        query_(values_ + s.head_dim * odd(height_) + warp_id() * width_) {
    for (int64_t i = threadIdx.x; i < s.tokens * width_; i += block_threads)
      keys_[i / width_ * odd(width_) + i % width_] =
          word_of(x.k + i / width_ * s.row_stride, 1, i % width_ * 4, s.head_dim);
    for (int64_t i = threadIdx.x; i < s.head_dim * height_; i += block_threads)
      values_[i % s.head_dim * odd(height_) + i / s.head_dim] =
          word_of(x.v + i % s.head_dim, s.row_stride, i / s.head_dim * 4, s.tokens);
  }
  static int64_t shared_words(const AttentionS8& s) {
    const int64_t width = words(s.head_dim);
    return s.tokens * odd(width) + s.head_dim * odd(words(s.tokens)) + warps * width;
  }

  __device__ void take_query(int64_t i) {
    for (int64_t w = lane_id(); w < width_; w += warp_size)
      query_[w] = word_of(x_.q + i * s_.row_stride, 1, w * 4, s_.head_dim);
    sync_warp();
  }
  __device__ int32_t score(int64_t j) const {
    const uint32_t* key = keys_ + j * odd(width_);
    int32_t sum = 0;
    for (int w = 0; w < width_; ++w) sum = dot_s8(query_[w], key[w], sum);
    return sum;
  }
  __device__ int32_t combine(const uint32_t* weights, int64_t d) const {
    const uint32_t* value = values_ + d * odd(height_);
    int32_t sum = 0;
    for (int w = 0; w < height_; ++w) sum = dot_u8_s8(weights[w], value[w], sum);
    return sum;
  }

 private:
  const Operands x_;
  const AttentionS8& s_;
  const int width_, height_;  // of keys and values, in words
  uint32_t *const keys_, *const values_, *const query_;
};

struct Row {
  int32_t* scores;    // T
  uint32_t* weights;  // words(T), a byte each
};
ESPALIER_ANYWHERE constexpr int64_t row_words(int64_t tokens) { return tokens + words(tokens); }

// The weights of a query, by its warp; returns their sum.
template <class Head>
__device__ int32_t weigh(const Head& head, const AttentionS8& s, const Row& row) {
  int32_t largest = INT32_MIN, total = 0;
  for (int64_t j = lane_id(); j < s.tokens; j += warp_size) {
    row.scores[j] = head.score(j);
    largest = Maximum()(row.scores[j], largest);
  }
  largest = warp_maximum(largest);
  auto* weights = reinterpret_cast<uint8_t*>(row.weights);
  for (int64_t j = lane_id(); j < words(s.tokens) * 4; j += warp_size) {
    int32_t weight = 0;
    if (j < s.tokens) weight = attention_s8_weight_of(largest - row.scores[j], s.score_scale);
    weights[j] = static_cast<uint8_t>(weight);
    total += weight;
  }
  total = warp_sum(total);
  sync_warp();
  return total;
}

template <class Head>
__global__ void attention_kernel(AttentionHeads heads, const __grid_constant__ AttentionS8 s,
                                 Operands x, int8_t* out) {
  const int64_t in = heads.start(blockIdx.x, heads.in);
  out += heads.start(blockIdx.x, heads.out);
  auto* shared = reinterpret_cast<uint32_t*>(dynamic_shared());
  const int64_t a_row = row_words(s.tokens);
  uint32_t* const own = shared + warp_id() * a_row;
  const Row row{reinterpret_cast<int32_t*>(own), own + s.tokens};
  Head head({x.q + in, x.k + in, x.v + in}, s, shared + warps * a_row);
  sync_block();
  for (int64_t i = warp_id(); i < s.queries; i += warps) {
    head.take_query(i);
    const float scale = attention_s8_out_scale(s, weigh(head, s, row));
    for (int64_t d = lane_id(); d < s.head_dim; d += warp_size)
      out[i * s.out_stride + d] = static_cast<int8_t>(
          code_of(static_cast<float>(head.combine(row.weights, d)) * scale, s.zero_point));
    sync_warp();
  }
}

template <class Head>
int64_t shared_bytes(const AttentionS8& s) {
  return 4 * (warps * row_words(s.tokens) + Head::shared_words(s));
}

template <class Head>
void run(const AttentionHeads& heads, const AttentionS8& s, const Operands& x, int8_t* out) {
  const Grid grid{.blocks_x = static_cast<unsigned>(heads.count),
                  .threads = block_threads,
                  .shared_bytes = static_cast<unsigned>(shared_bytes<Head>(s))};
  launch(attention_kernel<Head>, grid, heads, s, x, out);
}

}  // namespace

int64_t attention_s8_most_tokens() noexcept {
  int64_t tokens = most_shared / (4 * warps) * 4 / 5;
  while (4 * warps * row_words(tokens) > most_shared) --tokens;
  return tokens;
}

void attention_s8_heads(const AttentionHeads& heads, const AttentionS8& shape, const int8_t* q,
                        const int8_t* k, const int8_t* v, int8_t* out) noexcept {
  if (shared_bytes<Staged>(shape) <= most_shared)
    run<Staged>(heads, shape, {q, k, v}, out);
  else
    run<InPlace>(heads, shape, {q, k, v}, out);
}

void attention_s8(const AttentionS8& shape, const int8_t* q, const int8_t* k, const int8_t* v,
                  int8_t* out, std::byte*) noexcept {
  attention_s8_heads({1, 1, {}, {}}, shape, q, k, v, out);
}

}  // namespace espalier::cuda
