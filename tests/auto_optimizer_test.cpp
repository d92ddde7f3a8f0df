// The optimiser: its choices on measurements made up for it, and one run on a small model.
#include "compress/auto_optimizer/auto_optimizer.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "nn/model_file.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

constexpr size_t int8_form = static_cast<size_t>(PartForm::int8);

// Three parts and the rest at three levels. Whole numbers take half the time of f32 but for the
// second part, where they take twice as much, and move the logits the more the later the part.
CostTable made_up_table() {
  CostTable table;
  table.parts = {{"tokenizer", ""},
                 {"blocks.0.attention", "blocks.0.norm1"},
                 {"blocks.0.mlp", "blocks.0.norm2"}};
  for (double sparsity : {0.0, 0.5, 0.75}) {
    LevelCosts level{sparsity, 4 * sparsity * sparsity, {}};
    for (size_t p = 0; p < 4; ++p) {
      std::array<PartCost, form_count> costs{};
      for (size_t f = 0; f < form_count; ++f) {
        costs[f].seconds = (1 - sparsity) * (f == int8_form ? (p == 1 ? 2 : p == 3 ? 1 : 0.5) : 1);
        costs[f].distance = f == int8_form ? 0.01 * static_cast<double>(p + 1) : 0;
      }
      level.parts.push_back(costs);
    }
    table.levels.push_back(level);
  }
  return table;
}

// Every candidate of that table in f32 and int8, by brute force.
std::vector<Candidate> all_candidates(const CostTable& table) {
  std::vector<Candidate> out;
  for (const LevelCosts& level : table.levels)
    for (unsigned bits = 0; bits < 8; ++bits)
      if (bits != 1)  // a tokenizer alone
        out.push_back(
            {level.sparsity, DType::f32, {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0}});
  return out;
}

}  // namespace

TEST_CASE("a candidate says what it is, and what of it stays in floats") {
  const std::vector<Int8Part> parts = {{"tokenizer", ""}, {"blocks.0.mlp", "blocks.0.norm2"}};
  CHECK(uniform_candidate("int8", 0.5, 2).name() == "int8, 50 % pruned");
  CHECK(uniform_candidate("bf16", 0, 2).name() == "bf16");
  const Candidate mixed{0.3, DType::bf16, {false, true}};
  CHECK(mixed.name() == "int8 with 1 of 2 parts in bf16, 30 % pruned");
  CHECK(mixed.short_name() == "int8/bf16, 30 % pruned");
  CHECK(mixed.kept(parts) == KeptLayers{"tokenizer"});
  CHECK(mixed.can_be_made(parts));
  CHECK(uniform_candidate("f16", 0, 2).can_be_made(parts));
  CHECK(!Candidate{0, DType::f32, {true, false}}.can_be_made(parts));
  CHECK(contains(refusal_of([] { uniform_candidate("int4", 0, 1); }), "f32, f16, bf16 or int8"));
  CHECK(contains(refusal_of([] { preset("phone"); }), "edge, gpu-server, tiny"));
  CHECK(contains(refusal_of([] { rule_of_thumb("joy"); }), "speed, size, accuracy, balanced"));
}

TEST_CASE("what a candidate is expected to cost is the sum of its parts") {
  const CostTable table = made_up_table();
  const Expectation floats = expect(table, uniform_candidate("f32", 0, 3));
  CHECK(floats.seconds == 4);
  CHECK(floats.distance == 0);
  const Expectation mixed = expect(table, {0.5, DType::f32, {true, false, true}});
  CHECK(mixed.seconds == doctest::Approx(0.5 * (0.5 + 1 + 0.5 + 1)));
  CHECK(mixed.distance == doctest::Approx(4 * 0.25 + 0.01 + 0.03));
  CHECK(contains(refusal_of([&] {
                   expect(table, {0.4, DType::f32, {}});
                 }),
                 "a level of the table"));
}

TEST_CASE("the search finds the whole front, and floats where whole numbers are slow") {
  const CostTable table = made_up_table();
  const std::vector<Candidate> front = pareto_search(table);
  for (const Candidate& found : front) {
    CHECK(!found.integer[1]);
    CHECK(found.can_be_made(table.parts));
  }
  for (const Candidate& any : all_candidates(table)) {
    const Expectation a = expect(table, any);
    const bool beaten = std::any_of(front.begin(), front.end(), [&](const Candidate& found) {
      const Expectation f = expect(table, found);
      return f.seconds <= a.seconds && f.distance <= a.distance;
    });
    INFO(any.name());
    CHECK(beaten);
  }
  double last = 0;
  for (const Candidate& found : front) {
    CHECK(expect(table, found).seconds > last);
    last = expect(table, found).seconds;
  }
  CHECK(contains(refusal_of([] { pareto_search({}); }), "one that was measured"));
}

namespace {

// Seven widths in f32, bf16 and int8, as a front of them looks: narrower ones take less time and
// lie further off, and whole numbers and bf16 shorten each alike. Unpruned, forms in between fill
// the slow half of the front.
CostTable table_of_widths() {
  CostTable table;
  table.parts = {{"tokenizer", ""}, {"blocks.0.mlp", "blocks.0.norm2"}};
  for (double sparsity : {0.0, 0.2, 0.3, 0.5, 0.7, 0.85, 0.93}) {
    LevelCosts level{sparsity, sparsity, {}};
    for (size_t p = 0; p < 3; ++p) {
      constexpr double seconds[] = {1, 0.9, 0.8, 0.25}, distances[] = {0, 1e-6, 1e-5, 1e-4};
      std::array<PartCost, form_count> costs{};
      for (size_t f = 0; f < form_count; ++f) {
        costs[f].seconds = (1.05 - sparsity) * seconds[f];
        costs[f].distance = distances[f];
      }
      level.parts.push_back(costs);
    }
    table.levels.push_back(level);
  }
  return table;
}

std::vector<double> widths_of(const std::vector<Candidate>& candidates) {
  std::vector<double> out;
  for (const Candidate& at : candidates) out.push_back(at.sparsity);
  return out;
}

}  // namespace

TEST_CASE("what is made of a front shows each width at its fastest, then the gaps") {
  const CostTable table = table_of_widths();
  const std::vector<Candidate> front = pareto_search(table);
  const auto seconds = [&](const Candidate& at) { return expect(table, at).seconds; };
  // As many of the unpruned forms as of all the others, and they take most of its range.
  const std::vector<Candidate> seven = worth_making(table, front, 7);
  CHECK(widths_of(seven) == std::vector<double>{0.93, 0.85, 0.7, 0.5, 0.3, 0.2, 0});
  for (const Candidate& at : seven)
    for (const Candidate& other : front)
      if (other.sparsity == at.sparsity) CHECK(seconds(at) <= seconds(other));
  CHECK(seconds(seven.back()) >= 8 * seconds(seven.front()));
  const std::vector<Candidate> few = worth_making(table, front, 3);
  CHECK(few.front() == seven.front());
  CHECK(few.back() == seven.back());
  // The eighth is the slow end, far from all the others; the ninth lies between the two.
  const std::vector<Candidate> nine = worth_making(table, front, 9);
  REQUIRE(nine.size() == 9);
  CHECK(nine.back() == front.back());
  CHECK(seconds(nine[7]) > seconds(seven.back()));
  // What is made anyway costs no place.
  const std::vector<Candidate> made = {front.back(), seven[2], uniform_candidate("f16", 0.3, 2)};
  const std::vector<Candidate> beside = worth_making(table, front, 7, made);
  REQUIRE(beside.size() == 9);
  CHECK(beside == nine);
  CHECK(worth_making(table, front, 1000) == front);
  CHECK(contains(refusal_of([&] { worth_making(table, front, 0); }), "1 or more"));
}

TEST_CASE("each target takes what it wants among points as good as the rule's") {
  //                                         seconds accuracy bytes
  const std::vector<MeasuredPoint> points = {{1.0, 0.940, 3e6},    // before
                                             {0.5, 0.930, 1.0e6},  // the rule's
                                             {0.4, 0.931, 1.2e6},  {0.1, 0.900, 0.2e6},
                                             {0.45, 0.938, 1.4e6}, {2.0, 0.939, 0.3e6}};
  CHECK(choose(points, "speed", {}, 1) == 2);
  CHECK(choose(points, "size", {}, 1) == 5);  // though slower than before
  CHECK(choose(points, "accuracy", {}, 1) == 4);
  CHECK(choose(points, "balanced", {}, 1) == 2);
  CHECK(choose(points, "speed", {.accuracy = 0.935}, 1) == 4);
  CHECK(choose(points, "accuracy", {.bytes = 1.3e6}, 1) == 2);
  CHECK(choose(points, "accuracy", {.bytes = 0.5e6}, 1) == 3);  // beyond the rule
  CHECK(choose(points, "speed", {.seconds = 0.05}, 1) == std::nullopt);
  CHECK(choose(points, "speed", {.bytes = 0.35e6, .accuracy = 0.935}, 1) == 5);  // slow, but within
  CHECK(nearest(points, {.seconds = 0.05}) == 3);
  CHECK(nearest(points, {.accuracy = 0.95}) == 0);
  CHECK(contains(refusal_of([&] { choose(points, "joy", {}, 1); }), "speed, size, accuracy"));
  CHECK(contains(refusal_of([&] { choose(points, "speed", {}, 9); }), "rule"));
}

namespace {

bool beats(const OptimizedModel& a, const OptimizedModel& b) {
  return a.judged.seconds <= b.judged.seconds && a.judged.accuracy >= b.judged.accuracy &&
         (a.judged.seconds < b.judged.seconds || a.judged.accuracy > b.judged.accuracy);
}

// A small model in a folder of its own, and a machine whose int8 peak is its f32 one times
// `int8_rate`.
struct SmallOptimization {
  TemporaryFolder folder;
  OptimizeOptions options;
  OptimizeData data{noise(24), noise(30)};
  std::vector<double> recovered;
  OptimizeHooks hooks;

  explicit SmallOptimization(double int8_rate) {
    Generator generator(1);
    VisionTransformer model(small_config("conv", "class"), generator);
    model.eval();
    save_model(folder.file("m"), model);
    options.target = "speed";
    options.levels = {};
    options.points = 4;
    options.threads = 1;
    options.profile_seconds = 0.001;
    options.measure = {.sample_seconds = 1e-5, .samples = 3};
    bench::HardwareProfile here;
    for (DType arithmetic : bench::arithmetics)
      here.peaks.push_back({arithmetic, Isa::scalar, 1, 100, 1});
    options.here = options.machine = here;
    options.machine->cpu = "another machine";
    for (bench::PeakRate& peak : options.machine->peaks)
      if (peak.arithmetic == DType::s8) peak.gops *= int8_rate;
    hooks.recover = [this](const VisionTransformer& pruned, double sparsity) {
      recovered.push_back(sparsity);
      Generator unused;
      auto trained = std::make_unique<VisionTransformer>(pruned.config, unused);
      trained->load_state_dict(pruned.state_dict());
      return trained;
    };
  }
  std::optional<Optimization> run() const {
    return AutoOptimizer(folder.file("m"), options, data, hooks)
        .optimize_model(folder.file("made"));
  }
};

}  // namespace

TEST_CASE("a machine with slow whole numbers is given floats, and told why") {
  const SmallOptimization slow(1e-3);
  const auto result = slow.run();
  REQUIRE(result);
  REQUIRE(result->chosen);
  CHECK(!result->models[*result->chosen].candidate.any_integer());
  const std::string why = why_report(*result, slow.options);
  CHECK(contains(why, "int8 is slower here"));
  CHECK(contains(why, "another machine"));
  CHECK(contains(why, "blocks.1.mlp"));
}

TEST_CASE("a machine with fast whole numbers is given them") {
  const SmallOptimization fast(1e3);
  const auto result = fast.run();
  REQUIRE(result);
  REQUIRE(result->chosen);
  CHECK(result->models[*result->chosen].candidate.any_integer());
  CHECK(contains(why_report(*result, fast.options), "faster: "));
}

TEST_CASE("an optimisation makes each model that it speaks of") {
  SmallOptimization small(1);
  const auto result = small.run();
  REQUIRE(result);
  CHECK(small.recovered == std::vector<double>{0.2, 0.3, 0.5, 0.7});
  for (const OptimizedModel& at : result->models) {
    INFO(at.name());
    CHECK(std::filesystem::exists(at.metrics.path));
    CHECK(load_model(at.metrics.path).dtype ==
          (at.candidate.any_integer() ? "int8" : dtype_name(at.candidate.floats)));
  }
  for (const OptimizedModel& a : result->models)
    CHECK(a.on_front == std::none_of(result->models.begin(), result->models.end(),
                                     [&](const OptimizedModel& b) { return beats(b, a); }));
  const auto json = nlohmann::json::parse(optimization_json(*result, small.options));
  CHECK(json["models"].size() == result->models.size());
  CHECK(json["measured_front"].size() == result->measured_front().size());
  CHECK(json["times_of_front"] >= 1);
  CHECK(contains(why_report(*result, small.options),
                 "The front has " + std::to_string(result->measured_front().size()) + " of these " +
                     std::to_string(result->models.size()) + " models"));
  CHECK(json["why"].size() == 6);
  small.hooks.recover = [](const VisionTransformer&, double) { return nullptr; };
  CHECK(!small.run());
}

TEST_CASE("options that make no sense are refused") {
  const auto refused = [](const OptimizeOptions& options) {
    return refusal_of([&] { AutoOptimizer("m", options, {}); });
  };
  CHECK(contains(refused({.target = "joy"}), "speed, size, accuracy, balanced"));
  CHECK(contains(refused({.levels = {1.0}}), "below 1"));
  CHECK(contains(refused({.points = 1}), "2 or more"));
  CHECK(contains(refused({.batch = 0}), "1 or more"));
}

TEST_CASE("a hardware profile is read back, and refused where it is none") {
  bench::HardwareProfile profile;
  profile.cpu = "made up";
  profile.processors = 2;
  profile.clock_ghz = 3.5;
  profile.caches = {{1, 32768, 1}};
  profile.peaks = {{DType::s8, Isa::scalar, 2, 12.5, 3}};
  profile.copies = {{"L1", 1, 1024, 99}};
  const std::string text = bench::hardware_json(profile);
  CHECK(bench::hardware_json(bench::hardware_from_json(text, "p.json")) == text);
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return refusal_of([&] { bench::hardware_from_json(changed, "p.json"); }, ErrorKind::file);
  };
  CHECK(contains(refused("\"int8\"", "\"int9\""), "int9"));
  CHECK(contains(refused("scalar", "vector"), "instruction set"));
  CHECK(contains(refused("12.5", "-1"), "above 0"));
  CHECK(contains(refused("99", "0"), "above 0"));
  // 2^32 + 1, of which 32 bits keep 1, and 2^63 + 1.
  CHECK(contains(refused("\"threads\": 2", "\"threads\": 4294967297"), "peaks.threads"));
  CHECK(contains(refused("\"bytes\": 1024", "\"bytes\": 9223372036854775809"), "copies.bytes"));
  CHECK(contains(refused("\"cpu\"", "\"gpu\""), "gpu"));
}

}  // namespace espalier::test
