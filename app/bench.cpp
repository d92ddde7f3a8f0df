#include <algorithm>
#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/bench_gpu.h"
#include "app/command.h"
#include "app/progress_file.h"
#include "app/run_folder.h"
#include "bench/hardware.h"
#include "bench/kernels.h"
#include "bench/png.h"
#include "bench/roofline.h"
#include "bench/training_step.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

struct BenchFlags : CommonFlags {
  BenchFlags() { runs_on_gpu = true; }
  std::string filter, roofline;
  bool list = false;
};

struct HardwareFlags : CommonFlags {
  std::string run_dir;
};

struct StepFlags : CommonFlags {
  StepFlags() { runs_on_gpu = true; }
  std::string model = "vit-peer", precision = "f32";
  int64_t batch = 256, chunk = 16;
  int steps = 5;
};

void print_step_text(const StepFlags& flags, const bench::TrainingStepResult& result,
                     const std::vector<double>& sorted) {
  std::printf(
      "%s in %s, batch %lld in chunks of %lld, %d thread(s): median %.1f ms a step (%.1f to "
      "%.1f)\n",
      flags.model.c_str(), flags.precision.c_str(), static_cast<long long>(flags.batch),
      static_cast<long long>(flags.chunk), num_threads(), 1e3 * sorted[sorted.size() / 2],
      1e3 * sorted.front(), 1e3 * sorted.back());
  std::printf(
      "fp32 peak between the steps %.1f GFLOP/s; at that, a step takes the time of %.1f GFLOP\n",
      result.peak_gops, result.peak_gops * sorted[sorted.size() / 2]);
  double total = 0;
  for (const auto& op : result.operations) total += static_cast<double>(op.self_ns);
  std::printf("%-16s %-9s %7s %9s %7s %9s\n", "operation", "phase", "calls", "ms", "share",
              "GFLOP/s");
  for (const auto& op : result.operations)
    std::printf(
        "%-16s %-9s %7lld %9.2f %6.1f%% %9.1f\n", op.name.c_str(), op.phase.c_str(),
        static_cast<long long>(op.calls), 1e-6 * static_cast<double>(op.self_ns),
        100 * static_cast<double>(op.self_ns) / total,
        static_cast<double>(op.flops) / static_cast<double>(std::max<int64_t>(op.self_ns, 1)));
}

int run_step(const StepFlags& flags) {
  const Device device = apply_machine_flags(flags);
  TrainConfig config = named_train_config(flags.model);
  config.precision = flags.precision;
  config.batch_size = flags.batch;
  config.chunk_size = flags.chunk;
  if (device.on_gpu()) return bench_step_on_gpu(config, device, flags.json);
  const bench::TrainingStepResult result = bench::measure_training_step(config, flags.steps);
  std::vector<double> sorted = result.seconds;
  std::sort(sorted.begin(), sorted.end());
  if (!flags.json) {
    print_step_text(flags, result, sorted);
    return done;
  }
  Json operations = Json::array();
  for (const auto& op : result.operations)
    operations.push_back({{"name", op.name},
                          {"phase", op.phase},
                          {"calls", op.calls},
                          {"self_ns", op.self_ns},
                          {"flops", op.flops}});
  std::printf("%s\n", Json{{"model", flags.model},
                           {"precision", flags.precision},
                           {"batch", flags.batch},
                           {"threads", num_threads()},
                           {"seconds", result.seconds},
                           {"median_seconds", sorted[sorted.size() / 2]},
                           {"fp32_peak_gops", result.peak_gops},
                           {"operations", operations}}
                          .dump(2)
                          .c_str());
  return done;
}

void add_step(CLI::App& verb, Body& chosen) {
  auto flags = std::make_shared<StepFlags>();
  CLI::App* step = verb.add_subcommand("step", "One AdamW step of a model, operation by operation");
  step->add_option("model", flags->model, "vit-tiny, vit-fashion or vit-peer")
      ->capture_default_str();
  step->add_option("-b,--batch", flags->batch, "Samples in a batch")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  step->add_option("--precision", flags->precision, "Of matrix products: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  step->add_option("--chunk", flags->chunk, "Samples that go through the model at once")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  step->add_option("--steps", flags->steps, "Steps to time; on a GPU as many as last five seconds")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_json_flag(*step, *flags);
  add_machine_flags(*step, *flags);
  step->callback([flags, &chosen] { chosen = [flags] { return run_step(*flags); }; });
}

int run(const BenchFlags& flags) {
  const Device device = apply_machine_flags(flags);
  if (device.on_gpu()) {
    if (!flags.roofline.empty())
      argument_error("bench kernels", "--roofline", "for " + device.str(), "--device cpu",
                     "a GPU's peaks are not measured");
    return bench_kernels_on_gpu(flags.filter, flags.list, device, flags.json);
  }
  if (flags.list) {
    for (const std::string& name : bench::kernel_case_names())
      if (name.find(flags.filter) != name.npos) std::printf("%s\n", name.c_str());
    return done;
  }
  std::vector<bench::KernelResult> results;
  bool wrong = false;
  if (!flags.json) std::printf("%s", bench::kernel_table_heading().c_str());
  bench::run_kernel_benchmarks({.filter = flags.filter}, [&](const bench::KernelResult& result) {
    wrong |= !result.verified();
    if (!flags.json) std::printf("%s", bench::kernel_table_line(result).c_str());
    std::fflush(stdout);
    results.push_back(result);
  });
  if (flags.json) std::printf("%s\n", bench::kernel_results_json(results).c_str());
  if (results.empty()) {
    std::fprintf(stderr, "espalier: no case has '%s' in its name; see bench kernels --list\n",
                 flags.filter.c_str());
    return usage;
  }
  if (!flags.roofline.empty())
    bench::save_png(draw(bench::roofline(bench::measure_hardware(), results)), flags.roofline);
  if (wrong)
    std::fprintf(stderr, "espalier: a row disagrees with its reference and was not timed\n");
  return wrong ? failure : done;
}

int run_hardware(const HardwareFlags& flags) {
  apply_machine_flags(flags);
  begin_stage("measuring this machine");
  const bench::HardwareProfile profile = bench::measure_hardware();
  if (!flags.run_dir.empty()) {
    create_result_folder(flags.run_dir, "hardware.json");
    write_atomically(flags.run_dir + "/hardware.json", bench::hardware_json(profile) + "\n");
  }
  std::printf("%s\n", flags.json ? bench::hardware_json(profile).c_str()
                                 : bench::hardware_table(profile).c_str());
  return done;
}

void add_hardware(CLI::App& verb, Body& chosen) {
  auto flags = std::make_shared<HardwareFlags>();
  CLI::App* hardware =
      verb.add_subcommand("hardware", "This machine's clock, peak arithmetic and copy bandwidth");
  hardware->add_option("--run-dir", flags->run_dir,
                       "Folder to keep it in: hardware.json and env.json");
  add_json_flag(*hardware, *flags);
  add_machine_flags(*hardware, *flags);
  hardware->callback([flags, &chosen] { chosen = [flags] { return run_hardware(*flags); }; });
}

}  // namespace

void add_bench(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb = app.add_subcommand("bench", "Verify, then time");
  verb->require_subcommand(1);
  add_step(*verb, chosen);
  add_hardware(*verb, chosen);
  add_bench_model(*verb, chosen);
  add_bench_pruning(*verb, chosen);
  add_bench_turns(*verb, chosen);
  CLI::App* kernels = verb->add_subcommand(
      "kernels",
      "Every kernel row against its reference and this machine's peak; on a GPU its "
      "kernels against their reference and cuBLAS");
  kernels->add_option("filter", flags->filter, "Only cases whose name contains this");
  kernels->add_option("--roofline", flags->roofline, "Also draw the results into this PNG file");
  kernels->add_flag("--list", flags->list, "Print the names of the cases");
  add_json_flag(*kernels, *flags);
  add_machine_flags(*kernels, *flags);
  kernels->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
