// The fields of a TrainConfig's parts for JSON; not a public header.
#pragma once

#include "nn/data/augment.h"
#include "nn/vit_fields.h"

namespace espalier {

template <class Visit>
void visit_fields(Augmentation& a, Visit&& visit) {
  visit("flip", a.flip);
  visit("shift", a.shift);
  visit("erase", a.erase);
  visit("erase_min", a.erase_min);
  visit("erase_max", a.erase_max);
  visit("mixup", a.mixup);
  visit("cutmix", a.cutmix);
  visit("mix_epochs", a.mix_epochs);
}

}  // namespace espalier
