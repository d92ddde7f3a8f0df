#include <time.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdio>
#include <iostream>

#include "app/command.h"
#include "bench/training_step.h"
#include "engine/autograd.h"
#include "engine/device_memory.h"
#include "engine/error.h"
#include "engine/gpu_plan.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/parallel.h"
#include "engine/plan.h"
#include "engine/precision.h"

namespace espalier::app {
namespace {

struct TurnFlags : CommonFlags {
  TurnFlags() { runs_on_gpu = chooses_gemm = true; }
  std::string model, input, output, dtype = "f32";
  bool step = false;
  int64_t chunk = 16;
};

double seconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void say(const Json& line) {
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

int64_t calls_in(const std::string& line) {
  constexpr int64_t most = 1'000'000;
  int64_t calls = 0;
  const char* end = line.data() + line.size();
  const auto [at, error] = std::from_chars(line.data(), end, calls);
  if (error != std::errc() || at != end || calls < 1 || calls > most)
    argument_error("bench turns", "standard input", "'" + line + "'",
                   "a number of batches from 1 to " + std::to_string(most), "");
  return calls;
}

// Answers every line until the input ends. `run` does one batch and returns its loss, if it has
// one.
void take_turns(const std::function<double()>& run, bool has_loss) {
  std::string line;
  while (std::getline(std::cin, line)) {
    const int64_t calls = calls_in(line);
    double loss = 0;
    const double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int64_t i = 0; i < calls; ++i) loss = run();
    Json answer = {{"seconds", seconds(CLOCK_MONOTONIC) - wall},
                   {"cpu_seconds", seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu}};
    if (has_loss) answer["loss"] = loss;
    say(answer);
  }
}

constexpr const char* name_of_dtype = "bench turns --dtype";

// On a GPU a batch comes from the processor's memory and its logits go there, in one launch.
void infer_on_gpu(const TurnFlags& flags, const Graph& graph, const Tensor& images, Device device) {
  GpuPlan plan(graph, device, {.precision = precision_named(name_of_dtype, flags.dtype)});
  plan(images);
  const Tensor logits = plan(images);  // as all that are timed
  if (!flags.output.empty()) save_safetensors(flags.output, {{"logits", logits}});
  say({{"ready", true}, {"chunk", images.size(0)}, {"device", device_name(device)}});
  const auto run = [&] {
    plan.run(images, logits);
    return 0.0;
  };
  take_turns(run, false);
}

void infer(const TurnFlags& flags, const Graph& graph, const Tensor& images) {
  const Precision precision = precision_named(name_of_dtype, flags.dtype);
  if (precision == Precision::f16)
    argument_error("bench turns", "--dtype", "f16 for --device cpu", "f32 or bf16 there",
                   "products in f16 run on a GPU alone, as with --device cuda");
  const NoGradGuard off;
  const DType weights = precision == Precision::bf16 ? DType::bf16 : DType::f32;
  Plan plan = compile(graph, {.threads = num_threads(), .weights = weights});
  const Tensor logits = plan(images);
  if (!flags.output.empty()) save_safetensors(flags.output, {{"logits", logits}});
  say({{"ready", true}, {"chunk", plan.chunk()}});
  const auto run = [&] {
    plan.run(images, logits);
    return 0.0;
  };
  take_turns(run, false);
}

void train(const TurnFlags& flags, VisionTransformer& model, const TensorFile& input,
           Device device) {
  if (flags.dtype == precision_name(Precision::f16))
    argument_error("bench turns", "--dtype", "f16 for --step", "f32 or bf16",
                   "this step has no loss scale; train --precision f16 has one");
  model.train();
  model.to(device);
  TrainConfig config;
  config.chunk_size = flags.chunk;
  config.ema_decay = 0;
  config.precision = flags.dtype;
  bench::TrainingStep step(model, config, input.at("images").to(device),
                           input.at("labels").to(device));
  const AdamWOptions& o = bench::TrainingStep::optimizer;
  say({{"ready", true},
       {"device", device_name(device)},
       {"lr", o.lr},
       {"betas", {o.beta1, o.beta2}},
       {"eps", o.epsilon},
       {"weight_decay", o.weight_decay},
       {"clip_norm", bench::TrainingStep::clip_norm},
       {"label_smoothing", config.label_smoothing}});
  const auto run = [&] {
    const double loss = step.run();
    synchronize(device);
    return loss;
  };
  take_turns(run, true);
}

int run(const TurnFlags& flags) {
  const Device device = apply_machine_flags(flags);
  const LoadedModel loaded = loaded_model_of(flags.model);
  const TensorFile input = load_safetensors(flags.input);
  if (flags.step) {
    check_fp32(loaded, flags.model);
    train(flags, *loaded.model, input, device);
  } else if (device.on_gpu()) {
    infer_on_gpu(flags, loaded.graph, input.at("images"), device);
  } else {
    infer(flags, loaded.graph, input.at("images"));
  }
  return done;
}

}  // namespace

void add_bench_turns(CLI::App& verb, Body& chosen) {
  auto flags = std::make_shared<TurnFlags>();
  CLI::App* turns = verb.add_subcommand(
      "turns",
      "Take turns with other engines: for each line N on standard input, run N batches and print "
      "the seconds they took as one line of JSON. The first line tells that all is ready");
  turns->add_option("model", flags->model, "vit-tiny, vit-fashion, vit-peer, or a model file")
      ->required();
  turns
      ->add_option("--input", flags->input,
                   "A .safetensors file that holds images [B, H, W, C], and labels [B] for --step")
      ->required();
  CLI::Option* output =
      turns->add_option("--output", flags->output, "Write the logits to this .safetensors file");
  CLI::Option* step =
      turns
          ->add_flag(
              "--step", flags->step,
              "Run AdamW steps (forward, cross entropy, backward, clipping, update) and tell "
              "the loss")
          ->excludes(output);
  turns->add_option("--chunk", flags->chunk, "Samples that go through the model at once")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str()
      ->needs(step);
  turns
      ->add_option(
          "--dtype", flags->dtype,
          "What matrix products of an fp32 model multiply: f32, or bf16 with fp32 sums, in "
          "which inference stores the weights too, but on a GPU; inference there, f16 too")
      ->check(CLI::IsMember({precision_name(Precision::f32), precision_name(Precision::bf16),
                             precision_name(Precision::f16)}))
      ->capture_default_str();
  add_machine_flags(*turns, *flags);
  turns->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
