// Whole trainings on a GPU against the same on the CPU.
#include <algorithm>

#include "engine/io/safetensors.h"
#include "engine/ops/binary.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "nn/data/batch_feed.h"
#include "nn/train_step.h"
#include "nn/trainer.h"
#include "tests/device_test.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

// Noise of a brightness that tells the class.
ImageDataset shades(int64_t samples, const ViTConfig& model, uint64_t seed) {
  const std::vector<std::string> names(static_cast<size_t>(model.classes), "shade");
  ImageDataset dataset{Tensor::empty(model.batch_shape(samples), DType::u8),
                       Tensor::empty({samples}, DType::s64), names};
  Generator generator(seed);
  const int64_t pixels = dataset.images.numel() / std::max<int64_t>(1, samples);
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t label = generator.below(model.classes);
    dataset.labels.data<int64_t>()[i] = label;
    for (int64_t k = 0; k < pixels; ++k)
      dataset.images.data<uint8_t>()[i * pixels + k] =
          static_cast<uint8_t>(label * 20 + generator.below(60));
  }
  return dataset;
}

// So many steps at batch 8, in two chunks, from the first step on at the full learning rate.
TrainConfig short_run(const char* model, int64_t steps) {
  TrainConfig config = named_train_config(model);
  config.batch_size = 8;
  config.chunk_size = 4;
  config.epochs = 1;
  config.max_steps = steps;
  config.warmup_steps = 1;
  config.model.dropout = config.model.drop_path = 0.1;
  return config;
}

struct Course {
  std::vector<double> losses, norms;
  double validation_loss = 0;
};

TrainerParts on(Device device) {
  TrainerParts parts;
  parts.device = device;
  return parts;
}

// `nudge` moves every weight of the beginning by as much of itself, up and down in turn.
Course course(const TrainConfig& config, Device device, double nudge = 0) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("checkpoints"));
  TrainerParts parts = on(device);
  parts.form = [&] {
    auto model = initial_model(config.model, config.seed);
    for (const auto& [name, weight] : model->named_parameters())
      for (int64_t i = 0; i < weight.numel(); ++i)
        weight.data<float>()[i] *= static_cast<float>(1 + (i % 2 ? nudge : -nudge));
    return std::make_unique<Trainable>(std::move(model));
  };
  Trainer trainer(config, shades(config.batch_size * config.max_steps, config.model, 1),
                  shades(10, config.model, 2), folder.path(), std::move(parts));
  Course out;
  trainer.run({.step =
                   [&](const StepReport& report) {
                     out.losses.push_back(report.loss);
                     out.norms.push_back(report.grad_norm);
                   },
               .epoch = [&](const EpochReport& r) { out.validation_loss = r.validation_loss; }});
  return out;
}

// What rounding may do to a course: weights that are off by an epsilon from the beginning show how
// far a training carries one rounding. A kernel may round as often as its longest sum has terms,
// and errors of both signs add up like the root of that.
std::vector<double> bounds_of(const Course& exact, const Course& nudged, double terms,
                              double rounding = epsilon) {
  std::vector<double> bounds;
  double grown = 0;
  for (size_t i = 0; i < exact.losses.size(); ++i) {
    grown = std::max(grown, std::abs(exact.losses[i] - nudged.losses[i]));
    bounds.push_back(std::sqrt(terms) * (grown + rounding * exact.losses[i]));
  }
  return bounds;
}

void check_courses(const TrainConfig& config, double terms) {
  const Course exact = course(config, Device::cpu());
  const Course nudged = course(config, Device::cpu(), epsilon);
  const Course found = course(config, Device::cuda());
  const std::vector<double> bounds = bounds_of(exact, nudged, terms);
  REQUIRE(found.losses.size() == exact.losses.size());
  CHECK(static_cast<int64_t>(found.losses.size()) == config.max_steps);
  for (size_t i = 0; i < bounds.size(); ++i) {
    INFO("step ", i + 1, ": ", found.losses[i], " on the GPU, ", exact.losses[i],
         " on the CPU, bound ", bounds[i]);
    CHECK(std::abs(found.losses[i] - exact.losses[i]) <= bounds[i]);
  }
  CHECK(std::abs(found.validation_loss - exact.validation_loss) <= bounds.back());
}

TrainConfig tiny_run(int64_t steps) {
  TrainConfig config = short_run("vit-tiny", steps);
  config.model.width = 16, config.model.mlp_hidden = 16, config.model.depth = 1;
  config.model.conv_channels = {4};
  return config;
}

// ---- f16 ----

// A sample a step, and a model that is sure of class 0. The samples of another class then meet a
// gradient of -1 for their logit, which f16 cannot hold 2^16 times.
TrainConfig overflowing_run(int64_t steps) {
  TrainConfig config = tiny_run(steps);
  config.precision = "f16";
  config.batch_size = config.chunk_size = config.checkpoint_steps = 1;
  config.label_smoothing = 0;
  config.seed = 2;  // which begins with a sample of class 0
  return config;
}

ImageDataset seldom_another_class(const TrainConfig& config) {
  ImageDataset dataset = shades(config.max_steps, config.model, 1);
  for (int64_t i = 0; i < config.max_steps; ++i)
    dataset.labels.data<int64_t>()[i] = i % 4 == 3 ? 5 : 0;
  return dataset;
}

TrainerParts sure_of_class_0(const TrainConfig& config) {
  TrainerParts parts = on(Device::cuda());
  parts.form = [config] {
    auto model = initial_model(config.model, config.seed);
    for (const auto& [name, weight] : model->named_parameters())
      if (name == "head.bias") weight.data<float>()[0] = 20;
    return std::make_unique<Trainable>(std::move(model));
  };
  return parts;
}

using Reports = std::vector<StepReport>;

// All state but the clock.
struct SavedState {
  std::map<std::string, std::vector<double>> tensors;
  std::string loss_scale;

  explicit SavedState(const std::string& path) {
    const TensorFile file = load_safetensors(path);
    for (const auto& [name, tensor] : file.tensors) tensors[name] = tensor.to_vector();
    const std::string& progress = file.metadata.at("espalier.progress");
    loss_scale = progress.substr(progress.find("\"loss_scale\""));
  }
};

// Takes a run up, or begins it, up to `last` steps.
Reports steps_up_to(int64_t last, const TrainConfig& config, const std::string& folder,
                    std::vector<SavedState>* states = nullptr) {
  Trainer trainer(config, seldom_another_class(config), shades(0, config.model, 2), folder,
                  sure_of_class_0(config));
  if (std::filesystem::exists(trainer.last_checkpoint())) trainer.resume();
  Reports reports;
  trainer.run({.step =
                   [&](const StepReport& report) {
                     reports.push_back(report);
                     // Of the step before, since a checkpoint follows each.
                     if (states) states->emplace_back(trainer.last_checkpoint());
                   },
               .interrupted = [&] { return trainer.step() >= last; }});
  if (states) states->emplace_back(trainer.last_checkpoint());
  return reports;
}

std::string run_folder(const TemporaryFolder& folder, const std::string& name) {
  std::filesystem::create_directories(folder.file(name + "/checkpoints"));
  return folder.file(name);
}

// A finite loss, of which no gradient is: the root's slope at 0 is infinite.
class Endless : public Trainable {
 public:
  using Trainable::Trainable;
  Tensor forward(const Tensor& images) const override {
    const Tensor logits = Trainable::forward(images);
    return add(logits, mul(sqrt(sub(logits, logits)), 0));
  }
};

// ---- launch graphs ----

// Everything of a run but the clock, and how many of its steps were launched as a whole; broken off
// and resumed behind each of the steps `breaks`.
struct GraphRun {
  std::vector<double> losses, norms;
  std::vector<bool> skipped;
  std::map<std::string, std::vector<double>> state;
  int64_t launched = 0;
};

// What is trained, and on what.
struct Training {
  TrainConfig config;
  ImageDataset images;
  TrainerParts parts = on(Device::cuda());

  explicit Training(const TrainConfig& c)
      : config(c), images(shades(c.batch_size * c.max_steps, c.model, 1)) {}
};

GraphRun graph_run(const Training& training, bool with_graph, std::vector<int64_t> breaks) {
  const TrainConfig& config = training.config;
  const TemporaryFolder folder;
  const std::string path = run_folder(folder, "run");
  GraphRun out;
  breaks.push_back(config.max_steps);
  for (const int64_t last : breaks) {
    TrainerParts given = training.parts;
    given.launch_graph = with_graph;
    Trainer trainer(config, training.images, shades(0, config.model, 2), path, std::move(given));
    if (std::filesystem::exists(trainer.last_checkpoint())) trainer.resume();
    trainer.run({.step =
                     [&](const StepReport& report) {
                       out.losses.push_back(report.loss);
                       out.norms.push_back(report.grad_norm);
                       out.skipped.push_back(report.skipped);
                     },
                 .interrupted = [&] { return trainer.step() >= last; }});
    out.launched += trainer.graph_launches();
  }
  for (const auto& [name, tensor] :
       load_safetensors(path + "/checkpoints/last.safetensors").tensors)
    out.state[name] = tensor.to_vector();
  return out;
}

// Of all that is bit for bit the same without one.
GraphRun checked_graph_run(const Training& training, const std::vector<int64_t>& breaks = {}) {
  const GraphRun alone = graph_run(training, false, {});
  const GraphRun graph = graph_run(training, true, breaks);
  CHECK(alone.launched == 0);
  CHECK(graph.losses == alone.losses);
  for (size_t i = 0; i < alone.norms.size(); ++i)
    CHECK((graph.norms[i] == alone.norms[i] || alone.skipped[i]));  // NaN equals nothing
  CHECK(graph.skipped == alone.skipped);
  CHECK(graph.state == alone.state);
  return graph;
}

}  // namespace

TEST_CASE("a step that is launched as a whole gives the bits of its kernels one by one") {
  if (cuda_device_count() == 0) return;
  for (const char* precision : {"f32", "bf16", "f16"}) {
    INFO("precision: ", std::string(precision));
    TrainConfig config = tiny_run(6);
    config.precision = precision;
    config.augmentation.mixup = 0;
    CHECK(checked_graph_run(Training(config)).launched == 5);  // all but the first
    CHECK(checked_graph_run(Training(config), {3}).launched ==
          4);  // and but the first after a resume
  }
}

TEST_CASE("mixtures of labels and sgd go through a launch graph too") {
  if (cuda_device_count() == 0) return;
  TrainConfig config = tiny_run(4);
  config.optimizer = "sgd";
  config.augmentation.mixup = 0.5;
  config.batch_size = 7;  // in chunks of 4 and 3
  CHECK(checked_graph_run(Training(config)).launched == 3);
}

TEST_CASE("a loss scale that changes has its step recorded anew") {
  if (cuda_device_count() == 0) return;
  Training training(overflowing_run(8));
  training.images = seldom_another_class(training.config);
  training.parts = sure_of_class_0(training.config);
  const GraphRun run = checked_graph_run(training);
  const auto first = std::find(run.skipped.begin(), run.skipped.end(), true);
  CHECK(first - run.skipped.begin() >= 1);  // a step of the graph
  CHECK(run.skipped.end() - first > 2);     // and there is one with the new scale
  // The first step, and the first with the new scale, are not launched as a whole.
  CHECK(std::count(first, run.skipped.end(), true) == 1);
  CHECK(run.launched == training.config.max_steps - 2);
}

TEST_CASE("vit-tiny trains on a GPU as it does on the CPU") {
  if (cuda_device_count() == 0) return;
  const TrainConfig config = short_run("vit-tiny", 20);
  // The weight's gradient of the first convolution sums over the pixels of a chunk.
  check_courses(config, 4 * 28 * 28);
}

TEST_CASE("patches, a class token and momentum train on a GPU as they do on the CPU") {
  if (cuda_device_count() == 0) return;
  TrainConfig config = short_run("vit-peer", 3);
  config.optimizer = "sgd";
  config.model.width = 32, config.model.mlp_hidden = 40, config.model.depth = 2;
  config.augmentation.mixup = 0.5;
  check_courses(config, 4 * 28 * 28);
}

TEST_CASE("a run that a GPU began goes on on the CPU, and the other way round") {
  if (cuda_device_count() == 0) return;
  const TrainConfig config = tiny_run(4);
  const ImageDataset train = shades(32, config.model, 1), none = shades(0, config.model, 2);
  for (const Device first : {Device::cuda(), Device::cpu()}) {
    const TemporaryFolder folder;
    std::filesystem::create_directories(folder.file("checkpoints"));
    const Device second = first == Device::cpu() ? Device::cuda() : Device::cpu();
    Trainer begun(config, train, none, folder.path(), on(first));
    CHECK(!begun.run({.interrupted = [&] { return begun.step() == 2; }}));
    Trainer taken_up(config, train, none, folder.path(), on(second));
    taken_up.resume();
    CHECK(taken_up.step() == 2);
    CHECK(taken_up.run());
    CHECK(taken_up.step() == 4);
    CHECK(taken_up.trained().named_parameters()[0].second.device() == second);
  }
}

TEST_CASE("batches that are sent to a GPU ahead are those of the loader") {
  if (cuda_device_count() == 0) return;
  const ImageDataset dataset = shades(83, named_config("vit-tiny"), 1);
  LoaderOptions options{.batch_size = 8, .seed = 3};
  for (const double mixup : {0.0, 0.5}) {
    options.augmentation.mixup = mixup;
    options.device = Device::cpu();
    DataLoader loader(dataset, options);
    options.device = Device::cuda();
    BatchFeed feed(dataset, options);
    for (const int64_t first : {0, 3}) {
      feed.start(0);
      feed.send_ahead();  // which the next start drops
      std::vector<Batch> sent;
      feed.start(1, first);
      while (const auto batch = feed.next()) {
        sent.push_back(batch->there);
        if (sent.size() % 2) feed.send_ahead();
      }
      CHECK(static_cast<int64_t>(sent.size()) == feed.batches() - first);
      loader.start(1, first);
      for (const Batch& batch : sent) {
        const std::optional<Batch> expected = loader.next();
        REQUIRE(expected.has_value());
        CHECK(batch.images.device() == Device::cuda());
        CHECK(batch.images.to_vector() == expected->images.to_vector());
        CHECK(batch.targets.to_vector() == expected->targets.to_vector());
      }
    }
    feed.start(0);
    feed.send_ahead();  // and leave
  }
}

TEST_CASE("what there is to do meanwhile is done once a batch, while a GPU is at work") {
  for (const Device device : {Device::cpu(), Device::cuda()}) {
    if (device.on_gpu() && cuda_device_count() == 0) return;
    const Tensor weight = Tensor::full({3}, 1).to(device);
    weight.set_requires_grad().set_arena_offset(0);
    int64_t chunks = 0, calls = 0;
    accumulate_gradients(10, 4, 1, Tensor::zeros({3}).to(device),
                         [&](int64_t, int64_t) {
                           if (device.on_gpu())
                             ++chunks;  // of which threads of the CPU take some at once
                           return mean(mul(weight, weight));
                         },
                         {.meanwhile = [&] {
                           ++calls;
                           CHECK(chunks == 3);  // all under way
                         }});
    CHECK(calls == (device.on_gpu() ? 1 : 0));
  }
}

TEST_CASE("vit-tiny trains on a GPU in f16 as it does in f32") {
  if (cuda_device_count() == 0) return;
  TrainConfig config = short_run("vit-tiny", 4);
  constexpr double half_a_unit = 0x1p-11;  // of a number with 11 bits
  const Course exact = course(config, Device::cuda());
  const Course nudged = course(config, Device::cuda(), half_a_unit);
  config.precision = "f16";
  const Course found = course(config, Device::cuda());
  // A step passes the tokenizer, four products a block and the head, forth and back; each rounds
  // its two operands.
  const double products = 2.0 * static_cast<double>(2 + 4 * config.model.depth);
  const auto roundings = 2 * products * static_cast<double>(config.max_steps);
  const std::vector<double> bounds = bounds_of(exact, nudged, roundings, half_a_unit);
  REQUIRE(found.losses.size() == exact.losses.size());
  for (size_t i = 0; i < bounds.size(); ++i) {
    INFO("step ", i + 1, ": ", found.losses[i], " in f16, ", exact.losses[i], " in f32, bound ",
         bounds[i]);
    CHECK(std::abs(found.losses[i] - exact.losses[i]) <= bounds[i]);
    CHECK(found.losses[i] != exact.losses[i]);
  }
  // The first gradient, off by as much for each rounding at the most.
  CHECK(std::abs(found.norms[0] - exact.norms[0]) <= 2 * products * half_a_unit * exact.norms[0]);
}

TEST_CASE("an overflow in f16 skips its step and halves the loss scale, and nothing else does") {
  if (cuda_device_count() == 0) return;
  const TemporaryFolder folder;
  const TrainConfig config = overflowing_run(8);
  std::vector<SavedState> states;
  const Reports reports = steps_up_to(config.max_steps, config, run_folder(folder, "run"), &states);
  REQUIRE(reports.size() == 8);
  double scale = 0x1p16;
  int64_t skipped = 0;
  for (size_t i = 0; i < reports.size(); ++i) {
    INFO("step ", i + 1, ", loss ", reports[i].loss);
    const bool another_class = reports[i].loss > 1;
    CHECK(reports[i].loss_scale.value() == scale);
    if (!another_class || skipped == 0) CHECK(reports[i].skipped == another_class);
    CHECK(reports[i].skipped == !std::isfinite(reports[i].grad_norm));
    // Weights, moments, averages and the optimiser's count of steps.
    CHECK((states[i].tensors == states[i + 1].tensors) == reports[i].skipped);
    if (reports[i].skipped) scale /= 2, ++skipped;
  }
  CHECK(skipped > 0);
  CHECK(!reports[0].skipped);  // so that there was something to lose
  CHECK(contains(states.back().loss_scale, "\"skipped_steps\":" + std::to_string(skipped)));
}

TEST_CASE("a run in f16 that is broken off and resumed ends with the same bits") {
  if (cuda_device_count() == 0) return;
  const TemporaryFolder folder;
  const TrainConfig config = overflowing_run(8);
  const std::string whole = run_folder(folder, "whole"), broken = run_folder(folder, "broken");
  const Reports expected = steps_up_to(config.max_steps, config, whole);
  Reports found;
  for (const int64_t last : {1, 4, 7, 8})
    for (const StepReport& report : steps_up_to(last, config, broken)) found.push_back(report);
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].loss == expected[i].loss);
    CHECK(found[i].loss_scale == expected[i].loss_scale);
  }
  const SavedState a(whole + "/checkpoints/last.safetensors");
  const SavedState b(broken + "/checkpoints/last.safetensors");
  CHECK(a.tensors == b.tensors);
  CHECK(a.loss_scale == b.loss_scale);
}

TEST_CASE("a gradient in f16 that no loss scale makes finite ends the run") {
  if (cuda_device_count() == 0) return;
  const TemporaryFolder folder;
  TrainConfig config = overflowing_run(40);
  config.checkpoint_steps = 40;
  TrainerParts parts = on(Device::cuda());
  parts.form = [&] { return std::make_unique<Endless>(initial_model(config.model, config.seed)); };
  Trainer trainer(config, shades(40, config.model, 1), shades(0, config.model, 2),
                  run_folder(folder, "run"), std::move(parts));
  CHECK(contains(refusal_of([&] { trainer.run(); }, ErrorKind::numeric),
                 "whatever the loss scale, at step 31"));
  CHECK(trainer.step() == 30);
}

}  // namespace espalier::test
