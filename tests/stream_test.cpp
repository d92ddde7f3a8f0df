// Streams: what each task holds.
#include "cl/stream/stream.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/refusal.h"
#include "tests/small_stream.h"

using namespace espalier;
using namespace espalier::test;

namespace {

// Images of `side` x `side` x 2 whose pixels all differ: that at place p of image i is i + 2 p, and
// 1 more in its second channel.
ImageDataset numbered(int64_t samples, int64_t side) {
  ImageDataset data{Tensor::empty({samples, side, side, 2}, DType::u8),
                    Tensor::empty({samples}, DType::s64),
                    {"a", "b", "c", "d"}};
  const int64_t values = side * side * 2;
  for (int64_t i = 0; i < samples; ++i) {
    data.labels.data<int64_t>()[i] = i % 4;
    for (int64_t j = 0; j < values; ++j)
      data.images.data<uint8_t>()[i * values + j] = static_cast<uint8_t>(i + j);
  }
  return data;
}

bool same(const ImageDataset& a, const ImageDataset& b) {
  return a.images.to_vector() == b.images.to_vector() &&
         a.labels.to_vector() == b.labels.to_vector();
}

bool same(const Stream& a, const Stream& b) {
  return std::equal(a.tasks.begin(), a.tasks.end(), b.tasks.begin(), b.tasks.end(),
                    [](const Task& x, const Task& y) {
                      return x.classes == y.classes && same(x.train, y.train) &&
                             same(x.test, y.test);
                    });
}

const std::vector<int64_t> all_classes{0, 1, 2, 3};

}  // namespace

TEST_CASE("a split stream gives each task its classes, with the labels of all") {
  const Stream stream = make_stream({.tasks = 2}, four_stripes(40, 1), four_stripes(20, 2));
  REQUIRE(stream.tasks.size() == 2);
  CHECK(stream.classes() == 4);
  CHECK(stream.tasks[0].name == "rows + columns");
  CHECK(stream.tasks[1].classes == std::vector<int64_t>{2, 3});
  CHECK(stream.tasks[1].train.size() == 20);
  CHECK(stream.tasks[1].test.size() == 10);
  for (int64_t i = 0; i < 20; ++i) CHECK(stream.tasks[1].train.labels.data<int64_t>()[i] >= 2);
}

TEST_CASE("a blurry stream uses every image once, a share of each task's from the others") {
  const ImageDataset train = numbered(160, 1), test = numbered(20, 1);  // its first pixel: which
  const auto blurry = [&](int64_t tasks, double blur, uint64_t seed) {
    return make_stream({.name = "blurry", .tasks = tasks, .seed = seed, .blur = blur}, train, test);
  };
  for (const int64_t tasks : {2, 4}) {
    const Stream stream = blurry(tasks, 0.3, 1);
    const Stream split = make_stream({.tasks = tasks}, train, test);
    std::multiset<int64_t> used;
    for (size_t t = 0; t < stream.tasks.size(); ++t) {
      const Task& task = stream.tasks[t];
      CHECK(task.classes == split.tasks[t].classes);
      CHECK(same(task.test, split.tasks[t].test));
      CHECK(task.train.size() == 160 / tasks);
      std::vector<int64_t> of_class(4);
      for (int64_t i = 0; i < task.train.size(); ++i) {
        const int64_t image = task.train.images.data<uint8_t>()[i * 2];
        used.insert(image);
        CHECK(task.train.labels.data<int64_t>()[i] == image % 4);
        ++of_class[static_cast<size_t>(image % 4)];
      }
      int64_t own = 0;
      for (const int64_t label : task.classes) own += of_class[static_cast<size_t>(label)];
      CHECK(own == 112 / tasks);  // 0.7 of 160
      if (tasks == 4)
        for (size_t label = 0; label < 4; ++label) CHECK(of_class[label] == (label == t ? 28 : 4));
    }
    CHECK(std::set<int64_t>(used.begin(), used.end()).size() == 160);
    CHECK(used.size() == 160);
  }
  CHECK(same(blurry(2, 0.3, 1), blurry(2, 0.3, 1)));
  CHECK(!same(blurry(2, 0.3, 1), blurry(2, 0.3, 2)));
  CHECK(same(blurry(2, 0, 1), make_stream({.tasks = 2}, train, test)));
  for (const Task& task : blurry(4, 0.999, 1).tasks)  // one image of its own is left
    CHECK(std::count_if(task.train.labels.data<int64_t>(), task.train.labels.data<int64_t>() + 40,
                        [&](int64_t label) { return label == task.classes[0]; }) == 1);
}

TEST_CASE("a permuted stream changes all images of a task in one way, and none of the first") {
  const ImageDataset train = numbered(12, 5), test = numbered(8, 5);
  const auto permuted = [&](uint64_t seed) {
    return make_stream({.name = "permuted", .tasks = 3, .seed = seed}, train, test);
  };
  const Stream stream = permuted(1);
  REQUIRE(stream.tasks.size() == 3);
  std::set<std::vector<int64_t>> found;
  for (const Task& task : stream.tasks) {
    CHECK(task.classes == all_classes);
    CHECK(task.train.labels.to_vector() == train.labels.to_vector());
    CHECK(task.test.labels.to_vector() == test.labels.to_vector());
    std::vector<int64_t> source;
    for (int64_t i = 0; i < 25; ++i) source.push_back(task.train.images.data<uint8_t>()[i * 2] / 2);
    found.insert(source);
    CHECK(std::set<int64_t>(source.begin(), source.end()).size() == 25);
    for (const auto& [now, before] : {std::pair{&task.train, &train}, std::pair{&task.test, &test}})
      for (int64_t i = 0; i < now->size(); ++i)
        for (int64_t j = 0; j < 50; ++j)
          CHECK(now->images.data<uint8_t>()[i * 50 + j] ==
                before->images
                    .data<uint8_t>()[i * 50 + source[static_cast<size_t>(j / 2)] * 2 + j % 2]);
  }
  CHECK(found.size() == 3);
  CHECK(same(stream.tasks[0].train, train));
  CHECK(same(stream.tasks[0].test, test));
  CHECK(same(stream, permuted(1)));
  CHECK(!same(stream, permuted(2)));
}

TEST_CASE("a rotated stream turns square images by right angles without loss") {
  for (const int64_t side : {4, 5, 28}) {
    const ImageDataset train = numbered(8, side), test = numbered(4, side);
    const Stream stream = make_stream({.name = "rotated", .tasks = 4, .turn = 360}, train, test);
    REQUIRE(stream.tasks.size() == 4);
    CHECK(same(stream.tasks[0].train, train));
    const uint8_t* before = train.images.data<uint8_t>();
    for (int64_t turns = 1; turns < 4; ++turns) {
      const Task& task = stream.tasks[static_cast<size_t>(turns)];
      CHECK(task.classes == all_classes);
      CHECK(task.name == "rotated by " + std::to_string(turns * 90));
      CHECK(task.train.labels.to_vector() == train.labels.to_vector());
      const uint8_t* now = task.train.images.data<uint8_t>();
      int64_t wrong = 0;
      for (int64_t i = 0; i < train.size(); ++i)
        for (int64_t y = 0; y < side; ++y)
          for (int64_t x = 0; x < side; ++x) {
            // Against the clock: what was at the right is at the top.
            int64_t from_y = y, from_x = x;
            for (int64_t k = 0; k < turns; ++k) {
              const int64_t next = side - 1 - from_y;
              from_y = from_x;
              from_x = next;
            }
            for (int64_t c = 0; c < 2; ++c)
              wrong += now[((i * side + y) * side + x) * 2 + c] !=
                       before[((i * side + from_y) * side + from_x) * 2 + c];
          }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("a rotated stream reads between pixels, and zeros outside") {
  // Before it and after it stand white images, which must not be read.
  const ImageDataset white{
      Tensor::full({3, 3, 3, 1}, 255, DType::u8), Tensor::zeros({3}, DType::s64), {"a"}};
  for (uint8_t i = 0; i < 9; ++i)
    white.images.data<uint8_t>()[9 + i] = static_cast<uint8_t>(10 + 10 * i);
  const auto rotated = [&](double turn) {
    return make_stream({.name = "rotated", .tasks = 8, .turn = turn}, white, white).tasks[1];
  };
  CHECK(rotated(180).name == "rotated by 22.5");
  const Task task = rotated(360);
  const uint8_t* turned = task.train.images.data<uint8_t>() + 9;
  CHECK(turned[4] == 50);
  // The middle of the top comes from the right of the top, by sqrt(1/2) each way.
  const double far = std::sqrt(0.5), near = 1 - far;
  CHECK(turned[1] ==
        std::lround(20 * far * near + 30 * far * far + 50 * near * near + 60 * near * far));
  // Corners come from beyond the middles of the sides, at sqrt(2) from the middle of the image.
  const double share = 2 - std::sqrt(2.0);
  CHECK(turned[0] == std::lround(20 * share));
  CHECK(turned[2] == std::lround(60 * share));
  CHECK(turned[6] == std::lround(40 * share));
  CHECK(turned[8] == std::lround(80 * share));
}

TEST_CASE("streams refuse options that make none") {
  const ImageDataset train = four_stripes(40, 1), test = four_stripes(20, 2);
  const auto refusal = [&](const StreamOptions& options) {
    return refusal_of([&] { make_stream(options, train, test); });
  };
  CHECK(contains(refusal({.name = "river", .tasks = 2}),
                 "'river'; expected one of split, permuted, rotated, blurry"));
  CHECK(refusal({.name = "rotated", .turn = 361}) ==
        "make_stream: turn is 361.000000; expected 0 to 360 degrees");
  CHECK(refusal({.name = "blurry", .tasks = 2, .blur = 1}) ==
        "make_stream: blur is 1.000000; expected 0 to below 1");
  CHECK(refusal({.name = "blurry", .tasks = 2, .blur = std::nan("")}) != "none");
  CHECK(contains(refusal({.name = "blurry", .tasks = 1}), "tasks is 1; expected at least 2"));
  CHECK(contains(refusal({.name = "blurry", .tasks = 3}), "a number that divides the 4 classes"));
  CHECK(contains(refusal({.name = "permuted", .task_incremental = true}),
                 "task_incremental is true; expected false"));
  CHECK(contains(refusal({.name = "permuted", .tasks = 0}), "tasks is 0; expected at least 1"));
}

TEST_CASE("streams refuse what makes no tasks") {
  const ImageDataset train = four_stripes(40, 1), test = four_stripes(20, 2);
  CHECK_THROWS_WITH_AS(make_stream({.tasks = 3}, train, test),
                       "make_stream: tasks is 3; expected a number that divides the 4 classes",
                       Error);
  const ImageDataset two = train.subset({0, 1, 4, 5});
  CHECK_THROWS_WITH_AS(
      make_stream({.tasks = 2}, two, test),
      "make_stream: train is no image of class 2 ('thin rows'); expected images of "
      "every class; a task of it would teach or test nothing",
      Error);
  CHECK_THROWS_AS(make_stream({.name = "river", .tasks = 2}, train, test), Error);
}
