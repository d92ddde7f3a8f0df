#include "kernels/attention_bf16/attention_bf16.h"

#include <algorithm>
#include <memory>

#include "engine/capture.h"
#include "engine/dispatch.h"
#include "engine/ops/attention.h"
#include "engine/plan.h"
#include "engine/precision.h"
#include "kernels/cast/cast.h"
#include "tests/gradient_test.h"
#include "tests/kernel_test.h"
#include "tests/product_test.h"

namespace espalier::test::attention_bf16_tests {
namespace {

using Doubles = std::vector<double>;
constexpr float untouched = 12345.0f;
constexpr double half_unit = 0x1p-8;  // of a value rounded to bf16, relative to it
constexpr double flushed = 0x1p-126;  // a denormal may count as zero

double bf16(float x) { return cast_detail::to_float(cast_detail::to_bfloat16(x)); }

// One head's operands and its results, rows a few elements further apart than they are wide.
struct Head {
  Head(int64_t tokens, int64_t head_dim, double deviation, Guard guard = Guard::back,
       size_t offset = 0)
      : shape{tokens, head_dim, head_dim + 3, head_dim + 2,
              1.0f / std::sqrt(static_cast<float>(head_dim))},
        q(span_of(shape.row_stride), guard, offset),
        k(q.size(), guard, offset),
        v(q.size(), guard, offset),
        dout(span_of(shape.out_stride), guard, offset),
        out(dout.size(), guard, offset),
        stats(static_cast<size_t>(2 * tokens), guard, offset),
        dq(q.size(), guard, offset),
        dk(q.size(), guard, offset),
        dv(q.size(), guard, offset) {
    fill_normal(q, 1, deviation);
    fill_normal(k, 2, deviation);
    fill_normal(v, 3);
    fill_normal(dout, 4);
    for (auto* result : {&out, &dq, &dk, &dv}) std::fill(result->begin(), result->end(), untouched);
  }

  size_t span_of(int64_t stride) const {
    return static_cast<size_t>((shape.tokens - 1) * stride + shape.head_dim);
  }

  void forward(AttentionForward<float>* run, bool keep = true) {
    const auto scratch = filled_scratch(attention_bf16_scratch(shape.tokens, shape.head_dim));
    run(shape, q.data(), k.data(), v.data(), out.data(), keep ? stats.data() : nullptr,
        scratch->data());
  }

  void backward(AttentionBackward<float>* run) {
    const auto scratch =
        filled_scratch(attention_bf16_backward_scratch(shape.tokens, shape.head_dim));
    run(shape, q.data(), k.data(), v.data(), dout.data(), stats.data(), dq.data(), dk.data(),
        dv.data(), scratch->data());
  }

  static std::unique_ptr<Guarded<float>> filled_scratch(int64_t size) {
    auto scratch = std::make_unique<Guarded<float>>(static_cast<size_t>(size));
    std::fill(scratch->begin(), scratch->end(), std::numeric_limits<float>::quiet_NaN());
    return scratch;
  }

  AttentionShape<float> shape;
  Guarded<float> q, k, v, dout, out, stats, dq, dk, dv;
};

// A result in double, and how far a row may be from each of its values.
struct Result {
  explicit Result(size_t size) : value(size, static_cast<double>(untouched)), bound(size) {}

  void start_row(int64_t at, int64_t width) { std::fill_n(value.begin() + at, width, 0.0); }
  void add(size_t at, double term, double error) { value[at] += term, bound[at] += error; }
  void check(const Guarded<float>& values) const {
    check_close(values, value, [&](size_t i) { return bound[i]; });
  }

  Doubles value, bound;
};

// The head in double on rounded operands.
struct Expected {
  explicit Expected(const Head& h) : head(h), out(h.out.size()), dq(h.dq.size()), dk(dq), dv(dq) {
    const auto& s = head.shape;
    for (int64_t i = 0; i < s.tokens; ++i)
      for (Result* result : {&dq, &dk, &dv}) result->start_row(i * s.row_stride, s.head_dim);
    for (int64_t i = 0; i < s.queries; ++i) {
      out.start_row(i * s.out_stride, s.head_dim);
      add_query(i);
    }
  }

  double at(const Guarded<float>& rows, int64_t stride, int64_t i, int64_t d) const {
    return bf16(rows[static_cast<size_t>(i * stride + d)]);
  }

  // A sum of products over D, and that of their sizes. A product of denormals may be missing.
  struct Sum {
    double value = 0, size = 0;
    void add(double product) { value += product, size += std::abs(product) + flushed; }
  };

  // Products of two bf16 are exact in fp32. Sums of them, and the steps to the exponent, are wrong
  // by D + 5 roundings of sum |q k|, which e^x turns into a relative error of each weight beside
  // its own 2, and which the sum of weights has too; then each weight is rounded to bf16, and T of
  // its products are added. The gradient of a score has the errors of its weight, of dp and of
  // delta, and is rounded to bf16 too.
  void add_query(int64_t i) {
    const auto& s = head.shape;
    const auto scale = static_cast<double>(s.scale);
    std::vector<Sum> dp(static_cast<size_t>(s.tokens));
    Doubles p(dp.size());
    double magnitude = 0, top = -HUGE_VAL, sum = 0;
    for (int64_t j = 0; j < s.tokens; ++j) {
      const auto to = static_cast<size_t>(j);
      Sum logit;
      for (int64_t d = 0; d < s.head_dim; ++d) {
        logit.add(at(head.q, s.row_stride, i, d) * at(head.k, s.row_stride, j, d) * scale);
        dp[to].add(at(head.dout, s.out_stride, i, d) * at(head.v, s.row_stride, j, d));
      }
      p[to] = logit.value;
      top = logit.value > top || std::isnan(logit.value) ? logit.value : top;
      magnitude = std::max(magnitude, logit.size);
    }
    for (double& weight : p) sum += weight = std::exp(weight - top);
    Sum delta;
    for (size_t j = 0; j < p.size(); ++j) {
      p[j] /= sum;
      delta.value += p[j] * dp[j].value, delta.size += p[j] * dp[j].size;
    }
    const auto length = static_cast<double>(s.tokens), depth = static_cast<double>(s.head_dim);
    const double steps = (depth + 5) * magnitude * epsilon;
    const double relative = 2 * steps + (2 * length + 7) * epsilon + half_unit * (1 + 4 * steps);
    const double gradient = 2 * (2 * steps + 4 * epsilon) + (depth + 4 * length + 12) * epsilon;
    for (int64_t j = 0; j < s.tokens; ++j)
      for (int64_t d = 0; d < s.head_dim; ++d) {
        const double weight = p[static_cast<size_t>(j)], most = weight + flushed;
        const Sum& product = dp[static_cast<size_t>(j)];
        const double score = weight * (product.value - delta.value) * scale;
        const double error = most * (product.size + delta.size) * scale *
                             (gradient + half_unit * (1 + gradient) + length * epsilon);
        const auto in_i = static_cast<size_t>(i * s.row_stride + d);
        const auto in_j = static_cast<size_t>(j * s.row_stride + d);
        const auto add = [&](Result& to, size_t place, double w, double wrong, double value) {
          to.add(place, w * value, wrong * std::abs(value) + 2 * flushed * (std::abs(value) + 1));
        };
        add(out, static_cast<size_t>(i * s.out_stride + d), weight, most * relative,
            at(head.v, s.row_stride, j, d));
        add(dv, in_j, weight, most * relative, at(head.dout, s.out_stride, i, d));
        add(dk, in_j, score, error, at(head.q, s.row_stride, i, d));
        add(dq, in_i, score, error, at(head.k, s.row_stride, j, d));
      }
  }

  void check(const Head& of) const {
    out.check(of.out), dq.check(of.dq), dk.check(of.dk), dv.check(of.dv);
  }

  const Head& head;
  Result out, dq, dk, dv;
};

// Every pair of a forward and a backward row of one ISA.
template <class F>
void for_each_isa(F f) {
  for_each_row(attention_bf16_kernels(), [&](const auto& forward) {
    for (const auto& backward : attention_bf16_backward_kernels())
      if (backward.isa == forward.isa) f(forward.run, backward.run);
  });
}

void check_head(int64_t tokens, int64_t head_dim, double deviation) {
  INFO("T ", tokens, ", D ", head_dim, ", deviation ", deviation);
  const Head reference(tokens, head_dim, deviation);
  const Expected expected(reference);
  for_each_isa([&](auto* forward, auto* backward) {
    for (const auto& [guard, offset] : {std::pair{Guard::back, 0}, {Guard::front, 1}}) {
      Head head(tokens, head_dim, deviation, guard, static_cast<size_t>(offset));
      head.forward(forward);
      head.backward(backward);
      expected.check(head);
    }
  });
}

}  // namespace

TEST_CASE("attention_bf16 rows agree with the double reference") {
  for (int64_t head_dim : {1, 3, 8, 16, 31, 32, 33, 64})
    for (int64_t tokens = 1; tokens <= 67; tokens += head_dim < 33 ? 1 : 6)
      check_head(tokens, head_dim, 1.0);
  check_head(197, 64, 1.0);
}

TEST_CASE("attention_bf16 rows stay stable under large logits") {
  for (double deviation : {8.0, 40.0})
    for (int64_t tokens : {1, 7, 50, 67}) check_head(tokens, 32, deviation);
}

TEST_CASE("attention_bf16 rows give the leading rows of out alone when asked") {
  for_each_row(attention_bf16_kernels(), [](const auto& row) {
    for (int64_t queries = 1; queries <= 20; ++queries) {
      Head all(20, 13, 1.0), some(20, 13, 1.0);
      some.shape.queries = queries;
      all.forward(row.run), some.forward(row.run, false);
      const auto end = static_cast<size_t>((queries - 1) * all.shape.out_stride + 13);
      for (size_t i = 0; i < all.out.size(); ++i)
        CHECK(same_bits(some.out[i], i < end ? all.out[i] : untouched));
    }
  });
}

// As if the gradients of the other rows were zero: of those nothing is read.
TEST_CASE("attention_bf16 backward takes the leading rows of dout alone when asked") {
  for_each_isa([](auto* forward, auto* backward) {
    for (int64_t head_dim : {13, 32})
      for (int64_t queries : {1, 2, 15, 17, 20, 66, 69}) {
        Head head(70, head_dim, 1.0);
        head.shape.queries = queries;
        const auto end = static_cast<size_t>(queries * head.shape.out_stride);
        for (size_t i = end; i < head.dout.size(); ++i)
          head.dout[i] = std::numeric_limits<float>::quiet_NaN();
        const Expected expected(head);
        head.forward(forward), head.backward(backward);
        expected.check(head);
      }
  });
}

TEST_CASE("attention_bf16 rows treat special values as the contract says") {
  for (float special : special_values()) {
    if (std::abs(special) == std::numeric_limits<float>::max()) continue;  // infinite in bf16
    for (int operand = 0; operand < 4; ++operand) {
      INFO("value ", special, " in operand ", operand);
      const auto plant = [&](Head& head) {
        Guarded<float>* const operands[] = {&head.q, &head.k, &head.v, &head.dout};
        (*operands[operand])[operands[operand]->size() / 2] = special;
      };
      Head planted(21, 5, 1.0);
      plant(planted);
      const Expected expected(planted);
      for_each_isa([&](auto* forward, auto* backward) {
        Head head(21, 5, 1.0);
        plant(head);
        head.forward(forward), head.backward(backward);
        expected.check(head);
      });
    }
  }
}

TEST_CASE("attention multiplies, forth and back, in the precision of its forward pass") {
  const std::vector<Tensor> inputs = {random_tensor({2, 50, 3 * 72}, 1, DType::f32)};
  const Tensor seed = random_tensor({2, 50, 72}, 2, DType::f32);
  const Function attend = [](const auto& x) { return attention(x[0], 3); };
  const auto values = [&](const Function& f) {
    std::vector<std::vector<double>> all;
    for (const Tensor& x : with_seed(f, inputs, seed)) all.push_back(x.to_vector());
    return all;
  };
  const auto exact = values(attend), forward_alone = values([&](const auto&x) {
                                       const PrecisionScope scope(Precision::bf16);
                                       return attend(x);
                                     });
  const PrecisionScope scope(Precision::bf16);
  const auto rounded = values(attend);
  CHECK(rounded == forward_alone);
  const bool multiplies = kernel(attention_bf16_kernels()).isa != Isa::scalar;
  CHECK((rounded[0] != exact[0]) == multiplies);
  CHECK((rounded[1] != exact[1]) == multiplies);
}

TEST_CASE("a plan whose weights are bf16 attends in bf16 where the processor multiplies it") {
  const NoGradGuard off;
  constexpr int64_t tokens = 50, heads = 3, head_dim = 24, width = heads * head_dim;
  const Graph graph =
      capture([](const Tensor& x) { return attention(x, heads); }, {tokens, 3 * width}, {});
  const Tensor qkv = random_tensor({2, tokens, 3 * width}, 1, DType::f32);
  const auto exact = compile(graph)(qkv).to_vector();
  Plan plan = compile(graph, {.weights = DType::bf16});
  const auto rounded = plan(qkv).to_vector();
  const bool multiplies = plan.steps().front().arithmetic == DType::bf16;
  CHECK((rounded != exact) == multiplies);
  // Values stay under 6, and logits of some 2 are wrong by two roundings, as is each share.
  check_close(rounded, exact, [](size_t) { return 6 * (2 * 2 * 2 + 2) * half_unit; });
  for (int threads : {1, 2, 3, 8})
    CHECK(
        compile(graph, {.threads = threads, .chunk = 1, .weights = DType::bf16})(qkv).to_vector() ==
        rounded);
}

}  // namespace espalier::test::attention_bf16_tests
