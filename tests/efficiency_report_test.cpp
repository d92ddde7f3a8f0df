#include "compress/efficiency_report.h"

#include <filesystem>

#include "engine/io/file.h"
#include "engine/io/json.h"
#include "tests/comparison.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

std::vector<ModelMetrics> three() {
  std::vector<ModelMetrics> models = {made_up("baseline", 2'870'000, 1e-3, 1877),
                                      made_up("quantised", 780'000, 2.5e-4, 1878),
                                      made_up("combined", 400'000, 2e-4, 1862)};
  models[2].metadata["espalier.pruned"] = "0.500000 of parameters by l2";
  return models;
}

bool any_contains(const std::vector<std::string>& texts, const std::string& part) {
  for (const std::string& text : texts)
    if (contains(text, part)) return true;
  return false;
}

}  // namespace

TEST_CASE("a summary says what was gained, what was lost, and whether that is chance") {
  const auto models = three();
  CHECK(summary_of(models[2], models[0]) ==
        "takes 400 kB on disk instead of 2.87 MB and 800 kB of memory instead of 5.74 MB, and is "
        "5.00 times as fast for one image at a time and 5.00 times as fast for 256 at once. It "
        "classifies 93.10 % of 2,000 test images right instead of 93.85 %: 0.75 points lost, which "
        "is more than chance explains (p < 0.0001).");
  CHECK(contains(summary_of(models[1], models[0]),
                 "0.05 points gained, which chance alone may explain (p = 1)."));
  ModelMetrics same = made_up("same", 10, 0.995e-3, 1877);
  same.speeds.pop_back();
  CHECK(contains(summary_of(same, models[0]),
                 "1.01 times as fast for one image at a time (no more than the timings vary). It "
                 "classifies 93.85 % of 2,000 test images right, exactly as many as baseline."));
}

TEST_CASE("warnings name what may mislead, and nothing else") {
  CHECK(warnings_of(three()).size() == 1);
  CHECK(any_contains(warnings_of(three()), "quantised: its difference in accuracy from baseline"));
  const std::vector<ModelMetrics> noisy = {made_up("a", 1, 1e-3, 400, 0.2, 500),
                                           made_up("b", 1, 0.9e-3, 400, 0.01, 500)};
  const auto warnings = warnings_of(noisy);
  CHECK(warnings.size() == 5);
  CHECK(any_contains(warnings, "a, batch 1: timings vary by ± 20 %"));
  CHECK(any_contains(warnings, "b, batch 256: 1.11 times as fast is within"));
  CHECK(any_contains(warnings, "Only 500 images"));
  CHECK(warnings_of({}).empty());
}

TEST_CASE("a report tells people and programs the same") {
  const TemporaryFolder folder;
  const std::string at = folder.file("report");
  create_efficiency_report(three(), at,
                           {.title = "A title",
                            .command = "espalier compress model --report 'a folder'",
                            .environment = R"({"cpu": "Some CPU", "threads": 2})",
                            .sections = {{"Why so", "Because."}}});
  const std::string text = read_text(at + "/report.md");
  CHECK(
      text.rfind(
          "# A title\n\n**combined** (fp32 weights, 50 % of parameters pruned by l2) takes 400 kB",
          0) == 0);
  for (const char* part :
       {"| baseline  | 2.87 MB |", "93.85 ± 1.05 %", "Energy is not told: this machine offers no",
        "![sizes, speeds and accuracies](comparison.png)", "## Why so\n\nBecause.",
        "(`combined.safetensors`): fp32 weights; 50 % of parameters pruned by l2",
        "yes, p < 0.0001 |", "- cpu: Some CPU\n- threads: 2\n", "± 1.0 %",
        "> quantised: its difference", "espalier compress model --report 'a folder'\n"})
    CHECK_MESSAGE(contains(text, part), part);
  const Json json = parse_json(read_text(at + "/report.json"), "report.json");
  CHECK(json["headline"] == "combined");
  CHECK(json["models"].size() == 3);
  CHECK(json["models"][2]["file_bytes"] == 400'000);
  CHECK(json["models"][2]["against_first"]["only_first_right"] == 15);
  CHECK(json["models"][2]["against_first"]["significant"] == true);
  CHECK(json["models"][1]["speeds"][1]["times_as_fast"] == doctest::Approx(4));
  CHECK(json["environment"]["threads"] == 2);
  CHECK(json["sections"][0]["title"] == "Why so");
  CHECK(json["warnings"].size() == 1);
  CHECK(std::filesystem::file_size(at + "/comparison.png") > 1000);
  CHECK(std::distance(std::filesystem::directory_iterator(at), {}) == 3);  // nothing temporary
}

TEST_CASE("a report tells energy where it was counted, and no speed where there is none") {
  const TemporaryFolder folder;
  auto models = three();
  for (ModelMetrics& m : models) {
    m.energy_absent.clear();
    for (ModelMetrics::Speed& speed : m.speeds) speed.joules_per_image = 0.0125;
  }
  create_efficiency_report(models, folder.path(), {.headline = "quantised"});
  std::string text = read_text(folder.file("report.md"));
  CHECK(contains(text, "mJ/image"));
  CHECK(contains(text, "12.500"));
  CHECK(contains(text, "cost\n\n**quantised** (fp32 weights) takes"));
  CHECK(!contains(text, "Energy is not told"));
  for (ModelMetrics& m : models) m.speeds.clear();
  create_efficiency_report(models, folder.path(), {});
  text = read_text(folder.file("report.md"));
  CHECK(contains(text, "Nothing was timed."));
  CHECK(!contains(text, "images/s"));
}

TEST_CASE("a report of nothing, or of what cannot be compared, is refused") {
  const TemporaryFolder folder;
  const auto refused = [&](std::vector<ModelMetrics> models, const ReportOptions& options = {}) {
    return refusal_of([&] { create_efficiency_report(models, folder.file("r"), options); });
  };
  CHECK(contains(refused({}), "models is none"));
  CHECK(contains(refused(three(), {.headline = "other"}), "headline is 'other'"));
  CHECK(contains(refused(three(), {.environment = "[1]"}), "a JSON object"));
  CHECK(contains(refused({made_up("a", 1, 1, 5, 0, 10), made_up("b", 1, 1, 5, 0, 11)}),
                 "b is tested on 11 images"));
  CHECK(!std::filesystem::exists(folder.file("r")));
}

}  // namespace espalier::test
