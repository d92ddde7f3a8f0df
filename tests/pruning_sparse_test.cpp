// Zeros for single weights: which ones, that they stay, and weights that go back to what they were.
#include "compress/pruning/sparse.h"

#include "nn/model_file.h"
#include "nn/named_tensors.h"
#include "tests/refusal.h"
#include "tests/small_training.h"

namespace espalier::test {
namespace {

std::unique_ptr<Trainable> sparse(const VisionTransformer& model) {
  auto copy = copy_of(model);
  copy->train();
  return std::make_unique<SparseModel>(std::move(copy));
}

TrainerParts zero_parts(const SparseOptions& options) {
  const std::shared_ptr<const VisionTransformer> model = sparsify(*small_model(), options);
  return {.form = [model] { return sparse(*model); }};
}

TrainerParts growing_parts() {
  const std::shared_ptr<const VisionTransformer> model = small_model();
  return {.form = [model] { return sparse(*model); },
          .shrinking = gradual_zeros({.fraction = 0.6}, {.times = 3, .share = 0.6})};
}

Tensor parameter(const VisionTransformer& model, const std::string& name) {
  return *find_named(model.state_dict(), name);
}

int64_t zeros_of(const Tensor& weight) {
  const std::vector<double> values = weight.to_vector();
  return std::count(values.begin(), values.end(), 0.0);
}

// The zeros of `zeros`, and no others, in the weights of `model`.
void check_same_zeros(const VisionTransformer& model, const VisionTransformer& zeros) {
  const NamedTensors expected = zeros.state_dict();
  for (const auto& [name, weight] : model.state_dict()) {
    if (weight.rank() < 2 || name.find(".weight") == std::string::npos) continue;
    const std::string& of = name;
    INFO(of);
    const auto a = weight.to_vector(), b = find_named(expected, name)->to_vector();
    int64_t differ = 0;
    for (size_t i = 0; i < a.size(); ++i) differ += (a[i] == 0) != (b[i] == 0);
    CHECK(differ == 0);
  }
}

}  // namespace

TEST_CASE("zeros: the smallest weights go, all together or a share of each layer") {
  const auto model = small_model();
  const WeightCount whole = count_weights(*model);
  CHECK(whole.zeros == 0);
  for (Ranking ranking : {Ranking::global, Ranking::per_layer}) {
    const auto with_zeros = sparsify(*model, {.fraction = 0.3, .ranking = ranking});
    double largest_gone = 0, smallest_left = HUGE_VAL;
    int64_t weights = 0, zeros = 0;
    for (const auto& [name, weight] : model->state_dict()) {
      const Tensor after = parameter(*with_zeros, name);
      const auto a = weight.to_vector(), b = after.to_vector();
      if (weight.rank() < 2 || name.find(".weight") == std::string::npos) {
        CHECK(a == b);
        continue;
      }
      weights += weight.numel();
      zeros += zeros_of(after);
      if (ranking == Ranking::per_layer) {
        largest_gone = 0, smallest_left = HUGE_VAL;
        CHECK(zeros_of(after) ==
              static_cast<int64_t>(std::ceil(0.3 * static_cast<double>(a.size()))));
      }
      for (size_t i = 0; i < a.size(); ++i) {
        if (b[i] == 0) {
          largest_gone = std::max(largest_gone, std::abs(a[i]));
        } else {
          CHECK(b[i] == a[i]);
          smallest_left = std::min(smallest_left, std::abs(a[i]));
        }
      }
      if (ranking == Ranking::per_layer) CHECK(largest_gone <= smallest_left);
    }
    CHECK(largest_gone <= smallest_left);
    CHECK(whole.weights == weights);
    CHECK(count_weights(*with_zeros).zeros == zeros);
    CHECK(zeros >= 0.3 * static_cast<double>(weights));
    CHECK(zeros <= 0.3 * static_cast<double>(weights) + 32);
  }
}

TEST_CASE("zeros: two of each four inputs of linear layers") {
  ViTConfig config = small_run().model;
  config.mlp_hidden = 18;  // not by the four: fc2 keeps all its weights
  const auto model = initial_model(config, 3);
  const auto with_zeros = sparsify(*model, {.pattern = SparsePattern::two_of_four});
  for (const auto& [name, weight] : with_zeros->state_dict()) {
    const std::string& of = name;
    INFO(of);
    const bool linear = weight.rank() == 2 && name.find(".weight") != std::string::npos;
    if (!linear || weight.size(1) % 4 != 0) {
      CHECK(weight.to_vector() == parameter(*model, name).to_vector());
      continue;
    }
    const auto before = parameter(*model, name).to_vector();
    const auto after = weight.to_vector();
    for (size_t i = 0; i < after.size(); i += 4) {
      double gone = 0, left = HUGE_VAL;
      int64_t zeros = 0;
      for (size_t j = i; j < i + 4; ++j) {
        zeros += after[j] == 0;
        (after[j] == 0 ? gone : left) = after[j] == 0 ? std::max(gone, std::abs(before[j]))
                                                      : std::min(left, std::abs(before[j]));
      }
      CHECK(zeros == 2);
      CHECK(gone <= left);
    }
  }
  CHECK(zeros_of(parameter(*with_zeros, "blocks.0.mlp.fc1.weight")) == 18 * 8);
  CHECK(zeros_of(parameter(*with_zeros, "blocks.0.mlp.fc2.weight")) == 0);
}

TEST_CASE("zeros: they stay through training, in the averaged weights too") {
  const TemporaryFolder folder;
  for (SparsePattern pattern : {SparsePattern::anywhere, SparsePattern::two_of_four}) {
    const SparseOptions options{.pattern = pattern, .fraction = 0.5};
    const auto before = sparsify(*small_model(), options);
    const std::string run = new_run(folder, pattern == SparsePattern::anywhere ? "any" : "24");
    Trainer trainer(small_run(), stripes(320, 1), stripes(100, 2), run, zero_parts(options));
    double accuracy = 0;
    trainer.run({.epoch = [&](const EpochReport& r) { accuracy = r.validation->accuracy(); }});
    CHECK(accuracy > 0.9);
    check_same_zeros(trainer.trained().model(), *before);
    check_same_zeros(*load_model(trainer.best_checkpoint()).model, *before);
    CHECK(load_model(trainer.best_checkpoint()).model->state_dict()[0].second.to_vector() !=
          before->state_dict()[0].second.to_vector());
    Trainer plain(small_run(), stripes(320, 1), stripes(10, 2), run);
    CHECK_THROWS_WITH_AS(plain.resume(), doctest::Contains("another kind of training"), Error);
  }
}

TEST_CASE("zeros: the same bits on any number of threads, and resumed; more and more of them") {
  check_thread_counts(small_run(), growing_parts);
  check_resuming(small_run(), growing_parts);
  const TemporaryFolder folder;
  Trainer trainer(small_run(), stripes(320, 1), stripes(100, 2), new_run(folder, "run"),
                  growing_parts());
  std::vector<double> shares;
  trainer.run({.step = [&](const StepReport& report) {
    if (report.step % 8 != 1) return;
    const WeightCount count = count_weights(trainer.trained().model());
    shares.push_back(static_cast<double>(count.zeros) / static_cast<double>(count.weights));
  }});
  REQUIRE(shares.size() == 5);
  for (int64_t i = 0; i < 5; ++i)
    CHECK(shares[static_cast<size_t>(i)] ==
          doctest::Approx(cubic_sparsity(i, 0, 3, 0, 0.6)).epsilon(0.001));
}

TEST_CASE("lottery tickets: what stays goes back to what it was") {
  const auto trained = small_model(1), first = small_model(2);
  for (SparsePattern pattern : {SparsePattern::anywhere, SparsePattern::two_of_four}) {
    const auto zeros = sparsify(*trained, {.pattern = pattern, .fraction = 0.4});
    const auto ticket =
        sparsify(*trained, {.pattern = pattern, .fraction = 0.4, .rewind = first.get()});
    check_same_zeros(*ticket, *zeros);
    for (const auto& [name, weight] : ticket->state_dict()) {
      const auto a = weight.to_vector(), b = parameter(*first, name).to_vector();
      int64_t differ = 0;
      for (size_t i = 0; i < a.size(); ++i) differ += a[i] != 0 && a[i] != b[i];
      CHECK(differ == 0);
    }
  }
  PruneOptions options;
  const SmallerModel smaller = prune_model(*trained, options, {});
  options.rewind = first.get();
  const SmallerModel ticket = prune_model(*trained, options, {});
  CHECK(ticket.kept == smaller.kept);
  CHECK(to_json(ticket.model->config) == to_json(smaller.model->config));
  for (const auto& [name, weight] : ticket.model->state_dict()) {
    const std::string& of = name;
    INFO(of);
    const Tensor from = parameter(*first, name);
    const auto found = ticket.kept.find(name);
    const Tensor expected = found == ticket.kept.end() ? from : kept_part(from, found->second);
    CHECK(weight.to_vector() == expected.to_vector());
  }
  ViTConfig other = trained->config;
  other.mlp_hidden += 2;
  const auto unlike = initial_model(other, 1);
  options.rewind = unlike.get();
  CHECK(contains(refusal_of([&] { prune_model(*trained, options, {}); }), "rewind is"));
  CHECK(contains(refusal_of([&] { sparsify(*trained, {.rewind = unlike.get()}); }), "rewind is"));
  CHECK(contains(refusal_of([&] { sparsify(*trained, {.fraction = 1}); }), "fraction is 1"));
}

TEST_CASE("lottery tickets: a training of the same seed begins with the initial model") {
  const TemporaryFolder folder;
  Trainer trainer(small_run(), stripes(320, 1), stripes(10, 2), folder.file(""));
  const auto initial = initial_model(small_run().model, small_run().seed);
  for (const auto& [name, weight] : initial->state_dict())
    CHECK(weight.to_vector() == parameter(trainer.trained().model(), name).to_vector());
}

}  // namespace espalier::test
