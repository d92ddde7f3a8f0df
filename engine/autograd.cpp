#include "engine/autograd.h"

#include <algorithm>

#include "engine/derivatives.h"
#include "engine/device_memory.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/parallel.h"
#include "engine/profiler.h"
#include "kernels/binary/binary.h"

namespace espalier {
namespace {

thread_local bool recording = true;

template <class T>
void add_into(const Tensor& sum, const Tensor& term) {
  T* s = sum.data<T>();
  const T* t = term.data<T>();
  if (term.is_contiguous() && sum.is_contiguous()) {
    const auto& best = kernel(axpby_kernels<T>());
    parallel_for(sum.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
      best.run(1, t + begin, 1, s + begin, end - begin);
    });
  } else {
    for_each_element(sum.shape(), sum.strides(), term.strides(),
                     [&](int64_t a, int64_t b) { s[a] += t[b]; });
  }
}

Tensor copy_of(const Tensor& x) {
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  out.copy_(x);
  return out;
}

// On a GPU only kernels reach the elements, and they add what is dense.
void accumulate(const Tensor& sum, const Tensor& term) {
  const auto addable = [](const Tensor& x) {
    return x.is_contiguous() || !x.device().on_gpu() ? x : copy_of(x);
  };
  const Tensor total = addable(sum), added = addable(term);
  visit_floating_point(sum.dtype(), [&]<class T>() { add_into<T>(total, added); });
  if (!total.same(sum)) sum.copy_(total);
}

// A leaf's place in the sink's arena.
Tensor sink_view(const GradientSink& sink, const Tensor& leaf) {
  return sink.arena.as_strided(leaf.shape(), contiguous_strides(leaf.shape()),
                               sink.arena.storage_offset() + leaf.arena_offset());
}

// Every operation that `root` depends on, latest first. Iterative: a tape may be of any length.
RecycledVector<Node*> latest_first(Node* root) {
  const auto earlier = [](const Node* a, const Node* b) { return a->sequence < b->sequence; };
  RecycledVector<Node*> order, open{root};  // `open` is a heap, its latest on top
  while (!open.empty()) {
    std::pop_heap(open.begin(), open.end(), earlier);
    Node* node = open.back();
    open.pop_back();
    // Every edge leads to an earlier node, so whoever was reached several times comes in a row.
    if (!order.empty() && order.back() == node) continue;
    order.push_back(node);
    for (const Edge& edge : node->edges) {
      if (!edge.node) continue;
      open.push_back(edge.node.get());
      std::push_heap(open.begin(), open.end(), earlier);
    }
  }
  return order;
}

void start_gradient(Node& node, const Tensor& root, const Tensor& seed) {
  if (seed.defined()) {
    check_shape("backward", "seed", seed, root.shape());
    check_same_dtype("backward", "seed", seed, root);
    node.gradient = seed.detach();
  } else if (root.numel() == 1) {
    node.gradient = Tensor::full(root.shape(), 1.0, root.dtype()).to(root.device());
  } else {
    argument_error("backward", "root", root.describe(), "one element",
                   "reduce it with sum() or mean(), or give options.seed");
  }
}

// Runs every derivative on the gradient that those of later operations left with its node.
void run_derivatives(const RecycledVector<Node*>& order, const BackwardOptions& options) {
  const Derivatives& all = derivatives();
  for (Node* node : order) {
    const Tensor gradient = std::move(node->gradient);
    node->gradient = Tensor();
    node->owns_gradient = false;
    if (gradient.defined()) {
      const profiler::Scope scope(node->op->name, "backward");
      const DeviceScope device(gradient.device(), node->op->name);
      InputGradients inputs(*node, options.sink);
      const Derivative derivative = all.of(*node->op);
      derivative(node->kept, gradient, inputs);
      if (on_cuda()) check_launches(node->op->name);
    }
    if (!options.retain_graph) node->kept = nullptr;
  }
}

// What is left of a walk that broke off, the next one would add to its own.
void clear_gradients(const RecycledVector<Node*>& nodes) noexcept {
  for (Node* node : nodes) {
    node->gradient = Tensor();
    node->owns_gradient = false;
  }
}

}  // namespace

Node::~Node() {
  RecycledVector<std::shared_ptr<Node>> orphans;
  const auto collect = [&](Node& node) {
    for (Edge& edge : node.edges)
      if (edge.node) orphans.push_back(std::move(edge.node));
    node.kept = nullptr;
  };
  collect(*this);
  while (!orphans.empty()) {
    const std::shared_ptr<Node> node = std::move(orphans.back());
    orphans.pop_back();
    if (node.use_count() == 1) collect(*node);
  }
}

bool InputGradients::wants(int i) const { return node_.edges[static_cast<size_t>(i)].wanted(); }

void InputGradients::add(int i, Tensor gradient) {
  const Edge& edge = node_.edges[static_cast<size_t>(i)];
  if (!edge.wanted()) return;
  const NoGradGuard off;
  const Shape& shape = edge.node ? edge.node->output_shape : edge.leaf.shape();
  check_shape(node_.op->name, "gradient", gradient, shape);
  if (edge.node && !edge.node->gradient.defined()) {
    edge.node->gradient = gradient.detach();
    edge.node->owns_gradient = false;
    return;
  }
  const Destination to = destination(i);
  to.accumulate ? accumulate(to.tensor, gradient) : to.tensor.copy_(gradient);
}

InputGradients::Destination InputGradients::destination(int i) {
  const Edge& edge = node_.edges[static_cast<size_t>(i)];
  if (edge.node) {
    Node& target = *edge.node;
    const bool fresh = !target.gradient.defined();
    if (fresh)
      target.gradient = Tensor::empty(target.output_shape, target.output_dtype);
    else if (!target.owns_gradient)
      target.gradient = copy_of(target.gradient);
    target.owns_gradient = true;
    return {target.gradient, !fresh};
  }
  if (sink_ && edge.leaf.arena_offset() >= 0) return {sink_view(*sink_, edge.leaf), true};
  if (const Tensor sum = edge.leaf.grad(); sum.defined()) return {sum, true};
  const Tensor fresh = Tensor::empty(edge.leaf.shape(), edge.leaf.dtype());
  edge.leaf.set_grad(fresh);
  return {fresh, false};
}

void backward(const Tensor& root, const BackwardOptions& options) {
  check_floating_point("backward", "root", root);
  if (!root.grad_fn())
    argument_error("backward", "root", "no output of a recorded operation",
                   "a tensor that depends on one with requires_grad",
                   "was it computed under NoGradGuard?");
  const NoGradGuard off;
  const std::shared_ptr<Node> first = root.grad_fn();
  const RecycledVector<Node*> order = latest_first(first.get());
  for (const Node* node : order)
    if (!node->kept)
      argument_error("backward", "root", "on a tape already used", "a fresh forward pass",
                     "or pass retain_graph the first time");
  start_gradient(*first, root, options.seed);
  try {
    run_derivatives(order, options);
  } catch (...) {
    clear_gradients(order);
    throw;
  }
}

bool grad_enabled() noexcept { return recording; }
GradGuard::GradGuard(bool enabled) noexcept : before_(recording) { recording = enabled; }
GradGuard::~GradGuard() { recording = before_; }

}  // namespace espalier
