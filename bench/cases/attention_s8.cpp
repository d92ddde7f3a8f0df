#include "kernels/attention_s8/attention_s8.h"

#include "bench/cases/case.h"

namespace espalier::bench {
namespace {

constexpr int64_t head_dim = 32, heads = 4, images = 8, pieces = heads * images;
constexpr int64_t width = heads * head_dim;

// Packed projections [images, T, 3, heads, head_dim], as the model has them.
struct Data {
  int64_t tokens;
  Values<int8_t> qkv, out;

  explicit Data(int64_t T)
      : tokens(T),
        qkv(whole_numbers<int8_t>(3 * images * T * width, 1, 40)),
        out(static_cast<size_t>(images * T * width)) {}

  // Scores of deviation 1: codes of deviation 40 have scale 1/40.
  AttentionS8 shape() const {
    const float score = 256 / std::log(2.0f) / (40 * 40 * std::sqrt(static_cast<float>(head_dim)));
    return {tokens, head_dim, 3 * width, width, score, 4, -3};
  }
};

std::byte* scratch(int64_t count) {
  thread_local Values<std::byte> memory;
  if (static_cast<int64_t>(memory.size()) < count) memory.resize(static_cast<size_t>(count));
  return memory.data();
}

auto run_heads(const std::shared_ptr<Data>& d, const KernelRow<AttentionS8Run>& row) {
  return [d, run = row.run](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t first = p / heads * d->tokens, column = p % heads * head_dim;
      const int8_t* q = d->qkv.data() + first * 3 * width + column;
      run(d->shape(), q, q + width, q + 2 * width, d->out.data() + first * width + column,
          scratch(attention_s8_scratch(d->tokens, head_dim)));
    }
  };
}

// Two products of T x T x D a head; what softmax costs is not counted.
KernelCase forward(int64_t tokens) {
  const auto d = std::make_shared<Data>(tokens);
  const double T = static_cast<double>(tokens), D = head_dim, n = pieces;
  KernelCase out = {{4 * T * T * D * n, 4 * T * D * n, T * D * n}, pieces, 1, {}, {}, DType::s8};
  run_heads(d, attention_s8_kernels().back())(0, pieces);
  out.oracle.expect_exactly(d->out, unlike(d->out), Values<int8_t>(d->out));
  out.contenders =
      contenders(attention_s8_kernels(), [&](const auto& row) { return run_heads(d, row); });
  return out;
}

}  // namespace

void add_attention_s8_cases(Cases& cases) {
  for (const int64_t tokens : {49, 50})
    cases.push_back({"attention_s8/T" + std::to_string(tokens) + "_D32_x32",
                     [tokens] { return forward(tokens); }});
}

}  // namespace espalier::bench
