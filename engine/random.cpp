#include "engine/random.h"

#include <cmath>
#include <numeric>
#include <unordered_map>

#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "kernels/philox/philox.h"

namespace espalier {
namespace {

thread_local Generator drawn_from;

Tensor fill(const Shape& shape, Generator& generator,
            std::span<const KernelRow<PhiloxFill<float>>> rows) {
  if (generator.seed_at())
    argument_error("random", "generator", "one whose seed lies on a GPU", "one of a known seed",
                   "dropout() and drop_path() alone draw from it");
  const Tensor out = Tensor::empty(shape);
  const PhiloxKey key{generator.seed(), generator.stream()};
  const uint64_t first = generator.reserve(out.numel());
  const auto& best = kernel(rows);
  float* p = out.data<float>();
  parallel_for(out.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(key, first + static_cast<uint64_t>(begin), p + begin, end - begin);
  });
  return out;
}

// In (0, 1).
double open_uniform(Generator& generator) noexcept { return generator.uniform() + 0x1p-33; }

// Of alpha up to 1: a pair is taken with probability 1 / C(2 alpha, alpha), a half or more (Jöhnk,
// "Erzeugung von betaverteilten und gammaverteilten Zufallszahlen", Metrika 8, 1964).
double beta_of_powers(double alpha, Generator& generator) noexcept {
  for (;;) {
    const double u = open_uniform(generator), v = open_uniform(generator);
    const double x = std::pow(u, 1 / alpha), y = std::pow(v, 1 / alpha);
    if (x + y > 1) continue;
    // Both may be too small for a double where their ratio is not.
    return x + y > 0 ? x / (x + y) : 1 / (1 + std::exp((std::log(v) - std::log(u)) / alpha));
  }
}

// Of alpha above 1 (Cheng, "Generating beta variates with nonintegral shape parameters", CACM 21,
// 1978, algorithm BB where both parameters are alike). The density of the log-odds z of the result,
// cosh(z / 2)^(-2 alpha) times its height, lies below a multiple of the logistic density
// cosh(s z / 2)^-2, s = sqrt(alpha). The multiple grows with alpha, from 1 to 2 / sqrt(pi), so
// that 88 % of the pairs are taken at least.
double beta_of_log_odds(double alpha, Generator& generator) noexcept {
  for (;;) {
    const double u = open_uniform(generator), v = open_uniform(generator);
    const double z = std::log(u / (1 - u)) / std::sqrt(alpha);
    const double logistic = 4 * u * (1 - u);  // cosh(s z / 2)^-2
    if (v * logistic * std::pow(std::cosh(z / 2), 2 * alpha) <= 1) return 1 / (1 + std::exp(-z));
  }
}

}  // namespace

uint32_t Generator::word() noexcept { return philox_word_at({seed_, stream_}, reserve(1)); }

double Generator::uniform() noexcept { return word() * 0x1p-32; }

int64_t Generator::below(int64_t bound) noexcept {
  return static_cast<int64_t>((static_cast<uint64_t>(word()) * static_cast<uint64_t>(bound)) >> 32);
}

double Generator::beta(double alpha) noexcept {
  return alpha > 1 ? beta_of_log_odds(alpha, *this) : beta_of_powers(alpha, *this);
}

uint64_t derive_seed(uint64_t seed, uint64_t purpose) noexcept {
  const PhiloxBlock words = philox_words({seed, ~uint64_t{0}}, purpose);
  return (uint64_t{words.word[0]} << 32) | words.word[1];
}

Tensor uniform(const Shape& shape, Generator& generator) {
  return fill(shape, generator, philox_uniform_kernels<float>());
}

Tensor normal(const Shape& shape, Generator& generator, double deviation, double mean) {
  const Tensor out = fill(shape, generator, philox_normal_kernels<float>());
  const float scale = static_cast<float>(deviation), shift = static_cast<float>(mean);
  float* p = out.data<float>();
  for (int64_t i = 0; i < out.numel(); ++i) p[i] = p[i] * scale + shift;
  return out;
}

Tensor truncated_normal(const Shape& shape, double deviation, Generator& generator) {
  const Tensor out = normal(shape, generator);
  const float scale = static_cast<float>(deviation);
  float* p = out.data<float>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    while (std::abs(p[i]) > 2.0f) p[i] = normal({1}, generator).data<float>()[0];
    p[i] *= scale;
  }
  return out;
}

std::vector<int64_t> permutation(int64_t count, Generator& generator) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = count - 1; i > 0; --i)
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(generator.below(i + 1))]);
  return order;
}

std::vector<int64_t> sample_without_replacement(int64_t bound, int64_t count,
                                                Generator& generator) {
  // The first numbers of a permutation from behind, whose untouched places are not written down.
  std::unordered_map<int64_t, int64_t> moved;
  const auto at = [&](int64_t place) {
    const auto found = moved.find(place);
    return found == moved.end() ? place : found->second;
  };
  std::vector<int64_t> chosen;
  for (int64_t left = bound; left > bound - count; --left) {
    const int64_t place = generator.below(left);
    chosen.push_back(at(place));
    moved[place] = at(left - 1);
  }
  return chosen;
}

Generator& current_generator() noexcept { return drawn_from; }

GeneratorScope::GeneratorScope(Generator generator) noexcept : before_(drawn_from) {
  drawn_from = generator;
}
GeneratorScope::~GeneratorScope() { drawn_from = before_; }

}  // namespace espalier
