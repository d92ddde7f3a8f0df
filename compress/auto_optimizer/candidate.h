// What a model can be turned into, as the optimiser sees it: how much of it goes, and what each of
// its parts multiplies in.
#pragma once

#include <string>
#include <vector>

#include "engine/dtype.h"
#include "nn/int8_roles.h"

namespace espalier {

struct Candidate {
  double sparsity = 0;          // share of the parameters that is pruned, 0 up to 1
  DType floats = DType::f32;    // of the weights that stay in floats; or f16, bf16
  std::vector<bool> integer{};  // by part, as int8_parts() has them: in whole numbers

  bool any_integer() const;
  bool all_integer() const;
  // Whole numbers need a branch that takes up the residual stream: a tokenizer alone is no form.
  bool can_be_made(const std::vector<Int8Part>& parts) const;
  // What stays in floats of a model with these parts.
  KeptLayers kept(const std::vector<Int8Part>& parts) const;
  // "int8, 50 % pruned", "bf16", "int8 with 2 of 9 parts in bf16, 30 % pruned"
  std::string name() const;
  std::string short_name() const;  // "int8/bf16, 30 % pruned"

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// The same form for all `parts` of a model. An argument error where `dtype` is not "f32", "f16",
// "bf16" or "int8".
Candidate uniform_candidate(const std::string& dtype, double sparsity, size_t parts);

// Choices that need no measurement: what other tools know as presets, and the rules of thumb for a
// target that the optimiser is held against.
struct NamedChoice {
  const char *name, *dtype;
  double sparsity;
};
constexpr NamedChoice presets[] = {
    {"edge", "int8", 0.5}, {"gpu-server", "f16", 0.3}, {"tiny", "int8", 0.7}};
constexpr NamedChoice rules_of_thumb[] = {{"speed", "f16", 0.3},
                                          {"size", "int8", 0.7},
                                          {"accuracy", "f16", 0.2},
                                          {"balanced", "int8", 0.5}};
// An argument error that lists the names for another.
const NamedChoice& preset(const std::string& name);
const NamedChoice& rule_of_thumb(const std::string& target);

}  // namespace espalier
