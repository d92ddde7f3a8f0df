#include <cstdio>

#include "app/command.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"

namespace espalier::app {
namespace {

struct InspectFlags : CommonFlags {
  std::string file;
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

int run(const InspectFlags& flags) {
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
  add_json_flag(*verb, *flags);
  verb->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
