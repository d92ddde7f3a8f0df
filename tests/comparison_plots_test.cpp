#include "compress/comparison_plots.h"

#include "engine/io/file.h"
#include "tests/comparison.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

// Width and height of a PNG file.
std::pair<int, int> size_of(const std::string& path) {
  const MappedFile file(path);
  REQUIRE(file.size() > 24);
  const auto number = [&](size_t at) {
    int value = 0;
    for (size_t i = 0; i < 4; ++i) value = value * 256 + std::to_integer<int>(file.data()[at + i]);
    return value;
  };
  return {number(16), number(20)};
}

}  // namespace

TEST_CASE("a Pareto front holds what nothing beats, fastest first") {
  const std::vector<ParetoPoint> points = {{"slow and worse", 3, 0.8}, {"slow", 2, 0.95},
                                           {"fast", 1, 0.9},           {"alike", 1, 0.9},
                                           {"same time", 1, 0.7},      {"same accuracy", 4, 0.95}};
  CHECK(pareto_front(points) == std::vector<size_t>{2, 1});
  CHECK(pareto_front({}).empty());
}

TEST_CASE("comparisons and fronts become pictures") {
  const TemporaryFolder folder;
  const std::string path = folder.file("picture.png");
  std::vector<ModelMetrics> models = {
      made_up("baseline", 2'000'000, 1e-3, 1800),
      made_up("a long name of a model in whole numbers, pruned", 500'000, 3e-4, 1800)};
  plot_optimization_comparison(models, path);
  const auto [width, height] = size_of(path);
  for (ModelMetrics& m : models) m.speeds.clear();
  plot_optimization_comparison(models, path);  // two panels of four
  CHECK(size_of(path) == std::pair(width, height / 2));
  const std::vector<ParetoPoint> points = {
      {"a", 1e-3, 0.9}, {"b", 2e-3, 0.95}, {"", 3e-3, 0.9}, {"rule", 3e-3, 0.1, "rule"}};
  plot_pareto(points, path);
  CHECK(size_of(path) == std::pair(1200, 720));
}

TEST_CASE("pictures of nothing, or of what cannot be compared, are refused") {
  CHECK(contains(refusal_of([] { plot_optimization_comparison({}, "x.png"); }), "models is none"));
  std::vector<ModelMetrics> models = {made_up("a", 1, 1, 1), made_up("b", 1, 1, 1)};
  models[1].speeds.pop_back();
  CHECK(contains(refusal_of([&] { plot_optimization_comparison(models, "x.png"); }),
                 "b is timed at other batch sizes"));
  CHECK(contains(refusal_of([] { plot_pareto({}, "x.png"); }), "points is none"));
  const std::vector<ParetoPoint> untimed = {{"a", 0, 0.9}};
  CHECK(contains(refusal_of([&] { plot_pareto(untimed, "x.png"); }), "a is 0"));
}

}  // namespace espalier::test
