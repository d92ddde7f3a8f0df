#include "compress/auto_optimizer/candidate.h"

#include <algorithm>
#include <cstdio>
#include <span>

#include "engine/error.h"

namespace espalier {
namespace {

const NamedChoice& named(std::span<const NamedChoice> choices, const char* what,
                         const std::string& name) {
  std::string known;
  for (const NamedChoice& choice : choices) {
    if (name == choice.name) return choice;
    known += (known.empty() ? "" : ", ") + std::string(choice.name);
  }
  argument_error("auto_optimizer", what, "'" + name + "'", "one of " + known, "");
}

std::string pruned_text(double sparsity) {
  char text[32] = "";
  if (sparsity > 0) std::snprintf(text, sizeof text, ", %g %% pruned", 100 * sparsity);
  return text;
}

}  // namespace

bool Candidate::any_integer() const {
  return std::find(integer.begin(), integer.end(), true) != integer.end();
}
bool Candidate::all_integer() const {
  return std::find(integer.begin(), integer.end(), false) == integer.end();
}

bool Candidate::can_be_made(const std::vector<Int8Part>& parts) const {
  if (!any_integer()) return true;
  for (size_t p = 0; p < parts.size(); ++p)
    if (integer[p] && !parts[p].norm.empty()) return true;
  return false;
}

KeptLayers Candidate::kept(const std::vector<Int8Part>& parts) const {
  KeptLayers names;
  for (size_t p = 0; p < parts.size(); ++p)
    if (!integer[p]) names.insert(parts[p].name);
  return names;
}

std::string Candidate::name() const {
  std::string text = any_integer() ? "int8" : dtype_name(floats);
  if (any_integer() && !all_integer())
    text += " with " + std::to_string(std::count(integer.begin(), integer.end(), false)) + " of " +
            std::to_string(integer.size()) + " parts in " + dtype_name(floats);
  return text + pruned_text(sparsity);
}

std::string Candidate::short_name() const {
  std::string text = any_integer() ? "int8" : dtype_name(floats);
  if (any_integer() && !all_integer()) text += std::string("/") + dtype_name(floats);
  return text + pruned_text(sparsity);
}

Candidate uniform_candidate(const std::string& dtype, double sparsity, size_t parts) {
  Candidate out{sparsity, DType::f32, std::vector<bool>(parts, dtype == "int8")};
  if (dtype == "f16")
    out.floats = DType::f16;
  else if (dtype == "bf16")
    out.floats = DType::bf16;
  else if (dtype != "f32" && dtype != "int8")
    argument_error("uniform_candidate", "dtype", "'" + dtype + "'", "f32, f16, bf16 or int8", "");
  return out;
}

const NamedChoice& preset(const std::string& name) { return named(presets, "preset", name); }
const NamedChoice& rule_of_thumb(const std::string& target) {
  return named(rules_of_thumb, "target", target);
}

}  // namespace espalier
