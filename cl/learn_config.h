// Everything that shapes one run of continual learning. It is saved in the run folder and in every
// checkpoint.
#pragma once

#include "cl/stream/stream.h"
#include "nn/data/augment.h"

namespace espalier {

struct LearnConfig {
  StreamOptions stream{};                    // its seed is this configuration's
  std::string network = "mlp";               // or a built-in Vision Transformer, such as "vit-tiny"
  std::vector<int64_t> hidden = {256, 256};  // widths of "mlp" between pixels and classes
  std::string method = "er";                 // one of method_names()

  std::string optimizer = "sgd";  // or "adamw"
  double learning_rate = 0.1;
  double momentum = 0;       // of "sgd"
  double weight_decay = 0;   // on matrices only
  double clip_norm = 0;      // global gradient norm; 0 is off
  int64_t epochs = 1;        // of each task
  int64_t first_epochs = 0;  // of the first one, to begin from a trained network; 0: as the others
  int64_t batch_size = 10;
  int64_t max_steps = 0;     // of each task; 0 runs all epochs
  int64_t chunk_size = 128;  // rows that go through the network at once on one thread

  // The memory: `memory_samples` of them where that is above 0, else what fits into `memory_bytes`.
  int64_t memory_bytes = 64 * 1024, memory_samples = 0;
  std::string coding = "u8";            // or "f32": how pixels are kept
  std::string selection = "reservoir";  // one of selection_names()
  int64_t replay_batch = 128;           // rows that a step draws from memory

  // What the methods make of them stands in each one's file.
  double alpha = 0.1, beta = 0.5;  // of what is replayed
  double lambda = 1;               // of what holds to the past without replay
  double gamma = 0.95;             // how much of an older importance stays with each task
  double temperature = 2;          // of distillation
  int64_t lora_rank = 4;
  int64_t adapter_width = 8;
  int64_t prompt_pool = 10, prompt_length = 4, prompts_chosen = 3;  // how many, tokens, of an image
  int64_t latent_stage = 1;          // of the network's stages: what enters it is kept
  std::string latent_coding = "s8";  // or "s4" or "f32": how it is kept

  // What becomes of the network after each task, or after the last alone (cl/hardware_trainer.h).
  std::string compress = "off";  // or one of artefact_dtypes(), or "auto": what `target` chooses
  std::string target{};          // of "auto": "speed", "size", "accuracy" or "balanced"
  double max_megabytes = 0, max_milliseconds = 0;  // budgets of "auto": file, one image; 0: none
  double sparsity = 0;  // share of `sparsity_of` that is gone at the end; 0 prunes nothing
  std::string sparsity_of = "parameters";  // or "flops": of one image
  bool compress_at_end = false;
  int64_t recover_epochs = 3;  // over the memory, after each pruning
  double seconds = 5;          // to time its forms for, in turns, at each batch size
  // Whether the stream is learned a second time without compression, to tell what that made it
  // forget (cl/attribution.h).
  bool control = false;

  Augmentation augmentation{};     // of new and of replayed images
  int64_t held_out = 0;            // training images to test on in place of the test images
  int64_t checkpoint_steps = 500;  // save this often, beside every end of a task
  uint64_t seed = 1;
};

// What the network can be rounded to in a file: "f32", "f16", "bf16", "int8", "w8", "w4",
// "dynamic", as --dtype of compress.
std::vector<std::string> artefact_dtypes();

// Why what a method learns makes no artefact (cl/artefact.h): empty for one that does.
std::string why_no_artefact(const std::string& method);

// The settings that a network learns with unless told otherwise; an argument error with the names
// for another.
LearnConfig named_learn_config(const std::string& network);

// Throws an argument error that names the first field out of range.
void validate(const LearnConfig& config);

std::string to_json(const LearnConfig& config);
// Fields that the text leaves out keep their defaults. Errors are file errors that name `origin`.
LearnConfig learn_config_from_json(const std::string& text, const std::string& origin);

}  // namespace espalier
