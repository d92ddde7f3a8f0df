#include <cmath>

#include "engine/error.h"
#include "nn/vit_fields.h"

namespace espalier {
namespace {

void require(bool holds, const char* field, const std::string& got, const std::string& expected) {
  if (!holds) argument_error("ViTConfig", field, got, expected, "");
}

constexpr int64_t widest = 8192, widest_hidden = 65'536;

void require_range(const char* field, int64_t value, int64_t least, int64_t most) {
  require(value >= least && value <= most, field, std::to_string(value),
          std::to_string(least) + " to " + std::to_string(most));
}

void require_choice(const char* field, const std::string& value, const char* a, const char* b) {
  require(value == a || value == b, field, "'" + value + "'",
          std::string("'") + a + "' or '" + b + "'");
}

void validate_blocks(const ViTConfig& c) {
  require_range("heads", c.heads, 1, widest);
  require_range("mlp_hidden", c.mlp_hidden, 1, widest_hidden);
  if (c.blocks.empty())
    return require(c.width % c.heads == 0, "heads", std::to_string(c.heads),
                   "a divisor of width " + std::to_string(c.width));
  require(static_cast<int64_t>(c.blocks.size()) == c.depth, "blocks",
          std::to_string(c.blocks.size()) + " long", "none, or as many as depth");
  for (const BlockShape& shape : c.blocks) {
    require_range("blocks.heads", shape.heads, 1, widest);
    require_range("blocks.head_dim", shape.head_dim, 1, widest / shape.heads);
    require_range("blocks.scale_dim", shape.scale_dim, 1, widest);
    require_range("blocks.mlp_hidden", shape.mlp_hidden, 1, widest_hidden);
  }
}

// The size after a 3x3 max-pooling of stride 2 and padding 1.
constexpr int64_t pooled(int64_t size) { return (size + 1) / 2; }

const ViTConfig built_in[] = {
    {.name = "vit-tiny",
     .conv_channels = {32},
     .width = 64,
     .depth = 2,
     .heads = 2,
     .mlp_hidden = 128},
    {.name = "vit-fashion",
     .conv_channels = {32, 64},
     .convs_per_pool = 2,
     .width = 128,
     .depth = 5,
     .heads = 4,
     .mlp_hidden = 226,
     .drop_path = 0.1},
    {.name = "vit-peer",
     .tokenizer = "patch",
     .patch_size = 4,
     .conv_channels = {},
     .width = 128,
     .depth = 4,
     .heads = 4,
     .mlp_hidden = 448,
     .pooling = "class"},
};

}  // namespace

std::string to_json(const ViTConfig& config) { return fields_to_json(config).dump(); }

ViTConfig vit_config_from_json(const std::string& text, const std::string& origin) {
  return config_from_json<ViTConfig>(text, origin);
}

ImageInput ViTConfig::input() const { return {image_size, image_size, channels, mean, deviation}; }

Shape ViTConfig::batch_shape(int64_t batch) const {
  return {batch, image_size, image_size, channels};
}

int64_t ViTConfig::grid() const {
  if (tokenizer == "patch") return image_size / patch_size;
  int64_t size = image_size;
  for (size_t i = 0; i <= conv_channels.size(); ++i)
    if (pools_behind(i)) size = pooled(size);
  return size;
}

bool ViTConfig::pools_behind(size_t conv) const {
  return (conv_channels.size() - conv) % static_cast<size_t>(convs_per_pool) == 0;
}

int64_t ViTConfig::tokens() const { return grid() * grid() + (pooling == "class" ? 1 : 0); }

double BlockShape::scale() const { return 1 / std::sqrt(static_cast<double>(scale_dim)); }

BlockShape ViTConfig::block(int64_t i) const {
  if (!blocks.empty()) return blocks[static_cast<size_t>(i)];
  return {heads, width / heads, mlp_hidden};
}

int64_t ViTConfig::parameter_count() const {
  int64_t count = tokens() * width;  // positions
  if (tokenizer == "patch") {
    count += (patch_size * patch_size * channels + 1) * width;
  } else {
    int64_t in = channels;
    for (int64_t out : conv_channels) {
      count += 9 * in * out;
      in = out;
    }
    count += 9 * in * width;
  }
  for (int64_t i = 0; i < depth; ++i) {
    const BlockShape shape = block(i);
    const int64_t inner = shape.heads * shape.head_dim;
    const int64_t attention = 3 * inner * (width + 1) + (inner + 1) * width;
    const int64_t mlp = (2 * width + 1) * shape.mlp_hidden + width, norms = 4 * width;
    count += attention + mlp + norms;
  }
  count += 2 * width;
  count += pooling == "class" ? width : width + 1;
  return count + (width + 1) * classes;
}

void validate(const ViTConfig& c) {
  require_range("image_size", c.image_size, 1, 1024);
  require_range("channels", c.channels, 1, 64);
  require_range("classes", c.classes, 2, 100'000);
  require_choice("tokenizer", c.tokenizer, "patch", "conv");
  require_choice("pooling", c.pooling, "class", "sequence");
  if (c.tokenizer == "patch") {
    require_range("patch_size", c.patch_size, 1, c.image_size);
    require(c.image_size % c.patch_size == 0, "patch_size", std::to_string(c.patch_size),
            "a divisor of image_size " + std::to_string(c.image_size));
  }
  require(c.conv_channels.size() <= 8, "conv_channels",
          std::to_string(c.conv_channels.size()) + " long", "at most 8 entries");
  for (int64_t channels : c.conv_channels) require_range("conv_channels", channels, 1, 8192);
  require_range("convs_per_pool", c.convs_per_pool, 1, 9);
  require_range("width", c.width, 1, widest);
  require_range("depth", c.depth, 1, 256);
  validate_blocks(c);
  require(c.dropout >= 0 && c.dropout < 1, "dropout", std::to_string(c.dropout), "0 up to 1");
  require(c.drop_path >= 0 && c.drop_path < 1, "drop_path", std::to_string(c.drop_path),
          "0 up to 1");
  require(c.deviation > 0, "deviation", std::to_string(c.deviation), "more than 0");
  require_range("tokens", c.tokens(), 1, 1024);
}

std::vector<std::string_view> model_names() {
  std::vector<std::string_view> names;
  for (const ViTConfig& config : built_in) names.push_back(config.name);
  return names;
}

ViTConfig named_config(std::string_view name) {
  std::string known;
  for (const ViTConfig& config : built_in) {
    if (config.name == name) return config;
    known += (known.empty() ? "" : ", ") + config.name;
  }
  argument_error("model", "name", "'" + std::string(name) + "'", "one of " + known, "");
}

}  // namespace espalier
