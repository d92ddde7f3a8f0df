#include "app/compress_stages.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "app/training_run.h"
#include "compress/latency.h"
#include "compress/qat.h"
#include "engine/io/file.h"
#include "engine/io/json.h"

namespace espalier::app {
namespace {

// One more module with the weights of `graph`, a capture of a model of `config`.
std::unique_ptr<VisionTransformer> module_of(const ViTConfig& config, const Graph& graph) {
  Generator unused;
  auto module = std::make_unique<VisionTransformer>(config, unused);
  NamedTensors weights;
  for (const Graph::Value& value : graph.values)
    if (value.constant.defined() && !value.name.empty())
      weights.emplace_back(value.name, value.constant.detach());
  module->load_state_dict(weights);
  return module;
}

std::unique_ptr<VisionTransformer> load_fp32(const std::string& path) {
  LoadedModel loaded = load_model(path);
  check_fp32(loaded, path);
  return std::move(loaded.model);
}

// The weights that what is left goes back to; null without a rewind.
std::unique_ptr<VisionTransformer> earlier_state(const CompressConfig& config,
                                                 const ViTConfig& model) {
  if (config.rewind.empty()) return nullptr;
  auto earlier =
      config.rewind == "init" ? initial_model(model, config.seed) : load_fp32(config.rewind);
  earlier->eval();
  return earlier;
}

// Trains in run_dir/<name>; the path of the best checkpoint, or none where it was interrupted.
std::string train_stage(const CompressRun& run, const LoadedModel& original,
                        const std::string& name, const TrainConfig& training,
                        const std::string& what, TrainerParts parts) {
  const std::string folder = run.run_dir + "/" + name;
  // What was killed before its first checkpoint has nothing to take up.
  if (!std::filesystem::exists(folder + "/checkpoints/last.safetensors"))
    std::filesystem::remove_all(folder);
  if (run.config.distillation > 0) parts.teachers = {original.graph};
  parts.device = run.device;
  const TrainingResult result =
      run_training({.config = training,
                    .folder = folder,
                    .what = what,
                    .resume_command = run.resume_command(),
                    .resume = std::filesystem::exists(folder + "/checkpoints/last.safetensors"),
                    .quiet = run.quiet,
                    .parts = std::move(parts)},
                   load_training_data(training, run.data));
  return result.finished ? result.best : std::string();
}

class Stages {
 public:
  Stages(const CompressRun& run, const LoadedModel& original)
      : run_(run), config_(run.config), original_(original), model_(original.model.get()) {}

  bool run() {
    const bool gradual = config_.schedule == "cubic";
    if (prunes(config_) && !gradual) prune();
    if (config_.recover_epochs > 0 && !recover()) return false;
    if (config_.dtype == "int8") return quantise();
    if (const auto codes = weight_codes_of(config_)) {
      const Graph graph = capture(*model_);
      save_coded_model(config_.output, model_->config, graph, weight_only(graph, *codes),
                       config_.dtype, codes->group_size, notes_);
      return true;
    }
    save_model(config_.output, *model_, notes_, stored_in(config_));
    return true;
  }

 private:
  const ImageDataset& images() {
    if (!calibration_.images.defined()) calibration_ = calibration_images(config_, run_.data);
    return calibration_;
  }

  void keep(std::unique_ptr<VisionTransformer> model) {
    owned_ = std::move(model);
    model_ = owned_.get();
  }

  void prune() {
    notes_["espalier.pruned"] = pruning_text(config_);
    const std::string kept = run_.run_dir + pruned_file;
    const bool trains = config_.recover_epochs > 0 || config_.qat_epochs > 0;
    if (trains && std::filesystem::exists(kept)) {
      keep(std::move(load_model(kept).model));
    } else {
      keep(pruned());
      if (trains) {
        std::filesystem::create_directories(run_.run_dir);
        save_model(kept, *model_);
      }
    }
  }

  std::unique_ptr<VisionTransformer> pruned() {
    const auto earlier = earlier_state(config_, model_->config);
    if (leaves_zeros(config_)) {
      SparseOptions how = zeros_of(config_);
      how.rewind = earlier.get();
      return sparsify(*model_, how);
    }
    PruneOptions how = how_pruned();
    how.rewind = earlier.get();
    return prune_model(*model_, how, samples()).model;
  }

  // What recovery trains of a model.
  std::unique_ptr<Trainable> trainable(std::unique_ptr<VisionTransformer> model) const {
    if (leaves_zeros(config_)) return std::make_unique<SparseModel>(std::move(model));
    return std::make_unique<Trainable>(std::move(model));
  }

  ImageDataset samples() { return config_.importance == "taylor" ? images() : ImageDataset{}; }

  PruneOptions how_pruned() const {
    PruneOptions how = pruning_of(config_);
    if (how.target == "latency")
      how.latency = relative_latency(original_.config,
                                     {.batch = config_.latency_batch, .dtype = config_.dtype});
    return how;
  }

  bool recover() {
    const ViTConfig shape = model_->config;
    const Graph graph = capture(*model_);
    TrainerParts parts{.form = [&] { return trainable(module_of(shape, graph)); }};
    if (config_.schedule == "cubic") {
      notes_["espalier.pruned"] = pruning_text(config_);
      parts.shrinking =
          leaves_zeros(config_)
              ? gradual_zeros(zeros_of(config_), schedule_of(config_))
              : gradual_pruning(*model_, how_pruned(), schedule_of(config_), samples());
    }
    const std::string best = train_stage(run_, original_, "recover", recover_config(config_, shape),
                                         recover_stage(shape.name), std::move(parts));
    if (best.empty()) return false;
    keep(std::move(load_model(best).model));
    notes_["espalier.recover_epochs"] = std::to_string(config_.recover_epochs);
    return true;
  }

  bool quantise() {
    const ViTConfig shape = model_->config;
    const Tensor inputs = normalized(images().images, shape);
    const QuantizeOptions how = quantization_of(config_);
    const IntegerModel made = quantize_model(capture(*model_), inputs, how);
    notes_["espalier.calibration_images"] = std::to_string(images().size());
    notes_["espalier.observer"] = config_.observer;
    if (how.equalize) notes_["espalier.equalize"] = Json(*how.equalize).dump();
    if (how.bias_correction) notes_["espalier.bias_correction"] = "true";
    if (!how.keep.empty()) notes_["espalier.kept"] = Json(how.keep).dump();
    if (config_.qat_epochs == 0) {
      save_int8_model(config_.output, shape, made.graph, made.parameters, notes_,
                      stored_in(config_));
      return true;
    }
    return train_rounded(shape, made);
  }

  bool train_rounded(const ViTConfig& shape, const IntegerModel& made) {
    notes_["espalier.qat_epochs"] = std::to_string(config_.qat_epochs);
    const std::string best = train_stage(
        run_, original_, "qat", qat_config(config_, shape), qat_stage(shape.name), {.form = [&] {
          return std::make_unique<QatModel>(module_of(shape, made.graph), made.scales,
                                            QatOptions{config_.learn_scales, notes_});
        }});
    if (best.empty()) return false;
    write_atomically(config_.output, {MappedFile(best).bytes()});
    return true;
  }

  const CompressRun& run_;
  const CompressConfig& config_;
  const LoadedModel& original_;
  const VisionTransformer* model_;  // what the stages so far have made, in evaluation mode
  std::unique_ptr<VisionTransformer> owned_;
  ImageDataset calibration_;
  std::map<std::string, std::string> notes_;  // for the metadata
};

}  // namespace

std::string recover_stage(const std::string& model) { return "training " + model + ", pruned"; }
std::string qat_stage(const std::string& model) {
  return "training " + model + " on its integer kernels";
}

double expected_steps(const TrainConfig& config) {
  constexpr int64_t images = 60'000;
  const int64_t all = (images - config.validation) / config.batch_size * config.epochs;
  return static_cast<double>(config.max_steps ? std::min(all, config.max_steps) : all);
}

ImageDataset calibration_images(const CompressConfig& config, const std::string& data) {
  return calibration_of(config, load_fashion_mnist(data, Split::train));
}

std::unique_ptr<VisionTransformer> recover(const CompressRun& run, const LoadedModel& original,
                                           const VisionTransformer& pruned,
                                           const std::string& name) {
  const Graph graph = capture(pruned);
  const std::string best = train_stage(
      run, original, name, recover_config(run.config, pruned.config), "training " + name,
      {.form = [&] { return std::make_unique<Trainable>(module_of(pruned.config, graph)); }});
  return best.empty() ? nullptr : std::move(load_model(best).model);
}

void check_files(const CompressConfig& config, const LoadedModel& original) {
  if (!config.output.empty()) check_writable(config.output);
  if (const auto earlier = earlier_state(config, original.config))
    check_rewind("compress", *original.model, *earlier);
}

bool compress(const CompressRun& run, const LoadedModel& original) {
  return Stages(run, original).run();
}

}  // namespace espalier::app
