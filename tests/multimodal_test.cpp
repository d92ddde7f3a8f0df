// Learning from pairs of images and texts: which pairs a step has, what its loss is, what memory
// gives back.
#include "cl/methods/multimodal.h"

#include <cmath>

#include "cl/continual_trainer.h"
#include "engine/ops/view.h"
#include "nn/evaluate.h"
#include "nn/image_text.h"
#include "nn/optim/sgd.h"
#include "tests/gradient_test.h"
#include "tests/learning_runs.h"
#include "tests/refusal.h"

using namespace espalier;
using namespace espalier::test;

namespace {

// A learner of pairs, with `kept` of the first task's in memory and nothing learned.
struct Pairs {
  Multimodal method;
  Learner learner;

  explicit Pairs(int64_t kept, const LearnConfig& config = small_learning("multimodal"))
      : method(config), learner{config,       method.taught(small_stream(config)),
                                nullptr,      nullptr,
                                std::nullopt, nullptr} {
    learner.network = method.network(config, learner.stream);
    learner.optimizer =
        std::make_unique<Sgd>(learner.network->named_parameters(), SgdOptions{.momentum = 0});
    method.attach(learner);
    learner.memory.emplace(RecordLayout{.item = {8, 8, 1}, .text = true}, 40);
    const ImageDataset& data = learner.current().train;
    for (int64_t i = 0; i < kept; ++i)
      learner.memory->write(i, {.pixels = data.images.data<uint8_t>() + i * 64,
                                .label = data.labels.data<int64_t>()[i],
                                .text = learner.current().text(i)});
  }

  const ImageTextModel& model() const {
    return dynamic_cast<const ImageTextModel&>(*learner.network);
  }

  StepBatch batch(const std::vector<int64_t>& samples, const std::vector<int64_t>& slots) const {
    StepBatch rows = new_rows(learner, samples);
    add_rows(learner, slots, rows);
    rows.together = method.compares_rows();
    return rows;
  }

  double loss_of(StepBatch& rows) const {
    std::vector<double> weights;
    for (size_t g = 0; g < rows.groups.size(); ++g) weights.push_back(method.weight(rows, g));
    return add_gradients(
        learner, rows, weights, [&](const BatchPart& part) { return method.loss(learner, part); },
        learner.optimizer->arena().gradients());
  }
};

// The loss of all rows, as the header of nn/contrastive.h writes it, in double.
double by_hand(const ImageTextModel& model, const StepBatch& rows) {
  const size_t N = rows.texts.size(), E = static_cast<size_t>(model.width());
  const std::vector<double> u = model.features(rows.inputs).to_vector(),
                            v = model.text_embeddings(rows.texts).to_vector(),
                            label = rows.labels.to_vector();
  const double s = model.scale().to_vector()[0];
  const auto similar = [&](size_t image, size_t text) {
    double dot = 0;
    for (size_t e = 0; e < E; ++e) dot += u[image * E + e] * v[text * E + e];
    return s * dot;
  };
  double sum = 0;
  for (size_t i = 0; i < N; ++i) {
    double of_row = 0, of_column = 0, positive = 0, positives = 0;
    for (size_t j = 0; j < N; ++j) {
      of_row += std::exp(similar(i, j));
      of_column += std::exp(similar(j, i));
      if (label[i] != label[j]) continue;
      positive += similar(i, j) + similar(j, i);
      ++positives;
    }
    sum += std::log(of_row) + std::log(of_column) - positive / positives;
  }
  return sum / (2 * static_cast<double>(N));
}

// Embeddings of unit length have float's rounding in each of their sums over E values, times the
// scale.
double rounding(const ImageTextModel& model) {
  return 2 * model.scale().to_vector()[0] * std::sqrt(static_cast<double>(model.width())) *
         std::numeric_limits<float>::epsilon();
}

int64_t texts_of_a_class() {
  return text_counts(class_texts({"rows", "columns", "thin rows", "thin columns"}))[0];
}

}  // namespace

TEST_CASE("every training image is dealt a text of its class, by the seed") {
  const Pairs pairs(0);
  const int64_t texts = texts_of_a_class();
  std::vector<int64_t> dealt(static_cast<size_t>(pairs.model().texts()));
  for (const Task& task : pairs.learner.stream.tasks) {
    REQUIRE(static_cast<int64_t>(task.texts.size()) == task.train.size());
    for (int64_t i = 0; i < task.train.size(); ++i) {
      CHECK(task.text(i) / texts == task.train.labels.data<int64_t>()[i]);
      ++dealt[static_cast<size_t>(task.text(i))];
    }
  }
  // 160 images a class over 3 texts: five deviations about the mean.
  for (const int64_t count : dealt)
    CHECK(std::abs(static_cast<double>(count) - 160 / 3.0) < 5 * std::sqrt(160 * 2 / 9.0));
  CHECK(Pairs(0).learner.stream.tasks[1].texts == pairs.learner.stream.tasks[1].texts);
  LearnConfig other = small_learning("multimodal");
  other.seed = 2;
  CHECK(Pairs(0, other).learner.stream.tasks[1].texts != pairs.learner.stream.tasks[1].texts);
}

TEST_CASE("a step's loss is one of all its pairs, new and replayed") {
  const Pairs pairs(20);
  // More rows than a chunk has, of which the last two texts were kept with their images.
  StepBatch rows = pairs.batch({30, 31, 32, 33, 34, 35, 36}, {4, 9});
  REQUIRE(rows.texts.size() == 9);
  CHECK(rows.texts[0] == pairs.learner.current().text(30));
  CHECK(rows.texts[7] == pairs.learner.current().text(4));
  CHECK(rows.texts[8] == pairs.learner.current().text(9));
  const double expected = by_hand(pairs.model(), rows);
  CHECK(std::abs(pairs.loss_of(rows) - expected) <= rounding(pairs.model()));
  CHECK(rows.logits.shape() == Shape{9, 4});
}

TEST_CASE("with an empty memory a step's pairs are the new ones") {
  const Pairs pairs(0);
  StepBatch rows = pairs.batch({0, 1, 2}, {});
  const double expected = by_hand(pairs.model(), rows);
  CHECK(std::abs(pairs.loss_of(rows) - expected) <= rounding(pairs.model()));
}

TEST_CASE("a step gives image encoder, text encoder and temperature a gradient") {
  const Pairs pairs(8);
  StepBatch rows = pairs.batch({10, 11, 12, 13}, {0, 1});
  pairs.loss_of(rows);
  const ParameterArena& arena = pairs.learner.optimizer->arena();
  for (const auto& entry : arena.views_of(arena.gradients())) {
    INFO(entry.first);
    double sum = 0;
    for (const double g : entry.second.to_vector()) sum += std::abs(g);
    CHECK(sum > 0);
  }
}

TEST_CASE("a run compares all rows of a step, whatever its chunks are") {
  const TemporaryFolder folder;
  LearnConfig config = small_learning("multimodal");
  config.max_steps = 4;
  const auto weights = [&](int64_t chunk_size) {
    config.chunk_size = chunk_size;
    const std::string run = new_folder(folder, std::to_string(chunk_size));
    learned(config, run);
    return state_of(run, "model.");
  };
  CHECK(weights(3) == weights(64));
}

TEST_CASE("memory keeps pairs, and what it learned from them names every class") {
  const TemporaryFolder folder;
  LearnConfig config = small_learning("multimodal");
  config.optimizer = "adamw";
  config.learning_rate = 5e-3;
  config.epochs = 6;
  ContinualTrainer trainer(config, small_stream(config), new_folder(folder, "run"));
  CHECK(trainer.run());
  const Learner& learner = trainer.learner();
  CHECK(learner.memory->layout().bytes() == 64 + 2 + 2 + 2);
  REQUIRE(learner.memory->size() == 40);
  for (int64_t slot = 0; slot < 40; ++slot)
    CHECK(learner.memory->text(slot) / texts_of_a_class() == learner.memory->label(slot));
  REQUIRE(trainer.accuracy().size() == 3);
  CHECK(trainer.accuracy()[2][0] > 0.9);
  CHECK(trainer.accuracy()[2][1] > 0.9);
  REQUIRE(trainer.zero_shot().size() == 3);
  CHECK(trainer.zero_shot()[0].images == 160);
  CHECK(trainer.zero_shot()[1].classes == 2);
  CHECK(trainer.zero_shot()[1].images == 80);
  CHECK(trainer.zero_shot()[2].classes == 0);
}

TEST_CASE("scores are what the model gives") {
  const Pairs pairs(0);
  const Tensor images = slice(pairs.learner.stream.tasks[0].test.images, 0, 0, 19);
  const Tensor scores = pairs.method.scores(pairs.learner, images);
  const Tensor whole = pairs.model()(normalized(images, pairs.model().input()));
  CHECK_FALSE(scores.requires_grad());
  for (int64_t i = 0; i < scores.numel(); ++i)
    CHECK(std::abs(scores.data<float>()[i] - whole.data<float>()[i]) <= rounding(pairs.model()));
}

TEST_CASE("pairs are for a model that reads texts, of classes that have some") {
  const TemporaryFolder folder;
  const LearnConfig config = small_learning("multimodal");
  CHECK(contains(refusal_of([&] {
                   ContinualTrainer(config, small_stream(config), folder.file("run"),
                                    make_network(config, small_stream(config)));
                 }),
                 "Multimodal: network is one that reads no texts"));
  ImageDataset train = four_stripes(64, 1), test = four_stripes(16, 2);
  train.class_names[2] = test.class_names[2] = "?";
  CHECK(contains(refusal_of([&] {
                   ContinualTrainer(config, stream_of(config, train, test), folder.file("run"));
                 }),
                 "'?' of class 2"));
}
