// Predictions of several models for one picture, on compiled plans that are kept.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/serve/model_list.h"
#include "nn/data/dataset.h"

namespace espalier::app {

// Test images and their classes, read when they are first asked for.
class TestPictures {
 public:
  explicit TestPictures(std::string data) : data_(std::move(data)) {}
  // Throws an HttpError where the data set is absent, or the index out of range.
  Tensor picture(int64_t index);  // u8 [1, 28, 28, 1]
  std::string label(int64_t index);
  // The answer of /api/data/test/INDEX.
  std::string json(int64_t index);
  std::string png(int64_t index);
  bool present() const;
  void forget();

 private:
  const ImageDataset& images();
  void check(int64_t index);

  const std::string data_;
  std::mutex mutex_;
  std::optional<ImageDataset> images_;
};

class Predictor {
 public:
  Predictor(ModelList& models, TestPictures& pictures) : models_(models), pictures_(pictures) {}

  // The answer of /api/predict to a body of it. One prediction at a time, each on one thread, so
  // that a job beside it keeps the others.
  std::string predict(const std::string& body);

  // Gives back what plans and pictures take if nobody has asked for a prediction for so long.
  void forget_unless_used(std::chrono::seconds since);

 private:
  struct Kept;
  std::shared_ptr<Kept> model(const std::string& id);

  ModelList& models_;
  TestPictures& pictures_;
  std::mutex mutex_;
  std::list<std::shared_ptr<Kept>> kept_;  // the one used last first
  std::chrono::steady_clock::time_point used_{};
};

}  // namespace espalier::app
