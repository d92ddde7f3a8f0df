#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/bench_gpu.h"
#include "app/command.h"
#include "app/model_forms.h"
#include "bench/hardware.h"
#include "bench/model_timing.h"
#include "engine/io/json.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

struct ModelFlags : CommonFlags {
  ModelFlags() { runs_on_gpu = true; }
  std::string model = "vit-peer";
  std::vector<std::string> dtypes;
  std::vector<int64_t> batches = {1, 8, 256};
  std::vector<int> thread_counts;
  double seconds = 5;
  bool allow_noise = false, no_launch_graph = false;
};

// Those asked for; else the one that the model comes in.
std::vector<bench::ModelForm> forms_of(const LoadedModel& model, std::vector<std::string> dtypes) {
  if (dtypes.empty()) dtypes = {model.dtype};
  std::vector<bench::ModelForm> forms;
  for (const std::string& dtype : dtypes) forms.push_back(form_of("bench model", model, dtype));
  return forms;
}

// Half the distance between the quartiles, relative to the median, past which a time says little.
constexpr double noisy_spread = 0.1;

Json as_json(const bench::ModelTiming& t) {
  Json parts = Json::array();
  for (const auto& part : t.parts)
    parts.push_back({{"arithmetic", bench::arithmetic_name(part.arithmetic)},
                     {"operations", part.operations},
                     {"peak_operations_per_second", part.peak}});
  return {{"model", t.model},
          {"dtype", t.dtype},
          {"batch", t.batch},
          {"threads", t.threads},
          {"chunk", t.chunk},
          {"median_seconds", t.plan.median},
          {"spread", t.plan.spread()},
          {"images_per_second", static_cast<double>(t.batch) / t.plan.median},
          {"operations", t.operations()},
          {"parts", parts},
          {"floor_seconds", t.floor_seconds()},
          {"eager_median_seconds", t.eager.median},
          {"speed_up_over_eager", t.speed_up},
          {"speed_up_over_f32", t.over_f32 > 0 ? Json(t.over_f32) : Json()},
          {"largest_difference", t.difference},
          {"tolerance", t.tolerance}};
}

int check(const ModelFlags& flags, const bench::ModelTiming& t) {
  if (!t.verified()) {
    std::fprintf(stderr,
                 "espalier: the plan in %s and its graph, operation by operation, differ by %g, "
                 "more than %g; not timed\n",
                 t.dtype.c_str(), t.difference, t.tolerance);
    return failure;
  }
  if (t.plan.spread() > noisy_spread && !flags.allow_noise) {
    std::fprintf(
        stderr,
        "espalier: the times of batch %lld in %s spread by %.0f %%: this machine is too noisy to "
        "report; stop what else runs, or pass --allow-noise\n",
        static_cast<long long>(t.batch), t.dtype.c_str(), 100 * t.plan.spread());
    return failure;
  }
  return done;
}

int run(const ModelFlags& flags) {
  const Device device = apply_machine_flags(flags);
  const LoadedModel model = loaded_model_of(flags.model);
  if (device.on_gpu()) {
    check_fp32(model, flags.model);
    return bench_model_on_gpu(model, flags.dtypes, flags.batches, device, !flags.no_launch_graph,
                              flags.seconds, flags.json);
  }
  const std::vector<bench::ModelForm> forms = forms_of(model, flags.dtypes);
  std::vector<int> thread_counts = flags.thread_counts;
  if (thread_counts.empty()) thread_counts = {num_threads()};
  Json results = Json::array();
  if (!flags.json) std::printf("%s", bench::model_table_heading().c_str());
  int worst = done;
  const auto report = [&](const bench::ModelTiming& timing) {
    if (const int code = check(flags, timing); code != done) {
      worst = code;
      return;
    }
    results.push_back(as_json(timing));
    if (!flags.json) std::printf("%s", bench::model_table_line(timing).c_str());
    std::fflush(stdout);
  };
  for (int64_t batch : flags.batches)
    for (int threads : thread_counts)
      for (const bench::ModelTiming& timing :
           bench::measure_model(model.config, forms, batch, threads,
                                {.sample_seconds = 0.02, .budget_seconds = flags.seconds}))
        report(timing);
  if (flags.json) std::printf("%s\n", results.dump(2).c_str());
  return worst;
}

}  // namespace

void add_bench_model(CLI::App& verb, Body& chosen) {
  auto flags = std::make_shared<ModelFlags>();
  CLI::App* model = verb.add_subcommand(
      "model", "A compiled model against its floor and against its operations one by one");
  model->add_option("model", flags->model, "vit-tiny, vit-fashion, vit-peer, or a model file")
      ->capture_default_str();
  model
      ->add_option(
          "--dtype", flags->dtypes,
          "Forms to time in turns, such as f32,bf16,f16,int8: what weights are stored in, "
          "or whole numbers up to the head, of an fp32 model with the ranges of random "
          "images (default: what the model comes in); on a GPU f32, bf16 and f16, of products")
      ->delimiter(',')
      ->check(CLI::IsMember(form_names()));
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
  model->add_flag("--no-launch-graph", flags->no_launch_graph,
                  "On a GPU, launch each kernel of a batch by itself rather than all as one CUDA "
                  "Graph");
  add_json_flag(*model, *flags);
  add_device_flags(*model, *flags);
  model->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
