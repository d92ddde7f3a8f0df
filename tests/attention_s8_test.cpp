#include "kernels/attention_s8/attention_s8.h"

#include <algorithm>

#include "engine/ops/attention_s8.h"
#include "engine/ops/quantize.h"
#include "tests/device_test.h"
#include "tests/refusal.h"

namespace espalier::test::attention_s8_tests {
namespace {

using Row = KernelRow<AttentionS8Run>;

// One head inside a packed projection, its rows apart.
struct Problem {
  AttentionS8 shape;
  std::vector<int8_t> qkv;

  Problem(int64_t tokens, int64_t head_dim, float score_scale, int low = -128)
      : shape{tokens, head_dim, 3 * head_dim + 5, head_dim + 2, score_scale, 0.9f, 11} {
    std::mt19937 engine(static_cast<unsigned>(tokens * 100 + head_dim));
    std::uniform_int_distribution<int> code(low, 127);
    for (int64_t i = 0; i < tokens * shape.row_stride; ++i)
      qkv.push_back(static_cast<int8_t>(code(engine)));
  }
};

const Row& scalar_row() { return attention_s8_kernels().back(); }

// out, rows out_stride apart; between them `untouched`.
constexpr int8_t untouched = 99;

std::vector<int8_t> run(const Row& row, const Problem& p, Guard guard = Guard::back) {
  const AttentionS8& s = p.shape;
  // As little as the contract lets it read: up to the last value of the last row.
  Guarded<int8_t> qkv(static_cast<size_t>((s.tokens - 1) * s.row_stride + 3 * s.head_dim), guard);
  std::copy(p.qkv.begin(), p.qkv.begin() + static_cast<std::ptrdiff_t>(qkv.size()), qkv.begin());
  Guarded<int8_t> out(static_cast<size_t>((s.tokens - 1) * s.out_stride + s.head_dim), guard);
  std::fill(out.begin(), out.end(), untouched);
  Guarded<std::byte> scratch(
      static_cast<size_t>(attention_s8_scratch(s.tokens, s.head_dim) + 3) / 4 * 4, guard);
  row.run(s, qkv.data(), qkv.data() + s.head_dim, qkv.data() + 2 * s.head_dim, out.data(),
          scratch.data());
  return {out.begin(), out.end()};
}

}  // namespace

TEST_CASE("attention_s8 rows give the same codes as the reference") {
  for_each_row(attention_s8_kernels(), [&](const Row& row) {
    for (int64_t tokens = 1; tokens <= 67; ++tokens)
      for (int64_t head_dim : {1, 3, 8, 15, 32, 33}) {
        INFO(tokens, " tokens, head_dim ", head_dim);
        const Problem p(tokens, head_dim, tokens % 2 ? 0.05f : 0.6f);
        const Guard guard = tokens % 3 ? Guard::back : Guard::front;
        if (run(row, p, guard) != run(scalar_row(), p)) CHECK(false);
      }
    for (int64_t head_dim = 1; head_dim <= 67; ++head_dim) {
      const Problem p(5, head_dim, 0.1f);
      if (run(row, p) != run(scalar_row(), p)) CHECK(false);
    }
    for (const Problem& p : {Problem(200, 64, 0.3f), Problem(4, 20'000, 1e-3f),
                             Problem(3'000, 4, 1.0f), Problem(9, 8, 0.0f), Problem(9, 8, 1e30f)})
      CHECK(run(row, p) == run(scalar_row(), p));
  });
}

TEST_CASE("attention_s8 rows give the leading rows of out alone when asked") {
  for_each_row(attention_s8_kernels(), [&](const Row& row) {
    const Problem all(20, 10, 0.1f);
    const auto whole = run(scalar_row(), all);
    for (int64_t queries = 1; queries <= 20; ++queries) {
      Problem some = all;
      some.shape.queries = queries;
      auto expected = whole;
      const auto end = static_cast<size_t>((queries - 1) * all.shape.out_stride + 10);
      std::fill(expected.begin() + static_cast<std::ptrdiff_t>(end), expected.end(), untouched);
      CHECK(run(row, some) == expected);
    }
  });
}

TEST_CASE("attention_s8 rows write nothing beside their own columns") {
  for_each_row(attention_s8_kernels(), [&](const Row& row) {
    const Problem p(7, 10, 0.1f);
    const auto out = run(row, p);
    for (size_t i = 0; i < out.size(); ++i)
      if (static_cast<int64_t>(i) % p.shape.out_stride >= 10) CHECK(out[i] == untouched);
  });
}

// By how much a weight may miss 255 powers of two: half of one for rounding, 0.27 % for the
// parabola, a 2^15th of 255 where the shift drops bits, and one of itself for each rounding before
// that.
double weight_doubt(double exact) {
  return 0.5 + 255 * std::exp2(-15) + exact * (0.0027 + 2 * std::exp2(-15));
}

TEST_CASE("attention_s8 weights halve every 256 steps") {
  CHECK(attention_s8_weight(0) == 255);
  CHECK(attention_s8_weight(4095) == 0);
  for (int32_t t = 0; t < 4096; ++t) {
    const double exact = 255 * std::exp2(-t / 256.0);
    CHECK(std::abs(attention_s8_weight(t) - exact) <= weight_doubt(exact));
  }
}

TEST_CASE("attention_s8 is the attention of its codes") {
  const Problem p(50, 32, 0.02f);
  const AttentionS8& s = p.shape;
  const auto out = run(scalar_row(), p);
  const auto at = [&](int64_t part, int64_t token, int64_t d) {
    return double{static_cast<double>(
        p.qkv[static_cast<size_t>(token * s.row_stride + part * s.head_dim + d)])};
  };
  for (int64_t i = 0; i < s.tokens; ++i) {
    std::vector<double> score(static_cast<size_t>(s.tokens)), weight = score;
    for (int64_t j = 0; j < s.tokens; ++j)
      for (int64_t d = 0; d < s.head_dim; ++d)
        score[static_cast<size_t>(j)] += at(0, i, d) * at(1, j, d);
    const double largest = *std::max_element(score.begin(), score.end());
    double total = 0, doubt = 0;
    for (size_t j = 0; j < score.size(); ++j) {
      weight[j] = 255 * std::exp2((score[j] - largest) * static_cast<double>(s.score_scale) / 256);
      total += weight[j];
      // Its exponent is rounded to a 256th.
      doubt += weight_doubt(weight[j]) + weight[j] * std::log(2.0) / 512;
    }
    for (int64_t d = 0; d < s.head_dim; ++d) {
      double sum = 0, spread = 0;
      for (int64_t j = 0; j < s.tokens; ++j) {
        sum += weight[static_cast<size_t>(j)] * at(2, j, d);
        spread = std::max(spread, std::abs(at(2, j, d)));
      }
      const double exact = std::clamp(sum / total * 0.9 + s.zero_point, -128.0, 127.0);
      // Each doubt moves the mean by at most twice the largest value's share of it.
      const double bound = 0.5 + 0.9 * 2 * spread * doubt / (total - doubt);
      CHECK(std::abs(out[static_cast<size_t>(i * s.out_stride + d)] - exact) <= bound);
    }
  }
}

TEST_CASE("attention_s8 on a GPU gives the CPU's codes") {
  const auto f = [](const auto& in) { return attention_s8(in[0], 3, {0.05, 0.7, 2}); };
  const auto codes = [](const Shape& shape) {
    return quantize(random_tensor(shape, 1, DType::f32), 0.02, 0, DType::s8);
  };
  // A head of 7 values by tokens that fill words and that do not, and one that is read in place.
  for (const Shape& shape : {Shape{2, 16, 63}, Shape{3, 9, 63}, Shape{2, 5, 72'000}})
    check_device_gives_the_same(f, {codes(shape)});
  if (cuda_device_count() == 0) return;
  const Tensor longest = codes({1, 5'000, 9}).to(Device::cuda());
  const auto too_long = [&] { f(std::vector<Tensor>{longest}); };
  CHECK(contains(refusal_of(too_long, ErrorKind::device), "attention_s8: 5000 tokens"));
}

}  // namespace espalier::test::attention_s8_tests
