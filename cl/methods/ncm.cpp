#include "cl/methods/ncm.h"

#include <limits>

#include "cl/network_features.h"
#include "engine/ops/cast.h"
#include "engine/ops/view.h"
#include "nn/contrastive.h"
#include "nn/named_tensors.h"

namespace espalier {

// The means need every image once, so they are as good as if all tasks had come together.
void NearestClassMean::after_task(Learner& learner) {
  const ImageDataset& data = learner.current().train;
  const Tensor features = unit_rows(features_of(learner, data.images));
  const int64_t F = features.size(1);
  if (!sums_.defined()) {
    sums_ = Tensor::zeros({learner.network->classes(), F}, DType::f64);
    counts_ = Tensor::zeros({learner.network->classes()}, DType::s64);
  }
  for (int64_t i = 0; i < features.size(0); ++i) {
    const int64_t label = data.labels.data<int64_t>()[i];
    for (int64_t f = 0; f < F; ++f)
      sums_.data<double>()[label * F + f] += static_cast<double>(features.data<float>()[i * F + f]);
    ++counts_.data<int64_t>()[label];
  }
  learner.spend(features.size(0), 1);
}

Tensor NearestClassMean::scores(const Learner& learner, const Tensor& images) const {
  if (!sums_.defined()) return Method::scores(learner, images);
  const Tensor means = unit_rows(to(sums_, DType::f32));
  const Tensor features = unit_rows(features_of(learner, images));
  const Tensor scores = nearness(features, means);
  for (int64_t c = 0; c < counts_.numel(); ++c)
    if (counts_.data<int64_t>()[c] == 0)
      select(scores, 1, c).fill_(-std::numeric_limits<double>::infinity());
  return scores;
}

NamedTensors NearestClassMean::state_dict() const {
  if (!sums_.defined()) return {};
  return {{"sums", sums_}, {"counts", counts_}};
}

void NearestClassMean::load_state_dict(const Learner& learner, const NamedTensors& state) {
  if (state.empty()) return;
  const int64_t classes = learner.network->classes();
  const int64_t F =
      features_of(learner, slice(learner.stream.tasks[0].test.images, 0, 0, 1)).size(1);
  sums_ = Tensor::zeros({classes, F}, DType::f64);
  counts_ = Tensor::zeros({classes}, DType::s64);
  copy_named("NearestClassMean", {{"sums", sums_}, {"counts", counts_}}, state);
}

}  // namespace espalier
