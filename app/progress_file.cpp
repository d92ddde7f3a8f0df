#include "app/progress_file.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "app/progress.h"
#include "engine/io/file.h"
#include "engine/io/json.h"

namespace espalier::app {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A training step's seconds before any was seen: only to weigh stages against each other.
constexpr double usual_step = 0.05;

class ProgressFile {
 public:
  explicit ProgressFile(std::string path) : path_(std::move(path)) { write(); }

  void expect(std::vector<ExpectedStage> stages) { stages_ = std::move(stages); }

  void begin(const std::string& name) {
    size_t next = started_ ? stage_ + 1 : 0;
    while (next < stages_.size() && !name.starts_with(stages_[next].name)) ++next;
    if (next >= stages_.size()) {
      next = started_ ? stage_ + 1 : 0;
      stages_.insert(stages_.begin() + static_cast<std::ptrdiff_t>(next), {name});
    }
    stage_ = next;
    stages_[stage_].name = name;
    started_ = true;
    stage_start_ = Clock::now();
    done_ = total_ = 0;
    first_ = -1;
    text_.clear();
    write();
  }

  void note(long done, long total, const std::string& text) {
    if (!started_) begin("");
    if (first_ < 0) {
      first_ = done;
      first_time_ = Clock::now();
    }
    done_ = done;
    total_ = total;
    text_ = text;
    stages_[stage_].steps = static_cast<double>(total);
    if (seconds_since(written_) > 0.35) write();
  }

  void note(const std::string& text) {
    text_ = text;
    write();
  }

  // Also where an error is being told: one that came from here would end the process.
  void end(int code, const std::string& error) noexcept try {
    Json json = as_json();
    json["state"] = code == 130 ? "interrupted" : code == 0 || code == 4 ? "done" : "failed";
    json["code"] = code;
    json["error"] = error.empty() ? Json() : Json(error);
    json["seconds_left"] = code == 130 ? Json() : Json(0);
    if (code == 0 || code == 4) json["share"] = 1;
    write_atomically(path_, lossy_dump(json) + "\n");
  } catch (...) {
    // Let go, as what write() cannot write.
  }

 private:
  // Of a training step of weight 1: as fast as the present stage or, before its fifth, as the last.
  double step_seconds() const {
    const long here = first_ < 0 ? 0 : done_ - first_;
    if (here < 5) return known_step_;
    return seconds_since(first_time_) / static_cast<double>(here) / stages_[stage_].weight;
  }

  static double expected(const ExpectedStage& stage, double step) {
    return stage.seconds + stage.steps * stage.weight * (step > 0 ? step : usual_step);
  }

  // Of the present stage.
  double share_done(double step) const {
    if (total_ > 0) return static_cast<double>(done_) / static_cast<double>(total_);
    const double whole = expected(stages_[stage_], step);
    return whole > 0 ? std::min(1.0, seconds_since(stage_start_) / whole) : 0;
  }

  Json as_json() const {
    Json json = {{"state", "running"}, {"pid", getpid()}, {"updated", wall_clock()}};
    json["code"] = json["error"] = nullptr;
    if (!started_) return json;
    const double step = step_seconds();  // once: it changes with each look at the clock
    double before = 0, all = 0, steps = 0;
    for (size_t i = 0; i < stages_.size(); ++i) {
      all += expected(stages_[i], step);
      if (i < stage_) before += expected(stages_[i], step);
      if (i >= stage_) steps += stages_[i].steps;
    }
    const double here = expected(stages_[stage_], step) * share_done(step);
    json["stage"] = stages_[stage_].name;
    json["stage_number"] = stage_ + 1;
    json["stages"] = stages_.size();
    json["done"] = done_;
    json["total"] = total_ > 0 ? Json(total_) : Json();
    json["unit"] = "steps";
    json["share"] = all > 0 ? Json((before + here) / all) : Json();
    // A guess at a step's time is no ground for one at what is left.
    json["seconds_left"] =
        all > 0 && (steps == 0 || step > 0) ? Json(std::max(0.0, all - before - here)) : Json();
    json["text"] = text_;
    return json;
  }

  void write() {
    if (const double step = step_seconds(); step > 0) known_step_ = step;
    written_ = Clock::now();
    const std::string draft = path_ + ".new";
    {
      std::ofstream file(draft, std::ios::trunc);
      file << lossy_dump(as_json()) << '\n';
      if (!file.flush()) return;
    }
    std::error_code error;
    std::filesystem::rename(draft, path_, error);
  }

  const std::string path_;
  std::vector<ExpectedStage> stages_{};
  size_t stage_ = 0;
  bool started_ = false;
  long done_ = 0, total_ = 0;
  long first_ = -1;  // where this process began in the present stage, once it took a step
  Clock::time_point first_time_{};
  double known_step_ = 0;
  std::string text_{};
  Clock::time_point stage_start_ = Clock::now(), written_{};
};

std::unique_ptr<ProgressFile> file;

}  // namespace

void keep_progress_file(const std::string& path) { file = std::make_unique<ProgressFile>(path); }

void expect_stages(std::vector<ExpectedStage> stages) {
  if (file) file->expect(std::move(stages));
}

void begin_stage(const std::string& name) {
  if (file) file->begin(name);
}

void note_progress(long done, long total, const std::string& text) {
  if (file) file->note(done, total, text);
}

void note_progress(const std::string& text) {
  if (file) file->note(text);
}

void end_progress(int code, const std::string& error) {
  if (file) file->end(code, error);
}

}  // namespace espalier::app
