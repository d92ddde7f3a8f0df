#include "engine/ops/attention.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/cuda/build.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/lowering.h"
#include "engine/onnx_forms.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/precision.h"
#include "engine/replay.h"
#include "kernels/attention/attention.h"
#include "kernels/attention_bf16/attention_bf16.h"

namespace espalier {
namespace {

// The two products; softmax between them is lower by a factor of D and left out.
int64_t attention_flops(Shapes inputs, const Shape& out) {
  return 4 * out.numel() * inputs[0][inputs[0].rank() - 2];
}

void lower(Lowering& l);
void onnx_packed(OnnxWriter& w);
void onnx_separate(OnnxWriter& w);

Tensor replay_call(const NodeCall& c) {
  return attention(c.in(0), c.integer("heads"), c.integer("queries"), c.real("scale"));
}

constexpr Op attention_op{.name = "attention",
                          .flops = attention_flops,
                          .leading_rows = true,
                          .lower = lower,
                          .replay = replay_call};
constexpr Op scaled_dot_product_attention_op{.name = "scaled_dot_product_attention",
                                             .flops = attention_flops};

// Where head (b, h) starts and how far apart its rows are, in elements.
struct Layout {
  int64_t batch, head, row;
};

double usual_scale(int64_t head_dim) { return 1 / std::sqrt(static_cast<double>(head_dim)); }

struct Heads {
  int64_t batch, heads, tokens, head_dim;
  Layout in, out;  // of q, k, v and their gradients; of out and its gradient
  double scale = usual_scale(head_dim);
  int64_t queries = tokens;  // the first so many rows of out are computed
  bool in_bf16 = false;      // products take operands rounded to bf16

  int64_t count() const { return queries * tokens * head_dim > 0 ? batch * heads : 0; }
  int64_t in_at(int64_t i) const { return i / heads * in.batch + i % heads * in.head; }
  int64_t out_at(int64_t i) const { return i / heads * out.batch + i % heads * out.head; }
  int64_t stats_at(int64_t i) const { return i * 2 * tokens; }
  // A piece is some 16,384 elements' worth of time; a score takes that of D / 4 of them.
  int64_t grain() const { return grain_for(queries * tokens * (head_dim / 4 + 1)); }

  template <class T>
  AttentionShape<T> shape() const {
    return {tokens, head_dim, in.row, out.row, static_cast<T>(scale), queries};
  }

  // Throws a device error where a head is too long for the block that takes it.
  template <class T>
  AttentionHeads for_gpu() const {
    check_gpu_tokens(tokens, cuda::attention_most_tokens<T>());
    return {count(), this->heads, {in.batch, in.head}, {out.batch, out.head}};
  }
};

template <class T>
struct Operands {
  T *q, *k, *v;
};

// The row that does heads, what it multiplies, and the elements of scratch that it wants.
template <class Function>
struct Chosen {
  const KernelRow<Function>* row;
  DType arithmetic;
  int64_t scratch;
};

// Where the processor does not multiply bf16, rounding to it would cost time and gain none.
bool multiplies_bf16() { return kernel(attention_bf16_kernels()).isa != Isa::scalar; }

bool rounds_to_bf16(const Tensor& x) {
  return x.dtype() == DType::f32 && !on_cuda() && product_precision() == Precision::bf16 &&
         multiplies_bf16();
}

template <class T>
Chosen<AttentionForward<T>> forward_row(bool in_bf16, int64_t tokens, int64_t head_dim) {
  if constexpr (std::is_same_v<T, float>)
    if (in_bf16)
      return {&kernel(attention_bf16_kernels()), DType::bf16,
              attention_bf16_scratch(tokens, head_dim)};
  return {&kernel(attention_forward_kernels<T>()), dtype_of<T>(),
          attention_forward_scratch(tokens, head_dim)};
}

template <class T>
Chosen<AttentionBackward<T>> backward_row(bool in_bf16, int64_t tokens, int64_t head_dim) {
  if constexpr (std::is_same_v<T, float>)
    if (in_bf16)
      return {&kernel(attention_bf16_backward_kernels()), DType::bf16,
              attention_bf16_backward_scratch(tokens, head_dim)};
  return {&kernel(attention_backward_kernels<T>()), dtype_of<T>(),
          attention_backward_scratch(tokens, head_dim)};
}

// Heads [begin, end); `stats` may be null.
template <class T>
void forward_range(const KernelRow<AttentionForward<T>>& row, const Heads& heads,
                   const Operands<T>& x, T* out, T* stats, int64_t begin, int64_t end, T* scratch) {
  const auto shape = heads.shape<T>();
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = heads.in_at(i);
    row.run(shape, x.q + at, x.k + at, x.v + at, out + heads.out_at(i),
            stats ? stats + heads.stats_at(i) : nullptr, scratch);
  }
}

template <class T>
void forward_heads(const Heads& heads, const Operands<T>& x, T* out, const Tensor& stats) {
  if constexpr (built_with_cuda)
    if (on_cuda())
      return cuda::attention_forward_heads<T>(heads.for_gpu<T>(), heads.shape<T>(), x.q, x.k, x.v,
                                              out, stats.defined() ? stats.data<T>() : nullptr);
  const auto best = forward_row<T>(heads.in_bf16, heads.tokens, heads.head_dim);
  parallel_for(heads.count(), heads.grain(), [&](int64_t begin, int64_t end) {
    const Tensor scratch = Tensor::empty({best.scratch}, dtype_of<T>());
    forward_range(*best.row, heads, x, out, stats.defined() ? stats.data<T>() : nullptr, begin, end,
                  scratch.data<T>());
  });
}

template <class T>
void backward_heads(const Heads& heads, const Operands<T>& x, const T* dout, const Tensor& stats,
                    const Operands<T>& dx) {
  if constexpr (built_with_cuda)
    if (on_cuda())
      return cuda::attention_backward_heads<T>(heads.for_gpu<T>(), heads.shape<T>(), x.q, x.k, x.v,
                                               dout, stats.data<T>(), dx.q, dx.k, dx.v);
  const auto best = backward_row<T>(heads.in_bf16, heads.tokens, heads.head_dim);
  const auto shape = heads.shape<T>();
  parallel_for(heads.count(), heads.grain(), [&](int64_t begin, int64_t end) {
    const Tensor scratch = Tensor::empty({best.scratch}, dtype_of<T>());
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = heads.in_at(i);
      best.row->run(shape, x.q + at, x.k + at, x.v + at, dout + heads.out_at(i),
                    stats.data<T>() + heads.stats_at(i), dx.q + at, dx.k + at, dx.v + at,
                    scratch.data<T>());
    }
  });
}

// Of qkv [batch, tokens, 3 * width] and out [batch, queries, width].
Heads packed_heads(int64_t batch, int64_t tokens, int64_t queries, int64_t width, int64_t heads,
                   double scale) {
  const int64_t head_dim = width / heads;
  return {batch,
          heads,
          tokens,
          head_dim,
          {tokens * 3 * width, head_dim, 3 * width},
          {queries * width, head_dim, width},
          scale,
          queries};
}

Heads packed_heads(const Tensor& qkv, int64_t heads, int64_t queries, double scale) {
  const char* op = attention_op.name;
  check_floating_point(op, "qkv", qkv);
  if (heads < 1) argument_error(op, "heads", std::to_string(heads), "at least 1", "");
  if (qkv.rank() != 3 || qkv.size(2) % (3 * heads) != 0)
    argument_error(op, "qkv", qkv.describe(), "[B, T, 3*H*D] with H = " + std::to_string(heads),
                   "the last dimension must be a multiple of " + std::to_string(3 * heads));
  if (queries < 0 || queries > qkv.size(1))
    argument_error(op, "queries", std::to_string(queries),
                   "0 to the " + std::to_string(qkv.size(1)) + " tokens of qkv", "");
  if (!std::isfinite(scale))
    argument_error(op, "scale", std::to_string(scale), "a finite number", "");
  return packed_heads(qkv.size(0), qkv.size(1), queries, qkv.size(2) / 3, heads, scale);
}

template <class T>
Operands<T> packed_operands(const Heads& heads, T* qkv) {
  const int64_t width = heads.heads * heads.head_dim;
  return {qkv, qkv + width, qkv + 2 * width};
}

void lower(Lowering& l) {
  const Operand qkv = l.contiguous_in(0), out = l.out();
  const int64_t count = l.integer("heads"), tokens = qkv.shape[1].fixed, width = out.back();
  const int64_t queries = out.shape[1].fixed;
  const double scale = l.real("scale");
  const bool in_bf16 = l.weights() == DType::bf16 && multiplies_bf16();
  const auto best = forward_row<float>(in_bf16, tokens, width / count);
  const auto run_heads = [=, row = best.row](const StepRun& run) {
    const Heads heads =
        packed_heads(qkv.shape[0].at(run.batch), tokens, queries, width, count, scale);
    const auto x = packed_operands(heads, run.at(qkv.address));
    parallel_for(heads.count(), heads.grain(), [&](int64_t begin, int64_t end) {
      const Scratch scratch(run);
      forward_range<float>(*row, heads, x, run.at(out.address), nullptr, begin, end,
                           scratch.data());
    });
  };
  l.step(best.row->isa, run_heads, best.scratch, best.arithmetic);
}

void onnx_packed(OnnxWriter& w) {
  onnx_packed_attention(w, w.integer("heads"), w.real("scale"),
                        [](OnnxName x, size_t) { return x; });
}

void onnx_separate(OnnxWriter& w) {
  const OnnxName k = w.transpose(w.in(1), {0, 1, 3, 2});
  const double scale = usual_scale(w.fixed(w.in_shape(0)[3]));
  w.out("MatMul", {onnx_shares(w, w.in(0), k, scale), w.in(2)});
}

Heads separate_heads(const Tensor& q, const Tensor& k, const Tensor& v) {
  const char* op = scaled_dot_product_attention_op.name;
  check_floating_point(op, "q", q);
  if (q.rank() != 4) argument_error(op, "q", q.describe(), "[B, H, T, D]", "");
  check_same_dtype(op, "k", k, q);
  check_shape(op, "k", k, q.shape());
  check_same_dtype(op, "v", v, q);
  check_shape(op, "v", v, q.shape());
  const int64_t tokens = q.size(2), head_dim = q.size(3);
  const Layout layout = {q.size(1) * tokens * head_dim, tokens * head_dim, head_dim};
  return {q.size(0), q.size(1), tokens, head_dim, layout, layout};
}

// The two numbers a row that backward recomputes the probabilities from.
Tensor stats_for(const Heads& heads, DType dtype) {
  return Tensor::empty({heads.batch, heads.heads, 2, heads.tokens}, dtype);
}

// Two numbers a row of scores are kept; the scores themselves are never stored.
struct SavedPacked {
  Heads geometry;
  Tensor qkv, stats;
};

void packed_derivative(const SavedPacked& saved, const Tensor& gradient, InputGradients& inputs) {
  const Heads& geometry = saved.geometry;
  const Tensor dout = contiguous(gradient);
  const Tensor dqkv = Tensor::empty(saved.qkv.shape(), dout.dtype());
  if (geometry.queries == 0) dqkv.fill_(0);
  visit_floating_point(dout.dtype(), [&]<class T>() {
    backward_heads<T>(geometry, packed_operands(geometry, saved.qkv.data<T>()), dout.data<T>(),
                      saved.stats, packed_operands(geometry, dqkv.data<T>()));
  });
  inputs.add(0, dqkv);
}

struct SavedSeparate {
  Heads geometry;
  Tensor q, k, v, stats;
};

void separate_derivative(const SavedSeparate& saved, const Tensor& gradient,
                         InputGradients& inputs) {
  const Shape& shape = saved.q.shape();
  const Tensor dout = contiguous(gradient);
  const Tensor dq = Tensor::empty(shape, dout.dtype());
  const Tensor dk = Tensor::empty(shape, dout.dtype());
  const Tensor dv = Tensor::empty(shape, dout.dtype());
  visit_floating_point(dout.dtype(), [&]<class T>() {
    backward_heads<T>(saved.geometry, {saved.q.data<T>(), saved.k.data<T>(), saved.v.data<T>()},
                      dout.data<T>(), saved.stats, {dq.data<T>(), dk.data<T>(), dv.data<T>()});
  });
  for (int i = 0; i < 3; ++i)
    if (inputs.wants(i)) inputs.add(i, i == 0 ? dq : i == 1 ? dk : dv);
}

// Heads go as wholes, and the same values of all heads, since their matrices have one width.
void tie_axes(NodeAxes& n) {
  constexpr int out = NodeAxes::out;
  const int64_t heads = n.integer("heads"), width = n.shape(out)[2].fixed;
  const auto head = n.factor(heads, AxisRole::heads);
  const auto value = n.factor(width / heads, AxisRole::head_width), qkv = n.factor(3);
  n.fix(qkv);
  n.compose({0, 2}, {qkv, head, value});
  n.compose({out, 2}, {head, value});
  n.tie({0, 0}, {out, 0});
  n.fix({0, 1});
  n.fix({out, 1});
}

// The width is in the scale, so it stays.
void tie_separate_axes(NodeAxes& n) {
  tie_elementwise(n);
  n.mark({0, 1}, AxisRole::heads);
  n.fix({0, 2});
  n.fix({0, 3});
}

}  // namespace

Tensor attention(const Tensor& qkv, int64_t heads) {
  check_floating_point(attention_op.name, "qkv", qkv);
  return attention(qkv, heads, qkv.rank() == 3 ? qkv.size(1) : 0);
}

Tensor attention(const Tensor& qkv, int64_t heads, int64_t queries) {
  const bool fits = qkv.defined() && qkv.rank() == 3 && heads > 0;  // else refused in a moment
  const int64_t head_dim = fits ? qkv.size(2) / 3 / heads : 1;
  return attention(qkv, heads, queries, usual_scale(std::max<int64_t>(1, head_dim)));
}

Tensor attention(const Tensor& qkv, int64_t heads, int64_t queries, double scale) {
  Heads geometry = packed_heads(qkv, heads, queries, scale);
  const OpScope scope(attention_op.name, qkv);
  geometry.in_bf16 = rounds_to_bf16(qkv);
  const Tensor in = contiguous(qkv.detach());
  const Tensor out = Tensor::empty({qkv.size(0), queries, qkv.size(2) / 3}, qkv.dtype());
  Tensor stats;
  if (grad_enabled() && qkv.requires_grad()) stats = stats_for(geometry, qkv.dtype());
  visit_floating_point(qkv.dtype(), [&]<class T>() {
    forward_heads<T>(geometry, packed_operands(geometry, in.data<T>()), out.data<T>(), stats);
  });
  return record(attention_op, {{"heads", heads}, {"queries", queries}, {"scale", scale}}, {qkv},
                out, SavedPacked{geometry, in, stats});
}

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v) {
  Heads geometry = separate_heads(q, k, v);
  const OpScope scope(scaled_dot_product_attention_op.name, q);
  geometry.in_bf16 = rounds_to_bf16(q);
  const Tensor qs = contiguous(q.detach()), ks = contiguous(k.detach());
  const Tensor vs = contiguous(v.detach()), out = Tensor::empty(q.shape(), q.dtype());
  Tensor stats;
  if (grad_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad()))
    stats = stats_for(geometry, q.dtype());
  visit_floating_point(q.dtype(), [&]<class T>() {
    forward_heads<T>(geometry, {qs.data<T>(), ks.data<T>(), vs.data<T>()}, out.data<T>(), stats);
  });
  return record(scaled_dot_product_attention_op, {}, {q, k, v}, out,
                SavedSeparate{geometry, qs, ks, vs, stats});
}

void attention_derivatives(Derivatives& all) {
  all.add<packed_derivative>(attention_op);
  all.add<separate_derivative>(scaled_dot_product_attention_op);
}

void attention_onnx_forms(OnnxForms& all) {
  all.add(attention_op, onnx_packed);
  all.add(scaled_dot_product_attention_op, onnx_separate);
}

void attention_axis_rules(AxisRules& all) {
  all.add(attention_op, tie_axes);
  all.add(scaled_dot_product_attention_op, tie_separate_axes);
}

}  // namespace espalier
