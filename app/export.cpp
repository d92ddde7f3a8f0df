#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/command.h"
#include "engine/error.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

struct ExportFlags : CommonFlags {
  std::string model, onnx, safetensors;
};

void say(const std::string& file, const std::string& what) {
  std::printf("%s: %s\n", file.c_str(), what.c_str());
}

// What an export misses, an older compress did not write.
OnnxModel onnx_of(const std::string& file, const LoadedModel& loaded) {
  try {
    return onnx_model(loaded);
  } catch (const Error& error) {
    file_error(file, error.what());
  }
}

int run(const ExportFlags& flags) {
  const LoadedModel loaded = loaded_model_of(flags.model);
  const std::string parameters = std::to_string(loaded.config.parameter_count()) + " parameters";
  if (!flags.safetensors.empty()) check_fp32(loaded, flags.model);
  if (!flags.onnx.empty()) {
    const OnnxModel onnx = onnx_of(flags.model, loaded);
    save_onnx(flags.onnx, onnx);
    say(flags.onnx, std::to_string(onnx.nodes.size()) + " nodes, " + parameters);
  }
  if (!flags.safetensors.empty()) {
    save_model(flags.safetensors, *loaded.model);
    say(flags.safetensors, parameters);
  }
  return done;
}

}  // namespace

void add_export(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App* verb = app.add_subcommand("export", "Write a model for other programs");
  verb->add_option("model", flags->model,
                   "Model file or checkpoint, or vit-tiny, vit-fashion, vit-peer: a built-in model "
                   "with random weights, always the same")
      ->required();
  verb->add_option("--onnx", flags->onnx,
                   "Write an ONNX model (operator set 17): images [N, H, W, C], normalised as its "
                   "metadata say, to logits [N, classes]; of an int8 model in QDQ form, integer "
                   "products between QuantizeLinear and DequantizeLinear");
  verb->add_option("--safetensors", flags->safetensors,
                   "Write a model file: the weights alone, of a checkpoint the averaged ones");
  verb->callback([flags, &chosen] {
    if (flags->onnx.empty() && flags->safetensors.empty())
      throw CLI::ValidationError("export", "give --onnx FILE or --safetensors FILE");
    chosen = [flags] { return run(*flags); };
  });
}

}  // namespace espalier::app
