// What coarse weights of one layer cost the whole model.
#include "compress/sensitivity.h"

#include <cmath>

#include "engine/ops/relu.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"

namespace espalier::test {

TEST_CASE("each linear layer of the encoder is rated alone, the most sensitive first") {
  Generator generator(1);
  const Int8Model m(small_config("conv", "sequence"), generator);
  // 4-bit codes by a power of two, 7 the largest of each channel: rounding to 4 bits changes
  // nothing, to 8 it does, since 127 is no multiple of 7.
  for (const auto& [name, parameter] : m.model.state_dict())
    if (name == "blocks.1.attention.proj.weight")
      for (int64_t i = 0; i < parameter.numel(); ++i)
        parameter.data<float>()[i] = static_cast<float>((7 * i + i / 16 * 3) % 15 - 7) / 32;
  const std::vector<LayerSensitivity> layers = sensitivity(m.graph, m.images);
  REQUIRE(layers.size() == 8);
  double gain = 0;  // of 8 bits over 4, on average
  for (const LayerSensitivity& at : layers) {
    INFO(at.layer);
    CHECK(contains(at.layer, "blocks."));
    if (std::isinf(at.with_4_bits)) continue;
    gain += (at.with_8_bits - at.with_4_bits) / 7;
    CHECK(at.weights == (contains(at.layer, "qkv")    ? 48 * 16
                         : contains(at.layer, "proj") ? 16 * 16
                                                      : 24 * 16));
  }
  // Steps are 127 / 7 times as fine: 25.2 dB, off by some 2 dB in layers of so few weights.
  CHECK(std::abs(gain - 20 * std::log10(127.0 / 7)) < 3 * 2 / std::sqrt(7));
  for (size_t i = 1; i < layers.size(); ++i)
    CHECK(layers[i - 1].with_4_bits <= layers[i].with_4_bits);
  CHECK(layers.back().layer == "blocks.1.attention.proj");
  CHECK(std::isinf(layers.back().with_4_bits));
  CHECK(std::isfinite(layers.back().with_8_bits));
}

TEST_CASE("sensitivity leaves the graph's weights alone and refuses one without an encoder") {
  Generator generator(2);
  const Int8Model m(small_config("patch", "class"), generator);
  std::vector<std::vector<double>> before;
  for (const auto& [name, parameter] : m.model.state_dict())
    before.push_back(parameter.to_vector());
  sensitivity(m.graph, m.images);
  size_t i = 0;
  for (const auto& [name, parameter] : m.model.state_dict())
    CHECK(parameter.to_vector() == before[i++]);
  const Graph plain = capture([](const Tensor& x) { return relu(x); }, {4, 6}, {});
  CHECK(contains(refusal_of([&] {
                   sensitivity(plain, Tensor::zeros({1, 4, 6}));
                 }),
                 "no encoder block"));
}

}  // namespace espalier::test
