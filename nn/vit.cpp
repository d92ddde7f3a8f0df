#include "nn/vit.h"

#include "engine/error.h"
#include "engine/ops/binary.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/cat.h"
#include "engine/ops/matmul.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/relu.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"

namespace espalier {

VisionTransformer::VisionTransformer(const ViTConfig& chosen, Generator& generator)
    : config((validate(chosen), chosen)) {
  const auto add_conv = [&](int64_t in, int64_t out, const Conv2d::Options& options) {
    tokenizer_.push_back(&register_module("tokenizer." + std::to_string(tokenizer_.size()),
                                          std::make_unique<Conv2d>(in, out, options, generator)));
  };
  if (config.tokenizer == "patch") {
    add_conv(config.channels, config.width,
             {.kernel = config.patch_size, .stride = config.patch_size});
  } else {
    int64_t in = config.channels;
    std::vector<int64_t> outs = config.conv_channels;
    outs.push_back(config.width);
    for (int64_t out : outs) {
      add_conv(in, out, {.kernel = 3, .padding = 1, .bias = false});
      in = out;
    }
  }
  if (config.pooling == "class")
    class_token_ = register_parameter("class_token", normal({1, 1, config.width}, generator, 0.02));
  positions_ =
      register_parameter("positions", normal({1, config.tokens(), config.width}, generator, 0.02));
  for (int64_t i = 0; i < config.depth; ++i) {
    const double share =
        config.depth > 1 ? static_cast<double>(i) / static_cast<double>(config.depth - 1) : 1;
    const bool class_token_only = config.pooling == "class" && i == config.depth - 1;
    const BlockShape shape = config.block(i);
    const EncoderBlock::Options options{config.width,
                                        {shape.heads, shape.head_dim, shape.scale()},
                                        shape.mlp_hidden,
                                        config.dropout,
                                        config.drop_path * share,
                                        class_token_only ? TokensRead::first : TokensRead::all};
    blocks_.push_back(&register_module("blocks." + std::to_string(i),
                                       std::make_unique<EncoderBlock>(options, generator)));
  }
  norm_ = &register_module("norm", std::make_unique<LayerNorm>(config.width));
  if (config.pooling == "sequence")
    attention_pool_ =
        &register_module("attention_pool", std::make_unique<Linear>(config.width, 1, generator));
  head_ =
      &register_module("head", std::make_unique<Linear>(config.width, config.classes, generator));
}

Tensor VisionTransformer::tokenize(const Tensor& images) const {
  const Shape expected = config.batch_shape(images.defined() && images.rank() ? images.size(0) : 1);
  if (!images.defined() || !(images.shape() == expected))
    argument_error("VisionTransformer", "images", images.describe(), "f32 " + expected.str(),
                   "images are laid out batch, height, width, channel");
  Tensor x = images;
  for (size_t i = 0; i < tokenizer_.size(); ++i) {
    x = (*tokenizer_[i])(x);
    if (config.tokenizer == "patch") continue;
    x = relu(x);
    if (config.pools_behind(i)) x = max_pool2d(x, 3, 2, 1);
  }
  x = reshape(x, {x.size(0), -1, config.width});
  if (class_token_.defined()) x = cat({expand(class_token_, {x.size(0), 1, config.width}), x}, 1);
  return add(x, positions_);
}

// Weights over tokens, [B, 1, T] (2104.05704, section 3.2).
Tensor VisionTransformer::weigh(const Tensor& normed) const {
  return softmax(transpose((*attention_pool_)(normed), 1, 2), -1);
}

Tensor VisionTransformer::pool(const Tensor& normed) const {
  if (config.pooling == "class") return select(normed, 1, 0);
  return squeeze(matmul(weigh(normed), normed), 1);
}

Tensor VisionTransformer::attention_weights(const Tensor& tokens, int64_t i) const {
  return blocks_[static_cast<size_t>(i)]->attention_weights(tokens);
}

Tensor VisionTransformer::pooling_weights(const Tensor& tokens) const {
  if (config.pooling == "sequence") return weigh((*norm_)(tokens));
  const int64_t batch = tokens.size(0);  // the first token alone is read
  return cat({Tensor::full({batch, 1, 1}, 1), Tensor::zeros({batch, 1, tokens.size(1) - 1})}, 2);
}

Tensor VisionTransformer::stage(const Tensor& x, int64_t i) const {
  if (i == 0) return tokenize(x);
  if (i <= config.depth) return (*blocks_[static_cast<size_t>(i - 1)])(x);
  return i == config.depth + 1 ? pool((*norm_)(x)) : (*head_)(x);
}

int64_t VisionTransformer::stage_of(const std::string& parameter) const {
  constexpr std::string_view block = "blocks.";
  if (parameter.starts_with(block)) return 1 + std::stoll(parameter.substr(block.size()));
  if (parameter.starts_with("norm.") || parameter.starts_with("attention_pool."))
    return config.depth + 1;
  return parameter.starts_with("head.") ? config.depth + 2 : 0;
}

Tensor VisionTransformer::run_stages(const Tensor& x, int64_t begin, int64_t end) const {
  Tensor y = x;
  for (int64_t i = begin; i < end; ++i) y = stage(y, i);
  return y;
}

std::unique_ptr<VisionTransformer> copy_of(const VisionTransformer& model) {
  Generator unused;
  auto copy = std::make_unique<VisionTransformer>(model.config, unused);
  copy->load_state_dict(model.state_dict());
  copy->eval();
  return copy;
}

Graph capture(const VisionTransformer& model) {
  const ViTConfig& c = model.config;
  return capture(model, {c.image_size, c.image_size, c.channels});
}

}  // namespace espalier
