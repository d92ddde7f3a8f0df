// What each part of a model costs in each form, measured, so that what a candidate costs can be
// told before it is made.
#pragma once

#include <array>
#include <functional>
#include <span>

#include "bench/model_profile.h"
#include "compress/auto_optimizer/candidate.h"
#include "nn/vit.h"

namespace espalier {

// What a part can multiply in: a float type that its weights are stored in, or whole numbers.
enum class PartForm { f32, f16, bf16, int8 };
constexpr PartForm part_forms[] = {PartForm::f32, PartForm::f16, PartForm::bf16, PartForm::int8};
constexpr size_t form_count = std::size(part_forms);
const char* form_name(PartForm form);
PartForm form_of(DType floats);

struct PartCost {
  double seconds = 0;   // a batch
  double distance = 0;  // mean squared difference of logits that this form of this part alone makes
  std::string kernel;   // of the step that takes longest: "linear + gelu (avx2)"
  std::string bound;    // what bounds that step, as bench/model_profile.h names it
};

// The model with some of its channels gone.
struct LevelCosts {
  double sparsity = 0;
  double distance = 0;  // of its fp32 logits from those of the whole model
  // By part, and last for all that has no form in whole numbers, which takes int8's time for f32's.
  std::vector<std::array<PartCost, form_count>> parts;
};

struct CostTable {
  std::vector<Int8Part> parts;
  std::vector<LevelCosts> levels;  // ascending in sparsity
};

struct CostOptions {
  int64_t batch = 1;
  int threads = 1;
  double seconds = 0.2;  // to profile each form of each level for, and to time it
  // The machine to expect times for; the one that measures where it is null.
  const bench::HardwareProfile* target = nullptr;
};

// What is left of the original at a level.
struct LevelModel {
  double sparsity = 0;
  const VisionTransformer* model = nullptr;
};

// Measures the levels, which say by `tell` which is at hand. `expected` are the original's logits
// for `inputs` [N, H, W, C], normalised; `here` is this machine. All forms of all levels are timed
// in turns in the end, and each one's parts are scaled to what that says of it: profiles come one
// after the other, and where the machine's clock moves meanwhile they do not compare.
std::vector<LevelCosts> measure_levels(std::span<const LevelModel> levels, const Tensor& inputs,
                                       const Tensor& expected, const bench::HardwareProfile& here,
                                       const CostOptions& options,
                                       const std::function<void(double sparsity)>& tell);

// Each part of a profiled plan: its time a batch and the step that dominates it. The last is the
// rest.
std::vector<PartCost> part_costs(const std::vector<Int8Part>& parts,
                                 const bench::ModelProfile& profile);

// An argument error where the table has no such level.
const LevelCosts& level_at(const CostTable& table, double sparsity);

// Sums over the parts, at the candidate's level.
struct Expectation {
  double seconds = 0, distance = 0;
};
Expectation expect(const CostTable& table, const Candidate& candidate);

}  // namespace espalier
