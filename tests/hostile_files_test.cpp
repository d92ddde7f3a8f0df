// Files made to hurt: every reader loads them or refuses with a one-line file error, in memory
// bounded by the file's size.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <utility>

#include "compress/convert.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/io/image.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/sanitizers.h"
#include "nn/data/idx.h"
#include "nn/model_file.h"
#include "nn/train_config.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

struct Format {
  const char* name;
  std::string sample;  // a good file
  std::function<void(const std::string& path)> read;
  size_t unread_tail = 0;  // bytes at the end that a good file may lose
  bool sealed = false;     // a checksum refuses any change before more than a header is read
};

// A new file each time: ext4 writes one that is emptied and filled again to the disk at once.
void put(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string little_endian(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

std::string safetensors(const std::string& header, const std::string& data) {
  return little_endian(header.size()) + header + data;
}

// A file by another program, which has no checksum to fail first.
const std::string foreign_safetensors =
    safetensors(R"({"__metadata__":{"format":"pt"},)"
                R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                R"("b":{"dtype":"U8","shape":[5],"data_offsets":[24,29]}})",
                std::string(29, 'x'));

std::string own_safetensors() {
  const TemporaryFolder folder;
  save_safetensors(folder.file("a"), {{"weight", Tensor::of<float>({1, 2, 3, 4}, {2, 2})}},
                   {{"note", "\"quoted\""}});
  return read_text(folder.file("a"));
}

// A model as small as they come.
const ViTConfig smallest{.image_size = 4,
                         .classes = 2,
                         .conv_channels = {1},
                         .width = 2,
                         .depth = 1,
                         .heads = 1,
                         .mlp_hidden = 1};

std::string model_file() {
  const TemporaryFolder folder;
  Generator generator(1);
  ViTConfig config = smallest;
  config.blocks = {{1, 1, 1, 2}};
  save_model(folder.file("a"), VisionTransformer(config, generator));
  return read_text(folder.file("a"));
}

std::string int8_model_file() {
  const TemporaryFolder folder;
  Generator generator(1);
  VisionTransformer model(smallest, generator);
  model.eval();
  const Graph graph = capture(model);
  const Tensor inputs = Tensor::full(smallest.batch_shape(2), 1);
  save_int8_model(folder.file("a"), smallest, graph, convert_int8(graph, inputs));
  return read_text(folder.file("a"));
}

// Fashion-MNIST's layout: u8 [2, 3], plain and as gzip -n wrote it.
const std::string idx("\0\0\x08\x02\0\0\0\x02\0\0\0\x03\x01\x02\x03\x04\x05\x06", 18);
const std::string gzipped_idx(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x63\x60\xe0\x60\x62\x60"
    "\x60\x00\x61\x66\x46\x26\x66\x16\x56\x36\x00\x48\x94\x3e\xe5\x12"
    "\x00\x00\x00",
    35);

// A grey picture of 5 by 4 pixels.
std::string png() {
  constexpr unsigned char bytes[] = {
      0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
      0x52, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x04, 0x08, 0x00, 0x00, 0x00, 0x00, 0x63,
      0x58, 0xaa, 0x9c, 0x00, 0x00, 0x00, 0x20, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x60,
      0xd0, 0x08, 0xa8, 0x58, 0xc0, 0xc0, 0x69, 0x18, 0xd9, 0xb8, 0x92, 0x41, 0xc8, 0x2a, 0xa9,
      0x6b, 0x13, 0x83, 0xb4, 0x73, 0xf6, 0xe4, 0xdd, 0x00, 0x4c, 0x3a, 0x07, 0x4f, 0xf4, 0x39,
      0x03, 0xfd, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  return {reinterpret_cast<const char*>(bytes), sizeof bytes};
}

void read_tensors(const std::string& path) { load_safetensors(path); }
void read_json(const std::string& path) { parse_json(read_text(path), path); }
void read_config(const std::string& path) { train_config_from_json(read_text(path), path); }

const std::vector<Format>& formats() {
  static const std::vector<Format> all = {
      {"safetensors", foreign_safetensors, read_tensors},
      {"safetensors of ours", own_safetensors(), read_tensors},
      {"model", model_file(), load_model, 0, true},
      {"model in whole numbers", int8_model_file(), load_model, 0, true},
      {"JSON", R"({"model": {"width": 64, "rate": 1e-3, "on": true, "t": "\u00e9"}, "l": [1]})",
       read_json},
      {"configuration", R"({"seed": 7, "learning_rate": 0.01, "model": {"conv_channels": [32]}})",
       read_config},
      {"IDX", idx, load_idx},
      {"gzipped IDX", gzipped_idx, load_idx},
      // A checksum that the reader does not look at ends the file.
      {"PNG", png(), [](const std::string& path) { load_image(path, 4, 4, 1); }, 4},
  };
  return all;
}

// Reads a file; true when it loaded. Anything but a load or a one-line file error that names the
// file fails the test.
bool survives(const Format& format, const std::string& path, size_t size) {
  release_cached_memory();
  reset_peak_memory();
  const size_t before = memory_stats().in_use;
  bool loaded = false;
  try {
    format.read(path);
    loaded = true;
  } catch (const Error& error) {
    const std::string text = error.what();
    INFO(text);
    CHECK(error.kind() == ErrorKind::file);
    CHECK(text.find('\n') == std::string::npos);
    CHECK(text.find(path) == 0);
    CHECK(text.size() < 1000);
  }
  constexpr size_t slack = 64 << 10;
  CHECK(memory_stats().peak <= before + 2 * size + slack);
  return loaded;
}

bool survives_bytes(const Format& format, const std::string& path, const std::string& bytes) {
  put(path, bytes);
  return survives(format, path, bytes.size());
}

}  // namespace

TEST_CASE("readers survive truncation at every byte and every flipped byte") {
  constexpr size_t step = ESPALIER_SANITIZED ? 7 : 1;  // fuzzers are sanitized too
  const TemporaryFolder folder;
  const std::string path = folder.file("hostile");
  for (const Format& format : formats()) {
    INFO(format.name);
    CHECK(survives_bytes(format, path, format.sample));
    for (size_t i = 0; i < format.sample.size(); i += step) {
      INFO("byte ", i);
      const bool loaded = survives_bytes(format, path, format.sample.substr(0, i));
      CHECK((!loaded || i + format.unread_tail >= format.sample.size()));
      for (const int flip :
           format.sealed ? std::vector{0x01, 0x80} : std::vector{0x01, 0x10, 0x80, 0xff}) {
        std::string bytes = format.sample;
        bytes[i] = static_cast<char>(bytes[i] ^ flip);
        CHECK((!survives_bytes(format, path, bytes) || !format.sealed));
      }
    }
  }
}

TEST_CASE("readers survive huge numbers, repeats and losses anywhere") {
  const TemporaryFolder folder;
  const std::string path = folder.file("hostile");
  std::mt19937 random(1);
  const std::string patches[] = {little_endian(uint64_t{1} << 60),
                                 std::string(8, '\xff'),
                                 std::string(4, '\x7f'),
                                 "99999999999999999999",
                                 "-1",
                                 "1e400",
                                 std::string(3, '\0')};
  for (const Format& format : formats()) {
    if (format.sealed) continue;  // its header is that of a safetensors file
    INFO(format.name);
    const std::string& good = format.sample;
    for (size_t i = 0; i < good.size(); ++i)
      for (const std::string& patch : patches) {
        std::string bytes = good;
        survives_bytes(format, path, bytes.replace(i, patch.size(), patch));
      }
    for (int round = 0; round < 500; ++round) {
      const size_t from = random() % good.size(), count = random() % 40,
                   to = random() % good.size();
      std::string bytes = good;
      bytes.insert(to, good.substr(from, count));
      survives_bytes(format, path, bytes);
      bytes = good;
      survives_bytes(format, path, bytes.erase(from, count));
    }
  }
}

TEST_CASE("readers refuse what is no regular file, and empty files") {
  const TemporaryFolder folder;
  const std::string fifo = folder.file("fifo"), loop = folder.file("loop");
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  std::filesystem::create_symlink(loop, loop);
  put(folder.file("empty"), "");
  for (const Format& format : formats())
    for (const std::string& path :
         {folder.path(), fifo, loop, folder.file("empty"), folder.file("absent"),
          std::string("/dev/zero"), folder.file("empty") + "/below", std::string()}) {
      INFO(format.name, ": ", path);
      CHECK(!survives(format, path, 0));
    }
}

TEST_CASE("JSON nested 10,000 deep is refused, wherever it stands") {
  const TemporaryFolder folder;
  const std::string path = folder.file("hostile");
  std::string objects;
  for (int i = 0; i < 10'000; ++i) objects += R"({"a":)";
  for (const std::string& nested :
       {std::string(10'000, '['), objects, std::string(10'000, '[') + std::string(10'000, ']')}) {
    const Format json{"JSON", "", read_json}, config{"configuration", "", read_config};
    const Format tensors{"safetensors", "", read_tensors};
    CHECK(!survives_bytes(json, path, nested));
    CHECK(!survives_bytes(config, path, nested));
    CHECK(!survives_bytes(tensors, path, safetensors(nested, "")));
    CHECK(!survives_bytes(tensors, path, safetensors(R"({"__metadata__":)" + nested, "")));
  }
}

TEST_CASE("JSON of more names or objects than a reader compares is refused, and thousands load") {
  const TemporaryFolder folder;
  const std::string path = folder.file("hostile");
  const auto object = [](int names, const std::string& value) {
    std::string text = "{";
    for (int i = 0; i < names; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":" + value;
    return text + "}";
  };
  const Format json{"JSON", "", read_json}, tensors{"safetensors", "", read_tensors};
  const std::string none = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  CHECK(!survives_bytes(json, path, object(300'000, "0")));
  if (ESPALIER_SANITIZED) return;  // the others would take it ten seconds each, and show no more
  CHECK(survives_bytes(json, path, object(10'000, "0")));
  CHECK(survives_bytes(tensors, path, safetensors(object(5'000, none), "")));
  CHECK(!survives_bytes(tensors, path, safetensors(object(300'000, none), "")));
  CHECK(!survives_bytes(tensors, path,
                        safetensors(R"({"__metadata__":)" + object(300'000, R"("")") + "}", "")));
  CHECK(!survives_bytes(json, path, object(25, object(5'000, "0"))));
  std::string list = "[{}";
  for (int i = 0; i < 300'000; ++i) list += ",{}";
  CHECK(!survives_bytes(json, path, list + "]"));
}

TEST_CASE("safetensors headers that lie are refused") {
  const TemporaryFolder folder;
  const std::string path = folder.file("hostile");
  const Format format{"safetensors", "", read_tensors};
  for (const uint64_t length :
       {uint64_t{1} << 60, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{100}}) {
    INFO("header of ", length);
    CHECK(!survives_bytes(format, path, little_endian(length) + "{}"));
  }
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return R"("a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
           "}";
  };
  const std::string good = tensor(R"("U8")", "[8]", "[0,8]");
  const std::string refused[] = {
      "",
      "[]",
      "null",
      "{",
      "{" + good,
      "{" + good + "}}",
      "{" + good + "," + good + "}",
      "{" + tensor(R"("U8")", "[8]", "[-8,0]") + "}",
      "{" + tensor(R"("U8")", "[8]", "[8,0]") + "}",
      "{" + tensor(R"("U8")", "[8]", "[0,9]") + "}",
      "{" + tensor(R"("U8")", "[8]", "[8,16]") + "}",
      "{" + tensor(R"("U8")", "[8]", "[0.0,8.0]") + "}",
      "{" + tensor(R"("U8")", "[8]", "[0,8,8]") + "}",
      "{" + tensor(R"("U8")", "[8]", "[0,1e30]") + "}",
      "{" + tensor(R"("U8")", "[-8]", "[0,8]") + "}",
      "{" + tensor(R"("U8")", "[-2,-4]", "[0,8]") + "}",
      "{" + tensor(R"("U8")", "8", "[0,8]") + "}",
      "{" + tensor(R"("U8")", R"(["8"])", "[0,8]") + "}",
      "{" + tensor(R"("U8")", "[1,1,1,1,1,1,1,1,8]", "[0,8]") + "}",
      "{" + tensor(R"("F32")", "[4611686018427387904,4]", "[0,8]") + "}",
      "{" + tensor(R"("F32")", "[2147483648,2147483648,4]", "[0,8]") + "}",
      "{" + tensor(R"("F64")", "[2305843009213693953]", "[0,8]") + "}",
      "{" + tensor(R"("F32")", "[1152921504606846976]", "[0,8]") + "}",
      "{" + tensor(R"("U8")", "[7]", "[0,7]") + "}",   // a byte that is no tensor's
      "{" + tensor(R"("F80")", "[8]", "[0,8]") + "}",  // no such type
      "{" + tensor("8", "[8]", "[0,8]") + "}",
      R"({"__metadata__":{"a":1},)" + good + "}",
      R"({"__metadata__":[],)" + good + "}",
      R"({"a":{"dtype":"U8","shape":[8]}})",
      // Two tensors over the same bytes.
      "{" + good + R"(,"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},)"
      R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
      "{\"a\xff\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
  };
  CHECK(survives_bytes(format, path, safetensors("{" + good + "}", "12345678")));
  for (const std::string& header : refused) {
    INFO(header);
    CHECK(!survives_bytes(format, path, safetensors(header, "12345678")));
  }
}

// Each carries a checksum that holds, so that nothing but its own claim is wrong.
TEST_CASE("model files whose configuration asks for more than they hold are refused") {
  const TemporaryFolder folder;
  const std::string path = folder.file("hostile");
  for (const char* config :
       {R"({"width":8192,"depth":256,"heads":1,"mlp_hidden":65536})", R"({"classes":100000})",
        R"({"conv_channels":[8192,8192,8192]})", R"({"width":-1})", R"({"width":1e300})",
        R"({"depth":18446744073709551615})", R"({"width":"wide"})", R"([])", R"({"width":{}})",
        R"({"image_size":1024,"tokenizer":"patch","patch_size":1})", R"({"tokenizer":""})",
        R"({"depth":1,"blocks":[{"heads":0,"head_dim":1,"mlp_hidden":1,"scale_dim":1}]})",
        R"({"depth":1,"blocks":[{"heads":8192,"head_dim":8192,"mlp_hidden":1,"scale_dim":1}]})",
        R"({"depth":1,"blocks":[{"heads":2,"head_dim":4,"mlp_hidden":1,"scale_dim":0}]})",
        R"({"depth":1,"blocks":[{"heads":2,"head_dim":4,"mlp_hidden":99999,"scale_dim":4}]})",
        R"({"depth":2,"blocks":[{"heads":2,"head_dim":4,"mlp_hidden":1,"scale_dim":4}]})",
        R"({"depth":1,"blocks":[{"heads":2,"head_dim":4,"mlp_hidden":1,"scale_dim":4}]})"}) {
    INFO(config);
    save_safetensors(path, {{"a", Tensor::zeros({3})}},
                     {{kind_key, "model"}, {config_key, config}});
    const Format model{"model", "", load_model};
    CHECK(!survives(model, path, std::filesystem::file_size(path)));
  }
}

TEST_CASE("IDX headers and pictures that promise too much are refused") {
  const TemporaryFolder folder;
  const std::string path = folder.file("hostile");
  const std::string big(4, '\xff');
  const Format format{"IDX", "", load_idx};
  for (const std::string& header :
       {std::string("\0\0\x08\x01", 4) + big,
        std::string("\0\0\x08\x04", 4) + big + big + big + big,
        std::string("\0\0\x08\x04\0\0\0\0", 8) + big + big + big,  // none, of 2^96 bytes
        std::string("\0\0\x08\xff", 4) + big, std::string("\0\0\x08\x00", 4),
        std::string("\0\0\x0d\x01\0\0\0\x02", 8) + "12345678"})
    CHECK(!survives_bytes(format, path, header));
  std::string picture = png();
  picture.replace(16, 8, std::string("\0\0\x40\0\0\0\x40\0", 8));  // 16384 x 16384
  const Format& image = formats().back();
  CHECK(!survives_bytes(image, path, picture));
  picture = png();
  picture.replace(33, 8, "\x63zzzIDAT");  // a chunk of 1.6 GiB
  CHECK(!survives_bytes(image, path, picture));
  for (const char* size : {"\0\0\0\0\5\0\0\0", "\5\0\0\0\0\0\0\0"}) {  // a BMP without pixels
    const std::string header =
        std::string("BM", 2) + std::string(8, '\0') + "6" + std::string(3, '\0');
    const std::string info = "(" + std::string(3, '\0') + std::string(size, 8) + "\1" +
                             std::string(1, '\0') + "\x18" + std::string(25, '\0');
    CHECK(!survives_bytes(image, path, header + info + "123456"));
  }
}

TEST_CASE("pictures too long or too narrow, and sizes of none, are refused") {
  const TemporaryFolder folder;
  const std::string path = folder.file("hostile");
  const auto refused = [&](const std::string& sides, int64_t height, int64_t width) {
    std::string picture = png() + std::string(16'000, '\0');  // as large as its pixels need
    put(path, picture.replace(16, 8, sides));
    return refusal_of([&] { load_image(path, height, width, 3); }, ErrorKind::file);
  };
  const std::string wide("\0\xf4\x24\0\0\0\0\1", 8), high("\0\0\0\1\0\xf4\x24\0", 8);
  for (const std::string& sides : {wide, high})  // 16,000,000 x 1
    CHECK(contains(refused(sides, 28, 28), "a side of 16000000 pixels; at most 65535"));
  const std::string narrow("\0\0\0\1\0\0\xea\x60", 8);  // 1 x 60,000
  CHECK(contains(refused(narrow, 1, 16'384), "too narrow to make 16384 x 1"));
  CHECK(contains(refused(narrow, 28, 28), "damaged picture"));
  put(path, png());
  CHECK(load_image(path, 1, 16'384, 3).numel() == 3 * 16'384);
  for (const auto& [height, width] :
       {std::pair{0, 4}, std::pair{4, 0}, std::pair{-1, 4}, std::pair{4, 16'385}})
    CHECK(contains(refusal_of([&, h = height, w = width] { load_image(path, h, w, 1); }),
                   "expected 1 to 16384 pixels"));
}

// One pixel of it is stored; the rest of the canvas is background.
TEST_CASE("a GIF of a large canvas in a small file is refused") {
  const TemporaryFolder folder;
  const Format& image = formats().back();
  const auto gif = [](const std::string& side, size_t size) {
    std::string bytes = "GIF89a" + side + side + std::string("\x80\0\0\xff\xff\xff\0\0\0", 9);
    bytes += std::string(",\0\0\0\0\1\0\1\0\0\2\2D\1\0;", 16);
    return bytes + std::string(size - bytes.size(), '\0');
  };
  CHECK(survives_bytes(image, folder.file("small.gif"), gif(std::string("\x64\0", 2), 1000)));
  CHECK(!survives_bytes(image, folder.file("large.gif"), gif("\xd0\x07", 1000)));  // 2000 x 2000
}

// Leaves memory that has just been freed full of what a decoder must not take for its tables.
void spoil_memory(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::vector<unsigned char>> blocks;
  for (size_t kilobytes = 1; kilobytes <= 64; ++kilobytes) {
    blocks.emplace_back(kilobytes << 10);
    for (unsigned char& byte : blocks.back())
      byte = static_cast<unsigned char>(random() % 3 ? 0xff : random());
  }
}

TEST_CASE("a JPEG that names tables it does not have is not decoded by what memory held") {
  const auto segment = [](char marker, const std::string& body) {
    return std::string{'\xff', marker, '\0', static_cast<char>(body.size() + 2)} + body;
  };
  const std::string jpeg = "\xff\xd8" + segment('\xdb', std::string(65, '\1')) +
                           segment('\xc0', std::string("\x8\0\x8\0\x8\1\1\x11\1", 9)) +
                           segment('\xda', std::string("\1\1\x11\0\x3f\0", 6)) +
                           std::string(64, '\x9c') + "\xff\xd9";
  std::vector<std::vector<double>> decoded;
  for (unsigned seed = 0; seed < 20; ++seed) {
    spoil_memory(seed);
    try {
      decoded.push_back(decode_image(std::as_bytes(std::span(jpeg)), "a", 8, 8, 1).to_vector());
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::file);
      decoded.emplace_back();
    }
    CHECK(decoded.back() == decoded.front());
  }
}

}  // namespace espalier::test
