#include "engine/ops/attention_s8.h"

#include <cmath>
#include <numbers>
#include <string>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/cuda/build.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/lowering.h"
#include "engine/onnx_forms.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/attention_s8/attention_s8.h"
#include "kernels/gemm_s8/gemm_s8.h"

namespace espalier {
namespace {

// The two products, as attention counts them.
int64_t attention_s8_flops(Shapes inputs, const Shape& out) {
  return 4 * out.numel() * inputs[0][inputs[0].rank() - 2];
}

// All heads of a packed projection.
struct Heads {
  int64_t batch, heads;
  AttentionS8 shape;

  Heads(int64_t batch, int64_t tokens, int64_t queries, int64_t width, int64_t heads,
        const AttentionS8Scales& s)
      : batch(batch),
        heads(heads),
        shape{tokens,
              width / heads,
              3 * width,
              width,
              static_cast<float>(s.score),
              static_cast<float>(s.multiplier),
              static_cast<int>(s.zero_point),
              queries} {}
  int64_t count() const {
    return shape.queries * shape.tokens * shape.head_dim > 0 ? batch * heads : 0;
  }
  int64_t grain() const {
    return grain_for(shape.queries * shape.tokens * (shape.head_dim / 8 + 1));
  }
  int64_t scratch() const { return attention_s8_scratch(shape.tokens, shape.head_dim); }
};

void run_heads(const KernelRow<AttentionS8Run>& row, const Heads& h, const int8_t* qkv, int8_t* out,
               int64_t begin, int64_t end, std::byte* scratch) {
  const int64_t width = h.shape.out_stride, tokens = h.shape.tokens;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t sample = i / h.heads, column = i % h.heads * h.shape.head_dim;
    const int8_t* q = qkv + sample * tokens * 3 * width + column;
    row.run(h.shape, q, q + width, q + 2 * width, out + sample * h.shape.queries * width + column,
            scratch);
  }
}

template <class = void>
void run_on_gpu(const Heads& h, const Tensor& qkv, const Tensor& out) {
  check_gpu_tokens(h.shape.tokens, cuda::attention_s8_most_tokens());
  const int64_t width = h.shape.out_stride, head = h.shape.head_dim;
  const int8_t* q = qkv.data<int8_t>();
  cuda::attention_s8_heads(
      {h.count(), h.heads, {h.shape.tokens * 3 * width, head}, {h.shape.queries * width, head}},
      h.shape, q, q + width, q + 2 * width, out.data<int8_t>());
}

// All of a tensor's.
void run_all(const Heads& h, const Tensor& qkv, const Tensor& out) {
  if constexpr (built_with_cuda)
    if (on_cuda()) return run_on_gpu(h, qkv, out);
  const auto& best = kernel(attention_s8_kernels());
  parallel_for(h.count(), h.grain(), [&](int64_t begin, int64_t end) {
    const Tensor scratch = Tensor::empty({h.scratch()}, DType::u8);
    run_heads(best, h, qkv.data<int8_t>(), out.data<int8_t>(), begin, end, scratch.bytes());
  });
}

void lower(Lowering& l) {
  const Operand qkv = l.contiguous_in(0), out = l.out();
  const int64_t heads = l.integer("heads"), tokens = qkv.shape[1].fixed, width = out.back();
  const int64_t queries = out.shape[1].fixed;
  const AttentionS8Scales scales{l.real("score"), l.real("multiplier"), l.integer("zero_point")};
  const auto& best = kernel(attention_s8_kernels());
  constexpr auto float_size = static_cast<int64_t>(sizeof(float));
  l.step(
      best.isa,
      [=, &best](const StepRun& run) {
        const Heads h(qkv.shape[0].at(run.batch), tokens, queries, width, heads, scales);
        parallel_for(h.count(), h.grain(), [&](int64_t begin, int64_t end) {
          const Scratch scratch(run);
          run_heads(best, h, run.at<int8_t>(qkv.address), run.at<int8_t>(out.address), begin, end,
                    reinterpret_cast<std::byte*>(scratch.data()));
        });
      },
      (attention_s8_scratch(tokens, width / heads) + float_size - 1) / float_size);
}

Tensor replay_call(const NodeCall& c) {
  return attention_s8(c.in(0), c.integer("heads"),
                      {c.real("score"), c.real("multiplier"), c.integer("zero_point")});
}

// Shares stay fp32. Codes of them from 0 to 1 keep little of a flat row (7 dB less of vit-peer's
// logits) and made no engine faster; ours are relative to the row's largest.
void onnx(OnnxWriter& w) {
  const std::vector<double>& scales = w.codes(0).scales;
  if (scales.size() != 3)
    argument_error("export", "attention_s8", "on codes of one scale", "those of q, k and v", "");
  w.out_codes({{scales[2] / w.real("multiplier")}, w.integer("zero_point")});
  const double scale = w.real("score") / (scales[0] * scales[1]) * std::numbers::ln2 / 256;
  onnx_packed_attention(w, w.integer("heads"), scale, [&](OnnxName x, size_t i) {
    return w.quantized(x, {{scales[i]}, 0});
  });
}

constexpr Op attention_s8_op{.name = "attention_s8",
                             .flops = attention_s8_flops,
                             .leading_rows = true,
                             .lower = lower,
                             .replay = replay_call};

void check(const Tensor& qkv, int64_t heads, const AttentionS8Scales& s) {
  const char* op = attention_s8_op.name;
  check_dtype(op, "qkv", qkv, DType::s8);
  if (heads < 1) argument_error(op, "heads", std::to_string(heads), "at least 1", "");
  if (qkv.rank() != 3 || qkv.size(2) % (3 * heads) != 0)
    argument_error(op, "qkv", qkv.describe(), "[B, T, 3*H*D] with H = " + std::to_string(heads),
                   "the last dimension must be a multiple of " + std::to_string(3 * heads));
  constexpr int64_t widest = 65'535;
  if (qkv.size(1) > gemm_s8_longest_k || qkv.size(2) / (3 * heads) > widest)
    argument_error(op, "qkv", qkv.describe(),
                   "at most " + std::to_string(gemm_s8_longest_k) + " tokens and " +
                       std::to_string(widest) + " values a head",
                   "longer sums leave 32 bits");
  for (const auto& [operand, value] :
       {std::pair("score", s.score), std::pair("multiplier", s.multiplier)})
    if (!(value >= 0) || !std::isfinite(static_cast<float>(value)))
      argument_error(op, operand, std::to_string(value), "a finite number that is not negative",
                     "");
  if (s.zero_point < -128 || s.zero_point > 127)
    argument_error(op, "zero_point", std::to_string(s.zero_point), "-128 to 127", "");
}

}  // namespace

Tensor attention_s8(const Tensor& qkv, int64_t heads, const AttentionS8Scales& scales) {
  check(qkv, heads, scales);
  const OpScope scope(attention_s8_op.name, qkv);
  const NoGradGuard off;
  const Tensor in = contiguous(qkv);
  const Tensor out = Tensor::empty({qkv.size(0), qkv.size(1), qkv.size(2) / 3}, DType::s8);
  const Heads h(qkv.size(0), qkv.size(1), qkv.size(1), qkv.size(2) / 3, heads, scales);
  run_all(h, in, out);
  return record(attention_s8_op,
                {{"heads", heads},
                 {"score", scales.score},
                 {"multiplier", scales.multiplier},
                 {"zero_point", scales.zero_point}},
                {qkv}, out, nullptr);
}

void attention_s8_derivatives(Derivatives&) {}

void attention_s8_onnx_forms(OnnxForms& all) { all.add(attention_s8_op, onnx); }

void attention_s8_axis_rules(AxisRules&) {}

}  // namespace espalier
