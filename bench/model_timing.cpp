#include "bench/model_timing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "bench/hardware.h"
#include "bench/table.h"
#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/parallel.h"
#include "engine/plan.h"
#include "engine/replay.h"
#include "kernels/mlp_bf16/mlp_bf16.h"

namespace espalier::bench {
namespace {

constexpr const char* f32_name = "f32";

// Those whose channels make whole words of two bf16.
int64_t convolutions_in_bf16(const ViTConfig& config) {
  std::vector<int64_t> inputs = {config.channels};
  if (config.tokenizer == "conv")
    inputs.insert(inputs.end(), config.conv_channels.begin(), config.conv_channels.end());
  return std::count_if(inputs.begin(), inputs.end(), [](int64_t c) { return c % 2 == 0; });
}

}  // namespace

double tolerance_of(const ViTConfig& config, const ModelForm& form,
                    const std::vector<double>& logits) {
  if (form.dtype() == arithmetic_name(DType::s8)) return 0;
  const auto sums = static_cast<double>(2 * config.depth);
  int64_t longest = config.width;
  for (int64_t i = 0; i < config.depth; ++i) {
    const BlockShape shape = config.block(i);
    longest = std::max({longest, shape.mlp_hidden, shape.heads * shape.head_dim});
  }
  const auto terms = static_cast<double>(longest + 2);
  double largest = 0;
  for (double logit : logits) largest = std::max(largest, std::abs(logit));
  const double rounding = form.weights == DType::bf16  ? 2 * 0x1p-9
                          : form.weights == DType::f16 ? 0x1p-11
                                                       : 0;
  // Attention's two products take rounded operands in bf16 alone.
  const int64_t in_block = form.weights == DType::bf16 ? 6 : 4;
  const int64_t in_tokenizer = form.weights == DType::bf16 ? convolutions_in_bf16(config) : 0;
  const auto products = static_cast<double>(in_block * config.depth + 2 + in_tokenizer);
  const double gelus =
      form.weights == DType::bf16 ? static_cast<double>(config.depth) * mlp_bf16_gelu_error : 0;
  return (sums * terms * std::numeric_limits<float>::epsilon() + products * rounding + gelus) *
         largest;
}

namespace {

Isa best_isa() {
  for (Isa isa : built_isas())
    if (isa_allowed(isa)) return isa;
  return Isa::scalar;
}

// A form, compiled and run once.
class Subject {
 public:
  Subject(const ViTConfig& config, const ModelForm& form, const Tensor& images, int threads)
      : form_(form),
        images_(images),
        plan_(compile(form.graph, {.threads = threads, .weights = form.weights})),
        logits_(plan_(images)) {
    timing.model = config.name;
    timing.dtype = form.dtype();
    timing.batch = images.size(0);
    timing.chunk = plan_.chunk();
    timing.threads = threads;
    for (DType arithmetic : arithmetics) {
      ModelTiming::Part part{arithmetic};
      for (const Plan::StepInfo& step : plan_.steps())
        if (step.arithmetic == arithmetic)
          part.operations += static_cast<double>(step.cost(timing.batch).flops);
      if (part.operations > 0) timing.parts.push_back(part);
    }
    verify(config);
  }

  void run() { plan_.run(images_, logits_); }
  Tensor run_eagerly() const { return replay(form_.graph, images_); }

  ModelTiming timing;

 private:
  void verify(const ViTConfig& config) {
    const auto a = run_eagerly().to_vector(), b = logits_.to_vector();
    for (size_t i = 0; i < a.size(); ++i)
      timing.difference =
          std::max(timing.difference, std::isfinite(b[i]) ? std::abs(a[i] - b[i]) : HUGE_VAL);
    timing.tolerance = tolerance_of(config, form_, a);
  }

  const ModelForm& form_;
  const Tensor images_;
  Plan plan_;
  Tensor logits_;
};

// The peak loops of all that the subjects compute with.
std::vector<PeakLoop> peaks_of(const std::vector<Subject*>& subjects, int threads) {
  std::vector<PeakLoop> loops;
  for (const Subject* subject : subjects)
    for (const ModelTiming::Part& part : subject->timing.parts) {
      const PeakLoop loop{part.arithmetic, best_isa(), threads};
      if (std::find(loops.begin(), loops.end(), loop) == loops.end()) loops.push_back(loop);
    }
  return loops;
}

void time_in_turns(const std::vector<Subject*>& subjects, int threads, MeasureOptions options) {
  const std::vector<PeakLoop> loops = peaks_of(subjects, threads);
  std::vector<std::function<void()>> candidates;
  for (Subject* subject : subjects) {
    candidates.push_back([subject] { subject->run(); });
    candidates.push_back([subject] { subject->run_eagerly(); });
  }
  candidates.insert(candidates.end(), loops.begin(), loops.end());
  options.budget_seconds *= static_cast<double>(subjects.size());
  const std::vector<Timing> timings = measure(candidates, options);
  const auto seconds = [&](size_t candidate) -> const std::vector<double>& {
    return timings[candidate].seconds(threads);
  };
  for (size_t i = 0; i < subjects.size(); ++i) {
    ModelTiming& to = subjects[i]->timing;
    to.plan = summarise(seconds(2 * i));
    to.eager = summarise(seconds(2 * i + 1));
    to.speed_up = paired_ratio(seconds(2 * i + 1), seconds(2 * i));
    for (size_t j = 0; j < subjects.size(); ++j)
      if (subjects[j]->timing.dtype == f32_name)
        to.over_f32 = paired_ratio(seconds(2 * j), seconds(2 * i));
    for (ModelTiming::Part& part : to.parts)
      for (size_t k = 0; k < loops.size(); ++k)
        if (loops[k].arithmetic == part.arithmetic)
          part.peak = loops[k].operations() / summarise(seconds(2 * subjects.size() + k)).median;
  }
}

}  // namespace

double ModelTiming::operations() const {
  double sum = 0;
  for (const Part& part : parts) sum += part.operations;
  return sum;
}

double ModelTiming::floor_seconds() const {
  double sum = 0;
  for (const Part& part : parts) sum += part.operations / part.peak;
  return sum;
}

std::vector<ModelTiming> measure_model(const ViTConfig& config, std::span<const ModelForm> forms,
                                       int64_t batch, int threads, const MeasureOptions& options) {
  const NoGradGuard off;
  set_num_threads(threads);
  apply_isa_environment();
  Generator generator(1);
  const Tensor images = normal(config.batch_shape(batch), generator);
  std::vector<std::unique_ptr<Subject>> subjects;
  std::vector<Subject*> right;
  for (const ModelForm& form : forms) {
    subjects.push_back(std::make_unique<Subject>(config, form, images, threads));
    if (subjects.back()->timing.verified()) right.push_back(subjects.back().get());
  }
  if (!right.empty()) time_in_turns(right, threads, options);
  std::vector<ModelTiming> out;
  for (const auto& subject : subjects) out.push_back(subject->timing);
  return out;
}

std::string model_table_heading() {
  return table_heading({{"model", -12},
                        {"dtype", -5},
                        {"batch", 6},
                        {"thr", 4},
                        {"chunk", 6},
                        {"time (ms)", 11},
                        {"spread", 7},
                        {"images/s", 10},
                        {"Gop/s", 9},
                        {"floor ms", 9},
                        {"x floor", 8},
                        {"x eager", 8},
                        {"x f32", 7}});
}

std::string model_table_line(const ModelTiming& t) {
  char line[200], over_f32[16] = "-";
  if (t.over_f32 > 0) std::snprintf(over_f32, sizeof over_f32, "%.2fx", t.over_f32);
  std::snprintf(line, sizeof line,
                "%-12s %-5s %6lld %4d %6lld %11.3f %6.1f%% %10.0f %9.1f %9.3f %7.2fx %7.2fx %7s\n",
                t.model.c_str(), t.dtype.c_str(), static_cast<long long>(t.batch), t.threads,
                static_cast<long long>(t.chunk), 1e3 * t.plan.median, 100 * t.plan.spread(),
                static_cast<double>(t.batch) / t.plan.median, 1e-9 * t.operations() / t.plan.median,
                1e3 * t.floor_seconds(), t.plan.median / t.floor_seconds(), t.speed_up, over_f32);
  return line;
}

}  // namespace espalier::bench
