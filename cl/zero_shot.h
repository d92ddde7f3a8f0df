// How well a learner names images of classes that it has not learned yet, from texts alone.
#pragma once

#include <string>
#include <vector>

#include "cl/stream/stream.h"

namespace espalier {

// Test images of the classes of which no task so far had a training image, named among those
// classes alone.
struct ZeroShot {
  int64_t classes = 0;  // none: all were learned, or the method has no texts
  int64_t images = 0, right = 0;
  int64_t commonest = 0;  // images of the class that has most of them
  // Of all ways to deal the classes' names out to one another: how many there are, and how many
  // name at least as many images rightly; 0 where there are more than 10 classes.
  int64_t dealings = 0, as_good = 0;

  double accuracy() const;
  // Of a guess: the share of the commonest class, which is 1 / classes where all have as many.
  double chance() const;
  // The probability of so many right or more, were each image a guess of its own: the one-sided
  // binomial test. It answers for these images and this network. Images of one class resemble each
  // other, though, so that a network which knows nothing of the texts, and puts each class under
  // some name, may well get a class right: dealt() is the test that takes classes for its units.
  double p() const;
  // The share of dealings that are as good: the exact permutation test, never below 1 / dealings.
  double dealt() const;
};

// After `learned` tasks, from the scores f32 [N, classes] of the test images of each task.
ZeroShot zero_shot(const Stream& stream, int64_t learned, const std::vector<Tensor>& scores);

std::string to_json(const ZeroShot& result);
// Errors are file errors that name `origin`.
ZeroShot zero_shot_from_json(const std::string& text, const std::string& origin);

}  // namespace espalier
