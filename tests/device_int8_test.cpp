// Models in whole numbers, or with weights in codes, on a GPU against the same on the CPU.
#include "compress/fidelity.h"
#include "compress/weight_only.h"
#include "engine/autograd.h"
#include "engine/gpu_plan.h"
#include "engine/replay.h"
#include "nn/coded_weights.h"
#include "nn/int8_graph.h"
#include "tests/int8_model.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

// The graph's result on a GPU, to which its weights move.
Tensor replayed_there(Graph graph, const Tensor& images) {
  const NoGradGuard off;
  for (Graph::Value& value : graph.values)
    if (value.constant.defined()) value.constant = value.constant.to(Device::cuda());
  const Tensor y = replay(graph, images.to(Device::cuda()));
  CHECK(y.device() == Device::cuda());
  return y;
}

}  // namespace

TEST_CASE("an integer tokenizer and encoder give the codes of the CPU's plan on a GPU") {
  if (cuda_device_count() == 0) return;
  Generator generator(1);
  const Encoder encoder(generator);
  const Tensor images = random_tensor({9, 12, 12, 1}, 6, DType::f32);
  const Graph fp32 = capture(encoder, {12, 12, 1});
  const Graph graph = int8_graph(fp32, convert_int8(fp32, images));
  CHECK(replayed_there(graph, images).to_vector() == compile(graph)(images).to_vector());
}

TEST_CASE("an integer model from a file gives the logits of the CPU's plan on a GPU") {
  if (cuda_device_count() == 0) return;
  Generator generator(2);
  const TemporaryFolder folder;
  for (const ViTConfig& config :
       {small_config("conv", "sequence"), small_config("patch", "class"), ragged_config()}) {
    const Int8Model m(config, generator);
    save_int8_model(folder.file("m"), config, m.graph, m.parameters);
    const LoadedModel loaded = load_model(folder.file("m"));
    const Tensor expected = compile(loaded.graph)(m.images);
    const Tensor found = replayed_there(loaded.graph, m.images).to(Device::cpu());
    double largest = 0;
    for (double value : expected.to_vector()) largest = std::max(largest, std::abs(value));
    // The stream is the same; behind it a layer norm, a pooling and the head sum in fp32, in orders
    // of their own: no more than `width` or `tokens` terms each, which are rounded once.
    const double bound = 3 * (static_cast<double>(config.width) + 16) * epsilon * largest;
    check_close(found.to_vector(), expected.to_vector(), [&](size_t) { return bound; });
    CHECK(fidelity(found, expected).agreement == 1);
  }
}

TEST_CASE("a plan for a GPU runs models with weights in codes, and rounds activations") {
  if (cuda_device_count() == 0) return;
  Generator generator(3);
  VisionTransformer model(small_config("patch", "class"), generator);
  model.eval();
  const Graph fp32 = capture(model);
  const Tensor images = random_tensor({3, 8, 8, 1}, 4, DType::f32), exact = compile(fp32)(images);
  struct Form {
    WeightOnlyOptions codes;
    bool dynamic;
  };
  for (const Form& form : {Form{{.bits = 8}, false}, Form{{.bits = 4, .group_size = 6}, false},
                           Form{{.bits = 8}, true}}) {
    INFO(form.codes.bits, " bits, dynamic ", form.dynamic);
    const Graph graph =
        coded_graph(fp32, weight_only(fp32, form.codes), form.codes.group_size, form.dynamic);
    GpuPlan plan(graph, Device::cuda());
    const Tensor found = plan(images), expected = compile(graph)(images);
    CHECK(plan(images).to_vector() == found.to_vector());
    CHECK(plan.launches() == 1);
    double largest = 1;
    for (const double value : expected.to_vector()) largest = std::max(largest, std::abs(value));
    // Chains of at most 24 terms and a bias in another order, a dozen layers deep. Where
    // activations are rounded, some of them to the other side, by no more than rounding all of them
    // did.
    const double bound = form.dynamic ? fidelity(expected, exact).largest_difference
                                      : 12 * (24 + 16) * epsilon * largest;
    CHECK(fidelity(found, expected).largest_difference <= bound);
  }
}

}  // namespace espalier::test
