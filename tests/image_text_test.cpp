// Images and texts in one space: words, texts, the loss that brings pairs together, prototypes.
#include "nn/image_text.h"

#include <cmath>
#include <limits>
#include <set>

#include "engine/ops/view.h"
#include "nn/contrastive.h"
#include "nn/data/dataset.h"
#include "tests/gradient_test.h"
#include "tests/refusal.h"

using namespace espalier;
using namespace espalier::test;

namespace {

// Images [B, 1, 2, 1] as embeddings [B, 2].
class Passing : public StagedModule {
 public:
  ImageInput input() const override { return {.height = 1, .width = 2}; }
  int64_t classes() const override { return 2; }
  int64_t stages() const override { return 2; }
  int64_t stage_of(const std::string&) const override { return 0; }
  Tensor run_stages(const Tensor& x, int64_t begin, int64_t) const override {
    return begin == 0 ? flatten(x, 1) : x;
  }
};

// Words as vectors of the plane: red (3, 0), square (0, 2), green (-1, 0).
ImageTextModel plane_model() {
  Generator generator(1);
  return ImageTextModel(std::make_unique<Passing>(), {{"red", {"square"}, {}}, {"green", {}, {}}},
                        {.width = 2, .hidden = 2}, generator);
}

void set_plane(const ImageTextModel& model) {
  for (const auto& [name, parameter] : model.state_dict())
    if (name.starts_with("text.mlp.") || name.ends_with(".bias")) parameter.fill_(0);
  const auto set = [&](const std::string& wanted, const std::vector<float>& values) {
    for (const auto& [name, parameter] : model.state_dict())
      if (name == wanted) parameter.copy_(Tensor::of(values, parameter.shape()));
  };
  set("text.words.weight", {-1, 0, 3, 0, 0, 2});
  set("text.project.weight", {1, 0, 0, 1});
}

double log_sum(double a, double b) { return std::log(std::exp(a) + std::exp(b)); }

// Two pairs whose similarities times the scale are 1.2 0 / 1.6 2, and which of the texts are true
// of which image.
double loss_of_two(const std::vector<double>& matches) {
  return contrastive_loss(Tensor::of<double>({1, 0, 0, 1}, {2, 2}),
                          Tensor::of<double>({0.6, 0.8, 0, 1}, {2, 2}), Tensor::of(matches, {2, 2}),
                          Tensor::of<double>({2}, {1}))
      .to_vector()[0];
}

// Some tens of roundings of numbers of the size of the similarities, about 2.
constexpr double rounding = 64 * 2 * std::numeric_limits<double>::epsilon();

}  // namespace

TEST_CASE("a text is its words in lower case, and a vocabulary numbers them") {
  using Words = std::vector<std::string>;
  CHECK(words_of("A T-shirt/top, 28x28!") == Words{"a", "t-shirt", "top", "28x28"});
  CHECK(words_of(" - ... ").empty());
  CHECK(words_of("Hemd für Kinder") == Words{"hemd", "für", "kinder"});
  const Vocabulary vocabulary({"one two", "two Three two"});
  CHECK(vocabulary.words() == Words{"one", "three", "two"});
  CHECK(vocabulary.number("three") == 1);
  const Tensor shares = vocabulary.word_shares({"two two one", "three"});
  CHECK(shares.to_vector() == std::vector<double>{1.f / 3, 0, 2.f / 3, 0, 1, 0});
}

TEST_CASE("an unknown word, a text without words and a class without texts are refused by name") {
  const Vocabulary vocabulary({"one two"});
  CHECK(contains(refusal_of([&] { vocabulary.word_shares({"one four"}); }), "word is 'four'"));
  CHECK(contains(refusal_of([&] { vocabulary.word_shares({"one", "--"}); }), "texts is '--'"));
  CHECK(contains(refusal_of([] { Vocabulary({"", "!"}); }), "2 without a word"));
  CHECK(contains(refusal_of([] { class_texts({"Coat", "?"}); }), "'?' of class 1"));
  CHECK(contains(refusal_of([] { class_texts({}); }), "class_names is none"));
  Generator generator(1);
  const auto model_of = [&](const std::vector<ClassTexts>& classes) {
    return refusal_of([&] { ImageTextModel(std::make_unique<Passing>(), classes, {}, generator); });
  };
  CHECK(contains(model_of({{"red", {}, {}}, {"", {}, {}}}), "'' for class 1 ('')"));
  CHECK(contains(model_of({}), "classes is none"));
  CHECK(contains(refusal_of([&] { plane_model().text_embeddings({3}); }), "text is 3"));
}

TEST_CASE("there are texts for the classes of any labelled data set") {
  for (const ClassTexts& each : class_texts(fashion_mnist_classes())) {
    INFO(each.name);
    CHECK(each.captions.size() == 4);
    CHECK(each.attributes.size() == 4);
    const std::vector<std::string> all = each.all();
    CHECK(std::set<std::string>(all.begin(), all.end()).size() == 9);
    CHECK(all.front() == each.name);
  }
  const std::vector<ClassTexts> other = class_texts({"thin rows"});
  CHECK(other[0].all() == std::vector<std::string>{"thin rows", "a photo of thin rows",
                                                   "a picture that shows thin rows"});
}

TEST_CASE("the contrastive loss of two pairs is what a hand works out") {
  // Rows against their own text, columns against their own image.
  const double rows[] = {log_sum(1.2, 0), log_sum(1.6, 2)};
  const double columns[] = {log_sum(1.2, 1.6), log_sum(0, 2)};
  const double all = rows[0] + rows[1] + columns[0] + columns[1];
  CHECK(std::abs(loss_of_two({1, 0, 0, 1}) - (all - 2 * (1.2 + 2)) / 4) <= rounding);
  // Of one class: half of each row, half of each column.
  CHECK(std::abs(loss_of_two({1, 1, 1, 1}) - (all - 0.6 - 1.8 - 1.4 - 1) / 4) <= rounding);
  // The first text is true of both images, the second of its own.
  CHECK(std::abs(loss_of_two({1, 0, 1, 1}) - (all - 1.2 - 1.8 - 1.4 - 2) / 4) <= rounding);
}

TEST_CASE("the contrastive loss has the gradient of finite differences") {
  const Tensor apart = Tensor::zeros({4, 4}, DType::f64), some = Tensor::zeros({4, 4}, DType::f64);
  for (int64_t i = 0; i < 4; ++i)
    apart.data<double>()[5 * i] = some.data<double>()[5 * i] = some.data<double>()[4 * i + 2] = 1;
  for (const Tensor& matches : {apart, some})
    check_gradients(
        [&](const std::vector<Tensor>& x) {
          return contrastive_loss(unit_rows(x[0]), unit_rows(x[1]), matches, x[2]);
        },
        {random_tensor({4, 3}, 1), random_tensor({4, 3}, 2), Tensor::of<double>({2.5}, {1})});
}

TEST_CASE("the contrastive loss refuses pairs that are none") {
  const Tensor two = Tensor::zeros({2, 3}), one = Tensor::of<float>({1}, {1});
  const Tensor all = Tensor::full({2, 2}, 1);
  CHECK(contains(refusal_of([&] {
                   contrastive_loss(two, Tensor::zeros({3, 3}), all, one);
                 }),
                 "contrastive_loss: texts"));
  CHECK(contains(refusal_of([&] { contrastive_loss(two, two, two, one); }),
                 "contrastive_loss: matches"));
}

TEST_CASE("a text matches every class of which the same is said") {
  Generator generator(1);
  const ImageTextModel model(std::make_unique<Passing>(),
                             {{"red", {}, {"square"}}, {"green", {}, {"square"}}}, {}, generator);
  // red, square; green, square.
  CHECK(model.matches({0, 1, 0}, {3, 0, 2}).to_vector() ==
        std::vector<double>{1, 1, 0, 1, 0, 1, 1, 1, 0});
}

TEST_CASE("an image is of the class whose texts' mean is nearest") {
  const ImageTextModel model = plane_model();
  set_plane(model);
  CHECK(model.classes() == 2);
  CHECK(model.texts() == 3);
  const float half = 1 / std::sqrt(2.f);
  const double near = 8 * std::numeric_limits<float>::epsilon();  // a few roundings about 1
  const auto check = [&](const Tensor& got, const std::vector<double>& expected, double size) {
    const std::vector<double> values = got.to_vector();
    REQUIRE(values.size() == expected.size());
    for (size_t i = 0; i < values.size(); ++i)
      CHECK(std::abs(values[i] - expected[i]) <= size * near);
  };
  check(model.text_embeddings({1, 0, 2, 1}), {0, 1, 1, 0, -1, 0, 0, 1}, 1);
  check(model.prototypes(), {half, half, -1, 0}, 1);
  const double s = 1 / 0.07;
  const Tensor images = Tensor::of<float>({5, 0, -1, 1, 0, 0}, {3, 1, 2, 1});
  check(model(images), {s * half, -s, 0, s * half, 0, 0}, s);
  check(model.features(images), {1, 0, -half, half, 0, 0}, 1);
  check(model.classify(model.features(images)), model(images).to_vector(), s);
}

TEST_CASE("words and temperature are of the last stage, which classifies") {
  const ImageTextModel model = plane_model();
  for (const auto& parameter : model.named_parameters()) {
    INFO(parameter.first);
    CHECK(model.stage_of(parameter.first) == 2);
  }
}

TEST_CASE("the inverse temperature stops at a hundred") {
  const ImageTextModel model = plane_model();
  for (const auto& [name, parameter] : model.state_dict())
    if (name == "log_scale") parameter.fill_(9);
  CHECK(model.scale().to_vector() == std::vector<double>{100});
}
