// What stays in memory, policy by policy.
#include "cl/memory/selection.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cl/memory/gss.h"
#include "engine/autograd.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/view.h"
#include "tests/refusal.h"
#include "tests/small_stream.h"

using namespace espalier;
using namespace espalier::test;

namespace {

// ---- chance ----

// What chi-squared with `freedom` degrees exceeds, or falls below, where `z` standard normal
// deviations do (Wilson and Hilferty, 1931).
double chi_squared_at(double freedom, double z) {
  const double part = 2 / (9 * freedom);
  return freedom * std::pow(1 - part + z * std::sqrt(part), 3);
}

// That counts are what `expected` says, up to chance: 1 in 2,000 on either side. `scale` is what
// the sum of (count - expected)^2 / expected is above a chi-squared number.
void check_chance(const std::vector<double>& counts, const std::vector<double>& expected,
                  double scale = 1) {
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i)
    sum += (counts[i] - expected[i]) * (counts[i] - expected[i]) / expected[i];
  const double freedom = static_cast<double>(counts.size()) - 1;
  CHECK(sum / scale < chi_squared_at(freedom, 3.3));
  CHECK(sum / scale > chi_squared_at(freedom, -3.3));
}

// ---- streams of labels alone ----

const RecordLayout one_pixel{.item = {1}};

// Offers samples `begin` to `end` - 1, whose number goes where the task would.
void offer(Selection& selection, ReplayMemory& memory, int64_t begin, int64_t end,
           const std::vector<int64_t>& labels) {
  const uint8_t pixel = 0;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t label = labels[static_cast<size_t>(i)];
    if (const auto slot = selection.slot_for({label}, memory))
      memory.write(*slot, {&pixel, label, i});
  }
}

// The memory that a policy fills from these labels; `broken` saves and loads all of it halfway.
ReplayMemory filled(const char* name, uint64_t seed, const std::vector<int64_t>& labels,
                    int64_t capacity, bool broken) {
  const auto all = static_cast<int64_t>(labels.size()), half = all / 2;
  auto selection = make_selection(name, {.seed = seed, .classes = 3});
  ReplayMemory memory(one_pixel, capacity);
  offer(*selection, memory, 0, half, labels);
  if (!broken) {
    offer(*selection, memory, half, all, labels);
    return memory;
  }
  auto resumed = make_selection(name, {.seed = seed, .classes = 3});
  resumed->load_state_dict(selection->state_dict());
  ReplayMemory loaded(one_pixel, capacity);
  loaded.load_state_dict(memory.state_dict());
  offer(*resumed, loaded, half, all, labels);
  return loaded;
}

// ---- learners ----

// Training images of the first task, as new rows, then all of the memory.
StepBatch small_batch(const Learner& learner) {
  StepBatch batch = new_rows(learner, {0, 1, 2, 3, 4});
  draw_rows(learner, learner.memory->size(), 0, batch);
  batch.logits = (*learner.network)(batch.inputs).detach();
  return batch;
}

void remember(Learner& learner, const std::vector<int64_t>& samples) {
  const ImageDataset& data = learner.current().train;
  for (const int64_t i : samples)
    learner.memory->write(learner.memory->size(), {data.images.data<uint8_t>() + i * 64,
                                                   data.labels.data<int64_t>()[i], learner.task});
}

std::vector<Offer> candidates_of(const StepBatch& batch) {
  std::vector<Offer> candidates;
  for (size_t i = 0; i < batch.samples.size(); ++i)
    candidates.push_back({batch.labels.data<int64_t>()[i]});
  return candidates;
}

Tensor loss_of_row(const Learner& learner, const StepBatch& batch, int64_t row) {
  return cross_entropy((*learner.network)(slice(batch.inputs, 0, row, row + 1)),
                       slice(batch.labels, 0, row, row + 1));
}

}  // namespace

TEST_CASE("a reservoir keeps every sample with the same probability, across a resume too") {
  constexpr int64_t capacity = 8, samples = 40, trials = 2000;
  const std::vector<int64_t> labels(samples);
  for (const bool broken : {false, true}) {
    std::vector<double> kept(samples);
    for (uint64_t seed = 0; seed < trials; ++seed) {
      const ReplayMemory memory = filled("reservoir", seed, labels, capacity, broken);
      CHECK(memory.size() == capacity);
      for (int64_t slot = 0; slot < capacity; ++slot)
        ++kept[static_cast<size_t>(memory.task(slot))];
    }
    // Samples of one trial are drawn without replacement: each count varies by (1 - share) of its
    // mean, and all of them add up to a constant.
    const double share = double{capacity} / samples;
    check_chance(kept, std::vector<double>(samples, trials * share),
                 (1 - share) * samples / (samples - 1.0));
  }
}

TEST_CASE("a reservoir asks for one random number a sample, whatever the memory holds") {
  // The number is a function of the seed and of how many came before, so that what one does can be
  // told without the ones before it.
  auto selection = make_selection("reservoir", {.seed = 5});
  ReplayMemory memory(one_pixel, 4);
  offer(*selection, memory, 0, 4, std::vector<int64_t>(4));
  constexpr int64_t late = 1'000'000'000;
  for (int64_t before = late; before < late + 100; ++before) {
    selection->load_state_dict({{"seen", Tensor::of<int64_t>({before}, {1})}});
    const int64_t place = Generator(5, static_cast<uint64_t>(before)).below(before + 1);
    CHECK(selection->slot_for({}, memory).has_value() == (place < 4));
  }
}

TEST_CASE("a class-balanced memory gives classes equal room and samples of one equal chances") {
  // 90, 24 and 12 samples of the classes, in an order of chance.
  std::vector<int64_t> labels;
  Generator generator(3);
  for (const int64_t i : permutation(126, generator))
    labels.push_back(i < 90 ? 0 : i < 114 ? 1 : 2);
  constexpr int64_t capacity = 15;
  constexpr uint64_t trials = 1500;
  std::vector<double> kept(126);
  for (uint64_t seed = 0; seed < trials; ++seed) {
    const ReplayMemory memory = filled("class_balanced", seed, labels, capacity, seed % 2);
    for (const int64_t label : {0, 1, 2}) CHECK(count_of(memory, label) == 5);
    for (int64_t slot = 0; slot < capacity; ++slot) ++kept[static_cast<size_t>(memory.task(slot))];
  }
  for (const int64_t label : {0, 1, 2}) {
    std::vector<double> of_class;
    for (size_t i = 0; i < labels.size(); ++i)
      if (labels[i] == label) of_class.push_back(kept[i]);
    const double count = static_cast<double>(of_class.size()), share = 5 / count;
    check_chance(of_class, std::vector<double>(of_class.size(), trials * share),
                 (1 - share) * count / (count - 1));
  }
}

TEST_CASE("a class that comes late to a class-balanced memory gets its room") {
  std::vector<int64_t> labels(100, 0);
  labels.insert(labels.end(), 6, 1);
  const ReplayMemory memory = filled("class_balanced", 1, labels, 10, false);
  CHECK(count_of(memory, 1) == 5);
}

TEST_CASE("a policy resumes with the choices of one that was not broken off") {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 200; ++i) labels.push_back(i % 7 % 3);
  for (const char* name : {"reservoir", "class_balanced"})
    for (uint64_t seed = 1; seed < 20; ++seed) {
      // Of room for 10, classes are full with 3 samples and with 4.
      const auto whole = filled(name, seed, labels, 10, false).state_dict();
      CHECK(filled(name, seed, labels, 10, true).state_dict()[0].second.to_vector() ==
            whole[0].second.to_vector());
    }
}

TEST_CASE("loss-aware sampling lets as many in as a reservoir, in place of small losses") {
  const RecordLayout layout{.item = {1}, .score = true};
  ReplayMemory memory(layout, 4);
  const uint8_t pixel = 0;
  for (const float loss : {1.0f, 0.0f, 3.0f, 2.0f})
    memory.write(memory.size(), {.pixels = &pixel, .score = loss});
  std::vector<double> counts(4);  // of slots 0, 1 and 3, and of none
  constexpr uint64_t trials = 3000;
  for (uint64_t seed = 0; seed < trials; ++seed) {
    auto selection = make_selection("loss_aware", {.seed = seed});
    selection->load_state_dict({{"seen", Tensor::of<int64_t>({8}, {1})}});
    const auto slot = selection->slot_for({.score = 1}, memory);
    REQUIRE(slot != 2);  // the largest loss
    ++counts[static_cast<size_t>(slot ? std::min<int64_t>(*slot, 2) : 3)];
  }
  const double in = trials * 4.0 / 9;
  check_chance(counts, {in * 2 / 6, in * 3 / 6, in * 1 / 6, trials - in});
}

TEST_CASE("loss-aware sampling knows the loss of new rows and of replayed ones") {
  Learner learner = small_learner(small_learning(), {.item = {8, 8, 1}, .score = true}, 12);
  remember(learner, {9, 8, 7, 6});
  const StepBatch batch = small_batch(learner);
  std::vector<Offer> candidates = candidates_of(batch);
  const auto selection = make_selection("loss_aware", {});
  selection->renew(*learner.memory, batch);
  selection->judge(learner, batch, candidates);
  REQUIRE(batch.slots.size() == 4);
  for (int64_t row = 0; row < 4; ++row) {
    std::vector<uint8_t> pixels(64);
    learner.memory->read_pixels(batch.slots[static_cast<size_t>(row)], pixels.data());
    const float* image = batch.inputs.data<float>() + (5 + row) * 64;
    CHECK(std::equal(pixels.begin(), pixels.end(), image,
                     [](uint8_t pixel, float value) { return pixel == std::lround(value * 255); }));
  }
  for (int64_t row = 0; row < batch.rows(); ++row) {
    const double loss = loss_of_row(learner, batch, row).item();
    const double judged = row < 5
                              ? candidates[static_cast<size_t>(row)].score
                              : learner.memory->score(batch.slots[static_cast<size_t>(row) - 5]);
    // A few roundings of numbers of the size of logits and loss.
    CHECK(judged == doctest::Approx(loss).epsilon(16 * std::numeric_limits<float>::epsilon()));
  }
}

TEST_CASE("a step of a later epoch renews scores and offers nothing") {
  const LearnConfig config = small_learning();
  Learner learner = small_learner(config, {.item = {8, 8, 1}, .score = true}, 12);
  learner.selection = make_selection("loss_aware", {});
  const auto method = make_method(config);
  remember(learner, {9, 8, 7, 6});
  const StepBatch batch = small_batch(learner);
  learner.epoch = 1;
  method->after_step(learner, batch);
  CHECK(learner.memory->size() == 4);
  for (int64_t slot = 0; slot < 4; ++slot) CHECK(learner.memory->score(slot) > 0);
  learner.epoch = 0;
  method->after_step(learner, batch);
  CHECK(learner.memory->size() == 9);
}

TEST_CASE("GSS scores a sample by the cosine of its gradient to the nearest in memory") {
  Learner learner = small_learner(small_learning(), {.item = {8, 8, 1}, .score = true}, 12);
  const auto selection = make_selection("gss", {});
  {
    const StepBatch batch = small_batch(learner);
    std::vector<Offer> candidates = candidates_of(batch);
    selection->judge(learner, batch, candidates);
    for (const Offer& candidate : candidates) CHECK(candidate.score == 0.1f);
  }
  remember(learner, {9, 8, 0, 6});
  const StepBatch batch = small_batch(learner);
  std::vector<Offer> candidates = candidates_of(batch);
  selection->judge(learner, batch, candidates);
  // The gradients of the last layer, by the tape.
  std::vector<std::vector<double>> gradients;
  for (int64_t row = 0; row < batch.rows(); ++row) {
    std::vector<double> all;
    for (const auto& [name, parameter] : learner.network->named_parameters())
      parameter.set_grad(Tensor::zeros(parameter.shape()));
    backward(loss_of_row(learner, batch, row));
    for (const auto& [name, parameter] : learner.network->named_parameters())
      if (name.rfind("layers.2.", 0) == 0)
        for (const double value : parameter.grad().to_vector()) all.push_back(value);
    gradients.push_back(all);
  }
  const auto dot = [&](size_t a, size_t b) {
    double sum = 0;
    for (size_t i = 0; i < gradients[a].size(); ++i) sum += gradients[a][i] * gradients[b][i];
    return sum;
  };
  CHECK(gradients[0].size() == 33 * 4);
  for (size_t i = 0; i < candidates.size(); ++i) {
    double nearest = -1;
    for (size_t j = candidates.size(); j < gradients.size(); ++j)
      nearest = std::max(nearest, dot(i, j) / std::sqrt(dot(i, i) * dot(j, j)));
    // Every element of a gradient is a mean over a few roundings, relative to the largest.
    CHECK(std::abs(candidates[i].score - (nearest + 1)) <
          257 * std::numeric_limits<float>::epsilon());
  }
  CHECK(candidates[0].score == doctest::Approx(2));  // it is in memory
}

TEST_CASE("GSS replaces records by the odds of their scores and the sample's") {
  const RecordLayout layout{.item = {1}, .score = true};
  ReplayMemory memory(layout, 3);
  const uint8_t pixel = 0;
  for (const float score : {0.0f, 0.5f, 1.5f})
    memory.write(memory.size(), {.pixels = &pixel, .score = score});
  std::vector<double> counts(3);  // of slots 1 and 2, and of none
  constexpr uint64_t trials = 3000;
  for (uint64_t seed = 0; seed < trials; ++seed) {
    auto selection = make_selection("gss", {.seed = seed});
    CHECK(!selection->slot_for({.score = 1}, memory));
    const auto slot = selection->slot_for({.score = 0.5f}, memory);
    REQUIRE(slot != 0);
    ++counts[static_cast<size_t>(slot ? *slot - 1 : 2)];
  }
  const double first = trials * 0.25 * 0.5, second = trials * 0.75 * 0.75;
  check_chance(counts, {first, second, trials - first - second});
}

TEST_CASE("policies refuse what is not theirs") {
  CHECK(refusal_of([] { make_selection("luck", {}); }) ==
        "make_selection: name is 'luck'; expected one of reservoir, class_balanced, loss_aware, "
        "gss, herding");
  ReplayMemory memory(one_pixel, 1);
  CHECK(contains(
      refusal_of([&] { make_selection("class_balanced", {.classes = 2})->slot_for({2}, memory); }),
      "label is 2; expected less than the 2 classes of the stream"));
  const NamedTensors foreign{{"luck", Tensor::zeros({1}, DType::s64)}};
  for (const std::string& name : selection_names())
    CHECK_THROWS_AS(make_selection(name, {})->load_state_dict(foreign), Error);
  Learner learner = small_learner(
      small_learning(), {.item = {4}, .coding = SampleCoding::latent_s8, .score = true}, 2);
  const float latent[4] = {};
  learner.memory->write(0, {.latent = latent});
  for (const char* name : {"gss", "herding"})
    CHECK(contains(refusal_of([&] {
                     const StepBatch batch = new_rows(learner, {0});
                     std::vector<Offer> candidates = candidates_of(batch);
                     const auto selection = make_selection(name, {});
                     selection->judge(learner, batch, candidates);
                     selection->after_task(learner);
                   }),
                   "item is a latent; expected pixels"));
}

TEST_CASE("a budget too small for a sample is refused with what one takes") {
  LearnConfig config = small_learning();
  config.memory_samples = 0;
  config.memory_bytes = 71;
  config.selection = "loss_aware";
  CHECK(refusal_of([&] { ContinualTrainer(config, small_stream(config), ""); }) ==
        "ReplayMemory: bytes is 71; expected at least the 72 that one sample takes; allow more "
        "memory, or keep less of a sample");
}
