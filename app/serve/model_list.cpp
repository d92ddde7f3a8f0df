#include "app/serve/model_list.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "app/serve/run_results.h"
#include "engine/error.h"
#include "engine/io/json.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

constexpr const char* ending = ".safetensors";

// The header of a safetensors file: all that is told of a model is in it, and it is short.
Json header_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  unsigned char length_bytes[8];
  if (!file.read(reinterpret_cast<char*>(length_bytes), sizeof length_bytes)) return {};
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | length_bytes[i];
  if (length == 0 || length > (1 << 20)) return {};
  std::string text(length, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(length))) return {};
  return json_or_null(text);
}

// What load_model() calls a file's dtype, from the header alone; empty for another kind of file.
std::string dtype_of(const Json& header, const std::string& kind) {
  for (const char* dtype : {"int8", "w8", "w4", "dynamic"})
    if (kind == std::string(dtype) + " model") return dtype;
  if (kind != "model") return "";
  for (const auto& [name, tensor] : header.items())
    if (tensor.is_object() && tensor.contains("dtype")) {
      if (tensor["dtype"] == "F16") return "f16";
      if (tensor["dtype"] == "BF16") return "bf16";
    }
  return "f32";
}

Json read_about(const std::string& path) try {
  const Json header = header_of(path);
  if (!header.is_object() || !header.contains("__metadata__")) return {};
  const Json& metadata = header["__metadata__"];
  const std::string dtype = dtype_of(header, metadata.value(kind_key, ""));
  if (dtype.empty() || !metadata.contains(config_key)) return {};
  const ViTConfig config = vit_config_from_json(metadata.at(config_key).get<std::string>(), path);
  Json about = {{"parameters", config.parameter_count()},
                {"dtype", dtype},
                {"fp32", dtype == "f32"},
                {"accuracy", nullptr},
                {"half_interval_95", nullptr},
                {"accuracy_of", nullptr}};
  if (const std::string share = metadata.value("espalier.validation_accuracy", "");
      !share.empty()) {
    about["accuracy"] = std::stod(share);
    about["accuracy_of"] = "validation";
  }
  about["config"] = Json::parse(to_json(config));
  return about;
} catch (const std::exception&) {
  return {};  // a damaged file is no model to offer
}

bool is_artefact(const RunFile& file) {
  if (!file.name.ends_with(ending) || file.name == "stage-pruned.safetensors") return false;
  const size_t slash = file.name.find('/');
  return slash == file.name.npos || file.name == "checkpoints/best.safetensors" ||
         (file.name.find('/', slash + 1) == file.name.npos &&
          (file.name.starts_with("candidates/") || file.name.starts_with("artefacts/")));
}

std::string without_ending(const std::string& name) {
  return name.substr(0, name.size() - std::string_view(ending).size());
}

std::string id_of(std::string name) {
  std::replace(name.begin(), name.end(), '/', ':');
  return name;
}

std::vector<ListedModel> built_in_models() {
  std::vector<ListedModel> out;
  for (std::string_view name : model_names()) {
    const ViTConfig config = named_config(name);
    ListedModel model{.id = std::string(name), .name = std::string(name), .source = "built-in"};
    model.about = Json{{"parameters", config.parameter_count()},
                       {"dtype", "f32"},
                       {"fp32", false},  // random weights: nothing to compress
                       {"accuracy", nullptr},
                       {"half_interval_95", nullptr},
                       {"accuracy_of", nullptr},
                       {"config", Json::parse(to_json(config))}}
                      .dump();
    out.push_back(std::move(model));
  }
  return out;
}

Json json_of(const ListedModel& model) {
  const auto text = [](const std::string& value) { return value.empty() ? Json() : Json(value); };
  Json json = {{"id", model.id},
               {"name", model.name},
               {"kind", model.path.empty() ? "built-in" : "file"},
               {"source", model.source},
               {"run", text(model.run)},
               {"path", text(model.path)},
               {"bytes", model.path.empty() ? Json() : Json(model.bytes)},
               {"modified", model.path.empty() ? Json() : Json(model.modified)}};
  json.update(Json::parse(model.about));
  return json;
}

}  // namespace

std::string ModelList::about_file(const std::string& path, int64_t bytes, double modified) {
  const std::string stamp = std::to_string(bytes) + " " + std::to_string(modified);
  const std::lock_guard lock(mutex_);
  auto& [known, about] = known_[path];
  if (known != stamp) {
    const Json json = read_about(path);
    about = json.is_null() ? "" : json.dump();
    known = stamp;
  }
  return about;
}

std::vector<ListedModel> ModelList::of_run(const RunFolder& run) {
  std::vector<ListedModel> out;
  const auto tested = tested_accuracies(run);
  for (const RunFile& file : files_of(run.path)) {
    if (!is_artefact(file)) continue;
    ListedModel model{.id = run.id + ":" + id_of(without_ending(file.name)),
                      .name = without_ending(std::filesystem::path(file.name).filename().string()),
                      .source = "run",
                      .run = run.id,
                      .path = run.path + "/" + file.name,
                      .bytes = file.bytes,
                      .modified = file.modified};
    model.about = about_file(model.path, file.bytes, file.modified);
    if (model.about.empty()) continue;
    if (const auto found = tested.find(model.name); found != tested.end()) {
      Json about = Json::parse(model.about);
      about["accuracy"] = found->second.accuracy;
      about["half_interval_95"] = found->second.half_interval;
      about["accuracy_of"] = "test";
      model.about = about.dump();
    }
    out.push_back(std::move(model));
  }
  return out;
}

std::vector<ListedModel> ModelList::all() {
  std::vector<ListedModel> out;
  for (const RunFolder& run : find_runs(runs_))
    for (ListedModel& model : of_run(run)) out.push_back(std::move(model));
  for (const RunFile& file : files_of(models_)) {
    if (!file.name.ends_with(ending) || file.name.find('/') != file.name.npos) continue;
    const std::string name = without_ending(file.name);
    ListedModel model{.id = "models/" + name,  // no run's id has a slash
                      .name = name,
                      .source = "models",
                      .run = "",
                      .path = models_ + "/" + file.name,
                      .bytes = file.bytes,
                      .modified = file.modified};
    model.about = about_file(model.path, file.bytes, file.modified);
    if (!model.about.empty()) out.push_back(std::move(model));
  }
  for (ListedModel& model : built_in_models()) out.push_back(std::move(model));
  return out;
}

std::optional<ListedModel> ModelList::find(const std::string& id) {
  for (ListedModel& model : all())
    if (model.id == id) return std::move(model);
  return std::nullopt;
}

ModelLookup ModelList::lookup() {
  return [this](const std::string& id) -> std::optional<NamedModel> {
    const auto found = find(id);
    if (!found) return std::nullopt;
    const std::string argument = found->path.empty() ? found->name : found->path;
    const std::string title = found->run.empty() ? found->name : found->name + " of " + found->run;
    return NamedModel{argument, title, Json::parse(found->about)["fp32"].get<bool>()};
  };
}

std::string ModelList::json() {
  Json listed = Json::array();
  for (const ListedModel& model : all()) listed.push_back(json_of(model));
  return lossy_dump(Json{{"models", listed}});
}

}  // namespace espalier::app
