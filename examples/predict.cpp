// Loads a model and classifies pictures. Build it against the installed library:
//   c++ -std=c++20 predict.cpp $(pkg-config --cflags --libs espalier) -o predict
#include <espalier.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: predict MODEL.safetensors PICTURE...\n");
    return 2;
  }
  try {
    const auto loaded = espalier::load_model(argv[1]);
    const espalier::ViTConfig& config = loaded.config;
    espalier::Plan plan = espalier::compile(loaded.graph, loaded.options);
    for (int i = 2; i < argc; ++i) {
      const espalier::Tensor pixels =
          espalier::load_image(argv[i], config.image_size, config.image_size, config.channels);
      const espalier::Tensor image = espalier::normalized(unsqueeze(pixels, 0), config);
      const espalier::Tensor confidence = espalier::softmax(plan(image));
      for (int64_t c = 0; c < config.classes; ++c)
        std::printf("%s class %lld: %.1f %%\n", argv[i], static_cast<long long>(c),
                    100.0 * static_cast<double>(confidence.data<float>()[c]));
    }
  } catch (const espalier::Error& error) {
    std::fprintf(stderr, "predict: %s\n", error.what());
    return 1;
  }
}
