// Muon against updates written out by hand in double, and what its iteration makes of a matrix.
#include "nn/optim/muon.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/random.h"
#include "nn/optim/ema.h"
#include "tests/gradient_test.h"

namespace espalier::test {
namespace {

struct Matrix {
  int64_t rows, columns;
  std::vector<double> values = std::vector<double>(static_cast<size_t>(rows * columns));

  double& at(int64_t r, int64_t c) { return values[static_cast<size_t>(r * columns + c)]; }
  double at(int64_t r, int64_t c) const { return values[static_cast<size_t>(r * columns + c)]; }
};

Matrix transposed(const Matrix& x) {
  Matrix y{x.columns, x.rows};
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t c = 0; c < x.columns; ++c) y.at(c, r) = x.at(r, c);
  return y;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix y{a.rows, b.columns};
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t k = 0; k < a.columns; ++k)
      for (int64_t c = 0; c < b.columns; ++c) y.at(r, c) += a.at(r, k) * b.at(k, c);
  return y;
}

double root_sum_of_squares(const Matrix& x) {
  double sum = 0;
  for (double v : x.values) sum += v * v;
  return std::sqrt(sum);
}

Matrix orthogonalized_by_hand(Matrix x) {
  const bool tall = x.rows > x.columns;
  if (tall) x = transposed(x);
  const double norm = root_sum_of_squares(x) + 1e-7;
  for (double& v : x.values) v /= norm;
  for (int step = 0; step < 5; ++step) {
    const Matrix a = product(x, transposed(x)), aa = product(a, a);
    Matrix b = a;
    for (size_t i = 0; i < b.values.size(); ++i)
      b.values[i] = -4.7750 * a.values[i] + 2.0315 * aa.values[i];
    const Matrix bx = product(b, x);
    for (size_t i = 0; i < x.values.size(); ++i) x.values[i] = 3.4445 * x.values[i] + bx.values[i];
  }
  return tall ? transposed(x) : x;
}

Matrix matrix_of(const Tensor& x) { return {x.size(0), x.numel() / x.size(0), x.to_vector()}; }

// An error of the first step grows by at most 3.4445 in each, to 485 times; a sum rounds as often
// as it has terms, and each step has three.
double iteration_bound(double epsilon, int64_t terms) {
  return 485 * 3 * static_cast<double>(terms) * epsilon;
}

constexpr double f64_epsilon = std::numeric_limits<double>::epsilon();
constexpr double f32_epsilon = std::numeric_limits<float>::epsilon();

NamedTensors parameters_of(DType dtype) {
  NamedTensors out;
  unsigned seed = 5;
  for (const auto& [name, shape] : {std::pair<std::string, Shape>{"fc.weight", {6, 9}},
                                    {"filters", {8, 2, 2, 1}},
                                    {"fc.bias", {6}},
                                    {"positions", {1, 3, 4}},
                                    {"head.weight", {3, 5}}})
    out.emplace_back(name, random_tensor(shape, ++seed, dtype).set_requires_grad());
  return out;
}

double muon_gradient_at(size_t parameter, int64_t i, int t) {
  const auto at = static_cast<double>(i);
  return std::sin(1.7 * at + 0.3 * at * at + t + static_cast<double>(parameter));
}

constexpr MuonOptions muon_options = {.lr = 0.02, .momentum = 0.9, .weight_decay = 0.1};

// A matrix and all that its steps remember.
struct MatrixByHand {
  Matrix p, momentum, average;

  void step(const Matrix& g, bool nesterov, double average_weight) {
    Matrix u = g;
    for (size_t i = 0; i < g.values.size(); ++i) {
      double& b = momentum.values[i];
      b = muon_options.momentum * b + g.values[i];
      u.values[i] = nesterov ? g.values[i] + muon_options.momentum * b : b;
    }
    u = orthogonalized_by_hand(u);
    const double length = 0.2 * std::sqrt(static_cast<double>(std::max(p.rows, p.columns)));
    for (size_t i = 0; i < p.values.size(); ++i) {
      double& w = p.values[i];
      w = (1 - muon_options.lr * muon_options.weight_decay) * w -
          muon_options.lr * length * u.values[i];
      average.values[i] += average_weight * (w - average.values[i]);
    }
  }
};

}  // namespace

TEST_CASE("orthogonalized: every singular value comes near 1, and directions stay") {
  Generator generator(3);
  for (const Shape& shape : {Shape{5, 5}, Shape{4, 19}, Shape{19, 4}, Shape{1, 7}}) {
    INFO(shape.str());
    const int64_t rows = shape[0], columns = shape[1];
    const Tensor x = normal({rows, columns}, generator, 3.0);
    const Matrix expected = orthogonalized_by_hand(matrix_of(x));
    const Matrix got = matrix_of(orthogonalized(x));
    const double bound = iteration_bound(f32_epsilon, std::max(rows, columns));
    for (size_t i = 0; i < got.values.size(); ++i)
      CHECK(std::abs(got.values[i] - expected.values[i]) <= bound);

    // x = U S V' becomes U f(S) V': f(s)^2 of 0.68^2 to 1.21^2 on the diagonal of some basis.
    const Matrix wide = rows > columns ? transposed(got) : got;
    Matrix excess = product(wide, transposed(wide));
    for (int64_t i = 0; i < excess.rows; ++i) excess.at(i, i) -= 1;
    CHECK(root_sum_of_squares(excess) <=
          (1 - 0.68 * 0.68) * std::sqrt(static_cast<double>(excess.rows)) + bound);
    // U f(S) V' times the transpose of x is U f(S) S U', which is symmetric.
    const Matrix narrow = rows > columns ? transposed(matrix_of(x)) : matrix_of(x);
    const Matrix turned = product(wide, transposed(narrow));
    for (int64_t r = 0; r < turned.rows; ++r)
      for (int64_t c = 0; c < r; ++c)
        CHECK(std::abs(turned.at(r, c) - turned.at(c, r)) <= bound * root_sum_of_squares(narrow));
  }
  CHECK(orthogonalized(Tensor::zeros({3, 4})).to_vector() == std::vector<double>(12, 0.0));
}

TEST_CASE("muon takes orthogonal steps for hidden matrices and filters alone") {
  for (const auto& entry : parameters_of(DType::f32)) {
    const std::string& name = entry.first;
    const Tensor& parameter = entry.second;
    INFO(name);
    const ParameterOptions chosen = orthogonal_matrices(name, parameter);
    CHECK(chosen.orthogonal == (name == "fc.weight" || name == "filters"));
    CHECK(chosen.decay == (parameter.rank() > 1));
  }
}

TEST_CASE("muon follows a hand-written double implementation, and AdamW for what is no matrix") {
  constexpr int steps = 8;
  constexpr double max_norm = 2, average_decay = 0.8;
  for (const DType dtype : {DType::f64, DType::f32})
    for (const bool nesterov : {true, false}) {
      INFO(std::string(dtype_name(dtype)), nesterov ? ", nesterov" : "");
      const NamedTensors parameters = parameters_of(dtype), others = parameters_of(dtype);
      MuonOptions chosen = muon_options;
      chosen.nesterov = nesterov;
      Muon muon(parameters, chosen);
      AdamW adamw(others, {.lr = muon_options.lr, .weight_decay = muon_options.weight_decay});
      WeightAverage average(muon.arena(), average_decay);
      std::vector<MatrixByHand> expected;
      for (const auto& entry : parameters) {
        const Matrix p = matrix_of(entry.second);
        expected.push_back({p, {p.rows, p.columns}, p});
      }
      for (int t = 1; t <= steps; ++t) {
        std::vector<Matrix> gradients;
        double squares = 0;
        for (size_t k = 0; k < parameters.size(); ++k) {
          Matrix g{expected[k].p.rows, expected[k].p.columns};
          for (int64_t i = 0; i < parameters[k].second.numel(); ++i) {
            const auto value = static_cast<double>(static_cast<float>(muon_gradient_at(k, i, t)));
            g.values[static_cast<size_t>(i)] = value;
            squares += value * value;
            for (const NamedTensors* each : {&parameters, &others}) {
              const Tensor gradient = (*each)[k].second.grad();
              if (dtype == DType::f64)
                gradient.data<double>()[i] = value;
              else
                gradient.data<float>()[i] = static_cast<float>(value);
            }
          }
          gradients.push_back(std::move(g));
        }
        muon.clip_grad_norm(max_norm);
        adamw.clip_grad_norm(max_norm);
        const double decay = average.decay_at(t);
        muon.step(&average);
        adamw.step();
        const double scale = std::min(1.0, max_norm / (std::sqrt(squares) + 1e-6));
        for (size_t k = 0; k < parameters.size(); ++k) {
          for (double& g : gradients[k].values) g *= scale;
          expected[k].step(gradients[k], nesterov, 1 - decay);
        }
      }
      const double epsilon = dtype == DType::f64 ? f64_epsilon : f32_epsilon;
      const NamedTensors averages = average.named_values();
      for (size_t k = 0; k < parameters.size(); ++k) {
        const std::string& name = parameters[k].first;
        const Tensor& parameter = parameters[k].second;
        INFO(name);
        const std::vector<double> p = parameter.to_vector();
        if (!orthogonal_matrices(name, parameter).orthogonal) {
          // The norm that clips adds up segments, which are others here.
          const std::vector<double> q = others[k].second.to_vector();
          for (size_t i = 0; i < p.size(); ++i)
            CHECK(std::abs(p[i] - q[i]) <= steps * 4 * epsilon * (1 + std::abs(q[i])));
          continue;
        }
        const int64_t terms = std::max(expected[k].p.rows, expected[k].p.columns);
        // Momentum counts a rounding ten times, steps add up, and weights round once in each.
        const double bound =
            steps * (10 * muon_options.lr * 0.2 * std::sqrt(static_cast<double>(terms)) *
                         iteration_bound(epsilon, terms) +
                     4 * epsilon);
        const auto averaged = std::find_if(averages.begin(), averages.end(),
                                           [&](const auto& each) { return each.first == name; });
        const std::vector<double> a = averaged->second.to_vector();
        for (size_t i = 0; i < p.size(); ++i) {
          CHECK(std::abs(p[i] - expected[k].p.values[i]) <= bound);
          CHECK(std::abs(a[i] - expected[k].average.values[i]) <= bound);
        }
      }
    }
}

}  // namespace espalier::test
