#include <cstdio>

#include "app/command.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

struct ExportFlags : CommonFlags {
  std::string model, onnx, safetensors;
};

void say(const std::string& file, const std::string& what) {
  std::printf("%s: %s\n", file.c_str(), what.c_str());
}

int run(const ExportFlags& flags) {
  const auto model = model_of(flags.model);
  const std::string parameters = std::to_string(model->parameter_count()) + " parameters";
  if (!flags.onnx.empty()) {
    const OnnxModel onnx = onnx_model(*model);
    save_onnx(flags.onnx, onnx);
    say(flags.onnx, std::to_string(onnx.nodes.size()) + " nodes, " + parameters);
  }
  if (!flags.safetensors.empty()) {
    save_model(flags.safetensors, *model);
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
                   "Write an ONNX model (operator set 17, f32): images [N, H, W, C], normalised as "
                   "its metadata say, to logits [N, classes]");
  verb->add_option("--safetensors", flags->safetensors,
                   "Write a model file: the weights alone, of a checkpoint the averaged ones");
  verb->callback([flags, &chosen] {
    if (flags->onnx.empty() && flags->safetensors.empty())
      throw CLI::ValidationError("export", "give --onnx FILE or --safetensors FILE");
    chosen = [flags] { return run(*flags); };
  });
}

}  // namespace espalier::app
