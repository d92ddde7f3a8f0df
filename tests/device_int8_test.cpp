// Models in whole numbers on a GPU against the same on the CPU.
#include "compress/fidelity.h"
#include "engine/autograd.h"
#include "engine/replay.h"
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

}  // namespace espalier::test
