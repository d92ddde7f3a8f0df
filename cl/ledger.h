// What learning has cost, to stand beside each figure of what it came to.
#pragma once

#include <cstdint>
#include <string>

#include "nn/staged_module.h"

namespace espalier {

struct Ledger {
  int64_t memory_bytes = 0;  // of the replay memory, whether it is full or not
  int64_t model_bytes = 0;   // of the network's parameters in fp32, as it is trained
  int64_t method_bytes = 0;  // of what the method keeps beside them: a teacher, importances, means
  int64_t rows = 0;  // that training took through the network, those replayed and of hooks too
  // Of training: for each row, half the floating-point operations of the network's captured graph,
  // times the passes that Method::passes_a_row(), or a hook that takes rows of its own, tells.
  int64_t multiply_accumulates = 0;
  double seconds = 0;  // of training, over all parts of the run
};

// Half the floating-point operations that one more image adds to a pass through stages [begin,
// end), or all of them, in evaluation mode: what does not grow with the images, such as texts that
// are read beside them, is not counted. The network's mode is as before afterwards.
double multiply_accumulates(StagedModule& network, int64_t begin, int64_t end);
double multiply_accumulates(StagedModule& network);

std::string to_json(const Ledger& ledger);
// Errors are file errors that name `origin`.
Ledger ledger_from_json(const std::string& text, const std::string& origin);

}  // namespace espalier
