// AdamW and SGD over an arena, against updates written out by hand in double.
#include "nn/optim/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>

#include "engine/io/safetensors.h"
#include "engine/parallel.h"
#include "nn/named_tensors.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "nn/optim/muon.h"
#include "nn/optim/sgd.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

NamedTensors model(DType dtype, int64_t rows = 5) {
  std::mt19937 engine(11);
  std::normal_distribution<double> normal;
  NamedTensors out;
  for (const char* name : {"weight", "bias", "slow", "frozen"}) {
    const Shape shape = std::string(name) == "bias" ? Shape{rows} : Shape{rows, 7};
    std::vector<double> values(static_cast<size_t>(shape.numel()));
    for (double& v : values) v = static_cast<double>(static_cast<float>(normal(engine)));
    const Tensor parameter = Tensor::empty(shape, dtype);
    if (dtype == DType::f64)
      parameter.copy_(Tensor::of(values, shape));
    else
      parameter.copy_(Tensor::of(std::vector<float>(values.begin(), values.end()), shape));
    out.emplace_back(name, parameter.set_requires_grad());
  }
  return out;
}

ParameterOptions by_name(const std::string& name, const Tensor& parameter) {
  ParameterOptions options = decay_matrices(name, parameter);
  options.frozen = name == "frozen";
  options.lr_scale = name == "slow" ? 0.25 : 1.0;
  return options;
}

ParameterOptions orthogonal_by_name(const std::string& name, const Tensor& parameter) {
  ParameterOptions options = by_name(name, parameter);
  options.orthogonal = orthogonal_matrices(name, parameter).orthogonal;
  return options;
}

// A gradient that any element of any parameter can be asked for, a float in every precision.
double gradient_at(int step, int64_t i) {
  return static_cast<double>(static_cast<float>(std::sin(0.7 * static_cast<double>(i) + step)));
}

void give_gradients(const NamedTensors& parameters, int step) {
  for (const auto& entry : parameters) {
    const Tensor g = entry.second.grad();
    for (int64_t i = 0; i < g.numel(); ++i) {
      if (g.dtype() == DType::f64)
        g.data<double>()[i] = gradient_at(step, i);
      else
        g.data<float>()[i] = static_cast<float>(gradient_at(step, i));
    }
  }
}

// One parameter as a hand-written optimiser sees it.
struct Reference {
  std::vector<double> p, a, m, v;
  double lr_scale = 1;
  bool decay = true, frozen = false;
};

std::vector<Reference> references(const NamedTensors& parameters) {
  std::vector<Reference> out;
  for (const auto& [name, parameter] : parameters) {
    const auto p = parameter.to_vector();
    const std::vector<double> zeros(p.size());
    out.push_back(
        {p, p, zeros, zeros, name == "slow" ? 0.25 : 1.0, name != "bias", name == "frozen"});
  }
  return out;
}

double norm_of(const std::vector<Reference>& all, int step) {
  double sum = 0;
  for (const Reference& r : all)
    for (size_t i = 0; i < r.p.size() && !r.frozen; ++i)
      sum += std::pow(gradient_at(step, static_cast<int64_t>(i)), 2);
  return std::sqrt(sum);
}

constexpr double max_norm = 2.0, average_decay = 0.8;
constexpr AdamWOptions adamw_options = {.lr = 0.02, .weight_decay = 0.1};
constexpr SgdOptions sgd_options = {.lr = 0.05, .nesterov = true, .weight_decay = 0.1};

void adamw_by_hand(Reference& r, size_t i, double g, int t) {
  const AdamWOptions& o = adamw_options;
  const double lr = o.lr * r.lr_scale;
  if (r.decay) r.p[i] *= 1 - lr * o.weight_decay;
  r.m[i] = o.beta1 * r.m[i] + (1 - o.beta1) * g;
  r.v[i] = o.beta2 * r.v[i] + (1 - o.beta2) * g * g;
  const double m_hat = r.m[i] / (1 - std::pow(o.beta1, t));
  const double v_hat = r.v[i] / (1 - std::pow(o.beta2, t));
  r.p[i] -= lr * m_hat / (std::sqrt(v_hat) + o.epsilon);
}

void sgd_by_hand(Reference& r, size_t i, double g, int t) {
  const SgdOptions& o = sgd_options;
  if (r.decay) g += o.weight_decay * r.p[i];
  r.m[i] = t == 1 ? g : o.momentum * r.m[i] + g;
  r.p[i] -= o.lr * r.lr_scale * (g + o.momentum * r.m[i]);
}

using ByHand = void(Reference&, size_t, double, int);

// `steps` clipped and averaged steps of both; parameters must agree to `bound` of their magnitude.
void compare(Optimizer& optimizer, const NamedTensors& parameters, ByHand by_hand, double bound) {
  constexpr int steps = 60;
  auto expected = references(parameters);
  WeightAverage average(optimizer.arena(), average_decay);
  for (int t = 1; t <= steps; ++t) {
    give_gradients(parameters, t);
    const double norm = norm_of(expected, t);
    CHECK(optimizer.clip_grad_norm(max_norm) == doctest::Approx(norm).epsilon(1e-12));
    optimizer.step(&average);
    const double scale = std::min(1.0, max_norm / (norm + 1e-6));
    const double decay = std::min(average_decay, (1.0 + t) / (10.0 + t));
    for (Reference& r : expected) {
      for (size_t i = 0; i < r.p.size() && !r.frozen; ++i) {
        by_hand(r, i, scale * gradient_at(t, static_cast<int64_t>(i)), t);
        r.a[i] = decay * r.a[i] + (1 - decay) * r.p[i];
      }
    }
  }
  const auto averages = average.named_values();
  for (size_t k = 0; k < parameters.size(); ++k) {
    const auto& [name, parameter] = parameters[k];
    const auto p = parameter.to_vector();
    for (const auto& entry : averages) {
      if (entry.first != name) continue;
      const auto a = entry.second.to_vector();
      for (size_t i = 0; i < p.size(); ++i) {
        INFO(entry.first, " ", i);
        CHECK(std::abs(p[i] - expected[k].p[i]) <= bound * (1 + std::abs(expected[k].p[i])));
        CHECK(std::abs(a[i] - expected[k].a[i]) <= bound * (1 + std::abs(expected[k].a[i])));
      }
    }
  }
}

// Each step rounds a parameter and its average some ten times, by half an epsilon of at most what
// `compare` scales by; sixty steps add up. Momentum makes earlier roundings count ten times.
double bound_for(DType dtype) {
  const double epsilon = dtype == DType::f64 ? std::numeric_limits<double>::epsilon()
                                             : std::numeric_limits<float>::epsilon();
  return 60 * 10 * epsilon;
}

std::unique_ptr<Optimizer> make(const std::string& kind, const NamedTensors& parameters) {
  if (kind == "adamw") return std::make_unique<AdamW>(parameters, adamw_options, by_name);
  if (kind == "muon")
    return std::make_unique<Muon>(parameters, MuonOptions{.lr = 0.02}, orthogonal_by_name);
  return std::make_unique<Sgd>(parameters, sgd_options, by_name);
}

std::vector<double> flat(const Optimizer& optimizer) {
  return optimizer.arena().values().to_vector();
}

}  // namespace

TEST_CASE("optimisers follow a hand-written double implementation") {
  for (DType dtype : {DType::f64, DType::f32}) {
    INFO(std::string(dtype_name(dtype)));
    const NamedTensors a = model(dtype), b = model(dtype);
    compare(*make("adamw", a), a, adamw_by_hand, bound_for(dtype));
    compare(*make("sgd", b), b, sgd_by_hand, bound_for(dtype));
  }
}

TEST_CASE("plain and decoupled SGD") {
  const Tensor w = Tensor::of<double>({2.0}, {1, 1});
  w.set_requires_grad();
  Sgd plain({{"w", w}}, {.lr = 0.5, .momentum = 0, .weight_decay = 0.1, .decoupled = true});
  CHECK(plain.arena().companion_state().empty());
  w.grad().fill_(1);
  plain.step();
  CHECK(w.item() == doctest::Approx(2.0 * 0.95 - 0.5).epsilon(1e-15));
}

TEST_CASE("a frozen parameter neither moves nor counts in the norm") {
  const NamedTensors parameters = model(DType::f32);
  const auto before = parameters[3].second.to_vector();
  const auto optimizer = make("adamw", parameters);
  parameters[3].second.grad().fill_(1e6);
  CHECK(optimizer->clip_grad_norm(1.0) == 0.0);
  optimizer->step();
  CHECK(parameters[3].second.to_vector() == before);
}

TEST_CASE("a gradient that is not finite is reported and refused") {
  for (const std::string kind : {"adamw", "muon"})
    for (double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
      const NamedTensors parameters = model(DType::f32);
      const auto optimizer = make(kind, parameters);
      give_gradients(parameters, 1);
      parameters[1].second.grad().data<float>()[2] = static_cast<float>(bad);
      const auto before = flat(*optimizer);
      CHECK(!std::isfinite(optimizer->clip_grad_norm(1.0)));
      CHECK_THROWS_AS(optimizer->step(), Error);
      CHECK(flat(*optimizer) == before);
      CHECK(optimizer->steps_done() == 0);
      optimizer->zero_grad();
      CHECK(parameters[1].second.grad().to_vector() == std::vector<double>(5, 0.0));
      optimizer->step();
      CHECK(optimizer->steps_done() == 1);
    }
}

TEST_CASE("steps and norms have the same bits for any number of threads") {
  const int before = num_threads();
  for (const std::string kind : {"adamw", "muon", "sgd"}) {
    std::vector<double> first;
    double first_norm = 0;
    for (int threads : {1, 2, 3, 5}) {
      set_num_threads(threads);
      const NamedTensors parameters = model(DType::f32, 9000);
      const auto optimizer = make(kind, parameters);
      give_gradients(parameters, 1);
      const double norm = optimizer->clip_grad_norm(1.0);
      optimizer->step();
      if (first.empty()) first = flat(*optimizer), first_norm = norm;
      CHECK(norm == first_norm);
      CHECK(flat(*optimizer) == first);
    }
  }
  set_num_threads(before);
}

TEST_CASE("a run that was saved and resumed ends with the same bits") {
  const TemporaryFolder folder;
  for (const std::string kind : {"adamw", "muon", "sgd"}) {
    const auto train = [&](Optimizer& optimizer, WeightAverage& average,
                           const NamedTensors& parameters, int from, int to) {
      for (int t = from; t <= to; ++t) {
        give_gradients(parameters, t);
        optimizer.clip_grad_norm(max_norm);
        optimizer.step(&average);
      }
    };
    const std::string path = folder.file(kind + ".safetensors");
    const NamedTensors whole = model(DType::f32);
    const auto optimizer = make(kind, whole);
    WeightAverage average(optimizer->arena(), average_decay);
    train(*optimizer, average, whole, 1, 5);
    NamedTensors saved = optimizer->state_dict();
    for (const auto& entry : whole)
      saved.emplace_back("model." + entry.first, entry.second.detach());
    save_safetensors(path, saved);
    train(*optimizer, average, whole, 6, 12);

    NamedTensors state, weights;
    for (const auto& entry : load_safetensors(path).tensors) {
      const bool weight = entry.first.rfind("model.", 0) == 0;
      (weight ? weights : state)
          .emplace_back(weight ? entry.first.substr(6) : entry.first, entry.second);
    }
    const NamedTensors again = model(DType::f32);
    for (const auto& entry : again) entry.second.fill_(0);
    const auto resumed = make(kind, again);
    WeightAverage resumed_average(resumed->arena(), average_decay);
    copy_named("test", again, weights);
    resumed->load_state_dict(state);
    CHECK(resumed->steps_done() == 5);
    train(*resumed, resumed_average, again, 6, 12);
    CHECK(flat(*resumed) == flat(*optimizer));
    CHECK(resumed_average.values().to_vector() == average.values().to_vector());
  }
}

TEST_CASE("state of another run is refused") {
  const auto optimizer = make("adamw", model(DType::f32));
  NamedTensors state = optimizer->state_dict();
  state.pop_back();
  CHECK_THROWS_AS(optimizer->load_state_dict(state), Error);
  CHECK_THROWS_AS(optimizer->load_state_dict(make("sgd", model(DType::f32))->state_dict()), Error);
  CHECK_THROWS_AS(optimizer->load_state_dict(make("adamw", model(DType::f32, 6))->state_dict()),
                  Error);
}

TEST_CASE("optimisers refuse options out of range") {
  const NamedTensors parameters = model(DType::f32);
  CHECK_THROWS_AS(AdamW(parameters, {.lr = -1}), Error);
  CHECK_THROWS_AS(AdamW(parameters, {.beta1 = 1}), Error);
  CHECK_THROWS_AS(AdamW(parameters, {.epsilon = 0}), Error);
  CHECK_THROWS_AS(Sgd(parameters, {.momentum = 0, .nesterov = true}), Error);
  CHECK_THROWS_AS(Muon(parameters, {.momentum = 1}), Error);
  CHECK_THROWS_AS(Muon(parameters, {.beta2 = 1}), Error);
  CHECK_THROWS_AS(make("adamw", parameters)->clip_grad_norm(0), Error);
  const auto optimizer = make("sgd", parameters);
  CHECK_THROWS_AS(WeightAverage(optimizer->arena(), 1.0), Error);
}

}  // namespace espalier::test
