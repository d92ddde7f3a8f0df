// A Vision Transformer for the small stream (tests/small_stream.h).
#pragma once

#include "nn/vit.h"

namespace espalier::test {

inline std::unique_ptr<VisionTransformer> small_vit(const std::string& pooling = "sequence") {
  Generator generator(1);
  return std::make_unique<VisionTransformer>(ViTConfig{.image_size = 8,
                                                       .classes = 4,
                                                       .conv_channels = {4},
                                                       .width = 16,
                                                       .depth = 1,
                                                       .heads = 2,
                                                       .mlp_hidden = 16,
                                                       .pooling = pooling},
                                             generator);
}

}  // namespace espalier::test
