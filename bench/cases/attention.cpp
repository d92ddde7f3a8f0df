#include "kernels/attention/attention.h"

#include "bench/cases/case.h"
#include "kernels/attention_bf16/attention_bf16.h"
#include "kernels/cast/cast.h"

namespace espalier::bench {
namespace {

constexpr int64_t head_dim = 32, heads = 4, images = 8, pieces = heads * images;

// Packed projections [images, T, 3, heads, head_dim], as the model has them.
struct Data {
  int64_t tokens;
  Floats qkv, dout, out, stats, dqkv;

  AttentionShape<float> shape() const {
    return {tokens, head_dim, 3 * heads * head_dim, heads * head_dim,
            1 / std::sqrt(static_cast<float>(head_dim))};
  }
  // Where head `piece` starts: its q (k and v follow `width` further each), and its output.
  int64_t q_at(int64_t piece) const {
    return (piece / heads * tokens * 3 * heads + piece % heads) * head_dim;
  }
  int64_t out_at(int64_t piece) const {
    return (piece / heads * tokens * heads + piece % heads) * head_dim;
  }
};
constexpr int64_t width = heads * head_dim;

// The rows of one arithmetic, and what they want of scratch.
struct Tables {
  DType arithmetic;
  std::span<const KernelRow<AttentionForward<float>>> forward;
  std::span<const KernelRow<AttentionBackward<float>>> backward;
  int64_t (*forward_scratch)(int64_t tokens, int64_t head_dim) noexcept;
  int64_t (*backward_scratch)(int64_t tokens, int64_t head_dim) noexcept;
};

Tables tables(DType arithmetic) {
  if (arithmetic == DType::bf16)
    return {arithmetic, attention_bf16_kernels(), attention_bf16_backward_kernels(),
            attention_bf16_scratch, attention_bf16_backward_scratch};
  return {arithmetic, attention_forward_kernels<float>(), attention_backward_kernels<float>(),
          attention_forward_scratch, attention_backward_scratch};
}

// For bf16 operands are rounded before, so that the reference has them too.
std::shared_ptr<Data> make_data(int64_t tokens, DType arithmetic) {
  const int64_t count = images * tokens * width;
  auto d = std::make_shared<Data>(Data{tokens, normal(3 * count, 1), normal(count, 2), {}, {}, {}});
  if (arithmetic == DType::bf16)
    for (Floats* operands : {&d->qkv, &d->dout})
      for (float& x : *operands) x = cast_detail::to_float(cast_detail::to_bfloat16(x));
  d->out.resize(static_cast<size_t>(count));
  d->dqkv.resize(static_cast<size_t>(3 * count));
  d->stats.resize(static_cast<size_t>(pieces * 2 * tokens));
  return d;
}

float* scratch(int64_t count) {
  thread_local Floats memory;
  if (static_cast<int64_t>(memory.size()) < count) memory.resize(static_cast<size_t>(count));
  return memory.data();
}

template <class Row>
auto forward_run(const std::shared_ptr<Data>& d, const Row& row, int64_t memory) {
  return [d, run = row.run, memory](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const float* q = d->qkv.data() + d->q_at(p);
      run(d->shape(), q, q + width, q + 2 * width, d->out.data() + d->out_at(p),
          d->stats.data() + p * 2 * d->tokens, scratch(memory));
    }
  };
}

template <class Row>
auto backward_run(const std::shared_ptr<Data>& d, const Row& row, int64_t memory) {
  return [d, run = row.run, memory](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const float* q = d->qkv.data() + d->q_at(p);
      float* dq = d->dqkv.data() + d->q_at(p);
      run(d->shape(), q, q + width, q + 2 * width, d->dout.data() + d->out_at(p),
          d->stats.data() + p * 2 * d->tokens, dq, dq + width, dq + 2 * width, scratch(memory));
    }
  };
}

// Both directions of the head `p` in double.
struct Reference {
  std::vector<double> out, dqkv;

  Reference(const Data& d, int64_t p) {
    const auto qkv = widened(d.qkv), dout = widened(d.dout);
    out.resize(dout.size());
    dqkv.resize(qkv.size());
    std::vector<double> stats(static_cast<size_t>(2 * d.tokens));
    std::vector<double> memory(
        static_cast<size_t>(std::max(attention_forward_scratch(d.tokens, head_dim),
                                     attention_backward_scratch(d.tokens, head_dim))));
    const AttentionShape<float> s = d.shape();
    const AttentionShape<double> shape = {s.tokens, s.head_dim, s.row_stride, s.out_stride,
                                          static_cast<double>(s.scale)};
    const double* q = qkv.data() + d.q_at(p);
    double* dq = dqkv.data() + d.q_at(p);
    attention_forward_kernels<double>().back().run(
        shape, q, q + width, q + 2 * width, out.data() + d.out_at(p), stats.data(), memory.data());
    attention_backward_kernels<double>().back().run(shape, q, q + width, q + 2 * width,
                                                    dout.data() + d.out_at(p), stats.data(), dq,
                                                    dq + width, dq + 2 * width, memory.data());
  }
};

// Sums of T and D terms of size about 1; probabilities sum to 1, so that results of forward stay
// under 8, and gradients, products of two more such values, under 64.
double rounding(int64_t tokens) { return static_cast<double>(tokens + head_dim + 40) * epsilon; }

// Forward may miss a result by 8 `missed`, backward by 64.
void expect_head(Oracle& oracle, Data& d, int64_t p, bool backward, double missed) {
  const Reference reference(d, p);
  for (int64_t t = 0; t < d.tokens; ++t)
    for (int64_t c = 0; c < head_dim; ++c) {
      const size_t at = static_cast<size_t>(d.out_at(p) + t * width + c);
      if (!backward) oracle.expect(&d.out[at], reference.out[at], 8 * missed);
      for (int64_t part = 0; backward && part < 3; ++part) {
        const size_t slot = static_cast<size_t>(d.q_at(p) + (t * 3 + part) * width + c);
        oracle.expect(&d.dqkv[slot], reference.dqkv[slot], 64 * missed);
      }
    }
}

// `products` matrix products of T x T x D a head; what softmax costs is not counted.
KernelCase make_case(const std::shared_ptr<Data>& d, int products, bool backward,
                     DType arithmetic) {
  const double T = static_cast<double>(d->tokens), D = head_dim, n = pieces;
  const double tensors = backward ? 7 : 4;  // read or written, T x D each
  KernelCase out = {{2 * products * T * T * D * n, 4 * tensors * T * D * n, T * D * n},
                    pieces,
                    1,
                    {},
                    {},
                    arithmetic};
  // Each weight, or its gradient, is rounded to bf16 as well, half a unit of eight bits.
  const double missed = rounding(d->tokens) + (arithmetic == DType::bf16 ? 0x1p-8 : 0);
  for (const int64_t p : {int64_t{0}, pieces - 1}) expect_head(out.oracle, *d, p, backward, missed);
  return out;
}

KernelCase forward(int64_t tokens, const Tables& t) {
  const auto d = make_data(tokens, t.arithmetic);
  const int64_t memory = t.forward_scratch(tokens, head_dim);
  KernelCase out = make_case(d, 2, false, t.arithmetic);
  out.contenders =
      contenders(t.forward, [&](const auto& row) { return forward_run(d, row, memory); });
  return out;
}

KernelCase backward(int64_t tokens, const Tables& t) {
  const auto d = make_data(tokens, t.arithmetic);
  // For its statistics.
  forward_run(d, t.forward.back(), t.forward_scratch(tokens, head_dim))(0, pieces);
  const int64_t memory = t.backward_scratch(tokens, head_dim);
  KernelCase out = make_case(d, 5, true, t.arithmetic);
  out.contenders =
      contenders(t.backward, [&](const auto& row) { return backward_run(d, row, memory); });
  return out;
}

}  // namespace

void add_attention_cases(Cases& cases) {
  for (const int64_t tokens : {49, 50}) {
    const std::string shape = "T" + std::to_string(tokens) + "_D32_x32";
    const auto add = [&](const char* name, auto make, DType arithmetic) {
      cases.push_back({name + shape, [=] { return make(tokens, tables(arithmetic)); }});
    };
    add("attention_forward/", forward, DType::f32);
    add("attention_bf16/", forward, DType::bf16);
    add("attention_backward/", backward, DType::f32);
    add("attention_bf16_backward/", backward, DType::bf16);
  }
}

}  // namespace espalier::bench
