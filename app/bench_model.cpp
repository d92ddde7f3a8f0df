#include <algorithm>
#include <cstdio>

#include "app/command.h"
#include "bench/model_timing.h"
#include "engine/io/json.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

struct ModelFlags : CommonFlags {
  std::string model = "vit-peer";
  std::vector<std::string> dtypes = {"f32"};
  std::vector<int64_t> batches = {1, 8, 256};
  std::vector<int> thread_counts;
  double seconds = 5;
  bool allow_noise = false;
};

// The ways in which a plan can be compiled, by the name that --dtype gives them.
constexpr DType plan_dtypes[] = {DType::f32, DType::bf16, DType::f16};

DType plan_dtype(const std::string& name) {
  return *std::find_if(std::begin(plan_dtypes), std::end(plan_dtypes),
                       [&](DType dtype) { return name == dtype_name(dtype); });
}

std::vector<std::string> plan_dtype_names() {
  std::vector<std::string> names;
  for (DType dtype : plan_dtypes) names.push_back(dtype_name(dtype));
  return names;
}

// Half the distance between the quartiles, relative to the median, past which a time says little.
constexpr double noisy_spread = 0.1;

Json as_json(const bench::ModelTiming& t) {
  return {{"model", t.model},
          {"dtype", t.dtype},
          {"batch", t.batch},
          {"threads", t.threads},
          {"chunk", t.chunk},
          {"median_seconds", t.plan.median},
          {"spread", t.plan.spread()},
          {"images_per_second", static_cast<double>(t.batch) / t.plan.median},
          {"flops", t.flops},
          {"peak_flops_per_second", t.peak},
          {"floor_seconds", t.floor_seconds()},
          {"module_median_seconds", t.module.median},
          {"speed_up_over_module", t.speed_up},
          {"largest_difference", t.difference},
          {"tolerance", t.tolerance}};
}

int check(const ModelFlags& flags, const bench::ModelTiming& t) {
  if (!t.verified()) {
    std::fprintf(stderr, "espalier: plan and module differ by %g, more than %g; not timed\n",
                 t.difference, t.tolerance);
    return failure;
  }
  if (t.plan.spread() > noisy_spread && !flags.allow_noise) {
    std::fprintf(
        stderr,
        "espalier: the times of batch %lld spread by %.0f %%: this machine is too noisy to "
        "report; stop what else runs, or pass --allow-noise\n",
        static_cast<long long>(t.batch), 100 * t.plan.spread());
    return failure;
  }
  return done;
}

int run(const ModelFlags& flags) {
  apply_machine_flags(flags);
  const std::unique_ptr<VisionTransformer> model = model_of(flags.model);
  std::vector<int> thread_counts = flags.thread_counts;
  if (thread_counts.empty()) thread_counts = {num_threads()};
  Json results = Json::array();
  if (!flags.json) std::printf("%s", bench::model_table_heading().c_str());
  int worst = done;
  const auto time_one = [&](const std::string& dtype, int64_t batch, int threads) {
    const bench::ModelTiming timing =
        bench::measure_model(*model, plan_dtype(dtype), batch, threads,
                             {.sample_seconds = 0.02, .budget_seconds = flags.seconds});
    if (const int code = check(flags, timing); code != done) {
      worst = code;
      return;
    }
    results.push_back(as_json(timing));
    if (!flags.json) std::printf("%s", bench::model_table_line(timing).c_str());
    std::fflush(stdout);
  };
  for (const std::string& dtype : flags.dtypes)
    for (int64_t batch : flags.batches)
      for (int threads : thread_counts) time_one(dtype, batch, threads);
  if (flags.json) std::printf("%s\n", results.dump(2).c_str());
  return worst;
}

}  // namespace

void add_bench_model(CLI::App& verb, Body& chosen) {
  auto flags = std::make_shared<ModelFlags>();
  CLI::App* model = verb.add_subcommand(
      "model", "A compiled model against its floor and against the module it was compiled from");
  model->add_option("model", flags->model, "vit-tiny, vit-fashion, vit-peer, or a model file")
      ->capture_default_str();
  model->add_option("--dtype", flags->dtypes, "What weights are stored in, such as f32,bf16,f16")
      ->delimiter(',')
      ->check(CLI::IsMember(plan_dtype_names()))
      ->capture_default_str();
  model->add_option("-b,--batch", flags->batches, "Batch sizes, such as 1,8,256")
      ->delimiter(',')
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  model
      ->add_option("-t,--threads", flags->thread_counts,
                   "Thread counts, such as 1,2 (default: what this process may use)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  model->add_option("--seconds", flags->seconds, "Time to spend on each line")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  model->add_flag("--allow-noise", flags->allow_noise, "Report also what spreads by over 10 %");
  add_json_flag(*model, *flags);
  add_device_flags(*model, *flags);
  model->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
