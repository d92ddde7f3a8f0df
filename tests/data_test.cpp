// Reading and augmenting images.
#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <fstream>

#include "engine/error.h"
#include "engine/io/file.h"
#include "nn/data/augment.h"
#include "nn/data/dataset.h"
#include "nn/data/idx.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

// An IDX file of u8 [2, 3] holding 1 to 6.
const std::string small_idx("\0\0\x08\x02\0\0\0\x02\0\0\0\x03\x01\x02\x03\x04\x05\x06", 18);

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(compressBound(text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

void put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("IDX files are read plain and gzipped, and refused when damaged") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.idx");
  for (const std::string& whole : {small_idx, gzipped(small_idx)}) {
    put(path, whole);
    CHECK(load_idx(path).to_vector() == std::vector<double>{1, 2, 3, 4, 5, 6});
    for (size_t i = 0; i < whole.size(); ++i) {
      INFO("truncated at ", i);
      put(path, whole.substr(0, i));
      CHECK_THROWS_AS(load_idx(path), Error);
    }
    put(path, whole + "x");
    CHECK_THROWS_AS(load_idx(path), Error);
  }
  put(path, std::string("\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16));
  CHECK_THROWS_AS(load_idx(path), Error);
  CHECK_THROWS_AS(load_idx(folder.path()), Error);
  CHECK_THROWS_AS(load_idx(folder.file("absent")), Error);
}

TEST_CASE("augmentation without options only normalises; a flip mirrors; a shift moves zeros in") {
  const uint8_t pixels[] = {0, 51, 102, 153, 204, 255};
  const ImageShape shape{2, 3, 1};
  std::vector<float> out(6);
  Generator generator(1);
  augment_image(pixels, out.data(), shape, {}, 0.0, 1.0, generator);
  for (size_t i = 0; i < 6; ++i) CHECK(out[i] == doctest::Approx(pixels[i] / 255.0));
  augment_image(pixels, out.data(), shape, {.flip = 1}, 0.0, 1.0, generator);
  CHECK(out[0] == doctest::Approx(102 / 255.0));
  CHECK(out[5] == doctest::Approx(153 / 255.0));
  bool moved = false;
  for (int i = 0; i < 20; ++i) {
    augment_image(pixels, out.data(), shape, {.shift = 1}, 0.5, 0.25, generator);
    moved |= std::count(out.begin(), out.end(), -2.0f) > 1;
  }
  CHECK(moved);
  CHECK_THROWS_AS(validate(Augmentation{.flip = 2}), Error);
  CHECK_THROWS_AS(validate(Augmentation{.mix_epochs = -1}), Error);
}

TEST_CASE("mixing keeps each sample's probabilities summing to one, in step with its pixels") {
  for (const Augmentation& augmentation :
       {Augmentation{.mixup = 0.4}, Augmentation{.cutmix = 1}, Augmentation{.mixup = 100},
        Augmentation{.cutmix = 100}, Augmentation{.mixup = 1e-13}}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const Tensor images = Tensor::zeros({2, 8, 8, 1}), targets = Tensor::zeros({2, 2});
      std::fill_n(images.data<float>() + 64, 64, 1.0f);
      targets.data<float>()[0] = targets.data<float>()[3] = 1;
      Generator generator(seed);
      mix_batch(images, targets, augmentation, generator);
      const float* p = targets.data<float>();
      double share = 0;  // of the second image in the first
      for (int i = 0; i < 64; ++i) share += static_cast<double>(images.data<float>()[i]) / 64;
      CHECK(p[0] + p[1] == doctest::Approx(1));
      CHECK(p[2] + p[3] == doctest::Approx(1));
      CHECK(p[1] == doctest::Approx(share));
    }
  }
}

TEST_CASE("the real data set has its sizes, and a hold-out splits it") {
  if (!std::ifstream(default_data_folder() + "/train-images-idx3-ubyte.gz")) {
    WARN("dataset-fashion-mnist is not installed");
    return;
  }
  const ImageDataset test = load_fashion_mnist(default_data_folder(), Split::test);
  CHECK(test.images.shape() == Shape{10'000, 28, 28, 1});
  const auto [rest, held] = hold_out(test, 1000, 3);
  CHECK(rest.size() == 9000);
  CHECK(held.size() == 1000);
  CHECK_THROWS_AS(load_fashion_mnist("/nowhere", Split::test), Error);
  CHECK_THROWS_AS(hold_out(test, 10'000, 3), Error);
}

}  // namespace espalier::test
