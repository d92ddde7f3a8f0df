#include "kernels/attention/attention.h"

#include <algorithm>
#include <numbers>

#include "engine/ops/attention.h"
#include "engine/ops/binary.h"
#include "engine/ops/view.h"
#include "tests/device_test.h"

namespace espalier::test::attention_tests {
namespace {

using Doubles = std::vector<double>;
constexpr float untouched = 12345.0f;

// One head's operands and results, rows a few elements further apart than they are wide.
struct Head {
  Head(int64_t tokens, int64_t head_dim, double deviation, Guard guard = Guard::back,
       size_t offset = 0)
      : shape{tokens, head_dim, head_dim + 3, head_dim + 2,
              1.0f / std::sqrt(static_cast<float>(head_dim))},
        in(span_of(shape.row_stride)),
        out_size(span_of(shape.out_stride)),
        q(in, guard, offset),
        k(in, guard, offset),
        v(in, guard, offset),
        dout(out_size, guard, offset),
        out(out_size, guard, offset),
        stats(static_cast<size_t>(2 * tokens), guard, offset),
        dq(in, guard, offset),
        dk(in, guard, offset),
        dv(in, guard, offset) {
    fill_normal(q, 1, deviation);
    fill_normal(k, 2, deviation);
    fill_normal(v, 3);
    fill_normal(dout, 4);
    for (auto* result : {&out, &dq, &dk, &dv}) std::fill(result->begin(), result->end(), untouched);
  }

  void forward(AttentionForward<float>* run, bool keep = true) {
    Guarded<float> scratch(
        static_cast<size_t>(attention_forward_scratch(shape.tokens, shape.head_dim)));
    std::fill(scratch.begin(), scratch.end(), std::numeric_limits<float>::quiet_NaN());
    run(shape, q.data(), k.data(), v.data(), out.data(), keep ? stats.data() : nullptr,
        scratch.data());
  }

  void backward(AttentionBackward<float>* run) {
    Guarded<float> scratch(
        static_cast<size_t>(attention_backward_scratch(shape.tokens, shape.head_dim)));
    std::fill(scratch.begin(), scratch.end(), std::numeric_limits<float>::quiet_NaN());
    run(shape, q.data(), k.data(), v.data(), dout.data(), stats.data(), dq.data(), dk.data(),
        dv.data(), scratch.data());
  }

  size_t span_of(int64_t stride) const {
    return static_cast<size_t>((shape.tokens - 1) * stride + shape.head_dim);
  }

  AttentionShape<float> shape;
  size_t in, out_size;
  Guarded<float> q, k, v, dout, out, stats, dq, dk, dv;
};

// Row i, column d of a matrix with rows `stride` apart.
template <class Values>
double at(const Values& values, int64_t stride, int64_t i, int64_t d) {
  return static_cast<double>(values[static_cast<size_t>(i * stride + d)]);
}

// The same head by the scalar rows in double.
struct Reference {
  explicit Reference(const Head& head)
      : shape{head.shape.tokens, head.shape.head_dim, head.shape.row_stride, head.shape.out_stride,
              static_cast<double>(head.shape.scale)},
        q(copy(head.q)),
        k(copy(head.k)),
        v(copy(head.v)),
        dout(copy(head.dout)),
        out(head.out_size, static_cast<double>(untouched)),
        stats(head.stats.size()),
        dq(head.in, static_cast<double>(untouched)),
        dk(dq),
        dv(dq) {
    Doubles scratch(static_cast<size_t>(attention_backward_scratch(shape.tokens, shape.head_dim)));
    attention_forward_kernels<double>().back().run(shape, q.data(), k.data(), v.data(), out.data(),
                                                   stats.data(), scratch.data());
    attention_backward_kernels<double>().back().run(shape, q.data(), k.data(), v.data(),
                                                    dout.data(), stats.data(), dq.data(), dk.data(),
                                                    dv.data(), scratch.data());
  }
  static Doubles copy(const Guarded<float>& x) { return {x.data(), x.data() + x.size()}; }

  AttentionShape<double> shape;
  Doubles q, k, v, dout, out, stats, dq, dk, dv;
};

// How far a float row may be from the reference, element by element; 0 between the rows of a
// result, which must stay as they were.
struct Bounds {
  explicit Bounds(const Reference& r) : out(r.out.size()), dq(r.dq.size()), dk(dq), dv(dq) {
    for (int64_t i = 0; i < r.shape.tokens; ++i) add_query(r, i);
  }

  // A logit is wrong by (D + 5) roundings of sum |q k|, and e^x turns that into a relative error,
  // beside its own 2; 1 / sum doubles it and adds T roundings. Products then add their length.
  void add_query(const Reference& r, int64_t i) {
    const auto [tokens, width, stride, out_stride, scale, queries] = r.shape;
    const auto size = static_cast<size_t>(tokens);
    Doubles p(size), dp(size);
    double largest = 0, delta = 0;
    for (int64_t j = 0; j < tokens; ++j) {
      double logit = 0, magnitude = 0, product = 0;
      for (int64_t d = 0; d < width; ++d) {
        logit += at(r.q, stride, i, d) * at(r.k, stride, j, d) * scale;
        magnitude += std::abs(at(r.q, stride, i, d) * at(r.k, stride, j, d)) * scale;
        product += std::abs(at(r.dout, out_stride, i, d) * at(r.v, stride, j, d));
      }
      const auto row = static_cast<size_t>(i);
      p[static_cast<size_t>(j)] =
          std::exp2(logit * std::numbers::log2e - r.stats[row]) * r.stats[size + row];
      dp[static_cast<size_t>(j)] = product;
      largest = std::max(largest, magnitude);
      delta += p[static_cast<size_t>(j)] * product;
    }
    const double length = static_cast<double>(tokens), depth = static_cast<double>(width);
    const double relative = (2 * ((depth + 5) * largest + 2) + length + 3) * epsilon;
    const double gradient = 2 * relative + (depth + 2 * length + 6) * epsilon;
    const double flushed = static_cast<double>(std::numeric_limits<float>::min());
    for (int64_t j = 0; j < tokens; ++j)
      for (int64_t d = 0; d < width; ++d) {
        const double pj = p[static_cast<size_t>(j)] + flushed;
        const double ds = pj * (dp[static_cast<size_t>(j)] + delta) * scale * gradient;
        const auto in_i = static_cast<size_t>(i * stride + d);
        const auto in_j = static_cast<size_t>(j * stride + d);
        out[static_cast<size_t>(i * out_stride + d)] +=
            (pj * (relative + length * epsilon) + flushed) * std::abs(r.v[in_j]);
        dv[in_j] += (pj * (relative + (length + 3) * epsilon) + flushed) *
                    std::abs(at(r.dout, out_stride, i, d));
        dk[in_j] += ds * std::abs(r.q[in_i]);
        dq[in_i] += ds * std::abs(r.k[in_j]);
      }
  }

  Doubles out, dq, dk, dv;
};

void check(const Guarded<float>& values, const Doubles& reference, const Doubles& bounds) {
  check_close(values, reference, [&](size_t i) { return bounds[i]; });
}

// Every pair of a forward and a backward row of one ISA.
template <class F>
void for_each_isa(F f) {
  const auto backward_rows = attention_backward_kernels<float>();
  for_each_row(attention_forward_kernels<float>(), [&](const auto& forward) {
    for (const auto& backward : backward_rows)
      if (backward.isa == forward.isa) f(forward, backward);
  });
}

void check_head(int64_t tokens, int64_t head_dim, double deviation) {
  INFO("T ", tokens, ", D ", head_dim, ", deviation ", deviation);
  const Reference reference(Head(tokens, head_dim, deviation));
  const Bounds bounds(reference);
  for_each_isa([&](const auto& forward, const auto& backward) {
    for (const auto& [guard, offset] : {std::pair{Guard::back, 0}, {Guard::front, 1}}) {
      Head head(tokens, head_dim, deviation, guard, static_cast<size_t>(offset));
      head.forward(forward.run);
      check(head.out, reference.out, bounds.out);
      head.backward(backward.run);
      check(head.dq, reference.dq, bounds.dq);
      check(head.dk, reference.dk, bounds.dk);
      check(head.dv, reference.dv, bounds.dv);
    }
  });
}

}  // namespace

TEST_CASE("attention rows agree with the double reference") {
  for (int64_t head_dim : {1, 3, 8, 16, 31, 32, 33, 64})
    for (int64_t tokens = 1; tokens <= 67; tokens += head_dim < 33 ? 1 : 6)
      check_head(tokens, head_dim, 1.0);
  check_head(197, 64, 1.0);
}

TEST_CASE("attention rows stay stable under large logits") {
  for (double deviation : {8.0, 40.0})
    for (int64_t tokens : {1, 7, 50, 67}) check_head(tokens, 32, deviation);
}

TEST_CASE("attention forward gives the same bits whether or not backward follows") {
  for_each_row(attention_forward_kernels<float>(), [](const auto& row) {
    Head with(50, 32, 1.0), without(50, 32, 1.0);
    with.forward(row.run);
    without.forward(row.run, false);
    for (size_t i = 0; i < with.out.size(); ++i) CHECK(same_bits(with.out[i], without.out[i]));
  });
}

TEST_CASE("attention forward gives the leading rows of out alone when asked") {
  for_each_row(attention_forward_kernels<float>(), [](const auto& row) {
    for (int64_t queries = 1; queries <= 20; ++queries) {
      Head all(20, 13, 1.0), some(20, 13, 1.0);
      some.shape.queries = queries;
      all.forward(row.run);
      some.forward(row.run, false);
      const auto end = static_cast<size_t>((queries - 1) * all.shape.out_stride + 13);
      for (size_t i = 0; i < all.out.size(); ++i)
        CHECK(same_bits(some.out[i], i < end ? all.out[i] : untouched));
    }
  });
}

// As if the gradients of the other rows were zero: of those nothing is read.
TEST_CASE("attention backward takes the leading rows of dout alone when asked") {
  for_each_isa([](const auto& forward, const auto& backward) {
    for (int64_t head_dim : {13, 32})
      for (int64_t queries = 1; queries <= 20; ++queries) {
        Head all(20, head_dim, 1.0), some(20, head_dim, 1.0);
        some.shape.queries = queries;
        all.forward(forward.run), some.forward(forward.run);
        const auto end = static_cast<size_t>(queries * all.shape.out_stride);
        for (size_t i = end; i < all.dout.size(); ++i)
          all.dout[i] = 0, some.dout[i] = std::numeric_limits<float>::quiet_NaN();
        const Reference reference(all);
        const Bounds bounds(reference);
        some.backward(backward.run);
        check(some.dq, reference.dq, bounds.dq);
        check(some.dk, reference.dk, bounds.dk);
        check(some.dv, reference.dv, bounds.dv);
      }
  });
}

TEST_CASE("attention rows treat special values as the contract says") {
  constexpr int64_t tokens = 21, head_dim = 5;
  for (float special : special_values()) {
    if (std::abs(special) == std::numeric_limits<float>::max()) continue;  // logits would overflow
    for (int operand = 0; operand < 4; ++operand) {
      INFO("value ", special, " in operand ", operand);
      const auto plant = [&](Head& head) {
        Guarded<float>* const operands[] = {&head.q, &head.k, &head.v, &head.dout};
        (*operands[operand])[operands[operand]->size() / 2] = special;
      };
      Head planted(tokens, head_dim, 1.0);
      plant(planted);
      const Reference reference(planted);
      const Bounds bounds(reference);
      for_each_isa([&](const auto& forward, const auto& backward) {
        Head head(tokens, head_dim, 1.0);
        plant(head);
        head.forward(forward.run);
        check(head.out, reference.out, bounds.out);
        head.backward(backward.run);
        check(head.dq, reference.dq, bounds.dq);
        check(head.dk, reference.dk, bounds.dk);
        check(head.dv, reference.dv, bounds.dv);
      });
    }
  }
}

TEST_CASE("attention SIMD rows give the same bits") {
  for (int64_t head_dim : {5, 32})
    for (int64_t tokens : {1, 3, 15, 50, 67, 130}) {
      std::vector<float> first;
      for_each_isa([&](const auto& forward, const auto& backward) {
        if (!is_simd(forward.isa)) return;
        Head head(tokens, head_dim, 2.0);
        head.forward(forward.run);
        head.backward(backward.run);
        std::vector<float> all;
        for (auto* result : {&head.out, &head.stats, &head.dq, &head.dk, &head.dv})
          all.insert(all.end(), result->begin(), result->end());
        if (first.empty()) first = all;
        CHECK(std::memcmp(all.data(), first.data(), all.size() * sizeof(float)) == 0);
      });
    }
}

TEST_CASE("attention gradients match finite differences") {
  check_gradients([](const auto& x) { return attention(x[0], 2); }, {random_tensor({2, 5, 18}, 1)});
  check_gradients([](const auto& x) { return attention(x[0], 1); }, {random_tensor({1, 1, 6}, 2)});
  check_gradients([](const auto& x) { return attention(x[0], 2, 2); },
                  {random_tensor({2, 5, 18}, 1)});
  check_gradients([](const auto& x) { return attention(x[0], 2, 5, 0.9); },
                  {random_tensor({2, 5, 18}, 1)});
  const auto separate = [](const auto& x) {
    return scaled_dot_product_attention(x[0], x[1], x[2]);
  };
  check_gradients(separate, {random_tensor({2, 2, 4, 3}, 3), random_tensor({2, 2, 4, 3}, 4),
                             random_tensor({2, 2, 4, 3}, 5)});
}

// As heads that lost all but D of their values to pruning: 1 / sqrt(4 D) = (1 / sqrt(D)) / 2, and
// halves are exact.
TEST_CASE("attention of a scale is that of queries so much smaller") {
  constexpr int64_t heads = 3, head_dim = 7, width = heads * head_dim;
  const Tensor qkv = random_tensor({2, 9, 3 * width}, 6, DType::f32);
  const double half = 0.5 / std::sqrt(static_cast<double>(head_dim));
  const Tensor scaled = attention(qkv, heads, 9, half);
  Tensor halved = Tensor::empty(qkv.shape());
  halved.copy_(qkv);
  slice(halved, 2, 0, width).copy_(mul(slice(qkv, 2, 0, width), 0.5));
  CHECK(scaled.to_vector() == attention(halved, heads).to_vector());
  CHECK(scaled.to_vector() != attention(qkv, heads).to_vector());
}

TEST_CASE("packed and separate attention give the same bits, gradients too") {
  constexpr int64_t batch = 2, tokens = 19, head_dim = 8;
  for (int64_t heads : {3, 32}) {  // rows 288 and 3,072 bytes apart
    const Tensor qkv =
        random_tensor({batch, tokens, 3 * heads * head_dim}, 6, DType::f32).set_requires_grad();
    const Tensor seed = random_tensor({batch, tokens, heads * head_dim}, 7, DType::f32);
    const Tensor out = attention(qkv, heads);
    backward(out, {.seed = seed});
    const Tensor packed = qkv.grad();
    qkv.set_grad(Tensor());
    const Tensor split =
        permute(reshape(qkv, {batch, tokens, 3, heads, head_dim}), {2, 0, 3, 1, 4});
    const Tensor separate =
        scaled_dot_product_attention(select(split, 0, 0), select(split, 0, 1), select(split, 0, 2));
    const Tensor merged = reshape(transpose(separate, 1, 2), {batch, tokens, heads * head_dim});
    backward(merged, {.seed = seed});
    CHECK(out.to_vector() == merged.to_vector());
    CHECK(packed.to_vector() == qkv.grad().to_vector());
  }
}

TEST_CASE("attention is the same for every number of threads") {
  const auto packed = [](const auto& x) { return attention(x[0], 4); };
  check_thread_counts_agree(packed, {random_tensor({5, 50, 3 * 4 * 32}, 8, DType::f32)});
  check_thread_counts_agree(packed, {random_tensor({9, 3, 3 * 4 * 5}, 9, DType::f32)});
}

TEST_CASE("attention on a GPU agrees with the CPU") {
  // Logits and their softmax as in Bounds: D + T roundings, each magnified by logits of some 10.
  for (const Shape& shape : {Shape{2, 5, 18}, Shape{1, 1, 6}, Shape{3, 50, 96}, Shape{2, 33, 24}}) {
    INFO("qkv: ", shape.str());
    const double length = static_cast<double>(10 * (shape[1] + shape[2]));
    check_device_agrees([](const auto& x) { return attention(x[0], 2); }, {random_tensor(shape, 1)},
                        length);
    check_device_agrees([](const auto& x) { return attention(x[0], 1, 1); },
                        {random_tensor(shape, 1)}, length);
  }
  check_device_agrees([](const auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2]); },
                      {random_tensor({2, 2, 9, 3}, 3), random_tensor({2, 2, 9, 3}, 4),
                       random_tensor({2, 2, 9, 3}, 5)},
                      120);
}

TEST_CASE("attention on a GPU takes rows from global memory where they do not fit a block") {
  // 2 x 700 rows of 129 floats are 706 KiB.
  check_device_agrees([](const auto& x) { return attention(x[0], 1); },
                      {random_tensor({1, 200, 3 * 128}, 1)}, 3'300);
  if (cuda_device_count() == 0) return;
  CHECK_THROWS_AS(attention(Tensor::zeros({1, 4'000, 3}).to(Device::cuda()), 1), Error);
}

TEST_CASE("attention refuses what it cannot take") {
  CHECK_THROWS_WITH_AS(attention(Tensor::zeros({2, 5, 20}), 2),
                       "attention: qkv is f32 [2, 5, 20]; expected [B, T, 3*H*D] with H = 2; "
                       "the last dimension must be a multiple of 6",
                       Error);
  CHECK_THROWS_WITH_AS(attention(Tensor::zeros({2, 5, 12}), 2, 6),
                       "attention: queries is 6; expected 0 to the 5 tokens of qkv", Error);
  CHECK_THROWS_AS(attention(Tensor::zeros({2, 5, 12}), 2, -1), Error);
  CHECK_THROWS_AS(attention(Tensor::zeros({2, 5, 12}), 0), Error);
  CHECK_THROWS_AS(attention(Tensor::zeros({5, 12}), 2), Error);
  CHECK_THROWS_AS(attention(Tensor::zeros({2, 5, 12}, DType::s8), 2), Error);
  CHECK_THROWS_AS(attention(Tensor(), 2), Error);
  CHECK_THROWS_AS(attention(Tensor::zeros({2, 5, 12}), 2, 5, HUGE_VAL), Error);
  const Tensor q = Tensor::zeros({1, 2, 4, 3});
  CHECK_THROWS_AS(scaled_dot_product_attention(q, Tensor::zeros({1, 2, 5, 3}), q), Error);
  CHECK_THROWS_AS(scaled_dot_product_attention(q, q, Tensor::zeros({1, 2, 4, 3}, DType::f64)),
                  Error);
  CHECK(attention(Tensor::zeros({0, 5, 12}), 2).numel() == 0);
  CHECK(attention(Tensor::zeros({2, 0, 12}), 2).numel() == 0);
  CHECK(attention(Tensor::zeros({2, 5, 12}), 2, 0).numel() == 0);
}

}  // namespace espalier::test::attention_tests
