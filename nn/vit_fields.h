// The fields of a ViTConfig for JSON; not a public header.
#pragma once

#include "engine/io/json_fields.h"
#include "nn/vit.h"

namespace espalier {

template <class Visit>
void visit_fields(BlockShape& s, Visit&& visit) {
  visit("heads", s.heads);
  visit("head_dim", s.head_dim);
  visit("mlp_hidden", s.mlp_hidden);
  visit("scale_dim", s.scale_dim);
}

template <class Visit>
void visit_fields(ViTConfig& c, Visit&& visit) {
  visit("name", c.name);
  visit("image_size", c.image_size);
  visit("channels", c.channels);
  visit("classes", c.classes);
  visit("tokenizer", c.tokenizer);
  visit("patch_size", c.patch_size);
  visit("conv_channels", c.conv_channels);
  visit("convs_per_pool", c.convs_per_pool);
  visit("width", c.width);
  visit("depth", c.depth);
  visit("heads", c.heads);
  visit("mlp_hidden", c.mlp_hidden);
  visit("blocks", c.blocks);
  visit("pooling", c.pooling);
  visit("dropout", c.dropout);
  visit("drop_path", c.drop_path);
  visit("mean", c.mean);
  visit("deviation", c.deviation);
}

}  // namespace espalier
