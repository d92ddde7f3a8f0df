// The layers that our models are built of. Activations are [B, T, D] tokens or [B, H, W, C] images.
#pragma once

#include <vector>

#include "engine/ops/gelu.h"
#include "engine/random.h"
#include "nn/module.h"

namespace espalier {

// y = x W^T + b. x: [..., in]; weight: [out, in], truncated normal 0.02; bias: [out], zeros.
class Linear : public Module {
 public:
  Linear(int64_t in_features, int64_t out_features, Generator& generator, bool bias = true);
  Tensor forward(const Tensor& x) const override;
  const Tensor weight, bias;  // bias is undefined without one

  // Low-rank adaptation (Hu et al., 2021, 2106.09685, equation 3): from here on y gains
  // scale (x A^T) B^T. A, the parameter "lora_a" [rank, in], is normal with deviation 1 / sqrt(in);
  // B, "lora_b" [out, rank], is zero, so that nothing changes yet. Once only.
  void add_low_rank(int64_t rank, double scale, Generator& generator);
  bool has_low_rank() const noexcept { return lora_a_.defined(); }
  // W + scale B A: what a layer without it needs to compute the same. Off the tape.
  Tensor merged_weight() const;

 private:
  Tensor lora_a_{}, lora_b_{};
  double lora_scale_ = 0;
};

// 2-D convolution. x: [B, H, W, C]; weight: [out, kernel, kernel, in], Kaiming normal (He et al.,
// 2015, equation 10, fan-in); bias: [out], zeros.
class Conv2d : public Module {
 public:
  struct Options {
    int64_t kernel = 3, stride = 1, padding = 0;
    bool bias = true;
  };
  Conv2d(int64_t in_channels, int64_t out_channels, const Options& options, Generator& generator);
  Tensor forward(const Tensor& x) const override;
  const Options options;
  const Tensor weight, bias;
};

// Normalisation over the last dimension (Ba et al., 2016, equation 4). weight: ones, bias: zeros.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(int64_t width, double eps = 1e-5);
  Tensor forward(const Tensor& x) const override;
  const Tensor weight, bias;
  const double eps;
};

// Rows of a table: indices s64 of any shape -> [..., width]. weight: [count, width], normal 0.02.
class Embedding : public Module {
 public:
  Embedding(int64_t count, int64_t width, Generator& generator);
  Tensor forward(const Tensor& indices) const override;
  const Tensor weight;
};

// Zeroes elements with probability p in training and scales the rest by 1 / (1 - p). Draws from the
// thread's current generator (engine/random.h).
class Dropout : public Module {
 public:
  explicit Dropout(double p);
  Tensor forward(const Tensor& x) const override;
  const double p;
};

// Drops the whole branch of a sample with probability p in training: stochastic depth (Huang et
// al., 2016). Used as x + drop_path(branch).
class DropPath : public Module {
 public:
  explicit DropPath(double p);
  Tensor forward(const Tensor& x) const override;
  const double p;
};

// Which tokens of a result [B, T, D] are read later on. Of the first alone, a forward pass on the
// tape computes, and gives, [B, 1, D]; off the tape the result is whole, since a captured graph
// finds out by itself (engine/early_slice.h).
enum class TokensRead { all, first };

// Self-attention of tokens of `width` values (Vaswani et al., 2017, section 3.2).
class MultiHeadAttention : public Module {
 public:
  // The heads' number, the values of each, and what scores are multiplied with: usually
  // 1 / sqrt(head_dim).
  struct Heads {
    int64_t count, head_dim;
    double scale;
  };
  MultiHeadAttention(int64_t width, const Heads& heads, TokensRead read, Generator& generator);
  Tensor forward(const Tensor& x) const override;
  // How much each token takes of each: softmax(scale Q K^T), the mean of the heads, [B, T, T]. Rows
  // add up to 1.
  Tensor weights(const Tensor& x) const;
  const Heads heads;

 private:
  const TokensRead read_;
  const Linear &qkv_, &proj_;
};

// Two linear layers with a GELU between.
class Mlp : public Module {
 public:
  Mlp(int64_t width, int64_t hidden, double dropout, Generator& generator);
  Tensor forward(const Tensor& x) const override;

 private:
  const Linear &fc1_, &fc2_;
  const Dropout& dropout_;
};

// One pre-norm transformer block: x += attention(norm1(x)); x += mlp(norm2(x)).
class EncoderBlock : public Module {
 public:
  struct Options {
    int64_t width;
    MultiHeadAttention::Heads heads;
    int64_t mlp_hidden;
    double dropout = 0, drop_path = 0;
    TokensRead read = TokensRead::all;
  };
  EncoderBlock(const Options& options, Generator& generator);
  Tensor forward(const Tensor& x) const override;

  // MultiHeadAttention::weights() of tokens that enter this block.
  Tensor attention_weights(const Tensor& x) const { return attention_.weights(norm1_(x)); }

  // From here on what attention and mlp give passes through these, as "attention_adapter" and
  // "mlp_adapter", before it is added (nn/adapter.h). Once only.
  void add_adapters(std::unique_ptr<Module> of_attention, std::unique_ptr<Module> of_mlp);

 private:
  Tensor branch(const Tensor& y, const Module* adapter) const;

  const TokensRead read_;
  const LayerNorm& norm1_;
  const MultiHeadAttention& attention_;
  const LayerNorm& norm2_;
  const Mlp& mlp_;
  const Dropout& dropout_;
  const DropPath& drop_path_;
  const Module *attention_adapter_ = nullptr, *mlp_adapter_ = nullptr;
};

}  // namespace espalier
