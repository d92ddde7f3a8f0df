#include "kernels/attention_bf16/attention_bf16.h"

#include <algorithm>

#include "engine/capture.h"
#include "engine/ops/attention.h"
#include "engine/plan.h"
#include "kernels/cast/cast.h"
#include "tests/gradient_test.h"
#include "tests/kernel_test.h"

namespace espalier::test::attention_bf16_tests {
namespace {

using Doubles = std::vector<double>;
constexpr float untouched = 12345.0f;
constexpr double half_unit = 0x1p-8;  // of a value rounded to bf16, relative to it
constexpr double flushed = 0x1p-126;  // a denormal may count as zero

double bf16(float x) { return cast_detail::to_float(cast_detail::to_bfloat16(x)); }

// One head's operands and its result, rows a few elements further apart than they are wide.
struct Head {
  Head(int64_t tokens, int64_t head_dim, double deviation, Guard guard = Guard::back,
       size_t offset = 0)
      : shape{tokens, head_dim, head_dim + 3, head_dim + 2,
              1.0f / std::sqrt(static_cast<float>(head_dim))},
        q(span_of(shape.row_stride), guard, offset),
        k(q.size(), guard, offset),
        v(q.size(), guard, offset),
        out(span_of(shape.out_stride), guard, offset) {
    fill_normal(q, 1, deviation);
    fill_normal(k, 2, deviation);
    fill_normal(v, 3);
    std::fill(out.begin(), out.end(), untouched);
  }

  size_t span_of(int64_t stride) const {
    return static_cast<size_t>((shape.tokens - 1) * stride + shape.head_dim);
  }

  void run(AttentionForward<float>* row) {
    Guarded<float> scratch(
        static_cast<size_t>(attention_bf16_scratch(shape.tokens, shape.head_dim)));
    std::fill(scratch.begin(), scratch.end(), std::numeric_limits<float>::quiet_NaN());
    row(shape, q.data(), k.data(), v.data(), out.data(), nullptr, scratch.data());
  }

  AttentionShape<float> shape;
  Guarded<float> q, k, v, out;
};

// The head in double on rounded operands, and how far a row may be from it.
struct Expected {
  explicit Expected(const Head& head)
      : out(head.out.size(), static_cast<double>(untouched)), bound(head.out.size()) {
    for (int64_t i = 0; i < head.shape.queries; ++i) add_query(head, i);
  }

  // Products of two bf16 are exact in fp32. Sums of them, and the steps to the exponent, are wrong
  // by D + 5 roundings of sum |q k|, which e^x turns into a relative error of each weight beside
  // its own 2, and which the sum of weights has too; then each weight is rounded to bf16, and T of
  // its products are added. A product of denormals may be missing from any sum.
  void add_query(const Head& head, int64_t i) {
    const auto& s = head.shape;
    const auto scale = static_cast<double>(s.scale);
    Doubles weight(static_cast<size_t>(s.tokens));
    double magnitude = 0, top = -HUGE_VAL;
    for (int64_t j = 0; j < s.tokens; ++j) {
      double logit = 0, size = 0;
      for (int64_t d = 0; d < s.head_dim; ++d) {
        const double product = bf16(head.q[static_cast<size_t>(i * s.row_stride + d)]) *
                               bf16(head.k[static_cast<size_t>(j * s.row_stride + d)]) * scale;
        logit += product, size += std::abs(product) + flushed;
      }
      weight[static_cast<size_t>(j)] = logit;
      top = logit > top || std::isnan(logit) ? logit : top;
      magnitude = std::max(magnitude, size);
    }
    double sum = 0;
    for (double& w : weight) sum += w = std::exp(w - top);
    const auto length = static_cast<double>(s.tokens), depth = static_cast<double>(s.head_dim);
    const double relative = (2 * ((depth + 5) * magnitude + 2) + 2 * length + 3) * epsilon +
                            half_unit * (1 + 4 * (depth + 5) * magnitude * epsilon);
    for (int64_t d = 0; d < s.head_dim; ++d) {
      const auto at = static_cast<size_t>(i * s.out_stride + d);
      out[at] = 0;
      for (int64_t j = 0; j < s.tokens; ++j) {
        const double value = bf16(head.v[static_cast<size_t>(j * s.row_stride + d)]);
        const double p = weight[static_cast<size_t>(j)] / sum;
        out[at] += p * value;
        bound[at] +=
            (p + flushed) * relative * std::abs(value) + 2 * flushed * (std::abs(value) + 1);
      }
    }
  }

  Doubles out, bound;
};

void check(const Head& head, const Expected& expected) {
  check_close(head.out, expected.out, [&](size_t i) { return expected.bound[i]; });
}

void check_head(int64_t tokens, int64_t head_dim, double deviation) {
  INFO("T ", tokens, ", D ", head_dim, ", deviation ", deviation);
  const Expected expected(Head(tokens, head_dim, deviation));
  for_each_row(attention_bf16_kernels(), [&](const auto& row) {
    for (const auto& [guard, offset] : {std::pair{Guard::back, 0}, {Guard::front, 1}}) {
      Head head(tokens, head_dim, deviation, guard, static_cast<size_t>(offset));
      head.run(row.run);
      check(head, expected);
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
      all.run(row.run), some.run(row.run);
      const auto end = static_cast<size_t>((queries - 1) * all.shape.out_stride + 13);
      for (size_t i = 0; i < all.out.size(); ++i)
        CHECK(same_bits(some.out[i], i < end ? all.out[i] : untouched));
    }
  });
}

TEST_CASE("attention_bf16 rows treat special values as the contract says") {
  for (float special : special_values()) {
    if (std::abs(special) == std::numeric_limits<float>::max()) continue;  // infinite in bf16
    for (int operand = 0; operand < 3; ++operand) {
      INFO("value ", special, " in operand ", operand);
      const auto plant = [&](Head& head) {
        Guarded<float>* const operands[] = {&head.q, &head.k, &head.v};
        (*operands[operand])[operands[operand]->size() / 2] = special;
      };
      Head planted(21, 5, 1.0);
      plant(planted);
      const Expected expected(planted);
      for_each_row(attention_bf16_kernels(), [&](const auto& row) {
        Head head(21, 5, 1.0);
        plant(head);
        head.run(row.run);
        check(head, expected);
      });
    }
  }
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
