#include <numeric>

#include "cl/stream/kinds.h"
#include "engine/error.h"
#include "engine/parallel.h"

namespace espalier {
namespace {

ImageDataset changed(const ImageDataset& data, FunctionRef<void(const uint8_t*, uint8_t*)> change) {
  const Tensor images = Tensor::empty(data.images.shape(), DType::u8);
  const int64_t values = images.numel() / data.size();
  parallel_for(data.size(), grain_for(values), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      change(data.images.data<uint8_t>() + i * values, images.data<uint8_t>() + i * values);
  });
  return {images, data.labels, data.class_names};
}

}  // namespace

Stream stream_of_domains(const char* name, const StreamOptions& options, const ImageDataset& train,
                         const ImageDataset& test) {
  if (options.task_incremental)
    argument_error("make_stream", "task_incremental", "true", "false",
                   std::string("every task of a ") + name +
                       " stream has all classes, so that to know the task tells nothing");
  std::vector<int64_t> classes(static_cast<size_t>(train.classes()));
  std::iota(classes.begin(), classes.end(), int64_t{0});
  return {name, false, {{"as they are", classes, train, test}}};
}

void add_domain(const std::string& name, Stream& stream,
                FunctionRef<void(const uint8_t* from, uint8_t* to)> change) {
  const Task& first = stream.tasks.front();
  Task task{name, first.classes, changed(first.train, change), changed(first.test, change)};
  stream.tasks.push_back(std::move(task));
}

}  // namespace espalier
