#include "nn/layers.h"

#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/attention.h"
#include "engine/ops/binary.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/dropout.h"
#include "engine/ops/embedding.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduce.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"

namespace espalier {

Linear::Linear(int64_t in_features, int64_t out_features, Generator& generator, bool with_bias)
    : weight(register_parameter("weight",
                                truncated_normal({out_features, in_features}, 0.02, generator))),
      bias(with_bias ? register_parameter("bias", Tensor::zeros({out_features})) : Tensor()) {}

Tensor Linear::forward(const Tensor& x) const {
  const Tensor y = linear(x, weight, bias);
  if (!has_low_rank()) return y;
  return add(y, mul(linear(linear(x, lora_a_, {}), lora_b_, {}), lora_scale_));
}

void Linear::add_low_rank(int64_t rank, double scale, Generator& generator) {
  if (rank < 1 || has_low_rank())
    argument_error("Linear::add_low_rank", has_low_rank() ? "layer" : "rank",
                   has_low_rank() ? "adapted already" : std::to_string(rank),
                   has_low_rank() ? "a layer without" : "at least 1", "");
  const int64_t in = weight.size(1), out = weight.size(0);
  lora_a_ = register_parameter(
      "lora_a", normal({rank, in}, generator, 1 / std::sqrt(static_cast<double>(in))));
  lora_b_ = register_parameter("lora_b", Tensor::zeros({out, rank}));
  lora_scale_ = scale;
}

Tensor Linear::merged_weight() const {
  const NoGradGuard off_the_tape;
  if (!has_low_rank()) return weight.detach();
  return add(weight, mul(matmul(lora_b_, lora_a_), lora_scale_));
}

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, const Options& chosen,
               Generator& generator)
    : options(chosen),
      weight(register_parameter(
          "weight", normal({out_channels, chosen.kernel, chosen.kernel, in_channels}, generator,
                           std::sqrt(2.0 / static_cast<double>(chosen.kernel * chosen.kernel *
                                                               in_channels))))),
      bias(chosen.bias ? register_parameter("bias", Tensor::zeros({out_channels})) : Tensor()) {}

Tensor Conv2d::forward(const Tensor& x) const {
  return conv2d(x, weight, bias, options.stride, options.padding);
}

LayerNorm::LayerNorm(int64_t width, double epsilon)
    : weight(register_parameter("weight", Tensor::full({width}, 1.0))),
      bias(register_parameter("bias", Tensor::zeros({width}))),
      eps(epsilon) {}

Tensor LayerNorm::forward(const Tensor& x) const { return layer_norm(x, weight, bias, eps); }

Embedding::Embedding(int64_t count, int64_t width, Generator& generator)
    : weight(register_parameter("weight", normal({count, width}, generator, 0.02))) {}

Tensor Embedding::forward(const Tensor& indices) const { return embedding(indices, weight); }

Dropout::Dropout(double probability) : p(probability) {}
Tensor Dropout::forward(const Tensor& x) const { return dropout(x, p, is_training()); }

DropPath::DropPath(double probability) : p(probability) {}
Tensor DropPath::forward(const Tensor& x) const { return drop_path(x, p, is_training()); }

namespace {

bool read_first(TokensRead read) { return read == TokensRead::first && grad_enabled(); }

}  // namespace

MultiHeadAttention::MultiHeadAttention(int64_t width, const Heads& chosen, TokensRead read,
                                       Generator& generator)
    : heads(chosen),
      read_(read),
      qkv_(register_module(
          "qkv", std::make_unique<Linear>(width, 3 * chosen.count * chosen.head_dim, generator))),
      proj_(register_module(
          "proj", std::make_unique<Linear>(chosen.count * chosen.head_dim, width, generator))) {}

Tensor MultiHeadAttention::forward(const Tensor& x) const {
  const Tensor qkv = qkv_(x);
  const int64_t queries = read_first(read_) ? 1 : qkv.size(1);
  return proj_(attention(qkv, heads.count, queries, heads.scale));
}

Tensor MultiHeadAttention::weights(const Tensor& x) const {
  const int64_t batch = x.size(0), tokens = x.size(1);
  const Tensor qkv = reshape(qkv_(x), {batch, tokens, 3, heads.count, heads.head_dim});
  const Tensor q = permute(select(qkv, 2, 0), {0, 2, 1, 3});  // [B, H, T, D]
  const Tensor k = permute(select(qkv, 2, 1), {0, 2, 3, 1});  // [B, H, D, T]
  return mean(softmax(matmul(q, k) * heads.scale), {1});
}

Mlp::Mlp(int64_t width, int64_t hidden, double dropout, Generator& generator)
    : fc1_(register_module("fc1", std::make_unique<Linear>(width, hidden, generator))),
      fc2_(register_module("fc2", std::make_unique<Linear>(hidden, width, generator))),
      dropout_(register_module("dropout", std::make_unique<Dropout>(dropout))) {}

Tensor Mlp::forward(const Tensor& x) const { return fc2_(dropout_(gelu(fc1_(x)))); }

EncoderBlock::EncoderBlock(const Options& o, Generator& generator)
    : read_(o.read),
      norm1_(register_module("norm1", std::make_unique<LayerNorm>(o.width))),
      attention_(register_module(
          "attention", std::make_unique<MultiHeadAttention>(o.width, o.heads, o.read, generator))),
      norm2_(register_module("norm2", std::make_unique<LayerNorm>(o.width))),
      mlp_(register_module("mlp",
                           std::make_unique<Mlp>(o.width, o.mlp_hidden, o.dropout, generator))),
      dropout_(register_module("dropout", std::make_unique<Dropout>(o.dropout))),
      drop_path_(register_module("drop_path", std::make_unique<DropPath>(o.drop_path))) {}

Tensor EncoderBlock::forward(const Tensor& x) const {
  const Tensor read = read_first(read_) ? slice(x, 1, 0, 1) : x;
  const Tensor attended = add(read, branch(attention_(norm1_(x)), attention_adapter_));
  return add(attended, branch(mlp_(norm2_(attended)), mlp_adapter_));
}

Tensor EncoderBlock::branch(const Tensor& y, const Module* adapter) const {
  const Tensor kept = dropout_(y);
  return drop_path_(adapter ? (*adapter)(kept) : kept);
}

void EncoderBlock::add_adapters(std::unique_ptr<Module> of_attention,
                                std::unique_ptr<Module> of_mlp) {
  if (attention_adapter_)
    argument_error("EncoderBlock::add_adapters", "block", "adapted already", "a block without", "");
  attention_adapter_ = &register_module("attention_adapter", std::move(of_attention));
  mlp_adapter_ = &register_module("mlp_adapter", std::move(of_mlp));
}

}  // namespace espalier
