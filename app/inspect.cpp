#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/command.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

struct InspectFlags : CommonFlags {
  std::string file;
  bool graph = false;
  int64_t batch = 1;
};

size_t bytes_of(const Tensor& tensor) {
  return static_cast<size_t>(tensor.numel()) * dtype_size(tensor.dtype());
}

Json as_json(const TensorFile& file) {
  Json tensors = Json::array();
  for (const auto& [name, tensor] : file.tensors)
    tensors.push_back(
        {{"name", name},
         {"dtype", dtype_name(tensor.dtype())},
         {"shape", std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end())},
         {"bytes", bytes_of(tensor)}});
  return {{"metadata", file.metadata}, {"tensors", tensors}};
}

void print_text(const TensorFile& file, bool quiet) {
  for (const auto& [key, value] : file.metadata)
    std::printf("%s: %s\n", key.c_str(), value.c_str());
  int64_t elements = 0;
  size_t bytes = 0;
  for (const auto& [name, tensor] : file.tensors) {
    elements += tensor.numel();
    bytes += bytes_of(tensor);
    if (!quiet)
      std::printf("  %-40s %-5s %s\n", name.c_str(), dtype_name(tensor.dtype()),
                  tensor.shape().str().c_str());
  }
  std::printf("%zu tensors, %lld elements, %.2f MB\n", file.tensors.size(),
              static_cast<long long>(elements), static_cast<double>(bytes) * 1e-6);
}

// The operations of the model in the file, in order, and what they cost.
struct ModelGraph {
  Graph graph;
  int64_t batch;

  explicit ModelGraph(const InspectFlags& flags) : batch(flags.batch) {
    graph = load_model(flags.file).graph;
  }
  const Graph::Value& output(const Graph::Node& node) const {
    return graph.values[static_cast<size_t>(node.output)];
  }
};

void print_graph(const ModelGraph& model) {
  std::printf("%-24s %-14s %-20s %10s %10s %10s\n", "layer", "operation", "output", "MFLOP",
              "KB read", "KB written");
  NodeCost total;
  for (const Graph::Node& node : model.graph.nodes) {
    const NodeCost cost = cost_of(model.graph, node, model.batch);
    std::printf("%-24s %-14s %-20s %10.3f %10.1f %10.1f\n", node.layer.c_str(), node.op->name,
                shape_at(model.output(node).shape, model.batch).str().c_str(),
                static_cast<double>(cost.flops) * 1e-6, static_cast<double>(cost.bytes_read) * 1e-3,
                static_cast<double>(cost.bytes_written) * 1e-3);
    total.flops += cost.flops;
    total.bytes_read += cost.bytes_read;
    total.bytes_written += cost.bytes_written;
  }
  std::printf("%zu operations at batch %lld: %.3f MFLOP, %.1f KB read, %.1f KB written\n",
              model.graph.nodes.size(), static_cast<long long>(model.batch),
              static_cast<double>(total.flops) * 1e-6, static_cast<double>(total.bytes_read) * 1e-3,
              static_cast<double>(total.bytes_written) * 1e-3);
}

Json as_json(const ModelGraph& model) {
  Json operations = Json::array();
  for (const Graph::Node& node : model.graph.nodes) {
    const NodeCost cost = cost_of(model.graph, node, model.batch);
    const Shape shape = shape_at(model.output(node).shape, model.batch);
    operations.push_back({{"layer", node.layer},
                          {"operation", node.op->name},
                          {"output", std::vector<int64_t>(shape.begin(), shape.end())},
                          {"flops", cost.flops},
                          {"bytes_read", cost.bytes_read},
                          {"bytes_written", cost.bytes_written}});
  }
  return {{"batch", model.batch}, {"operations", operations}};
}

int run_graph(const InspectFlags& flags) {
  const ModelGraph model(flags);
  if (flags.json)
    std::printf("%s\n", as_json(model).dump(2).c_str());
  else
    print_graph(model);
  return done;
}

int run(const InspectFlags& flags) {
  if (flags.graph) return run_graph(flags);
  const TensorFile file = load_safetensors(flags.file);
  if (flags.json)
    std::printf("%s\n", as_json(file).dump(2).c_str());
  else
    print_text(file, flags.quiet);
  return done;
}

}  // namespace

void add_inspect(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* verb = app.add_subcommand("inspect", "Show what a .safetensors file holds");
  verb->add_option("file", flags->file, "Model file, checkpoint or any .safetensors file")
      ->required();
  verb->add_flag("-q,--quiet", flags->quiet, "Leave out the list of tensors");
  CLI::Option* graph = verb->add_flag("--graph", flags->graph,
                                      "Show the model's operations, their FLOPs and bytes instead");
  verb->add_option("-b,--batch", flags->batch, "Images that --graph counts for")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str()
      ->needs(graph);
  add_json_flag(*verb, *flags);
  verb->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
