#include <algorithm>
#include <cmath>

#include "cl/stream/kinds.h"
#include "engine/error.h"
#include "engine/random.h"

namespace espalier {

Stream blurry_stream(const StreamOptions& options, const ImageDataset& train,
                     const ImageDataset& test) {
  if (!(options.blur >= 0 && options.blur < 1))
    argument_error("make_stream", "blur", std::to_string(options.blur), "0 to below 1", "");
  if (options.tasks < 2)
    argument_error("make_stream", "tasks", std::to_string(options.tasks), "at least 2",
                   "a task alone has nobody to share its images with");
  const std::vector<std::vector<int64_t>> classes = classes_of_tasks(options, train.classes());
  const int64_t tasks = options.tasks;
  std::vector<std::vector<int64_t>> images(classes.size());
  for (int64_t task = 0; task < tasks; ++task) {
    const std::vector<int64_t> own = indices_of(train, classes[static_cast<size_t>(task)]);
    const auto count = static_cast<int64_t>(own.size());
    const int64_t given =
        std::min<int64_t>(count - 1, std::llround(options.blur * static_cast<double>(count)));
    Generator generator(options.seed, static_cast<uint64_t>(task));
    const std::vector<int64_t> order = permutation(count, generator);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t to = i < given ? (task + 1 + i % (tasks - 1)) % tasks : task;
      images[static_cast<size_t>(to)].push_back(
          own[static_cast<size_t>(order[static_cast<size_t>(i)])]);
    }
  }
  Stream stream{"blurry", options.task_incremental, {}};
  for (size_t task = 0; task < classes.size(); ++task) {
    std::sort(images[task].begin(), images[task].end());
    stream.tasks.push_back({task_name(classes[task], train.class_names), classes[task],
                            train.subset(images[task]), of_classes(test, classes[task])});
  }
  return stream;
}

}  // namespace espalier
