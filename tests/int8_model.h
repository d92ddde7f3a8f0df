// A small Vision Transformer in whole numbers.
#pragma once

#include "compress/convert.h"
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

// Blocks of their own shapes, as pruning leaves them.
inline ViTConfig ragged_config() {
  ViTConfig config = small_config("conv", "class");
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

}  // namespace espalier::test
