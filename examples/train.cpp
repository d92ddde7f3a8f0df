// Trains a Vision Transformer of your own shape, and tests what became of it. Build it against the
// installed library:
//   c++ -std=c++20 train.cpp $(pkg-config --cflags --libs espalier) -o train
#include <espalier.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: train FOLDER_WITH_MNIST_FILES NEW_FOLDER_FOR_THE_RUN\n");
    return 2;
  }
  espalier::TrainConfig config;
  config.model = {
      .name = "mine", .conv_channels = {16}, .width = 48, .depth = 2, .heads = 2, .mlp_hidden = 96};
  config.epochs = 1;
  config.warmup_steps = 50;
  config.learning_rate = 2e-3;
  try {
    // Held-out images choose the best epoch; test images are for the end.
    const auto all = espalier::load_fashion_mnist(argv[1], espalier::Split::train);
    auto [train, validation] = espalier::hold_out(all, all.size() / 12, config.seed);
    espalier::Trainer trainer(config, std::move(train), std::move(validation), argv[2]);
    trainer.run({.step = [](const espalier::StepReport& now) {
      if (now.step % 50 == 0)
        std::printf("step %lld of %lld: loss %.3f\n", static_cast<long long>(now.step),
                    static_cast<long long>(now.steps), now.loss);
    }});
    const auto best = espalier::load_model(trainer.best_checkpoint());
    const auto test = espalier::load_fashion_mnist(argv[1], espalier::Split::test);
    std::printf("%s: %.2f %% of the test images\n", trainer.best_checkpoint().c_str(),
                100 * espalier::evaluate(best.graph, best.config, test).accuracy());
  } catch (const espalier::Error& error) {
    std::fprintf(stderr, "train: %s\n", error.what());
    return 1;
  }
}
