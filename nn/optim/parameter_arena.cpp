#include "nn/optim/parameter_arena.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "engine/device_scope.h"
#include "engine/op.h"

namespace espalier {
namespace {

constexpr const char* where = "ParameterArena";

int64_t slot_length(const Tensor& parameter) {
  const auto step = static_cast<int64_t>(Storage::alignment / dtype_size(parameter.dtype()));
  return (parameter.numel() + step - 1) / step * step;
}

void check_parameters(const NamedTensors& parameters) {
  if (parameters.empty())
    argument_error(where, "parameters", "an empty list", "at least one parameter",
                   "pass module.named_parameters()");
  std::unordered_set<std::string> names;
  for (const auto& [name, parameter] : parameters) {
    check_floating_point(where, name.c_str(), parameter);
    check_same_dtype(where, name.c_str(), parameter, parameters.front().second);
    if (parameter.grad_fn())
      argument_error(where, name.c_str(), "the output of an operation", "a leaf",
                     "pass the module's own parameters");
    if (!names.insert(name).second)
      argument_error(where, "parameters", "'" + name + "' twice", "names that differ", "");
  }
}

Tensor view_at(const Tensor& flat, const Shape& shape, int64_t offset) {
  return flat.as_strided(shape, contiguous_strides(shape), flat.storage_offset() + offset);
}

int64_t kept_count(const KeptIndices& kept, int64_t size) {
  return kept ? static_cast<int64_t>(kept->size()) : size;
}

Shape kept_shape(const Shape& from, const std::vector<KeptIndices>& kept) {
  Shape shape;
  for (int d = 0; d < from.rank(); ++d)
    shape.push_back(kept_count(kept[static_cast<size_t>(d)], from[d]));
  return shape;
}

// Throws unless keeping `kept` of `from` gives `to`.
void check_kept(const std::string& name, const Shape& from, const Shape& to,
                const std::vector<KeptIndices>& kept) {
  Shape result;
  if (static_cast<int>(kept.size()) == from.rank()) result = kept_shape(from, kept);
  if (result.rank() != from.rank() || !(result == to))
    argument_error("rebuild", name.c_str(), to.str(),
                   "what the index map keeps of " + from.str() + ": " + result.str(),
                   "give each dimension of a pruned parameter its kept indices");
  for (int d = 0; d < from.rank(); ++d)
    for (int64_t index : kept[static_cast<size_t>(d)].value_or(std::vector<int64_t>{}))
      if (index < 0 || index >= from[d])
        argument_error("rebuild", name.c_str(),
                       "kept index " + std::to_string(index) + " in dimension " + std::to_string(d),
                       "0 to " + std::to_string(from[d] - 1), "");
}

// `from` along the kept indices: strided reads in row-major order of `to`.
template <class T>
void gather(const Tensor& from, const Tensor& to, const std::vector<KeptIndices>& kept) {
  const Shape& shape = to.shape();
  const T* source = from.data<T>();
  T* target = to.data<T>();
  Shape at = Shape::of_rank(shape.rank());
  for (int64_t i = 0, count = to.numel(); i < count; ++i) {
    int64_t offset = 0;
    for (int d = 0; d < shape.rank(); ++d) {
      const KeptIndices& list = kept[static_cast<size_t>(d)];
      offset += (list ? (*list)[static_cast<size_t>(at[d])] : at[d]) * from.strides()[d];
    }
    target[i] = source[offset];
    for (int d = shape.rank() - 1; d >= 0 && ++at[d] == shape[d]; --d) at[d] = 0;
  }
}

const Tensor* named(const NamedTensors& tensors, const std::string& name) {
  for (const auto& entry : tensors)
    if (entry.first == name) return &entry.second;
  return nullptr;
}

std::vector<KeptIndices> kept_of(const IndexMap& kept, const std::string& name, int rank) {
  const auto found = kept.find(name);
  return found == kept.end() ? std::vector<KeptIndices>(static_cast<size_t>(rank)) : found->second;
}

}  // namespace

ParameterOptions decay_matrices(const std::string&, const Tensor& parameter) {
  return {.decay = parameter.rank() >= 2};
}

Tensor kept_part(const Tensor& from, const std::vector<KeptIndices>& kept) {
  const Tensor here = from.to(Device::cpu());
  const DeviceScope cpu(Device::cpu());
  const Tensor to = Tensor::empty(kept_shape(from.shape(), kept), from.dtype());
  visit_floating_point(from.dtype(), [&]<class T>() { gather<T>(here, to, kept); });
  return to;
}

ParameterArena::ParameterArena(const NamedTensors& parameters, ParameterPolicy policy)
    : policy_(std::move(policy)) {
  check_parameters(parameters);
  const DeviceScope there(parameters.front().second.device());
  lay_out(parameters);
  const Tensor values = Tensor::zeros({size()}, dtype());
  for (const Slot& slot : slots_)
    view_at(values, slot.parameter.shape(), slot.offset).copy_(slot.parameter);
  bind(values);
}

// Orders the slots, finds the segments and allocates both arenas.
void ParameterArena::lay_out(const NamedTensors& parameters) {
  std::unordered_set<const void*> seen;
  slots_.clear();
  for (const auto& [name, parameter] : parameters)
    if (seen.insert(parameter.id()).second)
      slots_.push_back({name, parameter, policy_(name, parameter), 0});
  std::stable_sort(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) {
    const auto key = [](const ParameterOptions& o) {
      return std::make_tuple(o.frozen, o.lr_scale, !o.decay, o.orthogonal);
    };
    return key(a.options) < key(b.options);
  });
  segments_.clear();
  int64_t end = 0;
  for (Slot& slot : slots_) {
    slot.offset = end;
    if (segments_.empty() || !(segments_.back().options == slot.options))
      segments_.push_back({end, end, slot.options});
    segments_.back().end = end += slot_length(slot.parameter);
  }
  values_ = Tensor::empty({end}, parameters.front().second.dtype());
  gradients_ = Tensor::zeros({end}, values_.dtype());
}

// Makes every parameter stand over its place in `values`.
void ParameterArena::bind(const Tensor& values) {
  values_ = values;
  for (const Slot& slot : slots_) {
    const Shape& shape = slot.parameter.shape();
    slot.parameter.set_storage_of(view_at(values_, shape, slot.offset));
    slot.parameter.set_grad(view_at(gradients_, shape, slot.offset));
    slot.parameter.set_arena_offset(slot.offset);
    slot.parameter.set_requires_grad(!slot.options.frozen);
  }
}

const Tensor& ParameterArena::add_companion(const std::string& name) {
  const DeviceScope there(values_.device());
  const auto added = companions_.emplace(name, Tensor::zeros({size()}, dtype()));
  if (!added.second)
    argument_error("add_companion", "name", "'" + name + "' again", "a name not yet in use", "");
  return added.first->second;
}

NamedTensors ParameterArena::views_of(const Tensor& flat, const std::string& prefix) const {
  NamedTensors views;
  for (const Slot& slot : slots_)
    views.emplace_back(prefix + slot.name, view_at(flat, slot.parameter.shape(), slot.offset));
  return views;
}

NamedTensors ParameterArena::companion_state() const {
  NamedTensors state;
  for (const auto& [name, flat] : companions_)
    for (auto& view : views_of(flat, name + ".")) state.push_back(std::move(view));
  return state;
}

void ParameterArena::rebuild(const NamedTensors& parameters, const IndexMap& kept) {
  check_parameters(parameters);
  const DeviceScope there(values_.device(), "ParameterArena::rebuild");
  check_same_dtype("rebuild", "parameters", parameters.front().second, values_);
  const NamedTensors old_values = views_of(values_);
  for (const auto& entry : kept)
    if (!named(old_values, entry.first) || !named(parameters, entry.first))
      argument_error("rebuild", "kept", "'" + entry.first + "'",
                     "a parameter of the arena and of the new list", "");
  for (const auto& [name, parameter] : parameters)
    if (const Tensor* old = named(old_values, name))
      check_kept(name, old->shape(), parameter.shape(), kept_of(kept, name, old->rank()));
  std::map<std::string, NamedTensors> old_companions;
  for (const auto& [name, flat] : companions_) old_companions[name] = views_of(flat);
  for (const Slot& slot : slots_) {
    slot.parameter.set_arena_offset(-1);
    slot.parameter.set_grad(Tensor());
  }
  lay_out(parameters);
  const Tensor values = moved(old_values, kept);
  for (const Slot& slot : slots_)
    if (!named(old_values, slot.name))
      view_at(values, slot.parameter.shape(), slot.offset).copy_(slot.parameter);
  bind(values);
  for (auto& [name, flat] : companions_) flat = moved(old_companions.at(name), kept);
}

// A flat array in the present layout, of what `old` has of each slot along the kept indices.
Tensor ParameterArena::moved(const NamedTensors& old, const IndexMap& kept) const {
  const Tensor flat = Tensor::zeros({size()}, dtype());
  for (const Slot& slot : slots_) {
    const Tensor* from = named(old, slot.name);
    if (!from) continue;
    view_at(flat, slot.parameter.shape(), slot.offset)
        .copy_(kept_part(*from, kept_of(kept, slot.name, from->rank())));
  }
  return flat;
}

}  // namespace espalier
