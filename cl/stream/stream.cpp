#include "cl/stream/stream.h"

#include <algorithm>

#include "cl/stream/kinds.h"
#include "engine/error.h"

namespace espalier {
namespace {

struct StreamKind {
  const char* name;
  Stream (*make)(const StreamOptions&, const ImageDataset&, const ImageDataset&);
};
constexpr StreamKind stream_kinds[] = {{"split", split_stream},
                                       {"permuted", permuted_stream},
                                       {"rotated", rotated_stream},
                                       {"blurry", blurry_stream}};

void check_classes(const ImageDataset& data, const char* which) {
  std::vector<bool> found(static_cast<size_t>(data.classes()));
  for (int64_t i = 0; i < data.size(); ++i)
    found[static_cast<size_t>(data.labels.data<int64_t>()[i])] = true;
  const auto absent = std::find(found.begin(), found.end(), false);
  if (absent == found.end()) return;
  const auto label = static_cast<size_t>(absent - found.begin());
  argument_error(
      "make_stream", which,
      "no image of class " + std::to_string(label) + " ('" + data.class_names[label] + "')",
      "images of every class", "a task of it would teach or test nothing");
}

}  // namespace

std::vector<std::string> Stream::task_names() const {
  std::vector<std::string> names;
  for (const Task& task : tasks) names.push_back(task.name);
  return names;
}

std::vector<std::string> stream_names() {
  std::vector<std::string> names;
  for (const StreamKind& kind : stream_kinds) names.push_back(kind.name);
  return names;
}

Stream make_stream(const StreamOptions& options, const ImageDataset& train,
                   const ImageDataset& test) {
  if (options.tasks < 1)
    argument_error("make_stream", "tasks", std::to_string(options.tasks), "at least 1", "");
  if (!(train.class_names == test.class_names))
    argument_error("make_stream", "test", std::to_string(test.classes()) + " classes",
                   "those of the training images", "");
  check_classes(train, "train");
  check_classes(test, "test");
  check_one_of("make_stream", "name", options.name, stream_names());
  return std::find_if(std::begin(stream_kinds), std::end(stream_kinds),
                      [&](const StreamKind& kind) { return options.name == kind.name; })
      ->make(options, train, test);
}

std::vector<int64_t> indices_of(const ImageDataset& data, const std::vector<int64_t>& classes) {
  std::vector<int64_t> found;
  for (int64_t i = 0; i < data.size(); ++i)
    if (std::binary_search(classes.begin(), classes.end(), data.labels.data<int64_t>()[i]))
      found.push_back(i);
  return found;
}

ImageDataset of_classes(const ImageDataset& data, const std::vector<int64_t>& classes) {
  return data.subset(indices_of(data, classes));
}

std::vector<std::vector<int64_t>> classes_of_tasks(const StreamOptions& options, int64_t classes) {
  const int64_t first = options.first_classes ? options.first_classes : classes / options.tasks;
  const int64_t others = options.tasks - 1, rest = classes - first;
  const bool even = options.first_classes || classes % options.tasks == 0;
  if (!even || first < 1 || rest < others || (others ? rest % others : rest) != 0)
    argument_error("make_stream", "tasks", std::to_string(options.tasks),
                   "a number that divides the " + std::to_string(classes) + " classes" +
                       (options.first_classes ? ", those of the first task apart" : ""),
                   "");
  std::vector<std::vector<int64_t>> parts(static_cast<size_t>(options.tasks));
  for (int64_t c = 0; c < classes; ++c)
    parts[static_cast<size_t>(c < first ? 0 : 1 + (c - first) * others / rest)].push_back(c);
  return parts;
}

std::string task_name(const std::vector<int64_t>& classes,
                      const std::vector<std::string>& class_names) {
  std::string name;
  for (int64_t c : classes)
    name += (name.empty() ? "" : " + ") + class_names[static_cast<size_t>(c)];
  return name;
}

}  // namespace espalier
