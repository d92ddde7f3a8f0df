#include "compress/auto_optimizer/cost_table.h"

#include <algorithm>

#include "compress/convert.h"
#include "compress/observers/factory.h"
#include "compress/quantize_model.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "nn/int8_graph.h"

namespace espalier {
namespace {

size_t at(PartForm form) { return static_cast<size_t>(form); }

double distance(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const auto d =
        static_cast<double>(a.data<float>()[i]) - static_cast<double>(b.data<float>()[i]);
    sum += d * d;
  }
  return sum / static_cast<double>(a.numel());
}

DType weights_of(PartForm form) {
  return form == PartForm::f16 ? DType::f16 : form == PartForm::bf16 ? DType::bf16 : DType::f32;
}

// One form of one level: its plan, and what its parts take by a profile of it.
struct FormMeter {
  Plan plan;
  Tensor images, logits;
  std::vector<PartCost> costs;
  double profiled = 0;  // seconds a batch on this machine, all parts together
};

class LevelMeter {
 public:
  LevelMeter(const VisionTransformer& model, const Tensor& inputs,
             const bench::HardwareProfile& here, const CostOptions& options)
      : config_(model.config),
        graph_(capture(model)),
        parts_(int8_parts(graph_)),
        inputs_(inputs),
        here_(here),
        options_(options),
        observers_(calibrate(graph_, inputs, observer_factory(QuantizeOptions().observer))),
        logits_(compile(graph_)(inputs)) {}

  LevelCosts distances(double sparsity, const Tensor& expected) const {
    LevelCosts out;
    out.sparsity = sparsity;
    out.distance = distance(logits_, expected);
    out.parts.resize(parts_.size() + 1);
    for (PartForm form : {PartForm::f16, PartForm::bf16})
      out.parts.back()[at(form)].distance =
          distance(compile(graph_, {.weights = weights_of(form)})(inputs_), logits_);
    for (size_t p = 0; p < parts_.size(); ++p)
      out.parts[p][at(PartForm::int8)].distance = distance(with_codes_in(p), logits_);
    return out;
  }

  FormMeter profiled(PartForm form) const {
    const Graph graph = form == PartForm::int8 ? in_codes({}) : graph_;
    bench::ModelProfile profile =
        bench::profile_model(config_, {graph, weights_of(form)}, options_.batch, options_.threads,
                             options_.seconds, &here_);
    Generator generator(1);
    FormMeter out{compile(graph, {.threads = options_.threads, .weights = weights_of(form)}),
                  normal(config_.batch_shape(options_.batch), generator),
                  {},
                  part_costs(parts_, profile)};
    out.logits = out.plan(out.images);
    for (const PartCost& cost : out.costs) out.profiled += cost.seconds;
    if (options_.target)
      out.costs = part_costs(parts_, bench::expected_on(std::move(profile), *options_.target));
    return out;
  }

 private:
  // The logits where part p alone is in whole numbers.
  Tensor with_codes_in(size_t p) const {
    KeptLayers kept;
    for (size_t other = 0; other < parts_.size(); ++other)
      if (other != p) kept.insert(parts_[other].name);
    // The tokenizer gives its codes back as floats, so some branch has to take up the stream.
    const bool tokenizer = parts_[p].norm.empty();
    if (tokenizer) kept.erase(parts_.back().name);
    const Tensor with = compile(in_codes(kept))(inputs_);
    if (!tokenizer) return with;
    kept.insert(parts_[p].name);
    // What that branch rounds by itself is taken off by measuring from there.
    const Tensor without = compile(in_codes(kept))(inputs_);
    const Tensor out = Tensor::empty(with.shape());
    for (int64_t i = 0; i < out.numel(); ++i)
      out.data<float>()[i] =
          logits_.data<float>()[i] + with.data<float>()[i] - without.data<float>()[i];
    return out;
  }

  Graph in_codes(const KeptLayers& kept) const {
    return int8_graph(graph_, convert_int8(graph_, choose_int8_scales(graph_, observers_, kept)));
  }

  const ViTConfig& config_;
  const Graph graph_;
  const std::vector<Int8Part> parts_;
  const Tensor& inputs_;
  const bench::HardwareProfile& here_;
  const CostOptions& options_;
  const Observers observers_;
  const Tensor logits_;
};

// The seconds a batch of each form, all in turns.
std::vector<double> in_turns(std::vector<FormMeter>& forms, const CostOptions& options) {
  std::vector<std::function<void()>> candidates;
  for (FormMeter& form : forms)
    candidates.push_back([&form] { form.plan.run(form.images, form.logits); });
  const double budget = options.seconds * static_cast<double>(forms.size());
  std::vector<double> out;
  // Samples of several calls: the first one of each finds the caches as the other forms left them.
  for (const bench::Timing& timing : bench::measure(
           candidates, {.sample_seconds = 5e-3, .samples = 101, .budget_seconds = budget}))
    out.push_back(bench::summarise(timing.seconds(options.threads)).median);
  return out;
}

}  // namespace

const char* form_name(PartForm form) {
  return form == PartForm::int8 ? "int8" : dtype_name(weights_of(form));
}

PartForm form_of(DType floats) {
  return floats == DType::f16    ? PartForm::f16
         : floats == DType::bf16 ? PartForm::bf16
                                 : PartForm::f32;
}

std::vector<PartCost> part_costs(const std::vector<Int8Part>& parts,
                                 const bench::ModelProfile& profile) {
  std::vector<PartCost> out(parts.size() + 1);
  std::vector<double> longest(out.size(), 0);
  for (const bench::StepProfile& step : profile.steps) {
    const auto found = std::find_if(parts.begin(), parts.end(), [&](const Int8Part& part) {
      return part.holds(step.info.layer);
    });
    const auto p = static_cast<size_t>(found - parts.begin());
    const double seconds = step.median / profile.workers;
    out[p].seconds += seconds;
    if (seconds <= longest[p]) continue;
    longest[p] = seconds;
    out[p].kernel = step.info.operation + " (" + isa_name(step.info.isa) + ")";
    out[p].bound = step.bound;
  }
  return out;
}

std::vector<LevelCosts> measure_levels(std::span<const LevelModel> levels, const Tensor& inputs,
                                       const Tensor& expected, const bench::HardwareProfile& here,
                                       const CostOptions& options,
                                       const std::function<void(double sparsity)>& tell) {
  const NoGradGuard off;
  std::vector<LevelCosts> out;
  std::vector<FormMeter> forms;  // of each level in the order of part_forms
  for (const LevelModel& level : levels) {
    tell(level.sparsity);
    const LevelMeter meter(*level.model, inputs, here, options);
    out.push_back(meter.distances(level.sparsity, expected));
    for (PartForm form : part_forms) forms.push_back(meter.profiled(form));
  }
  const std::vector<double> seconds = in_turns(forms, options);
  for (size_t i = 0; i < forms.size(); ++i)
    for (size_t p = 0; p < forms[i].costs.size(); ++p) {
      PartCost& to = out[i / form_count].parts[p][i % form_count];
      const double moved = to.distance;
      to = forms[i].costs[p];
      to.distance = moved;
      to.seconds *= seconds[i] / forms[i].profiled;
    }
  return out;
}

const LevelCosts& level_at(const CostTable& table, double sparsity) {
  for (const LevelCosts& level : table.levels)
    if (level.sparsity == sparsity) return level;
  argument_error("level_at", "sparsity", std::to_string(sparsity), "a level of the table", "");
}

Expectation expect(const CostTable& table, const Candidate& candidate) {
  const LevelCosts& level = level_at(table, candidate.sparsity);
  Expectation sum{0, level.distance};
  const PartForm floats = form_of(candidate.floats);
  for (size_t p = 0; p < level.parts.size(); ++p) {
    const bool codes = p < candidate.integer.size() && candidate.integer[p];
    const PartCost& cost = level.parts[p][at(codes ? PartForm::int8 : floats)];
    sum.seconds += cost.seconds;
    sum.distance += cost.distance;
  }
  return sum;
}

}  // namespace espalier
