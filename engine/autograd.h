// The tape: it walks recorded operations in reverse order and knows none of them.
#pragma once

#include <atomic>

#include "engine/op.h"

namespace espalier {

// Where the gradient of one input goes: the operation that made it, or the leaf itself. Neither
// keeps the input's memory alive; what a derivative needs, its operation saved.
struct Edge {
  std::shared_ptr<Node> node;
  Tensor leaf;
  bool wanted() const noexcept { return node || leaf.defined(); }
};

// One recorded operation. It owns its edges; the output's Tensor owns it.
struct Node {
  const Op* op;
  uint64_t sequence;  // later operations have higher numbers
  Shape output_shape;
  DType output_dtype;
  Kept kept;  // empty once used
  RecycledVector<Edge> edges{};
  Tensor gradient{};           // of the output, while backward() runs
  bool owns_gradient = false;  // `gradient` is nobody else's and may be added into

  ~Node();  // frees a chain of any length without recursion
};

// Where gradients of leaves go instead of their own grad(): leaf L's gradient is added at
// arena[L.arena_offset()]. Data-parallel chunks of a batch each bring their own arena, so that they
// can run at once and be summed in a fixed order.
struct GradientSink {
  Tensor arena;  // flat
};

// Computes d(root)/d(leaf) for every leaf that root depends on and adds it to the leaf's grad() (or
// to the sink). `root` must hold one element, or `seed` must give d(loss)/d(root). What the
// operations kept is freed on the way unless `retain_graph`; a second backward over freed
// operations is an argument error. Where a derivative throws, nothing stays on the tape, while
// leaves keep what they had received.
struct BackwardOptions {
  Tensor seed{};
  bool retain_graph = false;
  const GradientSink* sink = nullptr;
};
void backward(const Tensor& root, const BackwardOptions& options = {});

// Recording is on by default, for each thread by itself.
bool grad_enabled() noexcept;

class GradGuard {
 public:
  explicit GradGuard(bool enabled) noexcept;
  ~GradGuard();
  GradGuard(const GradGuard&) = delete;
  GradGuard& operator=(const GradGuard&) = delete;

 private:
  bool before_;
};

// While one of these lives, this thread records nothing.
struct NoGradGuard : GradGuard {
  NoGradGuard() noexcept : GradGuard(false) {}
};

}  // namespace espalier
