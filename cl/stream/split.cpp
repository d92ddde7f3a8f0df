#include "cl/stream/kinds.h"

namespace espalier {

Stream split_stream(const StreamOptions& options, const ImageDataset& train,
                    const ImageDataset& test) {
  Stream stream{"split", options.task_incremental, {}};
  for (const std::vector<int64_t>& classes : classes_of_tasks(options, train.classes()))
    stream.tasks.push_back({task_name(classes, train.class_names), classes,
                            of_classes(train, classes), of_classes(test, classes)});
  return stream;
}

}  // namespace espalier
