#include "app/serve/predictor.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "app/serve/base64.h"
#include "app/serve/http.h"
#include "bench/canvas.h"
#include "bench/png.h"
#include "engine/error.h"
#include "engine/io/image.h"
#include "engine/io/json.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/storage.h"
#include "nn/attention_map.h"
#include "nn/evaluate.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

constexpr size_t most_kept = 6, most_models = 4;
constexpr int64_t most_pixels = 4'000'000;

[[noreturn]] void refuse_request(const std::string& argument, const std::string& sentence) {
  throw HttpError{422, "arguments", argument + ": " + sentence, argument};
}

// What a prediction looks at.
struct Picture {
  Tensor pixels;  // u8 [1, H, W, C]
  std::optional<std::string> label;
};

void invert(const Tensor& pixels) {
  uint8_t* values = pixels.data<uint8_t>();
  for (int64_t i = 0; i < pixels.numel(); ++i) values[i] = static_cast<uint8_t>(255 - values[i]);
}

Tensor from_pixels(const Json& values, const ViTConfig& config) {
  const Shape shape = config.batch_shape(1);
  const auto count = static_cast<size_t>(shape.numel());
  if (!values.is_array() || values.size() != count)
    refuse_request("pixels", "expected " + std::to_string(count) + " numbers, row by row");
  const Tensor pixels = Tensor::empty(shape, DType::u8);
  for (size_t i = 0; i < count; ++i) {
    if (!values[i].is_number() || !(values[i] >= 0 && values[i] <= 255))
      refuse_request("pixels", "expected numbers of 0 to 255");
    pixels.data<uint8_t>()[i] = static_cast<uint8_t>(values[i].get<double>() + 0.5);
  }
  return pixels;
}

Tensor from_file(const Json& text, const ViTConfig& config) {
  const auto bytes =
      text.is_string() ? from_base64(text.get_ref<const std::string&>()) : std::nullopt;
  if (!bytes) refuse_request("file", "expected the base64 of a PNG or JPEG picture");
  try {
    const Tensor image =
        decode_image(std::as_bytes(std::span(*bytes)), "the picture", config.image_size,
                     config.image_size, config.channels, most_pixels);
    return unsqueeze(image, 0);
  } catch (const Error& error) {
    refuse_request("file", error.what());
  }
}

Picture picture_of(const Json& image, const ViTConfig& config, TestPictures& pictures) {
  if (!image.is_object()) refuse_request("image", "expected an object with test, pixels or file");
  Picture out;
  if (image.contains("test")) {
    if (!image["test"].is_number_integer())
      refuse_request("test", "expected the number of a test image");
    const auto index = image["test"].get<int64_t>();
    out.pixels = pictures.picture(index);
    out.label = pictures.label(index);
  } else if (image.contains("pixels")) {
    out.pixels = from_pixels(image["pixels"], config);
  } else if (image.contains("file")) {
    out.pixels = from_file(image["file"], config);
  } else {
    refuse_request("image", "expected test, pixels or file in it");
  }
  if (image.value("invert", false)) invert(out.pixels);
  return out;
}

Json numbers(const Tensor& pixels) {
  const uint8_t* values = pixels.data<uint8_t>();
  return std::vector<int>(values, values + pixels.numel());
}

Json ranked_classes(const Tensor& confidences) {
  const std::vector<std::string> names = fashion_mnist_classes();
  const float* values = confidences.data<float>();
  std::vector<size_t> order(static_cast<size_t>(confidences.numel()));
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] > values[b]; });
  Json out = Json::array();
  for (size_t i : order)
    out.push_back({{"name", i < names.size() ? names[i] : "class " + std::to_string(i)},
                   {"index", i},
                   {"confidence", values[i]}});
  return out;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

struct Predictor::Kept {
  std::string id, stamp;
  LoadedModel loaded;
  Plan plan;
  Tensor input{}, logits{};
  std::vector<double> seconds{};

  Kept(std::string name, std::string version, const std::string& path)
      : id(std::move(name)),
        stamp(std::move(version)),
        loaded(load_model(path)),
        plan(compile(loaded.graph, on_one_thread(loaded.options))) {}

  static PlanOptions on_one_thread(PlanOptions options) {
    options.threads = 1;
    return options;
  }

  void prepare(const Tensor& pixels) {
    input = normalized(pixels, loaded.config);
    logits = Tensor::empty({1, loaded.config.classes});
    seconds.clear();
    plan.run(input, logits);  // so that no timing meets cold caches
  }

  void time_once() {
    const auto start = std::chrono::steady_clock::now();
    plan.run(input, logits);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }

  Json attention() const {
    if (!loaded.model) return nullptr;
    const Tensor map = attention_map(*loaded.model, input);
    const float* values = map.data<float>();
    return {{"grid", {map.size(1), map.size(2)}},
            {"values", std::vector<float>(values, values + map.numel())}};
  }

  Json result() const {
    return {{"model", id},
            {"dtype", loaded.dtype},
            {"classes", ranked_classes(softmax(logits))},
            {"seconds", median(seconds)},
            {"runs", seconds.size()},
            {"threads", 1},
            {"attention", attention()}};
  }
};

std::shared_ptr<Predictor::Kept> Predictor::model(const std::string& id) {
  const auto found = models_.find(id);
  if (!found)
    refuse_request("models", "there is no model '" + id + "' (any more); /api/models has them");
  if (found->path.empty())
    refuse_request("models", "'" + id + "' is built in and untrained; train it first");
  const std::string stamp = std::to_string(found->modified) + " " + std::to_string(found->bytes);
  auto at = std::find_if(kept_.begin(), kept_.end(),
                         [&](const auto& each) { return each->id == id && each->stamp == stamp; });
  if (at == kept_.end()) {
    kept_.push_front(std::make_shared<Kept>(id, stamp, found->path));
    if (kept_.size() > most_kept) kept_.pop_back();
  } else {
    kept_.splice(kept_.begin(), kept_, at);
  }
  return kept_.front();
}

std::string Predictor::predict(const std::string& body) {
  const Json asked = json_or_null(body);
  if (!asked.is_object() || !asked.contains("models") || !asked["models"].is_array() ||
      !asked.contains("image"))
    refuse_request("models", "expected {\"models\": [ids], \"image\": {...}}");
  if (asked["models"].empty() || asked["models"].size() > most_models)
    refuse_request("models", "expected 1 to 4 of them");
  const std::lock_guard lock(mutex_);
  used_ = std::chrono::steady_clock::now();
  const SerialGuard serial;
  std::vector<std::shared_ptr<Kept>> chosen;
  for (const Json& id : asked["models"]) {
    if (!id.is_string()) refuse_request("models", "expected ids");
    chosen.push_back(model(id.get<std::string>()));
  }
  const ViTConfig& config = chosen.front()->loaded.config;
  for (const auto& each : chosen)
    if (!(each->loaded.config.batch_shape(1) == config.batch_shape(1)))
      refuse_request("models", "they take pictures of different sizes; choose others");
  const Picture picture = picture_of(asked["image"], config, pictures_);
  for (const auto& each : chosen) each->prepare(picture.pixels);
  constexpr int runs = 25;  // in turns, so that a disturbance meets all alike
  for (int i = 0; i < runs; ++i)
    for (const auto& each : chosen) each->time_once();
  Json results = Json::array();
  for (const auto& each : chosen) results.push_back(each->result());
  return Json{{"results", results},
              {"pixels", numbers(picture.pixels)},
              {"width", config.image_size},
              {"height", config.image_size},
              {"label", picture.label ? Json(*picture.label) : Json()}}
      .dump();
}

void Predictor::forget_unless_used(std::chrono::seconds since) {
  const std::lock_guard lock(mutex_);
  if (kept_.empty() || std::chrono::steady_clock::now() - used_ < since) return;
  kept_.clear();
  pictures_.forget();
  release_cached_memory();
  malloc_trim(0);
}

void TestPictures::forget() {
  const std::lock_guard lock(mutex_);
  images_.reset();
}

bool TestPictures::present() const {
  std::error_code error;
  for (const char* name : {"/t10k-images-idx3-ubyte", "/t10k-images-idx3-ubyte.gz"})
    if (std::filesystem::exists(data_ + name, error)) return true;
  return false;
}

const ImageDataset& TestPictures::images() {
  if (images_) return *images_;
  try {
    images_ = load_fashion_mnist(data_, Split::test);
  } catch (const Error& error) {
    throw HttpError{404, "absent",
                    std::string(error.what()) +
                        "; install dataset-fashion-mnist, or start "
                        "`espalier serve` with --data FOLDER"};
  }
  return *images_;
}

void TestPictures::check(int64_t index) {
  if (index < 0 || index >= images().size())
    throw HttpError{404, "absent",
                    "there is no such test image; they have the numbers 0 to " +
                        std::to_string(images().size() - 1)};
}

Tensor TestPictures::picture(int64_t index) {
  const std::lock_guard lock(mutex_);
  check(index);
  return images().subset({index}).images;
}

std::string TestPictures::label(int64_t index) {
  const std::lock_guard lock(mutex_);
  check(index);
  return images().class_names[static_cast<size_t>(images().labels.data<int64_t>()[index])];
}

std::string TestPictures::json(int64_t index) {
  const Tensor pixels = picture(index);
  const std::lock_guard lock(mutex_);
  const int64_t label = images().labels.data<int64_t>()[index];
  return Json{{"index", index},
              {"label", label},
              {"class", images().class_names[static_cast<size_t>(label)]},
              {"width", pixels.size(2)},
              {"height", pixels.size(1)},
              {"pixels", numbers(pixels)}}
      .dump();
}

std::string TestPictures::png(int64_t index) {
  const Tensor pixels = picture(index);
  bench::Canvas canvas(static_cast<int>(pixels.size(2)), static_cast<int>(pixels.size(1)));
  const uint8_t* values = pixels.data<uint8_t>();
  for (int y = 0; y < canvas.height(); ++y)
    for (int x = 0; x < canvas.width(); ++x) {
      const uint8_t grey = values[y * canvas.width() + x];
      canvas.fill_rect({static_cast<double>(x), static_cast<double>(y), 1, 1}, {grey, grey, grey});
    }
  const std::vector<uint8_t> bytes = bench::encode_png(canvas);
  return {bytes.begin(), bytes.end()};
}

}  // namespace espalier::app
