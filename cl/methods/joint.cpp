#include "cl/methods/joint.h"

#include "engine/ops/view.h"

namespace espalier {

Stream JointTraining::taught(Stream stream) const {
  int64_t rows = 0;
  for (const Task& task : stream.tasks) rows += task.train.size();
  ImageDataset& first = stream.tasks.front().train;
  Shape shape = first.images.shape();
  shape[0] = rows;
  ImageDataset all{Tensor::empty(shape, DType::u8), Tensor::empty({rows}, DType::s64),
                   first.class_names};
  int64_t begin = 0;
  for (Task& task : stream.tasks) {
    const int64_t end = begin + task.train.size();
    slice(all.images, 0, begin, end).copy_(task.train.images);
    slice(all.labels, 0, begin, end).copy_(task.train.labels);
    task.train = task.train.subset({});
    begin = end;
  }
  first = std::move(all);
  return stream;
}

}  // namespace espalier
