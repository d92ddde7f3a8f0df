// Training with rounding on a GPU against the same on the CPU.
#include <algorithm>

#include "compress/observers/min_max.h"
#include "compress/qat.h"
#include "engine/autograd.h"
#include "engine/io/file.h"
#include "engine/ops/cross_entropy.h"
#include "nn/model_file.h"
#include "nn/named_tensors.h"
#include "nn/predictor.h"
#include "tests/graph_run.h"
#include "tests/int8_model.h"

namespace espalier::test {
namespace {

Int8Scales calibrated(const VisionTransformer& model, const Tensor& images) {
  const Graph graph = capture(*copy_of(model));
  return choose_int8_scales(
      graph, calibrate(graph, images, [] { return std::make_unique<MinMaxObserver>(); }));
}

Tensor normal_images(int64_t count) { return random_tensor({count, 8, 8, 1}, 5, DType::f32); }

ViTConfig one_block(const std::string& tokenizer) {
  ViTConfig config = small_config(tokenizer, "class");
  config.depth = 1;
  return config;
}

struct Rounded {
  VisionTransformer model;
  Int8Scales scales;
  bool learn_scales;

  Rounded(const ViTConfig& config, bool learns, Generator& generator)
      : model(config, generator),
        scales(calibrated(model, normal_images(40))),
        learn_scales(learns) {}

  std::unique_ptr<QatModel> on(Device device) const {
    auto qat = std::make_unique<QatModel>(copy_of(model), scales, QatOptions{learn_scales});
    qat->to(device);
    return qat;
  }
};

// What a step begins with: the loss and the gradients of all that learns.
struct Slope {
  double loss;
  std::vector<std::vector<double>> of;
};

Slope slope_of(QatModel& qat, const Tensor& images, const Tensor& labels) {
  const NamedTensors learns = qat.named_parameters();
  const Device device = learns.front().second.device();
  for (const auto& [name, tensor] : learns) tensor.set_grad(Tensor());
  qat.prepare();
  const Tensor loss = cross_entropy(qat.forward(images.to(device)), labels.to(device));
  backward(loss);
  Slope out{loss.item(), {}};
  for (const auto& [name, tensor] : learns) {
    CHECK(tensor.grad().device() == device);
    out.of.push_back(tensor.grad().to_vector());
  }
  return out;
}

double most_of(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

double most_apart(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

// As bounds_of() has it: weights that are off by an epsilon show how far one rounding is carried,
// and no sum has more than `terms`.
void check_slope(const Slope& found, const Slope& exact, const Slope& nudged,
                 const NamedTensors& names, double terms) {
  const double root = std::sqrt(terms);
  CHECK(std::abs(found.loss - exact.loss) <=
        root * (std::abs(exact.loss - nudged.loss) + epsilon * exact.loss));
  for (size_t i = 0; i < exact.of.size(); ++i) {
    INFO(names[i].first);
    const double carried = most_apart(exact.of[i], nudged.of[i]);
    const double bound = root * (carried + epsilon * most_of(exact.of[i]));
    check_close(found.of[i], exact.of[i], [&](size_t) { return bound; });
  }
}

void move_each(const NamedTensors& tensors, const std::function<double(size_t i, int64_t k)>& by) {
  for (size_t i = 0; i < tensors.size(); ++i)
    for (int64_t k = 0; k < tensors[i].second.numel(); ++k)
      tensors[i].second.data<float>()[k] *= static_cast<float>(1 + by(i, k));
}

}  // namespace

TEST_CASE("steps of a training with rounding have the CPU's losses and gradients on a GPU") {
  if (cuda_device_count() == 0) return;
  const int64_t images = 3;
  const Tensor labels = Tensor::of<int64_t>({0, 3, 1}, {images});
  Generator generator(1);
  for (const bool learn_scales : {false, true}) {
    const Rounded rounded(one_block(learn_scales ? "conv" : "patch"), learn_scales, generator);
    const auto cpu = rounded.on(Device::cpu()), nudged = rounded.on(Device::cpu()),
               gpu = rounded.on(Device::cuda());
    const NamedTensors learns = cpu->named_parameters();
    for (unsigned step = 0; step < 2; ++step) {
      INFO(learn_scales, ", step ", step);
      const Tensor x = random_tensor({images, 8, 8, 1}, step, DType::f32);
      copy_named("test", nudged->named_parameters(), learns);
      move_each(nudged->named_parameters(),
                [](size_t, int64_t k) { return k % 2 ? epsilon : -epsilon; });
      copy_named("test", gpu->named_parameters(), learns);
      const Slope exact = slope_of(*cpu, x, labels);
      // The weight's gradient of the tokenizer sums over the pixels of all images.
      check_slope(slope_of(*gpu, x, labels), exact, slope_of(*nudged, x, labels), learns,
                  static_cast<double>(images * 8 * 8));
      move_each(learns, [&](size_t i, int64_t k) {
        return exact.of[i][static_cast<size_t>(k)] > 0 ? -0.01 : 0.01;
      });
    }
  }
}

TEST_CASE("logits in training on a GPU are those of the saved int8 model there, bit for bit") {
  if (cuda_device_count() == 0) return;
  const TemporaryFolder folder;
  const Tensor images = normal_images(3);
  Generator generator(2);
  for (const bool learn_scales : {false, true}) {
    const ViTConfig config = small_config(learn_scales ? "patch" : "conv", "sequence");
    const Rounded rounded(config, learn_scales, generator);
    const auto cpu = rounded.on(Device::cpu()), gpu = rounded.on(Device::cuda());
    for (QatModel* qat : {cpu.get(), gpu.get()}) {
      qat->prepare();
      for (const auto& [name, tensor] : qat->named_parameters())
        if (name.starts_with("quantizer.") || name.ends_with("bias")) tensor.fill_(0.93);
      qat->prepare();  // a GPU's tensors keep their memory
      qat->save(folder.file(qat == gpu.get() ? "gpu" : "cpu"), {});
    }
    const std::string path = folder.file("gpu");
    const MappedFile of_gpu(path), of_cpu(folder.file("cpu"));
    CHECK(std::equal(of_gpu.bytes().begin(), of_gpu.bytes().end(), of_cpu.bytes().begin(),
                     of_cpu.bytes().end()));
    const LoadedModel saved = load_model(path);
    CHECK(gpu->forward(images.to(Device::cuda())).to_vector() ==
          Predictor(saved.graph, {}, Device::cuda())(images).to_vector());
    const Evaluation found = gpu->evaluate(noise(6)),
                     expected = evaluate(saved.graph, config, noise(6));
    // Of logits that a layer norm and the head sum in orders of their own: as device_int8_test.cpp.
    CHECK(std::abs(found.loss - expected.loss) <=
          6 * (static_cast<double>(config.width) + 16) * epsilon * expected.loss);
    CHECK(found.correct == expected.correct);
  }
}

TEST_CASE("steps of a training with rounding are launched as a whole unless scales learn") {
  if (cuda_device_count() == 0) return;
  Generator generator(3);
  for (const bool learn_scales : {false, true}) {
    INFO("scales learn: ", learn_scales);
    const Rounded rounded(one_block("conv"), learn_scales, generator);
    TrainConfig config = short_run("vit-tiny", 3);
    config.model = rounded.model.config;
    config.batch_size = config.chunk_size = 2;
    Training training(config);
    training.parts.form = [&] { return rounded.on(Device::cpu()); };
    CHECK(checked_graph_run(training).launched == (learn_scales ? 0 : 2));
  }
}

}  // namespace espalier::test
