// Module: a function with named parameters, built of smaller ones.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/capture.h"

namespace espalier {

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // Does not change the module, so threads may run it at once on pieces of a batch.
  virtual Tensor forward(const Tensor& x) const = 0;
  Tensor operator()(const Tensor& x) const {
    const LayerScope scope(name_);
    return forward(x);
  }

  NamedTensors named_parameters() const;
  // This module under an empty name, and every one inside it under its dotted name.
  std::vector<std::pair<std::string, Module*>> named_modules();
  int64_t parameter_count() const;

  // Every parameter, off the tape, sharing memory with the module.
  NamedTensors state_dict() const;
  // Copies `state` into the parameters. Throws an argument error that lists every missing name,
  // unexpected name and wrong shape or dtype; nothing is copied then.
  void load_state_dict(const NamedTensors& state);

  // Moves every parameter; who holds a handle of one sees it there. Gradients are dropped. Before
  // an optimiser gathers them.
  void to(Device device);
  // Where its parameters lie; the CPU without any.
  Device device() const;

  // Dropout and drop path act in training mode only. New modules are in training mode.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const noexcept { return training_; }

 protected:
  // Marks `parameter` as wanting a gradient and lists it under `name`.
  Tensor register_parameter(std::string name, const Tensor& parameter);
  template <class M>
  M& register_module(std::string name, std::unique_ptr<M> module) {
    M& reference = *module;
    static_cast<Module&>(reference).name_ = name;
    children_.emplace_back(std::move(name), std::move(module));
    return reference;
  }

 private:
  void collect(const std::string& prefix, NamedTensors& out) const;
  void collect_modules(const std::string& name, std::vector<std::pair<std::string, Module*>>& out);

  NamedTensors parameters_;
  std::vector<std::pair<std::string, std::unique_ptr<Module>>> children_;
  bool training_ = true;
  std::string name_;  // in the module that holds this one; empty for a whole model
};

// Evaluation mode while one lives, and the mode before it afterwards.
class EvaluationScope {
 public:
  explicit EvaluationScope(Module& module) : module_(module), before_(module.is_training()) {
    module.eval();
  }
  ~EvaluationScope() { module_.train(before_); }
  EvaluationScope(const EvaluationScope&) = delete;
  EvaluationScope& operator=(const EvaluationScope&) = delete;

 private:
  Module& module_;
  const bool before_;
};

// The operations of `module` on a batch of inputs of shape `sample`, by capture() of
// engine/capture.h. In evaluation mode this is what the model computes. Its constants lie
// where the module does.
Graph capture(const Module& module, const Shape& sample);

}  // namespace espalier
