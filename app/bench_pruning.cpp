#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/command.h"
#include "compress/pruning_latency.h"
#include "engine/io/json.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

struct PruningFlags : CommonFlags {
  std::string model = "vit-fashion";
  std::vector<std::string> dtypes = {"f32", "int8"};
  std::vector<int64_t> batches = {1, 256};
  std::vector<double> shares = PruningLatencyOptions().shares;
  double seconds = 10;
};

struct Block {
  std::string dtype;
  int64_t batch;
  std::vector<PrunedLatency> rows;
};

void print(const PruningFlags& flags, const Block& block) {
  std::printf("%s in %s, batch %lld, %d thread(s)\n%s\n", flags.model.c_str(), block.dtype.c_str(),
              static_cast<long long>(block.batch), num_threads(),
              pruning_latency_table(block.rows).c_str());
  std::fflush(stdout);
}

Json as_json(const Block& block) {
  Json rows = Json::array();
  for (const PrunedLatency& row : block.rows) {
    rows.push_back({{"pruned", row.share},
                    {"parameters", row.config.parameter_count()},
                    {"median_seconds", row.seconds.median},
                    {"spread", row.seconds.spread()},
                    {"times_as_fast", row.times_as_fast}});
    if (row.share == 0) continue;  // there is none before the whole model
    rows.back()["times_the_one_before"] = row.step.median;
    rows.back()["spread_of_that"] = (row.step.high - row.step.low) / 2;
    rows.back()["falls"] = row.falls();
  }
  return {
      {"dtype", block.dtype}, {"batch", block.batch}, {"threads", num_threads()}, {"models", rows}};
}

int run(const PruningFlags& flags) {
  apply_machine_flags(flags);
  const auto model = model_of(flags.model);
  PruningLatencyOptions options{.shares = flags.shares};
  options.pruning.selection.steps = kernel_steps();
  Json results = Json::array();
  for (int64_t batch : flags.batches)
    for (const std::string& dtype : flags.dtypes) {
      options.latency = {
          batch, dtype, {.sample_seconds = 1e-2, .samples = 301, .budget_seconds = flags.seconds}};
      const Block block = {dtype, batch, pruning_latency(*model, options)};
      results.push_back(as_json(block));
      if (!flags.json) print(flags, block);
    }
  if (flags.json) std::printf("%s\n", results.dump(2).c_str());
  return done;
}

}  // namespace

void add_bench_pruning(CLI::App& verb, Body& chosen) {
  auto flags = std::make_shared<PruningFlags>();
  CLI::App* pruning = verb.add_subcommand(
      "pruning",
      "How a batch's time falls with what is pruned: a model whole and with shares of its "
      "parameters gone, as compress --sparsity removes them, timed in turns");
  pruning
      ->add_option("model", flags->model,
                   "vit-tiny, vit-fashion, vit-peer with random weights, or an fp32 "
                   "model file, whose weights say which widths go")
      ->capture_default_str();
  pruning->add_option("--shares", flags->shares, "Shares of the parameters that go, ascending")
      ->delimiter(',')
      ->check(CLI::Range(0.001, 0.999))
      ->capture_default_str();
  pruning->add_option("--dtype", flags->dtypes, "Forms to time, each by itself")
      ->delimiter(',')
      ->check(CLI::IsMember({"f32", "f16", "bf16", "int8"}))
      ->capture_default_str();
  pruning->add_option("-b,--batch", flags->batches, "Batch sizes")
      ->delimiter(',')
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  pruning
      ->add_option("--seconds", flags->seconds,
                   "Time to spend on each form at each batch size, for 21 rounds at least")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  add_json_flag(*pruning, *flags);
  add_machine_flags(*pruning, *flags);
  pruning->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
