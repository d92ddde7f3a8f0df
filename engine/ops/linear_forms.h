// What the forms of linear share, whatever their weights are stored in: linear, linear_wq and
// linear_dynamic.
#pragma once

#include "engine/onnx_writer.h"
#include "engine/op.h"

namespace espalier {

// x is the first input.
int64_t linear_flops(Shapes inputs, const Shape& output);

// The node as the product of x and `weight` [in, out], and the sum with input `bias` if it is
// there.
void onnx_linear(OnnxWriter& w, const OnnxName& x, const OnnxName& weight, int bias);

}  // namespace espalier
