#include "cl/zero_shot.h"

#include <algorithm>
#include <numeric>

#include "cl/metrics.h"
#include "engine/error.h"
#include "engine/io/json.h"
#include "nn/binomial.h"

namespace espalier {
namespace {

constexpr size_t most_dealt = 10;  // 10! dealings take a moment

std::vector<int64_t> unseen_classes(const Stream& stream, int64_t learned) {
  std::vector<bool> seen(static_cast<size_t>(stream.classes()));
  for (int64_t t = 0; t < learned; ++t) {
    const Tensor& labels = stream.tasks[static_cast<size_t>(t)].train.labels;
    for (int64_t i = 0; i < labels.numel(); ++i)
      seen[static_cast<size_t>(labels.data<int64_t>()[i])] = true;
  }
  std::vector<int64_t> classes;
  for (size_t c = 0; c < seen.size(); ++c)
    if (!seen[c]) classes.push_back(static_cast<int64_t>(c));
  return classes;
}

// Images of the i-th of `classes` that were named the j-th, at [i][j].
using Confusion = std::vector<std::vector<int64_t>>;

Confusion confusion_of(const Stream& stream, const std::vector<int64_t>& classes,
                       const std::vector<Tensor>& scores) {
  Confusion counts(classes.size(), std::vector<int64_t>(classes.size()));
  const auto place_of = [&](int64_t c) {
    return std::lower_bound(classes.begin(), classes.end(), c) - classes.begin();
  };
  for (size_t t = 0; t < scores.size(); ++t) {
    const Tensor& labels = stream.tasks[t].test.labels;
    const std::vector<int64_t> named = predictions(scores[t], classes);
    for (size_t i = 0; i < named.size(); ++i) {
      const int64_t label = labels.data<int64_t>()[i];
      if (std::binary_search(classes.begin(), classes.end(), label))
        ++counts[static_cast<size_t>(place_of(label))][static_cast<size_t>(place_of(named[i]))];
    }
  }
  return counts;
}

int64_t right_when(const Confusion& counts, const std::vector<size_t>& names) {
  int64_t right = 0;
  for (size_t i = 0; i < counts.size(); ++i) right += counts[i][names[i]];
  return right;
}

void deal(const Confusion& counts, ZeroShot& result) {
  std::vector<size_t> names(counts.size());
  std::iota(names.begin(), names.end(), size_t{0});
  do {
    ++result.dealings;
    result.as_good += right_when(counts, names) >= result.right;
  } while (std::next_permutation(names.begin(), names.end()));
}

}  // namespace

double ZeroShot::accuracy() const {
  return images ? static_cast<double>(right) / static_cast<double>(images) : 0;
}

double ZeroShot::chance() const {
  return images ? static_cast<double>(commonest) / static_cast<double>(images) : 0;
}

double ZeroShot::p() const { return binomial_at_least(right, images, chance()); }

double ZeroShot::dealt() const {
  return dealings ? static_cast<double>(as_good) / static_cast<double>(dealings) : 1;
}

ZeroShot zero_shot(const Stream& stream, int64_t learned, const std::vector<Tensor>& scores) {
  const std::vector<int64_t> classes = unseen_classes(stream, learned);
  ZeroShot result{.classes = static_cast<int64_t>(classes.size())};
  if (classes.empty()) return result;
  const Confusion counts = confusion_of(stream, classes, scores);
  for (size_t i = 0; i < counts.size(); ++i) {
    const int64_t of_class = std::accumulate(counts[i].begin(), counts[i].end(), int64_t{0});
    result.images += of_class;
    result.right += counts[i][i];
    result.commonest = std::max(result.commonest, of_class);
  }
  if (classes.size() <= most_dealt) deal(counts, result);
  return result;
}

std::string to_json(const ZeroShot& z) {
  const Json json = {{"classes", z.classes},     {"images", z.images},     {"right", z.right},
                     {"commonest", z.commonest}, {"dealings", z.dealings}, {"as_good", z.as_good}};
  return json.dump();
}

ZeroShot zero_shot_from_json(const std::string& text, const std::string& origin) {
  const Json json = parse_json(text, origin);
  try {
    return {.classes = json.at("classes").get<int64_t>(),
            .images = json.at("images").get<int64_t>(),
            .right = json.at("right").get<int64_t>(),
            .commonest = json.at("commonest").get<int64_t>(),
            .dealings = json.at("dealings").get<int64_t>(),
            .as_good = json.at("as_good").get<int64_t>()};
  } catch (const Json::exception& error) {
    file_error(origin, std::string("damaged zero-shot result: ") + error.what());
  }
}

}  // namespace espalier
