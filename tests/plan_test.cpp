// Compiled plans: the same results as the operations themselves, without allocating.
#include "engine/plan.h"

#include <mutex>
#include <set>
#include <thread>

#include "engine/capture.h"
#include "engine/dispatch.h"
#include "engine/early_slice.h"
#include "engine/lowering.h"
#include "engine/ops/attention.h"
#include "engine/ops/attention_s8.h"
#include "engine/ops/binary.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/cast.h"
#include "engine/ops/cat.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/gelu.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/layer_norm_s8.h"
#include "engine/ops/linear.h"
#include "engine/ops/linear_s8.h"
#include "engine/ops/matmul.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/quantize.h"
#include "engine/ops/reduce.h"
#include "engine/ops/relu.h"
#include "engine/ops/softmax.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "tests/gradient_test.h"
#include "tests/refusal.h"
#include "tests/steady_run.h"

namespace espalier::test {
namespace {

using Unary = std::function<Tensor(const Tensor&)>;

// The plan of `f` gives the bits of `f` for several batches, chunks and threads.
void check_same_bits(const Unary& f, const Shape& sample) {
  const NoGradGuard off;
  const Graph graph = capture(f, sample, {});
  for (int threads : {1, 3})
    for (int64_t chunk : {0, 1, 2}) {
      Plan plan = compile(graph, {.threads = threads, .chunk = chunk});
      for (int64_t batch : {1, 2, 5, 9}) {
        INFO(threads, " threads, chunk ", chunk, ", batch ", batch);
        Shape shape{batch};
        for (int64_t dim : sample) shape.push_back(dim);
        const Tensor x = random_tensor(shape, static_cast<unsigned>(batch), DType::f32);
        const Tensor expected = f(x), found = plan(x);
        REQUIRE(found.shape() == expected.shape());
        CHECK(found.to_vector() == expected.to_vector());
      }
    }
}

// A weight for the way back: [out, in] -> [in, out].
Tensor transposed_codes(const Tensor& weight) { return contiguous(transpose(weight, 0, 1)); }

// Code c becomes -1 - c.
Tensor reverse_table() {
  const Tensor table = Tensor::empty({256}, DType::s8);
  for (int i = 0; i < 256; ++i) table.data<int8_t>()[i] = static_cast<int8_t>(127 - i);
  return table;
}

// What the pieces of lower_noting()'s step run on.
struct ThreadNotes {
  std::mutex mutex{};
  std::set<std::thread::id> threads{};
};
ThreadNotes notes;

void lower_noting(Lowering& l) {
  const Operand x = l.contiguous_in(0), y = l.out();
  l.step(Isa::scalar, [x, y](const StepRun& run) {
    const int64_t count = x.numel(run.batch);
    parallel_for(count, 1, [&](int64_t i, int64_t) {
      run.at(y.address)[i] = run.at(x.address)[i];
      const std::lock_guard lock(notes.mutex);
      notes.threads.insert(std::this_thread::get_id());
    });
  });
}

std::string refusal(const Unary& f, const Shape& sample) {
  return refusal_of([&] { compile(capture(f, sample, {})); });
}

}  // namespace

TEST_CASE("each operation of a plan gives the bits of the operation itself") {
  const Tensor weight = random_tensor({24, 12}, 1, DType::f32);
  const Tensor bias = random_tensor({24}, 2, DType::f32), row = random_tensor({12}, 3, DType::f32);
  const Tensor filter = random_tensor({5, 3, 3, 2}, 4, DType::f32);
  const Tensor filter_bias = random_tensor({5}, 5, DType::f32);
  const auto same = [](const char* name, const Unary& f, const Shape& sample) {
    INFO(name);
    check_same_bits(f, sample);
  };
  same("linear", [&](const Tensor& x) { return linear(x, weight, bias); }, {7, 12});
  same("linear of a matrix", [&](const Tensor& x) { return linear(x, weight); }, {12});
  same("linear of a column of tokens",
       [&](const Tensor& x) { return linear(select(x, 1, 2), weight); }, {7, 12});
  same("linear of a transpose", [&](const Tensor& x) { return linear(transpose(x, 1, 2), weight); },
       {12, 7});
  same("gelu", [](const Tensor& x) { return gelu(x); }, {7, 12});
  same("gelu tanh", [](const Tensor& x) { return gelu(x, GeluKind::tanh); }, {7, 12});
  same("relu", [](const Tensor& x) { return relu(x); }, {7, 12});
  same("exp", [](const Tensor& x) { return exp(x); }, {7, 12});
  same("sigmoid", [](const Tensor& x) { return sigmoid(x); }, {7, 12});
  same("softmax", [](const Tensor& x) { return softmax(x, -1); }, {7, 12});
  same("softmax over tokens", [](const Tensor& x) { return softmax(x, 1); }, {7, 12});
  same("layer_norm", [&](const Tensor& x) { return layer_norm(x, row, row, 1e-5); }, {7, 12});
  same("attention", [](const Tensor& x) { return attention(x, 2); }, {9, 24});
  same("attention of some queries", [](const Tensor& x) { return attention(x, 2, 4); }, {9, 24});
  same("attention of another scale", [](const Tensor& x) { return attention(x, 3, 4, 0.7); },
       {9, 63});
  same("conv2d", [&](const Tensor& x) { return conv2d(x, filter, filter_bias, 1, 1); }, {6, 7, 2});
  same("conv2d of patches", [&](const Tensor& x) { return conv2d(x, filter, Tensor(), 3, 0); },
       {6, 9, 2});
  same("max_pool2d", [](const Tensor& x) { return max_pool2d(x, 3, 2, 1); }, {6, 7, 2});
  same("matmul", [](const Tensor& x) { return matmul(x, transpose(x, 1, 2)); }, {7, 12});
  same("matmul with a matrix", [&](const Tensor& x) { return matmul(x, transpose(weight, 0, 1)); },
       {7, 12});
  const auto codes = [](const Tensor& x) { return quantize(x, 0.02, 3, DType::s8); };
  const auto wide = [](const Tensor& x) { return quantize(x, 1e-4, 0, DType::s16); };
  const auto floats = [](const Tensor& x) { return dequantize(x, 0.5, 0); };
  const LinearS8 layer{quantize(weight, 0.02, 0, DType::s8), to(mul(bias, 1e3), DType::s32),
                       exp(sub(bias, 7.0))};
  const LinearS8 back{transposed_codes(layer.weight), to(mul(row, 1e3), DType::s32),
                      exp(sub(row, 7.0))};
  const Tensor table = reverse_table();
  same("quantize and dequantize", [&](const Tensor& x) { return floats(codes(x)); }, {7, 12});
  same("codes of a slice",
       [&](const Tensor& x) {
         return floats(contiguous(transpose(slice(codes(x), 1, 2, 5), 1, 2)));
       },
       {7, 12});
  same("codes side by side",
       [&](const Tensor& x) {
         return floats(cat({codes(x), codes(x)}, 1));
       },
       {7, 12});
  same("linear_s8", [&](const Tensor& x) { return floats(linear_s8(codes(x), layer, 5)); },
       {7, 12});
  same("linear_s8 of a column of tokens",
       [&](const Tensor& x) { return floats(linear_s8(select(codes(x), 1, 2), layer, 5)); },
       {7, 12});
  same("linear_s8 with a table",
       [&](const Tensor& x) { return floats(linear_s8(codes(x), layer, 5, {table})); }, {7, 12});
  same("add_linear_s8",
       [&](const Tensor& x) {
         return floats(add_linear_s8(wide(x), linear_s8(codes(x), layer, 0), back));
       },
       {7, 12});
  same("add_linear_s8 to a stream that is still needed",
       [&](const Tensor& x) {
         const Tensor stream = wide(x);
         const Tensor sum = add_linear_s8(stream, linear_s8(codes(x), layer, 0), back);
         return add(floats(sum), floats(stream));
       },
       {7, 12});
  same("layer_norm_s8",
       [&](const Tensor& x) { return floats(layer_norm_s8(wide(x), row, row, 0.5)); }, {7, 12});
  same("attention_s8",
       [&](const Tensor& x) {
         return floats(attention_s8(codes(x), 2, {0.05, 0.8, -4}));
       },
       {9, 24});
  same("cat",
       [&](const Tensor& x) {
         return cat({expand(reshape(row, {1, 1, 12}), {x.size(0), 1, 12}), x, x}, 1);
       },
       {7, 12});
}

TEST_CASE("broadcasting arithmetic in a plan gives the bits of the operation itself") {
  const Tensor row = random_tensor({12}, 1, DType::f32);
  const Tensor column = random_tensor({7, 1}, 2, DType::f32);
  check_same_bits([&](const Tensor& x) { return add(x, row); }, {7, 12});
  check_same_bits([&](const Tensor& x) { return mul(column, x); }, {7, 12});
  check_same_bits([](const Tensor& x) { return sub(x, 2.0); }, {7, 12});
  check_same_bits([](const Tensor& x) { return div(x, slice(x, 1, 0, 1)); }, {7, 12});
  check_same_bits([](const Tensor& x) { return add(transpose(x, 1, 2), transpose(x, 1, 2)); },
                  {7, 12});
  check_same_bits([](const Tensor& x) { return maximum(x, neg(x)); }, {7, 12});
}

TEST_CASE("values that are still needed are not written over") {
  check_same_bits(
      [](const Tensor& x) {
        const Tensor a = exp(x), b = relu(a), c = neg(a), d = slice(a, 1, 1, 3);
        return cat({add(b, c), d}, 1);
      },
      {7, 12});
  check_same_bits(
      [](const Tensor& x) {
        const Tensor a = exp(x), view = reshape(a, {x.size(0), 84});
        const Tensor b = relu(a);
        return add(reshape(b, {x.size(0), 84}), view);
      },
      {7, 12});
}

TEST_CASE("a residual is summed inside the product, which keeps its error bound") {
  const NoGradGuard off;
  const int64_t K = 40;
  const Tensor weight = random_tensor({12, K}, 1, DType::f32),
               up = random_tensor({K, 12}, 2, DType::f32);
  const auto f = [&](const Tensor& x) {
    const Tensor stream = exp(x);
    return add(stream, linear(gelu(linear(stream, up)), weight));
  };
  Plan plan = compile(capture(f, {7, 12}, {}));
  CHECK(operations_of(plan) ==
        std::vector<std::string>{"exp", "linear", "gelu", "linear + add", "output"});
  const Tensor x = random_tensor({5, 7, 12}, 3, DType::f32);
  const auto expected = f(x).to_vector(), found = plan(x).to_vector();
  // Either order rounds K + 1 sums of terms that add up to at most this in magnitude.
  const Tensor stream = exp(x);
  const auto magnitude =
      add(stream, linear(abs(gelu(linear(stream, up))), abs(weight))).to_vector();
  for (size_t i = 0; i < expected.size(); ++i)
    CHECK(std::abs(found[i] - expected[i]) <=
          2 * (K + 1) * std::numeric_limits<float>::epsilon() * magnitude[i]);
}

TEST_CASE("a residual that is read again is not overwritten by its sum") {
  const Tensor weight = random_tensor({12, 12}, 1, DType::f32);
  check_same_bits(
      [&](const Tensor& x) {
        const Tensor stream = exp(x), sum = add(stream, linear(relu(stream), weight));
        return mul(sum, stream);
      },
      {7, 12});
  check_same_bits(
      [&](const Tensor& x) {
        const Tensor stream = exp(x);
        const Tensor branch = linear(stream, weight);  // reads what it would write
        return add(branch, stream);
      },
      {7, 12});
  check_same_bits(
      [&](const Tensor& x) {
        const Tensor stream = exp(x), branch = linear(relu(stream), weight);
        const Tensor gate = relu(branch);  // reads what would be the sum
        return mul(add(stream, branch), gate);
      },
      {7, 12});
}

TEST_CASE("rows that a slice drops are not computed, and the others keep their bits") {
  const Tensor weight = random_tensor({12, 12}, 1, DType::f32);
  const Tensor row = random_tensor({12}, 2, DType::f32);
  const Tensor positions = random_tensor({1, 7, 12}, 3, DType::f32);
  const Tensor scales = random_tensor({7, 1}, 4, DType::f32);
  const auto f = [&](const Tensor& x) {
    const Tensor stream = mul(add(exp(x), positions), scales);
    const Tensor sum = add(gelu(linear(layer_norm(stream, row, row, 1e-5), weight, row)), stream);
    return select(softmax(sum, -1), 1, 2);
  };
  const Graph early = slice_early(capture(f, {7, 12}, {}));
  for (const Graph::Node& node : early.nodes)
    if (!node.op->view) {
      INFO(node.op->name);
      CHECK(early.values[static_cast<size_t>(node.output)].shape[1] == BatchDim{0, 1});
    }
  check_same_bits(f, {7, 12});
  check_same_bits([&](const Tensor& x) { return slice(relu(exp(x)), 1, 2, 6); }, {7, 12});
}

TEST_CASE("a slice stays where other rows are read, or rows are cut") {
  const auto other = [](const Tensor& x) {
    const Tensor y = exp(x);
    return add(slice(y, 1, 0, 1), slice(relu(y), 1, 1, 3));
  };
  check_same_bits(other, {7, 12});
  const auto columns = [](const Tensor& x) { return slice(softmax(exp(x), -1), 2, 0, 5); };
  CHECK(std::string(slice_early(capture(columns, {7, 12}, {})).nodes.back().op->name) == "slice");
  check_same_bits(columns, {7, 12});
  const auto mixed = [](const Tensor& x) { return slice(attention(exp(x), 2), 1, 1, 3); };
  CHECK(std::string(slice_early(capture(mixed, {7, 12}, {})).nodes.back().op->name) == "slice");
  check_same_bits(mixed, {7, 12});
}

TEST_CASE("attention computes the leading rows that a slice leaves, and those keep their bits") {
  for (int64_t rows : {1, 3, 7, 20}) {
    INFO(rows, " rows");
    const auto f = [&](const Tensor& x) { return slice(attention(exp(x), 2), 1, 0, rows); };
    CHECK(std::string(slice_early(capture(f, {20, 12}, {})).nodes.back().op->name) == "attention");
    check_same_bits(f, {20, 12});
  }
}

TEST_CASE("a running plan neither allocates nor chooses, and takes the memory it said") {
  const Tensor up = random_tensor({48, 12}, 1, DType::f32);
  const Tensor down = random_tensor({12, 16}, 2, DType::f32),
               row = random_tensor({12}, 3, DType::f32);
  const Graph graph = capture(
      [&](const Tensor& x) {
        const Tensor y = attention(linear(layer_norm(x, row, row, 1e-5), up), 2);
        const Tensor z = add(x, linear(gelu(y), down));
        return matmul(softmax(transpose(z, 1, 2), -1), z);
      },
      {9, 12}, {});
  for (int threads : {1, 3}) {
    INFO(threads, " threads");
    const int before_threads = num_threads();
    set_num_threads(threads);
    const size_t before = memory_stats().in_use;
    Plan plan = compile(graph, {.threads = threads, .chunk = 2});
    const Plan::Memory memory = plan.memory();
    CHECK(memory_stats().in_use - before ==
          static_cast<size_t>(memory.activations + memory.weights));
    for (int64_t batch : {1, 2, 11}) {
      const Tensor x = random_tensor({batch, 9, 12}, 4, DType::f32);
      const Tensor y = Tensor::empty({batch, 12, 12});
      plan.run(x, y);  // the pool starts its threads once
      check_steady_run(plan, x, y);
    }
    set_num_threads(before_threads);
  }
}

TEST_CASE("weights in half precision take half the bytes and round as their format does") {
  const NoGradGuard off;
  constexpr int64_t K = 95, N = 40;  // an odd K, and columns in part of a panel
  const Tensor weight = random_tensor({N, K}, 1, DType::f32);
  const Tensor bias = random_tensor({N}, 2, DType::f32);
  const auto f = [&](const Tensor& x) { return linear(x, weight, bias); };
  const Graph graph = capture(f, {7, K}, {});
  const Tensor x = random_tensor({5, 7, K}, 3, DType::f32);
  const auto exact = compile(graph)(x).to_vector();
  const auto magnitude = linear(abs(x), abs(weight), abs(bias)).to_vector();
  // One operand or both are rounded by half a unit of 11 or 8 bits.
  for (const DType dtype : {DType::f16, DType::bf16})
    for (int threads : {1, 3})
      for (int64_t chunk : {0, 2}) {
        INFO(dtype_name(dtype), ", ", threads, " threads, chunk ", chunk);
        const double rounding = dtype == DType::f16 ? 0x1p-11 : 0x1p-7 + 0x1p-16;
        Plan plan = compile(graph, {.threads = threads, .chunk = chunk, .weights = dtype});
        const auto found = plan(x).to_vector();
        CHECK(found != exact);
        check_close(found, exact,
                    [&](size_t i) { return (rounding + 2 * (K + 2) * epsilon) * magnitude[i]; });
        // Half of it, but for the last group of k and the sizes that storage comes in.
        CHECK(3 * plan.memory().weights < 2 * compile(graph).memory().weights);
        const Tensor y = Tensor::empty({5, 7, N});
        plan.run(x, y);
        check_steady_run(plan, x, y);
        CHECK(y.to_vector() == found);
      }
  CHECK_THROWS_WITH_AS(compile(graph, {.weights = DType::s8}),
                       "compile: weights is s8; expected f32, f16 or bf16", Error);
}

TEST_CASE("what a plan cannot run is refused before anything runs") {
  CHECK(contains(refusal([](const Tensor& x) { return slice(relu(x), 0, 0, 1); }, {4}),
                 "leading dimension"));
  CHECK(contains(refusal([](const Tensor& x) { return slice(relu(x), 0, 1, x.size(0)); }, {4}),
                 "leading dimension"));
  CHECK(contains(refusal([](const Tensor& x) { return sum(x, {1}); }, {4}), "without lowering"));
  CHECK(contains(refusal([](const Tensor& x) { return cat({x, x}, 0); }, {4}), "the batch"));
  CHECK(contains(refusal([](const Tensor& x) { return matmul(transpose(x, 0, 1), x); }, {4}),
                 "batch"));
  CHECK(contains(refusal([](const Tensor& x) { return linear(x, relu(x)); }, {4}), "batch"));
  const Tensor w = random_tensor({4}, 1, DType::f32);
  CHECK(contains(refusal([&](const Tensor&) { return relu(w); }, {4}),
                 "not computed from the input"));
  const auto rows_of_all = [](const Tensor& x) { return reshape(x, {-1}); };
  CHECK(contains(refusal([&](const Tensor& x) { return softmax(rows_of_all(x)); }, {4}),
                 "softmax is of rows whose length grows with the batch"));
  CHECK(contains(refusal(
                     [&](const Tensor& x) {
                       const Tensor row = rows_of_all(x);
                       return layer_norm(row, row, row, 1e-5);
                     },
                     {4}),
                 "layer_norm is of rows whose length grows with the batch"));
  Graph changed = capture(
      [&](const Tensor& x) {
        const Tensor first = relu(w);
        return add(first, x);
      },
      {4}, {});
  changed.output = changed.nodes[0].output;
  CHECK(contains(refusal_of([&] { compile(changed); }), "output is a result of shape [4]"));
  const Graph graph = capture([](const Tensor& x) { return relu(x); }, {4}, {});
  CHECK_THROWS_AS(compile(graph, {.threads = -1}), Error);
  CHECK_THROWS_AS(compile(graph, {.chunk = -1}), Error);
  for (const int64_t chunk :
       {int64_t{65'537}, int64_t{1} << 60, std::numeric_limits<int64_t>::max()})
    CHECK(contains(refusal_of([&] { compile(graph, {.chunk = chunk}); }), "1 to 65536 samples"));
  CHECK(compile(graph, {.threads = 1, .chunk = 65'536})(Tensor::zeros({2, 4})).numel() == 8);
  Plan plan = compile(graph);
  CHECK_THROWS_AS(plan(Tensor::zeros({2, 5})), Error);
  CHECK_THROWS_AS(plan(Tensor::zeros({2, 4}, DType::f64)), Error);
  CHECK_THROWS_AS(plan(transpose(Tensor::zeros({4, 2}), 0, 1)), Error);
  CHECK_THROWS_AS(plan.run(Tensor::zeros({2, 4}), Tensor::zeros({3, 4})), Error);
}

TEST_CASE("a plan keeps to its threads, however many the pool has") {
  static constexpr Op noting{.name = "noting", .lower = lower_noting};
  const Graph graph = capture(
      [](const Tensor& x) { return record(noting, {}, {x}, add(x, 0.0), nullptr); }, {64}, {});
  const int before = num_threads();
  set_num_threads(6);
  for (const int threads : {1, 2, 4}) {
    Plan plan = compile(graph, {.threads = threads, .chunk = 1});
    for (const int64_t batch : {1, 2, 3, 9}) {
      INFO(threads, " threads, batch ", batch);
      notes.threads.clear();
      const Tensor x = random_tensor({batch, 64}, 1, DType::f32);
      CHECK(plan(x).to_vector() == x.to_vector());
      CHECK(notes.threads.size() <= static_cast<size_t>(threads));
      if (batch < threads) CHECK(notes.threads.size() == static_cast<size_t>(threads));
    }
  }
  set_num_threads(before);
}

TEST_CASE("an empty batch gives an empty result") {
  Plan plan = compile(capture([](const Tensor& x) { return relu(x); }, {4}, {}));
  CHECK(plan(Tensor::zeros({0, 4})).numel() == 0);
}

}  // namespace espalier::test
