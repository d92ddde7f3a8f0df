// What each method of continual learning computes, against numbers worked out by hand.
#include <cmath>
#include <functional>

#include "cl/methods/a_gem.h"
#include "cl/methods/ewc_online.h"
#include "engine/autograd.h"
#include "nn/evaluate.h"
#include "nn/optim/sgd.h"
#include "tests/gradient_test.h"
#include "tests/small_stream.h"

using namespace espalier;
using namespace espalier::test;

namespace {

constexpr double eps = std::numeric_limits<float>::epsilon();

// A learner at the start of task `task`, with three samples of it and five of each earlier one in
// memory.
struct Midway {
  std::unique_ptr<Method> method;
  Learner learner;

  Midway(const LearnConfig& config, int64_t task)
      : method(make_method(config)), learner{config,  small_stream(config), nullptr,
                                             nullptr, std::nullopt,         nullptr} {
    learner.network = make_network(config, learner.stream);
    learner.optimizer =
        std::make_unique<Sgd>(learner.network->named_parameters(), SgdOptions{.momentum = 0});
    method->attach(learner);
    learner.memory.emplace(
        RecordLayout{.item = {8, 8, 1}, .logits = method->keeps_logits() ? 4 : 0}, 40);
    for (learner.task = 0; learner.task < task; ++learner.task) keep({0, 1, 2, 3, 4});
    learner.task = task;
    keep({5, 6, 7});
    learner.step = 9;
    method->before_task(learner);
    shift_weights(0.02);
  }

  // Kept with logits of some former network.
  void keep(const std::vector<int64_t>& samples) {
    const ImageDataset& data = learner.current().train;
    for (int64_t sample : samples) {
      const int64_t slot = learner.memory->size();
      const Tensor logits = random_tensor({4}, static_cast<unsigned>(slot), DType::f32);
      learner.memory->write(slot, {.pixels = data.images.data<uint8_t>() + sample * 64,
                                   .label = data.labels.data<int64_t>()[sample],
                                   .task = learner.task,
                                   .logits = logits.data<float>()});
    }
  }

  // So that the network is no longer what an earlier task left.
  void shift_weights(double by) {
    const Tensor values = learner.optimizer->arena().values();
    const Tensor shift = random_tensor(values.shape(), 8, DType::f32, by);
    for (int64_t i = 0; i < values.numel(); ++i) values.data<float>()[i] += shift.data<float>()[i];
  }

  struct Step {
    double loss;
    StepBatch batch;
  };
  // The loss of a step with these new samples, and its batch; with these slots of the memory in
  // place of draws where there are any.
  Step step(const std::vector<int64_t>& samples, const std::vector<int64_t>& slots = {}) {
    StepBatch batch = new_rows(learner, samples);
    add_rows(learner, slots, batch);
    for (int draw = 0; slots.empty() && draw < method->draws(); ++draw)
      draw_rows(learner, 6, static_cast<uint64_t>(draw), batch);
    std::vector<double> weights;
    for (size_t g = 0; g < batch.groups.size(); ++g) weights.push_back(method->weight(batch, g));
    const double loss = add_gradients(
        learner, batch, weights, [&](const BatchPart& part) { return method->loss(learner, part); },
        learner.optimizer->arena().gradients());
    return {loss, batch};
  }
};

using Row = std::vector<double>;

Row row_of(const Tensor& x, int64_t i) {
  const Row all = x.to_vector();
  const int64_t width = x.size(1);
  return {all.begin() + i * width, all.begin() + (i + 1) * width};
}

int64_t label_of(const StepBatch& batch, int64_t row) { return batch.labels.data<int64_t>()[row]; }

// log of the softmax of z_c / temperature among some classes.
double log_share(const Row& z, int64_t c, const std::vector<int64_t>& among,
                 double temperature = 1) {
  double sum = 0;
  for (int64_t k : among) sum += std::exp(z[static_cast<size_t>(k)] / temperature);
  return z[static_cast<size_t>(c)] / temperature - std::log(sum);
}

double mean_of(const RowGroup& rows, const std::function<double(int64_t)>& f) {
  double sum = 0;
  for (int64_t i = rows.begin; i < rows.end; ++i) sum += f(i);
  return sum / static_cast<double>(rows.rows());
}

double mean_cross_entropy(const StepBatch& batch, size_t group, const std::vector<int64_t>& among) {
  return mean_of(batch.groups[group], [&](int64_t i) {
    return -log_share(row_of(batch.logits, i), label_of(batch, i), among);
  });
}

// Of one order: fp32 sums of less than 64 numbers of the losses' magnitude.
bool close(double got, double expected) {
  return std::abs(got - expected) <= 64 * eps * (1 + std::abs(expected));
}

const std::vector<int64_t> all_classes{0, 1, 2, 3};

double dot(const Tensor& a, const Tensor& b) {
  const Row x = a.to_vector(), y = b.to_vector();
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

}  // namespace

TEST_CASE("DER holds logits to what was kept, DER++ labels of a second draw too") {
  LearnConfig config = small_learning("der");
  config.alpha = 0.3;
  config.beta = 0.7;
  const auto squared = [](const StepBatch& batch, size_t group) {
    return mean_of(batch.groups[group], [&](int64_t i) {
      const Row z = row_of(batch.logits, i), kept = row_of(batch.kept, i);
      double sum = 0;
      for (size_t c = 0; c < 4; ++c) sum += (z[c] - kept[c]) * (z[c] - kept[c]);
      return sum / 4;
    });
  };
  const auto [loss, batch] = Midway(config, 1).step({8, 9, 10});
  REQUIRE(batch.groups.size() == 2);
  CHECK(close(loss, mean_cross_entropy(batch, 0, all_classes) + 0.3 * squared(batch, 1)));
  config.method = "der_pp";
  const auto [more, both] = Midway(config, 1).step({8, 9, 10});
  REQUIRE(both.groups.size() == 3);
  CHECK(close(more, mean_cross_entropy(both, 0, all_classes) + 0.3 * squared(both, 1) +
                        0.7 * mean_cross_entropy(both, 2, all_classes)));
  config.alpha = 0;
  const auto [labels, one] = Midway(config, 1).step({8, 9, 10});
  REQUIRE(one.groups.size() == 2);
  CHECK(close(labels, mean_cross_entropy(one, 0, all_classes) +
                          0.7 * mean_cross_entropy(one, 1, all_classes)));
}

TEST_CASE("ER-ACE compares new rows among their batch's classes, replayed ones among those seen") {
  LearnConfig config = small_learning("er_ace");
  const auto [loss, batch] = Midway(config, 1).step({8, 9, 10});
  CHECK(close(loss,
              mean_cross_entropy(batch, 0, {2, 3}) + mean_cross_entropy(batch, 1, all_classes)));
  const auto [single, same] = Midway(config, 1).step({8, 10}, {0, 1});
  CHECK(close(single, mean_cross_entropy(same, 1, all_classes)));
  config.stream.tasks = 4;
  const auto [early, of_two] = Midway(config, 1).step({8, 9, 10});
  CHECK(close(early, mean_cross_entropy(of_two, 1, {0, 1})));
}

TEST_CASE("A-GEM's projected gradient never opposes the reference") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const int64_t count = 1 + 37 * seed;
    const Tensor gradient = random_tensor({count}, seed, DType::f32);
    const Tensor reference = random_tensor({count}, 100 + seed, DType::f32);
    const Row g = gradient.to_vector(), r = reference.to_vector();
    const double along = dot(gradient, reference), square = dot(reference, reference);
    project(gradient, reference);
    const Row projected = gradient.to_vector();
    // Sums in a tree of depth log2(count), then one rounding of each element.
    double size = 0;
    for (size_t i = 0; i < g.size(); ++i) size += std::abs(g[i] * r[i]);
    const double slack = (4 + std::log2(static_cast<double>(count))) * eps * size;
    CHECK(dot(gradient, reference) >= -slack);
    for (size_t i = 0; i < g.size(); ++i) {
      const double expected = along < 0 ? g[i] - along / square * r[i] : g[i];
      CHECK(std::abs(projected[i] - expected) <=
            (along < 0 ? slack / square * std::abs(r[i]) + eps * std::abs(g[i]) : 0));
    }
  }
}

TEST_CASE("A-GEM's reference is the gradient on memory of earlier tasks alone") {
  Midway at(small_learning("a_gem"), 1);
  StepBatch past;
  add_rows(at.learner, {0, 1, 2, 3, 4}, past);
  const Tensor gradients = at.learner.optimizer->arena().gradients();
  add_gradients(
      at.learner, past, {1},
      [&](const BatchPart& part) { return at.method->loss(at.learner, part); }, gradients);
  const double square = dot(gradients, gradients);
  for (int64_t i = 0; i < gradients.numel(); ++i) gradients.data<float>()[i] *= -1;
  at.method->adjust_gradients(at.learner, {});
  // What is left of the opposite is the rounding of a gradient whose rows came in another order.
  CHECK(dot(gradients, gradients) <= square * std::pow(16 * eps, 2));
}

TEST_CASE("EWC's importance is the mean of squared gradients of single images") {
  Midway at(small_learning("ewc_online"), 0);
  const ImageDataset data = at.learner.stream.tasks[0].train.subset({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  const Row fisher = diagonal_fisher(at.learner, data).to_vector();
  Row expected(fisher.size());
  const Tensor gradients = at.learner.optimizer->arena().gradients();
  for (int64_t i = 0; i < 10; ++i) {
    StepBatch one = new_rows(at.learner, {i});
    gradients.fill_(0);
    add_gradients(
        at.learner, one, {1},
        [&](const BatchPart& part) { return at.method->loss(at.learner, part); }, gradients);
    const Row g = gradients.to_vector();
    for (size_t k = 0; k < g.size(); ++k) expected[k] += g[k] * g[k] / 10;
  }
  double worst = 0, largest = 0;
  for (size_t k = 0; k < fisher.size(); ++k) {
    worst = std::max(worst, std::abs(fisher[k] - expected[k]) - 16 * eps * expected[k]);
    largest = std::max(largest, fisher[k]);
  }
  CHECK(largest > 0);
  CHECK(worst <= std::numeric_limits<float>::denorm_min());
}

TEST_CASE("EWC pulls each weight to where the last task left it, by its importance") {
  LearnConfig config = small_learning("ewc_online");
  config.lambda = 3;
  config.gamma = 0.5;
  Midway at(config, 0);
  const Tensor values = at.learner.optimizer->arena().values();
  const Tensor gradients = at.learner.optimizer->arena().gradients();
  Row fisher(static_cast<size_t>(values.numel())), anchor;
  for (; at.learner.task < 2; ++at.learner.task) {
    const Row now = diagonal_fisher(at.learner, at.learner.current().train).to_vector();
    for (size_t i = 0; i < fisher.size(); ++i) fisher[i] = 0.5 * fisher[i] + now[i];
    anchor = values.to_vector();
    at.method->after_task(at.learner);
    at.shift_weights(0.01);
  }
  at.learner.task = 1;
  gradients.fill_(1);
  at.method->adjust_gradients(at.learner, {});
  const Row got = gradients.to_vector(), weights = values.to_vector();
  double worst = 0, moved = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double pull = 3 * fisher[i] * (weights[i] - anchor[i]);
    worst = std::max(worst, std::abs(got[i] - 1 - pull) / (1 + std::abs(pull)));
    moved = std::max(moved, std::abs(pull));
  }
  CHECK(moved > 1000 * eps);
  CHECK(worst <= 8 * eps);
}

TEST_CASE("LwF holds the old classes to the former network's soft outputs") {
  LearnConfig config = small_learning("lwf");
  config.lambda = 0.6;
  config.temperature = 3;
  const std::vector<int64_t> old{0, 1};
  Midway at(config, 1);
  const Midway::Step done = at.step({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  const StepBatch& batch = done.batch;
  const std::unique_ptr<StagedModule> former = make_network(config, at.learner.stream);
  const NoGradGuard off;
  const Tensor before = (*former)(batch.inputs);
  const double of_teacher = mean_of(batch.groups[0], [&](int64_t i) {
    double sum = 0;
    for (int64_t c : old)
      sum -= std::exp(log_share(row_of(before, i), c, old, 3)) *
             log_share(row_of(batch.logits, i), c, old, 3);
    return 9 * sum;
  });
  CHECK(close(done.loss, mean_cross_entropy(batch, 0, all_classes) + 0.6 * of_teacher));
}

TEST_CASE("iCaRL's loss is binary, against the former network for the old classes") {
  LearnConfig config = small_learning("icarl");
  config.stream.tasks = 4;
  Midway at(config, 2);
  const Midway::Step done = at.step({8, 9, 10});
  const StepBatch& batch = done.batch;
  REQUIRE(batch.rows() == 9);
  const std::unique_ptr<StagedModule> former = make_network(config, at.learner.stream);
  const NoGradGuard off;
  const Tensor before = (*former)(batch.inputs);
  const auto sigmoid = [](double z) { return 1 / (1 + std::exp(-z)); };
  const double expected = mean_of({0, 9}, [&](int64_t i) {
    const Row z = row_of(batch.logits, i), q = row_of(before, i);
    double sum = 0;
    for (size_t c = 0; c < 3; ++c) {
      const double target =
          c < 2 ? sigmoid(q[c])
                : static_cast<double>(label_of(batch, i) == static_cast<int64_t>(c));
      sum -= target * std::log(sigmoid(z[c])) + (1 - target) * std::log(1 - sigmoid(z[c]));
    }
    return sum;
  });
  CHECK(close(done.loss, expected));
}

TEST_CASE("iCaRL classifies by the nearest mean of exemplars") {
  Midway at(small_learning("icarl"), 0);  // of classes 1, 0, 1 are the exemplars
  const StagedModule& network = *at.learner.network;
  const ImageDataset& data = at.learner.stream.tasks[0].train;
  const NoGradGuard off;
  const auto unit = [&](Row x) {
    double square = 0;
    for (double value : x) square += value * value;
    for (double& value : x) value /= std::sqrt(square);
    return x;
  };
  const Tensor features =
      network.features(normalized(data.subset({5, 6, 7, 8}).images, network.input()));
  const Row first = unit(row_of(features, 0)), last = unit(row_of(features, 2)),
            query = unit(row_of(features, 3));
  Row sum = first;
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += last[i];
  const Row means[2] = {unit(row_of(features, 1)), unit(sum)};
  const Row got = at.method->scores(at.learner, data.subset({8}).images).to_vector();
  for (size_t c = 0; c < 2; ++c) {
    double distance = 0;
    for (size_t i = 0; i < query.size(); ++i)
      distance += (query[i] - means[c][i]) * (query[i] - means[c][i]);
    CHECK(std::abs(got[c] + distance) <= 64 * eps);
  }
  for (size_t c = 2; c < 4; ++c) CHECK(got[c] < -4);
}
