// A compression, stage by stage: prune, recover, quantise, in this order, each with a training
// where one is asked for.
#pragma once

#include "app/command.h"
#include "compress/compress_config.h"
#include "nn/data/dataset.h"
#include "nn/model_file.h"

namespace espalier::app {

struct CompressRun {
  CompressConfig config;
  std::string data;     // folder with the data set
  std::string run_dir;  // of the trainings; what is in it is taken up
  bool quiet = false;
  Device device{};            // where models train; all else is done on the CPU
  std::string given_again{};  // " --device cuda", for the command that takes the run up
  std::string resume_dir{};   // what --resume takes, where it is not run_dir

  std::string resume_command() const {
    return "espalier compress --resume " + shell_quoted(resume_dir.empty() ? run_dir : resume_dir) +
           given_again;
  }
};

// The names that progress has for the parts of a compression.
std::string recover_stage(const std::string& model);
std::string qat_stage(const std::string& model);
constexpr const char* measuring_stage = "measuring on the test images";

// Steps of a training of `config`, as far as they can be told before the data set is read.
double expected_steps(const TrainConfig& config);

// In run_dir: what channels were left, which a measured target would not give twice.
constexpr const char* pruned_file = "/stage-pruned.safetensors";

// calibration_of() the training images in folder `data`.
ImageDataset calibration_images(const CompressConfig& config, const std::string& data);

// Trains what pruning has left, in run.run_dir/<name>, as the options say; null where an interrupt
// ended it.
std::unique_ptr<VisionTransformer> recover(const CompressRun& run, const LoadedModel& original,
                                           const VisionTransformer& pruned,
                                           const std::string& name);

// Throws the errors that a run would else meet after its trainings: where config.output cannot be
// written, or config.rewind is no earlier state of `original`.
void check_files(const CompressConfig& config, const LoadedModel& original);

// Writes config.output from `original`, an fp32 model. False where an interrupt ended a training:
// the same call goes on from there.
bool compress(const CompressRun& run, const LoadedModel& original);

}  // namespace espalier::app
