#include "app/run_folder.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "app/version.h"
#include "bench/plot.h"
#include "bench/png.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

namespace fs = std::filesystem;

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::vector<Json> read_metrics(const std::string& path) {
  std::vector<Json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    // A run that was killed may have left half a line at the end.
    if (const Json json = Json::parse(line, nullptr, false); json.is_object())
      lines.push_back(json);
  return lines;
}

// A running mean over about a fiftieth of the run, which the eye can follow.
std::vector<double> smoothed(const std::vector<double>& values) {
  const double keep = 1 - 1 / std::max(1.0, static_cast<double>(values.size()) / 50);
  std::vector<double> out;
  double mean = 0, weight = 0;
  for (double value : values) {
    mean = keep * mean + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    out.push_back(mean / weight);
  }
  return out;
}

struct Curves {
  bench::Series step_loss{.name = "training, each step"}, smooth{.name = "training, running mean"};
  bench::Series validation_loss{.name = "validation", .points = true};
  bench::Series accuracy{.name = "validation", .points = true};
};

Curves curves_of(const std::vector<Json>& metrics) {
  Curves curves;
  for (const Json& line : metrics) {
    if (line.contains("validation_accuracy")) {
      curves.validation_loss.x.push_back(line["step"]);
      curves.validation_loss.y.push_back(line["validation_loss"]);
      curves.accuracy.x.push_back(line["epoch"].get<double>() + 1);
      curves.accuracy.y.push_back(100 * line["validation_accuracy"].get<double>());
    } else if (line.contains("loss")) {
      curves.step_loss.x.push_back(line["step"]);
      curves.step_loss.y.push_back(line["loss"]);
    }
  }
  curves.smooth.x = curves.step_loss.x;
  curves.smooth.y = smoothed(curves.step_loss.y);
  return curves;
}

void draw_plots(const std::string& folder, const TrainConfig& config, const Curves& curves) {
  bench::Chart loss{.title = config.model.name + ": loss",
                    .x = {.label = "optimiser step"},
                    .y = {.label = "cross-entropy (nats)"},
                    .series = {curves.step_loss, curves.smooth}};
  if (!curves.validation_loss.x.empty()) loss.series.push_back(curves.validation_loss);
  bench::save_png(draw(loss), folder + "/plots/loss.png");
  if (curves.accuracy.x.empty()) return;
  bench::save_png(draw(bench::Chart{.title = config.model.name + ": accuracy on the held-out split",
                                    .x = {.label = "epoch", .whole = true},
                                    .y = {.label = "accuracy (%)"},
                                    .series = {curves.accuracy}}),
                  folder + "/plots/accuracy.png");
}

// A row for each epoch, with what the images that were held out say of it, where there were any.
std::string epoch_table(const std::vector<Json>& metrics, bool validated) {
  std::string text = validated
                         ? "| epoch | training loss | validation loss | validation accuracy | "
                           "seconds |\n|---|---|---|---|---|\n"
                         : "| epoch | training loss | seconds |\n|---|---|---|\n";
  for (const Json& line : metrics) {
    if (!line.contains(validated ? "validation_accuracy" : "train_loss")) continue;
    char row[160], validation[64] = "";
    if (validated)
      std::snprintf(validation, sizeof validation, " %.4f | %.2f %% |",
                    line["validation_loss"].get<double>(),
                    100 * line["validation_accuracy"].get<double>());
    std::snprintf(row, sizeof row, "| %lld | %.4f |%s %.1f |\n",
                  static_cast<long long>(line["epoch"].get<int64_t>() + 1),
                  line["train_loss"].get<double>(), validation, line["seconds"].get<double>());
    text += row;
  }
  return text;
}

}  // namespace

std::string environment_json() {
  apply_isa_environment();
  return Json{{"cpu", cpu_name()},    {"isa", isa_name(isa_limit())}, {"threads", num_threads()},
              {"compiler", compiler}, {"version", version},           {"commit", commit}}
      .dump(2);
}

std::string default_run_dir(const std::string& name) {
  char stamp[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", std::localtime(&now));
  return "runs/" + name + "-" + stamp;
}

void create_run_folder(const std::string& folder, const std::string& config) {
  std::error_code error;
  if (fs::exists(folder + "/config.json", error))
    file_error(folder, "holds a run already; continue it with --resume " + folder +
                           " or choose another --run-dir");
  make_folder(folder + "/checkpoints");
  make_folder(folder + "/plots");
  write_atomically(folder + "/config.json", config + "\n");
  write_atomically(folder + "/env.json", environment_json() + "\n");
}

void create_result_folder(const std::string& folder, const std::string& result) {
  std::error_code error;
  if (fs::exists(folder + "/" + result, error))
    file_error(folder, "holds a " + result + " already; choose another --run-dir");
  make_folder(folder);
  write_atomically(folder + "/env.json", environment_json() + "\n");
}

MetricsFile::MetricsFile(const std::string& folder, int64_t step)
    : path_(folder + "/metrics.jsonl"), file_(nullptr) {
  std::string kept;
  for (const Json& line : read_metrics(path_))
    if (line.contains("step") && line["step"].get<int64_t>() <= step) kept += line.dump() + "\n";
  write_atomically(path_, kept);
  file_ = std::fopen(path_.c_str(), "a");
  if (!file_) file_error(path_, std::string("cannot open: ") + std::strerror(errno));
}

MetricsFile::~MetricsFile() { std::fclose(file_); }

void MetricsFile::write(const std::string& line) {
  if (std::fputs((line + "\n").c_str(), file_) < 0 || std::fflush(file_) != 0)
    file_error(path_, std::string("cannot write: ") + std::strerror(errno));
}

void MetricsFile::add(const StepReport& r) {
  Json line = {{"step", r.step},           {"epoch", r.epoch},
               {"loss", r.loss},           {"learning_rate", r.learning_rate},
               {"grad_norm", r.grad_norm}, {"images_per_second", r.images_per_second}};
  if (r.loss_scale) line.update({{"loss_scale", *r.loss_scale}, {"skipped", r.skipped}});
  write(line.dump());
}

void MetricsFile::add(const EpochReport& r) {
  Json line = {{"step", r.step}, {"epoch", r.epoch}, {"train_loss", r.train_loss}};
  if (r.validation)
    line.update({{"validation_loss", r.validation->loss},
                 {"validation_accuracy", r.validation->accuracy()}});
  line["seconds"] = r.seconds;
  write(line.dump());
}

void write_report(const std::string& folder, const TrainConfig& config) {
  const std::vector<Json> metrics = read_metrics(folder + "/metrics.jsonl");
  const Curves curves = curves_of(metrics);
  draw_plots(folder, config, curves);
  std::string text = "# Training " + config.model.name + "\n\n";
  text += epoch_table(metrics, config.validation > 0) + "\n![loss](plots/loss.png)\n\n";
  if (!curves.accuracy.x.empty()) text += "![accuracy](plots/accuracy.png)\n\n";
  text += "Measured on:\n\n```json\n" + read_text(folder + "/env.json") +
          "```\n\nSettings:\n\n```json\n" + to_json(config) + "\n```\n";
  write_atomically(folder + "/report.md", text);
}

}  // namespace espalier::app
