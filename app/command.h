// What the verbs of the command share: exit codes, common flags, and how a verb joins the command.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "nn/data/dataset.h"
#include "nn/model_file.h"

// Verbs alone include CLI11, which takes long to compile wherever it is named.
namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace espalier::app {

enum ExitCode {
  done = 0,
  failure = 1,
  usage = 2,
  bad_file = 3,
  gate_missed = 4,
  device_absent = 5,
  interrupted = 130,
};

// The flags that verbs have in common; each verb takes those that mean something to it.
struct CommonFlags {
  std::string device = "cpu", isa = "", data = default_data_folder();
  int threads = 0;            // 0: what the machine offers
  std::string progress = "";  // file to keep up to date
  bool json = false, quiet = false, verbose = false;
  std::string gemm = "own";
  // The verb's own: whether it has --device, what more that says there, and whether it has --gemm.
  bool runs_on_gpu = false, chooses_gemm = false;
  const char* on_gpu = "";
  // Where it has --device for the CPU alone: what to take for a GPU.
  const char* gpu_elsewhere = "";
};

// Adds --isa, --progress, -q and -v, and --device and --gemm where the verb has them.
void add_device_flags(CLI::App& verb, CommonFlags& flags);
// Those and -t/--threads.
void add_machine_flags(CLI::App& verb, CommonFlags& flags);
void add_data_flag(CLI::App& verb, CommonFlags& flags);
void add_json_flag(CLI::App& verb, CommonFlags& flags);
// Applies what add_machine_flags took and returns the device; throws a device or argument error.
Device apply_machine_flags(const CommonFlags& flags);
// " --device cuda --gemm cublas --data mnist": what a run's folder does not hold, for the command
// that takes it up; empty for what that would take anyway.
std::string given_again(const CommonFlags& flags);

// The model in a file, or a built-in one with random weights, which take as long as trained ones.
LoadedModel loaded_model_of(const std::string& name_or_file);
// The same as a module in evaluation mode; a file error where it is one in codes.
std::unique_ptr<VisionTransformer> model_of(const std::string& name_or_file);
void check_fp32(const LoadedModel& loaded, const std::string& name_or_file);
// "a model in whole numbers", "a model in w4": of one without a module.
std::string described(const LoadedModel& loaded);

// A word as a shell takes it.
std::string shell_quoted(const std::string& word);

// A verb: its name, and a body that runs after parsing and returns the exit code.
using Body = std::function<int()>;
void add_train(CLI::App& app, Body& chosen);
void add_eval(CLI::App& app, Body& chosen);
void add_predict(CLI::App& app, Body& chosen);
void add_inspect(CLI::App& app, Body& chosen);
void add_compress(CLI::App& app, Body& chosen);
void add_learn(CLI::App& app, Body& chosen);
void add_profile(CLI::App& app, Body& chosen);
void add_bench(CLI::App& app, Body& chosen);
void add_export(CLI::App& app, Body& chosen);
// Adds nothing in a build without the server.
void add_serve(CLI::App& app, Body& chosen);
void add_bench_model(CLI::App& bench, Body& chosen);
void add_bench_pruning(CLI::App& bench, Body& chosen);
void add_bench_turns(CLI::App& bench, Body& chosen);

}  // namespace espalier::app
