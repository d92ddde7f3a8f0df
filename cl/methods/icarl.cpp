#include "cl/methods/icarl.h"

#include "cl/methods/classes.h"
#include "cl/network_features.h"
#include "engine/ops/binary.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "nn/contrastive.h"

namespace espalier {
namespace {

// 1 for the class of each row, else 0: [N, classes], on the CPU as the labels.
Tensor one_hot(const Tensor& labels, int64_t classes, DType dtype) {
  const Tensor rows = Tensor::zeros({labels.size(0), classes}, dtype);
  for (int64_t i = 0; i < labels.size(0); ++i)
    slice(select(rows, 0, i), 0, labels.data<int64_t>()[i], labels.data<int64_t>()[i] + 1).fill_(1);
  return rows;
}

// -(t log s(z) + (1 - t) log(1 - s(z))) of each element: log(1 + exp(z)) - t z, without overflow.
Tensor binary_cross_entropy(const Tensor& z, const Tensor& targets) {
  return sub(add(maximum(z, 0), log(add(exp(neg(abs(z))), 1))), mul(targets, z));
}

}  // namespace

void Icarl::before_task(Learner& learner) {
  if (learner.task > 0) teacher_.take(learner);
}

Tensor Icarl::loss(const Learner& learner, const BatchPart& part) const {
  const Tensor& logits = part.logits;
  const ClassSet so_far = classes_of_first(learner.stream, learner.task + 1);
  const Tensor labels = slice(part.batch.labels, 0, part.begin, part.end);
  Tensor targets = one_hot(labels, logits.size(1), logits.dtype()).to(logits.device());
  if (teacher_.taken()) {
    ClassSet old = classes_of_first(learner.stream, learner.task);
    for (int64_t c : learner.current().classes) old[static_cast<size_t>(c)] = false;
    const Tensor is_old = indicator(old, logits);
    targets =
        add(mul(targets, sub(1, is_old)), mul(sigmoid(teacher_.logits(part.inputs())), is_old));
  }
  const Tensor of_rows = mul(binary_cross_entropy(logits, targets), indicator(so_far, logits));
  return div(sum(of_rows), static_cast<double>(logits.size(0)));
}

Tensor Icarl::scores(const Learner& learner, const Tensor& images) const {
  if (learner.memory->size() == 0) return Method::scores(learner, images);
  const int64_t classes = learner.network->classes();
  std::vector<int64_t> slots, labels;
  for (int64_t i = 0; i < learner.memory->size(); ++i) {
    slots.push_back(i);
    labels.push_back(learner.memory->label(i));
  }
  const Tensor of_class =
      one_hot(Tensor::of(labels, {learner.memory->size()}), classes, DType::f32);
  const Tensor exemplars = unit_rows(features_of(learner, images_of(learner, {}, slots)));
  const Tensor means = unit_rows(matmul(transpose(of_class, 0, 1), exemplars));
  const Tensor features = unit_rows(features_of(learner, images));
  // A class without an exemplar is further than any.
  const Tensor has = amax(of_class, {0});
  return sub(nearness(features, means), mul(sub(1, has), 5));
}

void Icarl::load_state_dict(const Learner& learner, const NamedTensors& state) {
  teacher_.load_state_dict(learner, state);
}

}  // namespace espalier
