// Continual learning on a GPU against the same on the CPU.
#include "compress/pruning/prune.h"
#include "tests/device_test.h"
#include "tests/learning_runs.h"

namespace espalier::test {
namespace {

// Some steps, of which every one after the first draws from memory.
LearnConfig short_learning(const std::string& method) {
  LearnConfig config = small_learning(method);
  config.max_steps = 3;
  config.batch_size = config.replay_batch = 8;
  config.memory_samples = 24;
  for (const char* adapts : {"lora", "adapter", "prompts"})
    if (method == adapts) config.network = "vit-tiny", config.max_steps = 2;
  return config;
}

Stream short_stream(const LearnConfig& config) {
  return stream_of(config, four_stripes(64, 1), four_stripes(16, 2));
}

// `nudge` moves every weight of the beginning by as much of itself, up and down in turn.
std::unique_ptr<StagedModule> first_network(const LearnConfig& config, double nudge) {
  auto network = config.network == "mlp"
                     ? make_method(config)->network(config, short_stream(config))
                     : std::unique_ptr<StagedModule>(small_vit());
  for (const auto& [name, weight] : network->named_parameters())
    for (int64_t i = 0; i < weight.numel(); ++i)
      weight.data<float>()[i] *= static_cast<float>(1 + (i % 2 ? nudge : -nudge));
  return network;
}

struct Kept {
  int64_t label, task;
  std::vector<uint8_t> pixels;  // none where it keeps latents
  bool operator==(const Kept&) const = default;
};

std::vector<Kept> kept_in(const Learner& learner) {
  std::vector<Kept> all;
  for (int64_t slot = 0; learner.memory && slot < learner.memory->size(); ++slot) {
    const ReplayMemory& memory = *learner.memory;
    const bool latent = is_latent(memory.layout().coding);
    Kept kept{memory.label(slot), memory.task(slot),
              std::vector<uint8_t>(latent ? 0 : static_cast<size_t>(memory.layout().item.numel()))};
    if (!latent) memory.read_pixels(slot, kept.pixels.data());
    all.push_back(std::move(kept));
  }
  return all;
}

struct Learned {
  std::vector<double> losses, scores;
  std::vector<Kept> memory;
  Device device;
};

// Broken off on `first` after so many steps, and taken up on `second`.
Learned learn(const LearnConfig& config, Device first, Device second, int64_t after,
              double nudge = 0) {
  const TemporaryFolder folder;
  const std::string run = new_folder(folder, "run");
  Learned out;
  for (const bool again : {false, true}) {
    ContinualTrainer trainer(config, short_stream(config), run, first_network(config, nudge),
                             again ? second : first);
    if (again) trainer.resume();
    const bool whole =
        trainer.run({.step = [&](const LearnStep& step) { out.losses.push_back(step.loss); },
                     .interrupted = [&] { return trainer.learner().step == after; }});
    if (!whole) continue;
    const Learner& learner = trainer.learner();
    out.scores =
        trainer.method().scores(learner, learner.stream.tasks.front().test.images).to_vector();
    out.memory = kept_in(learner);
    out.device = learner.network->device();
    return out;
  }
  return out;
}

Learned learn(const LearnConfig& config, Device device, double nudge = 0) {
  return learn(config, device, device, -1, nudge);
}

double farthest(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) most = std::max(most, std::abs(a[i] - b[i]));  // infinities are equal
  return most;
}

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values)
    if (std::isfinite(value)) most = std::max(most, std::abs(value));
  return most;
}

// As tests/device_training.h: weights that are off by an epsilon from the beginning show how far a
// run carries one rounding; the longest sums are over the 64 pixels of each of a chunk's 8 rows.
void check_like_the_cpu(const LearnConfig& config, const Learned& found, const Learned& exact) {
  const Learned nudged = learn(config, Device::cpu(), epsilon);
  REQUIRE(found.losses.size() == exact.losses.size());
  REQUIRE(found.scores.size() == exact.scores.size());
  const double terms = std::sqrt(8.0 * 64);
  double grown = 0;
  for (size_t i = 0; i < exact.losses.size(); ++i) {
    grown = std::max(grown, std::abs(exact.losses[i] - nudged.losses[i]));
    INFO("step ", i + 1, ": ", found.losses[i], " on the GPU, ", exact.losses[i], " on the CPU");
    CHECK(std::abs(found.losses[i] - exact.losses[i]) <=
          terms * (grown + epsilon * std::abs(exact.losses[i])));
  }
  CHECK(farthest(found.scores, exact.scores) <=
        terms * (farthest(nudged.scores, exact.scores) + epsilon * largest(exact.scores)));
  CHECK(found.memory == exact.memory);
}

}  // namespace

TEST_CASE("every method learns on a GPU as it does on the CPU, and keeps the same samples") {
  if (cuda_device_count() == 0) return;
  for (const std::string& method : method_names()) {
    INFO(method);
    const LearnConfig config = short_learning(method);
    const Learned exact = learn(config, Device::cpu()), found = learn(config, Device::cuda());
    CHECK(found.device == Device::cuda());
    CHECK(exact.losses.size() > 2);
    check_like_the_cpu(config, found, exact);
  }
}

TEST_CASE("a stream that a GPU began goes on on the CPU, and the other way round") {
  if (cuda_device_count() == 0) return;
  // Which keep what an earlier task left, and change the network's form behind it.
  for (const char* method : {"der_pp", "lwf", "ewc_online", "ncm", "latent_replay"}) {
    INFO(method);
    const LearnConfig config = short_learning(method);
    const Learned exact = learn(config, Device::cpu());
    const auto broken_off = static_cast<int64_t>(exact.losses.size()) - 2;
    check_like_the_cpu(config, learn(config, Device::cuda(), Device::cpu(), broken_off), exact);
    check_like_the_cpu(config, learn(config, Device::cpu(), Device::cuda(), broken_off), exact);
  }
}

TEST_CASE("each selection of a memory judges what a GPU makes of samples") {
  if (cuda_device_count() == 0) return;
  for (const std::string& selection : selection_names()) {
    INFO(selection);
    LearnConfig config = short_learning("er");
    config.selection = selection;
    const Learned found = learn(config, Device::cuda());
    CHECK(found.memory.size() == 24);
    // These two see nothing that a device rounds.
    if (selection == "reservoir" || selection == "class_balanced")
      CHECK(found.memory == learn(config, Device::cpu()).memory);
  }
}

TEST_CASE("a network on a GPU gives way to a smaller one, and recovers from memory") {
  if (cuda_device_count() == 0) return;
  LearnConfig config = short_learning("er");
  config.network = "vit-tiny";
  const TemporaryFolder folder;
  std::vector<int64_t> parameters;
  for (const Device device : {Device::cpu(), Device::cuda()}) {
    const std::string run = new_folder(folder, device.str().substr(0, 4));
    ContinualTrainer trainer(config, short_stream(config), run, small_vit(), device);
    trainer.run_task();
    const auto& network = dynamic_cast<const VisionTransformer&>(*trainer.learner().network);
    PruneOptions how;
    how.importance = "random";
    how.selection.fraction = 0.4;
    SmallerModel smaller = prune_model(*copy_of(network), how, {});
    trainer.replace_network(std::move(smaller.model), smaller.kept);
    trainer.recover(1);
    CHECK(trainer.run());
    CHECK(trainer.learner().network->device() == device);
    parameters.push_back(trainer.learner().network->parameter_count());
  }
  CHECK(parameters[0] == parameters[1]);
  CHECK(parameters[1] < small_vit()->parameter_count());
  // A checkpoint whose network has another shape than the run began with.
  ContinualTrainer taken_up(config, short_stream(config), folder.file("cuda"), small_vit(),
                            Device::cpu());
  taken_up.resume();
  CHECK(taken_up.learner().network->parameter_count() == parameters[1]);
}

}  // namespace espalier::test
