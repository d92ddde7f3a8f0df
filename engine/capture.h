// Capture: a function is run, and the operations that it calls become a graph.
#pragma once

#include <functional>

#include "engine/graph.h"

namespace espalier {

// Runs `function` on zeros of shapes [2, sample...], [3, sample...] and, to check, [5, sample...]
// (f32, nothing recorded on the tape) and returns what it called, each number as a line in the
// batch. Tensors in `parameters` get their names; any other tensor that was not computed from the
// input becomes a nameless constant. Operations that the result does not depend on are left out.
//
// Argument errors: reading a value in between (item(), to_vector()), since a graph has no branches;
// operations, numbers or constants that change with the batch in any other way than linearly;
// values that detach() or copy_() took past the operations; a result that was not computed from the
// input; a capture inside a capture.
Graph capture(const std::function<Tensor(const Tensor&)>& function, const Shape& sample,
              const NamedTensors& parameters);

// While one lives, operations of a capture on this thread belong to a layer of this name, inside
// the layers that are open already. Costs one comparison when nothing is captured.
class LayerScope {
 public:
  explicit LayerScope(const std::string& name);
  ~LayerScope();
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;

 private:
  size_t length_before_ = 0;
  bool open_ = false;
};

// record()'s way to tell the capture of this thread, if there is one.
void capture_call(const Op& op, Attributes attributes, Inputs inputs, const Tensor& output);

// copy_()'s way: values of `from` are now in `to`, off the tape.
void capture_copy(const Tensor& to, const Tensor& from);

// Throws when this thread captures; what reads values calls it.
void refuse_in_capture(const char* function);

}  // namespace espalier
