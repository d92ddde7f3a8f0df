// A small Vision Transformer in whole numbers.
#pragma once

#include "compress/convert.h"
#include "engine/ops/binary.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/relu.h"
#include "engine/ops/view.h"
#include "nn/data/dataset.h"
#include "nn/model_file.h"
#include "tests/gradient_test.h"

namespace espalier::test {

inline ViTConfig small_config(const std::string& tokenizer, const std::string& pooling) {
  return {.image_size = 8,
          .classes = 5,
          .tokenizer = tokenizer,
          .patch_size = 2,
          .conv_channels = {4},
          .width = 16,
          .depth = 2,
          .heads = 2,
          .mlp_hidden = 24,
          .pooling = pooling};
}

// Blocks of their own shapes, as pruning leaves them, behind three convolutions and two poolings.
inline ViTConfig ragged_config() {
  ViTConfig config = small_config("conv", "class");
  config.conv_channels = {4, 6};
  config.convs_per_pool = 2;
  config.width = 13;
  config.blocks = {{3, 5, 9, 8}, {1, 7, 11, 8}};
  return config;
}

// The parameters of a file from before tokenizers became whole numbers.
inline NamedTensors without_tokenizer(const NamedTensors& parameters) {
  NamedTensors kept;
  for (const auto& [name, tensor] : parameters)
    if (!name.starts_with("tokenizer.") && !name.starts_with("input."))
      kept.emplace_back(name, tensor);
  return kept;
}

// Images of its size, with nothing on them, all of the first class.
inline ImageDataset noise(int64_t count) {
  ImageDataset data{Tensor::empty({count, 8, 8, 1}, DType::u8),
                    Tensor::zeros({count}, DType::s64),
                    {"a", "b", "c", "d", "e"}};
  Generator generator(3);
  for (int64_t i = 0; i < data.images.numel(); ++i)
    data.images.data<uint8_t>()[i] = static_cast<uint8_t>(generator.below(256));
  return data;
}

struct Int8Model {
  VisionTransformer model;
  Graph graph;
  Tensor images;
  NamedTensors parameters;

  Int8Model(const ViTConfig& config, Generator& generator)
      : model(config, generator), images(random_tensor({40, 8, 8, 1}, 5, DType::f32)) {
    model.eval();
    graph = capture(model);
    parameters = convert_int8(graph, images);
  }
};

// A tokenizer and two blocks on a residual stream and nothing around them, so that no step but
// quantize, dequantize and the addition of positions, which round once, works on floats. Heads are
// as pruning leaves them.
class Encoder : public Module {
 public:
  explicit Encoder(Generator& generator)
      : conv_(register_module(
            "conv", std::make_unique<Conv2d>(1, 40, Conv2d::Options{.kernel = 3, .padding = 1},
                                             generator))),
        patches_(register_module(
            "patches", std::make_unique<Conv2d>(40, 32, Conv2d::Options{.kernel = 2, .stride = 2},
                                                generator))) {
    const EncoderBlock::Options options{32, {3, 7, 0.25}, 56};
    for (const char* name : {"blocks.0", "blocks.1"})
      blocks_.push_back(&register_module(name, std::make_unique<EncoderBlock>(options, generator)));
    positions_ = register_parameter("positions", normal({1, 9, 32}, generator));
    eval();
  }
  Tensor forward(const Tensor& images) const override {
    const Tensor x =
        reshape(patches_(max_pool2d(relu(conv_(images)), 3, 2, 1)), {images.size(0), -1, 32});
    return (*blocks_[1])((*blocks_[0])(add(x, positions_)));
  }

 private:
  const Conv2d &conv_, &patches_;
  std::vector<const EncoderBlock*> blocks_;
  Tensor positions_;
};

}  // namespace espalier::test
