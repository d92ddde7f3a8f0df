#include "engine/error.h"
#include "nn/vit_fields.h"

namespace espalier {
namespace {

void require(bool holds, const char* field, const std::string& got, const std::string& expected) {
  if (!holds) argument_error("ViTConfig", field, got, expected, "");
}

void require_range(const char* field, int64_t value, int64_t least, int64_t most) {
  require(value >= least && value <= most, field, std::to_string(value),
          std::to_string(least) + " to " + std::to_string(most));
}

void require_choice(const char* field, const std::string& value, const char* a, const char* b) {
  require(value == a || value == b, field, "'" + value + "'",
          std::string("'") + a + "' or '" + b + "'");
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
     .conv_channels = {64, 96},
     .width = 128,
     .depth = 4,
     .heads = 4,
     .mlp_hidden = 272,
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

Shape ViTConfig::batch_shape(int64_t batch) const {
  return {batch, image_size, image_size, channels};
}

int64_t ViTConfig::grid() const {
  if (tokenizer == "patch") return image_size / patch_size;
  int64_t size = pooled(image_size);
  for (size_t i = 0; i < conv_channels.size(); ++i) size = pooled(size);
  return size;
}

int64_t ViTConfig::tokens() const { return grid() * grid() + (pooling == "class" ? 1 : 0); }

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
  const int64_t attention = 4 * width * (width + 1), mlp = (2 * width + 1) * mlp_hidden + width;
  const int64_t norms = 4 * width;
  count += depth * (attention + mlp + norms) + 2 * width;
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
  require_range("width", c.width, 1, 8192);
  require_range("depth", c.depth, 1, 256);
  require_range("heads", c.heads, 1, c.width);
  require(c.width % c.heads == 0, "heads", std::to_string(c.heads),
          "a divisor of width " + std::to_string(c.width));
  require_range("mlp_hidden", c.mlp_hidden, 1, 65'536);
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
