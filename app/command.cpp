#include "app/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "app/progress_file.h"
#include "app/version.h"
#include "engine/cuda/cublas.h"
#include "engine/device.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

constexpr const char *own_gemm = "own", *cublas_gemm = "cublas";
constexpr const char* data_variable = "ESPALIER_DATA";

void choose_gemm(const CommonFlags& flags, Device device) {
  if (flags.gemm != cublas_gemm) return;
  if (device.kind == Device::Kind::cpu)
    argument_error("--gemm", "cublas", "for --device cpu", "a GPU, such as --device cuda",
                   "on the CPU use own");
  set_gpu_gemm(GpuGemm::cublas, device);
}

std::string device_help(const CommonFlags& flags) {
  if (!flags.runs_on_gpu)
    return std::string("Device to run on: cpu. For a GPU there is ") + flags.gpu_elsewhere;
  return std::string("Device to run on: cpu, cuda or cuda:1") + flags.on_gpu;
}

// What times depend on, and results do not show.
void tell_machine(Device device) {
  const int threads = num_threads();
  std::fprintf(stderr, "espalier %s on %s, kernels of %s and below, %d thread%s\n", version,
               device.str().c_str(), isa_name(isa_limit()), threads, threads == 1 ? "" : "s");
}

}  // namespace

void add_device_flags(CLI::App& verb, CommonFlags& flags) {
  if (flags.runs_on_gpu || *flags.gpu_elsewhere)
    verb.add_option("--device", flags.device, device_help(flags))->capture_default_str();
  if (flags.chooses_gemm)
    verb.add_option("--gemm", flags.gemm,
                    "Whose matrix products a GPU runs: own, or cublas, which is opened from where "
                    "the loader looks or from the folder ESPALIER_CUBLAS")
        ->check(CLI::IsMember({own_gemm, cublas_gemm}))
        ->capture_default_str();
  verb.add_option("--isa", flags.isa,
                  "Use kernels of this instruction set and below: scalar, neon, dotprod, avx2, "
                  "avx512, avx512vnni256, avx512vnni, avx512bf16, amx "
                  "(default: the fastest this CPU has)");
  verb.add_option(
      "--progress", flags.progress,
      "Keep this file up to date with what goes on and how long it still takes, as JSON");
  verb.add_flag("-q,--quiet", flags.quiet, "Print results only");
  verb.add_flag("-v,--verbose", flags.verbose,
                "Say first what it runs on: version, device, instruction set, threads");
}

void add_machine_flags(CLI::App& verb, CommonFlags& flags) {
  add_device_flags(verb, flags);
  verb.add_option("-t,--threads", flags.threads, "Threads (default: what this process may use)")
      ->check(CLI::Range(1, 1024));
}

void add_data_flag(CLI::App& verb, CommonFlags& flags) {
  verb.add_option("--data", flags.data, "Folder with the data set's IDX files")
      ->envname(data_variable)
      ->capture_default_str();
}

void add_json_flag(CLI::App& verb, CommonFlags& flags) {
  verb.add_flag("--json", flags.json, "Print JSON instead of text");
}

Device apply_machine_flags(const CommonFlags& flags) {
  if (!flags.progress.empty()) keep_progress_file(flags.progress);
  const Device device = device_from_name(flags.device);
  if (device.kind != Device::Kind::cpu && !flags.runs_on_gpu)
    throw Error(ErrorKind::device, "--device: '" + flags.device +
                                       "' is there, but this command runs on the CPU alone; for a "
                                       "GPU there is " +
                                       flags.gpu_elsewhere + "; use cpu");
  apply_isa_environment();
  if (!flags.isa.empty()) set_isa(flags.isa);
  if (flags.threads) set_num_threads(flags.threads);
  choose_gemm(flags, device);
  if (flags.verbose) tell_machine(device);
  return device;
}

std::string given_again(const CommonFlags& flags) {
  const CommonFlags usual;
  const char* named = std::getenv(data_variable);
  std::string words;
  if (flags.device != usual.device) words += " --device " + flags.device;
  if (flags.gemm != usual.gemm) words += " --gemm " + flags.gemm;
  if (flags.data != (named && *named ? named : usual.data))
    words += " --data " + shell_quoted(flags.data);
  return words;
}

LoadedModel loaded_model_of(const std::string& name_or_file) {
  if (std::filesystem::exists(name_or_file)) return load_model(name_or_file);
  Generator generator(1);
  LoadedModel loaded;
  loaded.config = named_config(name_or_file);
  loaded.dtype = dtype_name(DType::f32);
  loaded.model = std::make_unique<VisionTransformer>(loaded.config, generator);
  loaded.model->eval();
  loaded.graph = capture(*loaded.model);
  return loaded;
}

void check_fp32(const LoadedModel& loaded, const std::string& name_or_file) {
  if (!loaded.model)
    file_error(name_or_file, "holds " + described(loaded) + "; this takes the fp32 model");
}

std::string described(const LoadedModel& loaded) {
  return "a model in " + (loaded.dtype == "int8" ? "whole numbers" : loaded.dtype);
}

std::unique_ptr<VisionTransformer> model_of(const std::string& name_or_file) {
  LoadedModel loaded = loaded_model_of(name_or_file);
  check_fp32(loaded, name_or_file);
  return std::move(loaded.model);
}

std::string shell_quoted(const std::string& word) {
  constexpr const char* plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,%@";
  if (!word.empty() && word.find_first_not_of(plain) == word.npos) return word;
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace espalier::app
