// The Vision Transformer (Dosovitskiy et al., 2010.11929), with the compact variant's convolutional
// tokenizer and sequence pooling (Hassani et al., 2104.05704) as options.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nn/layers.h"
#include "nn/staged_module.h"

namespace espalier {

// The widths of one block of the encoder. Scores are scaled by 1 / sqrt(scale_dim): head_dim,
// except where heads lost values to pruning and keep the scale that they learned with.
struct BlockShape {
  int64_t heads = 0, head_dim = 0, mlp_hidden = 0, scale_dim = head_dim;
  double scale() const;
  friend bool operator==(const BlockShape&, const BlockShape&) = default;
};

// Everything that shapes a model. It is saved in the metadata of the model's file.
struct ViTConfig {
  std::string name = "custom";
  int64_t image_size = 28, channels = 1, classes = 10;
  // "patch": one patch_size x patch_size convolution of that stride. "conv": for each entry of
  // conv_channels and then for width, a 3x3 convolution and ReLU; behind the last of them, and
  // every convs_per_pool before it, 3x3 max-pooling of stride 2.
  std::string tokenizer = "conv";
  int64_t patch_size = 4;
  std::vector<int64_t> conv_channels = {64};
  int64_t convs_per_pool = 1;
  int64_t width = 128, depth = 5, heads = 4, mlp_hidden = 240;
  // Where blocks differ, as pruned ones do, each one's own shape in place of heads of
  // width / heads values and of mlp_hidden; otherwise none.
  std::vector<BlockShape> blocks = {};
  // "class": a learned token in front. "sequence": attention pooling over the tokens.
  std::string pooling = "sequence";
  double dropout = 0, drop_path = 0;  // drop_path grows linearly with depth up to this
  // The normalisation of the data the model was trained on: (pixel / 255 - mean) / deviation.
  double mean = 0.2860, deviation = 0.3530;

  ImageInput input() const;
  Shape batch_shape(int64_t batch) const;  // of images: [B, H, W, C]
  int64_t grid() const;                    // tokens along one side
  bool pools_behind(size_t conv) const;    // of the conv tokenizer, the first of which is 0
  int64_t tokens() const;                  // the class token included
  int64_t parameter_count() const;
  BlockShape block(int64_t i) const;
};

// Throws an argument error that names the first field that makes no model.
void validate(const ViTConfig& config);

// JSON text of a configuration, and back. Unknown fields, wrong types and impossible values are
// file errors that name `origin` (a path) and the field.
std::string to_json(const ViTConfig& config);
ViTConfig vit_config_from_json(const std::string& text, const std::string& origin);

// "vit-tiny", "vit-fashion", "vit-peer".
std::vector<std::string_view> model_names();
// The configuration of a built-in model; an argument error with the names for another.
ViTConfig named_config(std::string_view name);

// From images [B, H, W, C] f32, normalised, to logits [B, classes]. The stages are the tokenizer
// with positions, which makes tokens [B, T, D], each block, the last norm with the pooling [B, D],
// and the head.
class VisionTransformer : public StagedModule {
 public:
  VisionTransformer(const ViTConfig& config, Generator& generator);
  ImageInput input() const override { return config.input(); }
  int64_t classes() const override { return config.classes; }
  int64_t stages() const override { return config.depth + 3; }
  int64_t stage_of(const std::string& parameter) const override;
  Tensor run_stages(const Tensor& x, int64_t begin, int64_t end) const override;
  // EncoderBlock::attention_weights() of what enters block `i`, [B, T, D].
  Tensor attention_weights(const Tensor& tokens, int64_t i) const;
  // How much each token counts for what the head reads, [B, 1, T], from what the last block made.
  // Rows add up to 1.
  Tensor pooling_weights(const Tensor& tokens) const;
  const ViTConfig config;

 private:
  Tensor tokenize(const Tensor& images) const;
  Tensor stage(const Tensor& x, int64_t i) const;
  Tensor weigh(const Tensor& normed) const;
  Tensor pool(const Tensor& normed) const;

  std::vector<const Conv2d*> tokenizer_;
  Tensor class_token_, positions_;
  std::vector<const EncoderBlock*> blocks_;
  const LayerNorm* norm_;
  const Linear* attention_pool_ = nullptr;
  const Linear* head_;
};

// One more with the same weights, in evaluation mode.
std::unique_ptr<VisionTransformer> copy_of(const VisionTransformer& model);

// The operations of a model on a batch of its images.
Graph capture(const VisionTransformer& model);

}  // namespace espalier
