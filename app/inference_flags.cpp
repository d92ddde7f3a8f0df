#include "app/inference_flags.h"

#include <CLI/CLI.hpp>

#include "engine/error.h"

namespace espalier::app {

void add_inference_flags(CLI::App& verb, InferenceFlags& flags) {
  add_machine_flags(verb, flags);
  verb.add_option(
          "--precision", flags.precision,
          "Of matrix products of a model in floats: f32, or bf16 with fp32 sums, or on a GPU "
          "f16 (default: f32; on the CPU bf16 where the file stores weights in it)")
      ->check(CLI::IsMember({precision_name(Precision::f32), precision_name(Precision::bf16),
                             precision_name(Precision::f16)}));
  verb.add_flag("--no-launch-graph", flags.no_launch_graph,
                "On a GPU, launch each kernel of a batch by itself rather than all as one CUDA "
                "Graph; the bits are the same");
}

Predictor predictor_of(const LoadedModel& model, const InferenceFlags& flags, Device device) {
  if (flags.precision.empty())
    return Predictor(model.graph, model.options, device, {.launch_graph = !flags.no_launch_graph});
  if (!model.model)
    argument_error("--precision", "model", described(model), "one in floats",
                   "leave it out: the file says what it multiplies");
  const Precision precision = precision_named("--precision", flags.precision);
  if (precision == Precision::f16 && !device.on_gpu())
    argument_error("--precision", "f16", "for --device cpu", "f32 or bf16 there",
                   "products in f16 run on a GPU alone, as with --device cuda");
  PlanOptions options = model.options;
  options.weights = precision == Precision::bf16 ? DType::bf16 : DType::f32;
  return Predictor(model.graph, options, device,
                   {.precision = precision, .launch_graph = !flags.no_launch_graph});
}

}  // namespace espalier::app
