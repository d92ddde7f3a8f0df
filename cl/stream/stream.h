// Streams: a data set as a row of tasks, which a learner sees one after the other.
#pragma once

#include <string>
#include <vector>

#include "nn/data/dataset.h"

namespace espalier {

struct Task {
  std::string name;              // "0 and 1", "rotated by 36"
  std::vector<int64_t> classes;  // that it is tested on, ascending
  ImageDataset train, test;      // labels are those of the whole stream
  // Of each training image, the number of the text that it comes with; none where it comes alone.
  std::vector<int64_t> texts{};
  int64_t text(int64_t sample) const {
    return texts.empty() ? 0 : texts[static_cast<size_t>(sample)];
  }
};

struct Stream {
  std::string name;
  // Whether a test image comes with its task, whose classes alone are then compared (van de Ven and
  // Tolias, 2019, 1904.07734); otherwise one of all classes must be named.
  bool task_incremental = false;
  std::vector<Task> tasks;
  int64_t classes() const { return tasks.front().train.classes(); }
  std::vector<std::string> task_names() const;
};

struct StreamOptions {
  std::string name = "split";  // one of stream_names()
  int64_t tasks = 5;
  // "split", "blurry": classes of the first task, to begin from a network that knows something; the
  // other tasks share the rest. 0: as many as every other has.
  int64_t first_classes = 0;
  bool task_incremental = false;
  uint64_t seed = 1;  // of permutations, of what blurs
  double blur = 0.1;  // "blurry": the share of a task's training images from the other tasks
  double turn = 180;  // "rotated": degrees between the first task and one after the last
};

// "split", "permuted", "rotated", "blurry": see cl/stream/kinds.h. Every task of a permuted or
// rotated stream has all images, as in the literature, and holds a copy of them; the number of
// tasks is free. That of the others divides the classes.
std::vector<std::string> stream_names();

// The tasks of a labelled data set. Argument errors: an unknown name; tasks that do not divide the
// classes, or fewer than 1; a class without a training image or a test image; options out of range.
Stream make_stream(const StreamOptions& options, const ImageDataset& train,
                   const ImageDataset& test);

}  // namespace espalier
