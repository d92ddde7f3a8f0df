#include "app/learn_report.h"

#include <cstdio>

#include "cl/attribution.h"
#include "cl/form_choice.h"
#include "cl/plots.h"
#include "engine/io/file.h"
#include "engine/io/json.h"

namespace espalier::app {
namespace {

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", 100 * share);
  return text;
}

std::string kilobytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f kB", 1e-3 * static_cast<double>(bytes));
  return text;
}

// The last entry of metrics_over_tasks() in words.
std::string summary(const ContinualTrainer& trainer, const ContinualMetrics& m) {
  const Learner& learner = trainer.learner();
  const size_t learned = trainer.accuracy().size() - 1;
  std::string text = "After " + std::to_string(learned) + " of " +
                     std::to_string(learner.stream.tasks.size()) + " tasks, `" +
                     learner.config.network + "` names " + percent(m.average_accuracy) +
                     " % of the test images of what it learned";
  text += learner.stream.task_incremental ? ", told which task each comes from. "
                                          : ", among all classes. ";
  text += "Tasks lost " + percent(m.forgetting) + " points on average since they were known best";
  text += learner.memory ? ", with a memory of " + std::to_string(learner.memory->size()) +
                               " samples in " + kilobytes(learner.memory->bytes()) + ".\n"
                         : ", without a memory.\n";
  return text;
}

std::string matrix_table(const ContinualTrainer& trainer) {
  std::string text = "| after | ", line = "|---|";
  for (const Task& task : trainer.learner().stream.tasks) {
    text += task.name + " | ";
    line += "---:|";
  }
  text += "average of what was learned |\n" + line + "---:|\n";
  const AccuracyMatrix& accuracy = trainer.accuracy();
  for (size_t row = 0; row < accuracy.size(); ++row) {
    text += row == 0 ? "| nothing |" : "| task " + std::to_string(row) + " |";
    for (double share : accuracy[row]) text += " " + percent(share) + " |";
    double sum = 0;
    for (size_t t = 0; t < row; ++t) sum += accuracy[row][t];
    text += row == 0 ? " |\n" : " " + percent(sum / static_cast<double>(row)) + " |\n";
  }
  return text;
}

std::string metrics_table(const std::vector<ContinualMetrics>& over_tasks,
                          const std::vector<Ledger>& ledgers) {
  std::string text =
      "| after task | average accuracy | forgetting | backward transfer | forward transfer | "
      "memory | "
      "network | kept beside | rows | multiply-accumulates | seconds |\n"
      "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  for (size_t i = 0; i < over_tasks.size(); ++i) {
    const Ledger& cost = ledgers[i + 1];
    char row[96];
    std::snprintf(row, sizeof row, " %lld | %.3g | %.1f |\n", static_cast<long long>(cost.rows),
                  static_cast<double>(cost.multiply_accumulates), cost.seconds);
    text += "| " + std::to_string(i + 1) + " | " + percent(over_tasks[i].average_accuracy) + " | " +
            percent(over_tasks[i].forgetting) + " | " + percent(over_tasks[i].backward_transfer) +
            " | " + percent(over_tasks[i].forward_transfer) + " | " + kilobytes(cost.memory_bytes) +
            " | " + kilobytes(cost.model_bytes) + " | " + kilobytes(cost.method_bytes) + " |" + row;
  }
  return text;
}

// A probability, of which a double holds none below 1e-308.
std::string probability(double p) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", p);
  return p > 0 ? text : "< 1e-308";
}

// Of methods that name classes not learned yet: how well; empty for others.
std::string zero_shot_section(const ContinualTrainer& trainer) {
  if (!trainer.method().names_unseen()) return "";
  std::string text =
      "\n## Classes that were not learned yet, named from their texts\n\n"
      "Test images of the classes of which no training image was seen, named among those classes "
      "alone. Chance is a guess's share. p: of so many right or more if every image were a guess "
      "(binomial, one-sided). As images of one class resemble each other, a network that knows "
      "nothing of the texts may get whole classes right: of all ways to deal the classes' names "
      "out "
      "to one another, the last column counts those that name as many images rightly.\n\n"
      "| after | classes | images | accuracy | chance | p | dealings as good |\n"
      "|---|---:|---:|---:|---:|---:|---:|\n";
  for (size_t row = 0; row < trainer.zero_shot().size(); ++row) {
    const ZeroShot& z = trainer.zero_shot()[row];
    if (z.classes < 2) continue;
    text += (row == 0 ? "| nothing" : "| task " + std::to_string(row)) + " | " +
            std::to_string(z.classes) + " | " + std::to_string(z.images) + " | " +
            percent(z.accuracy()) + " | " + percent(z.chance()) + " | " + probability(z.p()) +
            " | " +
            (z.dealings ? std::to_string(z.as_good) + " of " + std::to_string(z.dealings) : "") +
            " |\n";
  }
  return text;
}

Json json_of(const ZeroShot& z) {
  return {{"classes", z.classes},     {"images", z.images},           {"right", z.right},
          {"accuracy", z.accuracy()}, {"chance", z.chance()},         {"p", z.p()},
          {"dealings", z.dealings},   {"dealings_as_good", z.as_good}};
}

// After each task: what is known by then, and what it had cost.
Json over_tasks_json(const std::vector<ContinualMetrics>& over_tasks,
                     const std::vector<Ledger>& ledgers) {
  Json out = Json::array();
  for (size_t i = 0; i < over_tasks.size(); ++i)
    out.push_back({{"average_accuracy", over_tasks[i].average_accuracy},
                   {"forgetting", over_tasks[i].forgetting},
                   {"backward_transfer", over_tasks[i].backward_transfer},
                   {"forward_transfer", over_tasks[i].forward_transfer},
                   {"ledger", Json::parse(to_json(ledgers[i + 1]))}});
  return out;
}

Json json_of(const ContinualTrainer& trainer, const ContinualMetrics& m, const std::string& env) {
  const Learner& learner = trainer.learner();
  Json memory = nullptr;
  if (learner.memory)
    memory = {{"samples", learner.memory->size()},
              {"capacity", learner.memory->capacity()},
              {"bytes", learner.memory->bytes()}};
  Json unseen = nullptr;
  if (trainer.method().names_unseen()) {
    unseen = Json::array();
    for (const ZeroShot& each : trainer.zero_shot()) unseen.push_back(json_of(each));
  }
  return {{"settings", Json::parse(to_json(learner.config))},
          {"tasks", learner.stream.task_names()},
          {"accuracy", trainer.accuracy()},
          {"average_accuracy", m.average_accuracy},
          {"average_incremental_accuracy", m.average_incremental_accuracy},
          {"forgetting", m.forgetting},
          {"backward_transfer", m.backward_transfer},
          {"forward_transfer", m.forward_transfer},
          {"memory", memory},
          {"zero_shot", unseen},
          {"ledger", Json::parse(to_json(trainer.ledger()))},
          {"environment", Json::parse(env)}};
}

std::string forms_section(const EfficiencySummary& summary) {
  const std::string table = form_table(summary);
  if (table.empty()) return "";
  return "\nEvery form was made and measured, one image at a time; old images are those that the "
         "learner keeps or, where it keeps none, of the last task, and it has seen them:\n\n" +
         table;
}

// The part about compressed networks, and its picture; empty where nothing was measured.
std::string efficiency_section(const std::string& folder, const MeasuredRun& measured) {
  if (!measured.compressed || measured.compressed->tasks.empty() ||
      !measured.compressed->tasks.back().measured())
    return "";
  plot_efficiency_over_tasks(*measured.compressed, folder + "/plots/efficiency.png");
  std::string text = "\n## What the compressed network takes and is worth\n\n" +
                     efficiency_report(*measured.compressed) + forms_section(*measured.compressed) +
                     "\n![efficiency over tasks](plots/efficiency.png)\n";
  const bool whole_control =
      measured.control && measured.control->tasks.size() == measured.compressed->tasks.size();
  if (whole_control)
    text += "\n## What compression made it forget\n\n" +
            attribution_text(attribute_losses(*measured.compressed, *measured.control));
  return text;
}

}  // namespace

void write_learn_report(const std::string& folder, const ContinualTrainer& trainer,
                        const MeasuredRun& measured) {
  const AccuracyMatrix& accuracy = trainer.accuracy();
  if (accuracy.size() < 2) return;  // no task was learned to its end
  const Learner& learner = trainer.learner();
  const std::vector<ContinualMetrics> over_tasks = metrics_over_tasks(accuracy);
  const std::string env = read_text(folder + "/env.json");
  plot_accuracy_matrix(accuracy, learner.stream.task_names(),
                       folder + "/plots/accuracy_matrix.png");
  const LearnedRun run{learner.config.method, accuracy};
  plot_learning_over_tasks({&run, 1}, folder + "/plots/over_tasks.png");
  Json json = json_of(trainer, over_tasks.back(), env);
  json["over_tasks"] = over_tasks_json(over_tasks, trainer.ledgers());
  if (measured.compressed) json["efficiency"] = Json::parse(to_json(*measured.compressed));
  if (measured.control) json["control"] = Json::parse(to_json(*measured.control));
  write_atomically(folder + "/report.json", json.dump(2) + "\n");
  std::string text =
      "# Learning a stream by " + learner.config.method + "\n\n" +
      summary(trainer, over_tasks.back()) +
      "\nAccuracy on the test images of each task, in percent:\n\n" + matrix_table(trainer) +
      "\n![accuracy](plots/accuracy_matrix.png)\n\n" +
      "In percent and points, with what it had cost by then:\n\n" +
      metrics_table(over_tasks, trainer.ledgers()) +
      "\n![accuracy and forgetting over tasks](plots/over_tasks.png)\n\n" +
      "Forgetting: Chaudhry et al., 2018, 1801.10112, section 3.2. Transfer: Lopez-Paz "
      "and Ranzato, 2017, 1706.08840, section 2. A multiply-accumulate of training "
      "counts forward and backward passes. Kept beside "
      "are a method's teacher, importances or means.\n";
  text += zero_shot_section(trainer) + efficiency_section(folder, measured);
  text += "\nMeasured on:\n\n```json\n" + env + "```\n\nSettings:\n\n```json\n" +
          to_json(learner.config) + "\n```\n";
  write_atomically(folder + "/report.md", text);
}

}  // namespace espalier::app
