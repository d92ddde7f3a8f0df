// Parameters in one flat arena, with their gradients and an optimiser's state in flat arrays beside
// it, so that a training step is a few passes over straight memory.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace espalier {

// How an optimiser treats a parameter.
struct ParameterOptions {
  bool decay = true;
  bool frozen = false;      // no gradient, no step
  double lr_scale = 1.0;    // times the optimiser's learning rate
  bool orthogonal = false;  // its steps are, where the optimiser is Muon
  friend bool operator==(const ParameterOptions&, const ParameterOptions&) = default;
};
using ParameterPolicy = std::function<ParameterOptions(const std::string& name, const Tensor&)>;

// Weight decay for matrices and filters, none for biases, norms and scales (rank 0 and 1).
ParameterOptions decay_matrices(const std::string& name, const Tensor& parameter);

// Which indices of a dimension stay when channels are pruned, in their new order; none: all stay.
using KeptIndices = std::optional<std::vector<int64_t>>;
// For each parameter that shrinks, one entry a dimension.
using IndexMap = std::map<std::string, std::vector<KeptIndices>>;
// `from` along the kept indices of each of its dimensions, contiguous, on the CPU wherever `from`
// lies. Indices are in range.
Tensor kept_part(const Tensor& from, const std::vector<KeptIndices>& kept);

// Every parameter becomes a view of the arena and its grad() a view of the gradient arena; its
// arena_offset() leads a GradientSink there too. Slots start on 64 bytes; the gap to the next holds
// zeros, which stay zeros. Parameters that are treated alike stand together, so that a step has few
// segments.
class ParameterArena {
 public:
  struct Slot {
    std::string name;
    Tensor parameter;
    ParameterOptions options;
    int64_t offset;  // in elements
  };
  // A run of slots with the same options, gaps included; both ends on 64 bytes.
  struct Segment {
    int64_t begin, end;
    ParameterOptions options;
  };

  // Parameters must be leaves of one dtype, f32 or f64, on one device, where the arena lies too.
  // One tensor under two names takes one slot, the first's. Throws an argument error before it
  // touches any parameter.
  explicit ParameterArena(const NamedTensors& parameters, ParameterPolicy policy = decay_matrices);
  ParameterArena(const ParameterArena&) = delete;
  ParameterArena& operator=(const ParameterArena&) = delete;

  const Tensor& values() const noexcept { return values_; }
  const Tensor& gradients() const noexcept { return gradients_; }
  int64_t size() const noexcept { return values_.numel(); }  // gaps included
  DType dtype() const { return values_.dtype(); }
  const std::vector<Slot>& slots() const noexcept { return slots_; }
  const std::vector<Segment>& segments() const noexcept { return segments_; }

  void zero_gradients() const { gradients_.fill_(0); }

  // A flat array of zeros, laid out as the values are, that moves and is saved with them: a moment,
  // an average. The reference stays good for the arena's life and always names the present array.
  const Tensor& add_companion(const std::string& name);
  // The part of a flat array that belongs to each slot, as "prefix" + name in the slot's shape.
  NamedTensors views_of(const Tensor& flat, const std::string& prefix = "") const;

  // Every companion as "companion.parameter", sharing memory.
  NamedTensors companion_state() const;

  // Takes up `parameters` in place of the present ones, by name: values and companions move along
  // the kept indices, gradients are zero. A name that is new here keeps its own values and gets
  // zeros; present parameters that are not listed are let go. Throws an argument error, before
  // anything is touched, when the map names no parameter of both sides, an index is out of range,
  // or a new shape is not what the kept indices give. New parameters lie where the arena does; on a
  // GPU what moves goes by way of the CPU.
  void rebuild(const NamedTensors& parameters, const IndexMap& kept);

 private:
  void lay_out(const NamedTensors& parameters);
  void bind(const Tensor& values);
  Tensor moved(const NamedTensors& old, const IndexMap& kept) const;

  ParameterPolicy policy_;
  Tensor values_, gradients_;
  std::vector<Slot> slots_;
  std::vector<Segment> segments_;
  std::map<std::string, Tensor> companions_;
};

}  // namespace espalier
