#include "engine/io/safetensors.h"

#include <doctest/doctest.h>

#include <fstream>

#include "engine/io/crc32.h"
#include "engine/io/file.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

NamedTensors sample() {
  return {{"weight", Tensor::of<float>({1, 2, 3, 4, 5, 6}, {2, 3})},
          {"bytes", Tensor::of<uint8_t>({7, 8, 9}, {3})},
          {"none", Tensor::zeros({0, 4})},
          {"count", Tensor::of<int64_t>({1LL << 40}, {})}};
}

}  // namespace

TEST_CASE("CRC-32 is the standard's, whole or in parts") {
  const auto bytes = std::as_bytes(std::span("123456789", 9));
  CHECK(crc32(0, bytes) == 0xcbf43926);
  CHECK(crc32(crc32(0, bytes.first(4)), bytes.subspan(4)) == 0xcbf43926);
  CHECK(crc32(0, {}) == 0);
}

TEST_CASE("safetensors round trip keeps tensors, order and metadata") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.safetensors");
  save_safetensors(path, sample(), {{"config", "{\"a\": \"b\"}"}});
  const TensorFile file = load_safetensors(path);
  const NamedTensors expected = sample();
  REQUIRE(file.tensors.size() == expected.size());
  for (const auto& [name, tensor] : expected) {
    CHECK(file.at(name).describe() == tensor.describe());
    CHECK(file.at(name).to_vector() == tensor.to_vector());
  }
  CHECK(file.metadata.at("config") == "{\"a\": \"b\"}");
  CHECK_THROWS_AS(file.at("absent"), Error);
}

TEST_CASE("a loaded file is saved again with a checksum of its own") {
  const TemporaryFolder folder;
  const std::string first = folder.file("a.safetensors"), second = folder.file("b.safetensors");
  save_safetensors(first, sample(), {{"note", "kept"}});
  const TensorFile file = load_safetensors(first);
  REQUIRE(file.metadata.count("espalier.checksum") == 1);
  const NamedTensors fewer{file.tensors.front()};
  for (const char* checksum : {file.metadata.at("espalier.checksum").c_str(), "", "00000000"}) {
    auto metadata = file.metadata;
    metadata["espalier.checksum"] = checksum;
    metadata["espalier.format"] = "9";
    save_safetensors(second, fewer, metadata);
    const TensorFile again = load_safetensors(second);
    CHECK(again.tensors.size() == 1);
    CHECK(again.metadata.at("note") == "kept");
    CHECK(again.metadata.at("espalier.format") == "1");
    CHECK(again.metadata.at("espalier.checksum").size() == 8);
  }
}

TEST_CASE("safetensors refuses any flipped byte and any truncation of a file of ours") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.safetensors"), damaged = folder.file("b.safetensors");
  save_safetensors(path, sample());
  const std::string whole = read_text(path);
  for (size_t i = 0; i < whole.size(); ++i) {
    INFO("byte ", i);
    for (const char flip : {'\x01', '\x80'}) {
      std::string text = whole;
      text[i] = static_cast<char>(text[i] ^ flip);
      std::ofstream(damaged, std::ios::binary) << text;
      CHECK_THROWS_AS(load_safetensors(damaged), Error);
    }
    std::ofstream(damaged, std::ios::binary) << whole.substr(0, i);
    CHECK_THROWS_AS(load_safetensors(damaged), Error);
  }
}

TEST_CASE("a file that cannot be written leaves the old one whole") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.safetensors");
  save_safetensors(path, sample());
  const std::string before = read_text(path);
  CHECK_THROWS_AS(save_safetensors(path, {{"x", Tensor::zeros({2})}, {"x", Tensor::zeros({2})}}),
                  Error);
  CHECK(read_text(path) == before);
  const NamedTensors many(10'000, {"x", Tensor::zeros({2})});
  CHECK(contains(refusal_of([&] { save_safetensors(path, many); }), "fewer than 10000"));
  CHECK_THROWS_AS(save_safetensors(folder.file("no/such/folder"), sample()), Error);
  CHECK_THROWS_AS(save_safetensors("/dev/full/x", sample()), Error);
}

}  // namespace espalier::test
