// A graph that computes no row which a later slice drops.
#pragma once

#include "engine/graph.h"

namespace espalier {

// Moves each slice above the operations whose rows stand apart (Op::row_inputs), as far as every
// reader of a value wants the same slice of it, and into one that can compute its first rows alone
// (Op::leading_rows). A Vision Transformer that reads its class token alone then computes the last
// block's attention, projection and MLP for that token only. The same bits.
Graph slice_early(Graph graph);

}  // namespace espalier
