// The engine itself: tensors, tape, profiler.
#include <barrier>
#include <limits>
#include <thread>
#include <utility>

#include "engine/dispatch.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"
#include "engine/profiler.h"
#include "tests/gradient_test.h"
#include "tests/refusal.h"

namespace espalier::test {

TEST_CASE("views share memory and know their strides") {
  const Tensor x = Tensor::of<float>({0, 1, 2, 3, 4, 5}, {2, 3});
  const Tensor t = transpose(x, 0, 1);
  CHECK(t.shape() == Shape{3, 2});
  CHECK(!t.is_contiguous());
  CHECK(t.to_vector() == std::vector<double>{0, 3, 1, 4, 2, 5});
  CHECK(slice(x, 1, 1, -1).to_vector() == std::vector<double>{1, 4});
  CHECK(select(x, 0, -1).to_vector() == std::vector<double>{3, 4, 5});
  CHECK(reshape(t, {-1}).to_vector() == std::vector<double>{0, 3, 1, 4, 2, 5});
  CHECK(select(x, 1, -3).to_vector() == std::vector<double>{0, 3});
  for (const int64_t index : {int64_t{3}, int64_t{-4}, std::numeric_limits<int64_t>::max(),
                              std::numeric_limits<int64_t>::min()})
    CHECK(contains(refusal_of([&] { select(x, 1, index); }), "select: index"));
  x.data<float>()[0] = 9;
  CHECK(t.to_vector()[0] == 9);
  CHECK_THROWS_AS(reshape(x, {4}), Error);
  CHECK_THROWS_AS(permute(x, {0, 0}), Error);
  CHECK_THROWS_AS(x.data<double>(), Error);
}

TEST_CASE("shapes past counting are refused, whatever dimension is 0") {
  const int64_t huge = int64_t{1} << 40;
  uint8_t byte = 0;
  for (const Shape& shape : {Shape{-1}, Shape{huge, huge}, Shape{0, huge, huge}, Shape{2, -3, 0},
                             Shape{std::numeric_limits<int64_t>::max()}}) {
    INFO(shape.str());
    CHECK_THROWS_AS(Tensor::empty(shape, DType::u8), Error);
    CHECK_THROWS_AS(Tensor::from_blob(&byte, shape, DType::u8), Error);
  }
  const Tensor none = Tensor::empty({0, 3});
  CHECK(reshape(none, {3, 0, 5}).shape() == Shape{3, 0, 5});
  CHECK(reshape(none, {-1, 3}).shape() == Shape{0, 3});
  for (const Shape& shape :
       {Shape{0, huge, huge}, Shape{-1, 0}, Shape{-1, -1}, Shape{-1, huge, huge}}) {
    INFO(shape.str());
    CHECK_THROWS_AS(reshape(none, shape), Error);
  }
}

TEST_CASE("view gradients match finite differences") {
  check_gradients([](const auto& x) { return reshape(transpose(x[0], 0, 1), {6}); },
                  {random_tensor({2, 3}, 1)});
  check_gradients(
      [](const auto& x) {
        return slice(permute(x[0], {2, 0, 1}), 1, 1, 3);
      },
      {random_tensor({4, 2, 3}, 2)});
  check_gradients([](const auto& x) { return flatten(unsqueeze(select(x[0], 1, 0), 0), 1); },
                  {random_tensor({2, 3, 2}, 3)});
}

TEST_CASE("a gradient that arrives twice is summed, without touching the other's") {
  const Tensor x = random_tensor({2, 3}, 4);
  check_gradients(
      [](const auto& in) {
        const Tensor a = softmax(in[0]);
        return softmax(softmax(reshape(a, {6})));
      },
      {x});
}

TEST_CASE("a gradient is what derivatives can add into, or refused") {
  const Tensor x = random_tensor({2, 2}, 8).set_requires_grad();
  const Tensor g = Tensor::full({2, 2}, 1.0, DType::f64);
  const auto refused = [&](const Tensor& gradient) {
    return refusal_of([&] { x.set_grad(gradient); });
  };
  CHECK(contains(refused(transpose(g, 0, 1)), "contiguous"));
  CHECK(contains(refused(expand(Tensor::zeros({1, 2}, DType::f64), {2, 2})), "contiguous"));
  CHECK(contains(refused(Tensor::zeros({2, 2})), "dtype f64"));
  CHECK(contains(refused(Tensor::zeros({4}, DType::f64)), "shape [2, 2]"));
  CHECK(!x.grad().defined());
  x.set_grad(g);
  CHECK(x.grad().same(g));
  x.set_grad(Tensor());
  CHECK(!x.grad().defined());
}

TEST_CASE("the tape is freed when used, kept on request, and of any length") {
  const Tensor x = random_tensor({2}, 5).set_requires_grad();
  const Tensor y = softmax(x);
  backward(y, {.seed = Tensor::full({2}, 1.0, DType::f64), .retain_graph = true});
  backward(y, {.seed = Tensor::full({2}, 1.0, DType::f64)});
  CHECK_THROWS_AS(backward(y, {.seed = Tensor::full({2}, 1.0, DType::f64)}), Error);
  CHECK_THROWS_AS(backward(softmax(x)), Error);

  Tensor deep = x;
  for (int i = 0; i < 30'000; ++i)  // more than a stack holds of calls within calls
    deep = unsqueeze(squeeze(unsqueeze(deep, 0), 0), 0), deep = squeeze(deep, 0);
  backward(deep, {.seed = Tensor::full({2}, 1.0, DType::f64)});
  {
    const NoGradGuard off;
    CHECK(!softmax(x).requires_grad());
  }
  CHECK(softmax(x).requires_grad());
}

struct SavedFactor {
  double factor;
};

void scaled_derivative(const SavedFactor& saved, const Tensor& dy, InputGradients& inputs) {
  const Tensor dx = Tensor::empty(dy.shape(), dy.dtype());
  for (int64_t i = 0; i < dy.numel(); ++i)
    dx.data<double>()[i] = saved.factor * dy.data<double>()[i];
  inputs.add(0, dx);
}

Tensor scaled(const Op& op, const Tensor& x, Kept kept) {
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  for (int64_t i = 0; i < x.numel(); ++i) y.data<double>()[i] = 3 * x.data<double>()[i];
  return record(op, {}, {x}, y, std::move(kept));
}

TEST_CASE("an operation outside the library brings its own derivative") {
  constexpr Op known{.name = "scaled", .derivative = derivative_of<scaled_derivative>};
  const Tensor x = random_tensor({2}, 7).set_requires_grad();
  backward(scaled(known, x, SavedFactor{3}), {.seed = Tensor::full({2}, 1.0, DType::f64)});
  CHECK(x.grad().to_vector() == std::vector<double>{3, 3});

  const auto seeded = [&](const Op& op, Kept kept) {
    backward(scaled(op, x, std::move(kept)), {.seed = Tensor::full({2}, 1.0, DType::f64)});
  };
  constexpr Op unknown{.name = "unknown"};
  CHECK_THROWS_AS(seeded(unknown, SavedFactor{3}), std::logic_error);
  CHECK_THROWS_AS(seeded(known, std::string("of another kind")), std::logic_error);
}

bool fails_once = false;

void failing_derivative(const SavedFactor& saved, const Tensor& dy, InputGradients& inputs) {
  scaled_derivative(saved, dy, inputs);
  if (std::exchange(fails_once, false)) throw Error(ErrorKind::numeric, "once");
}

TEST_CASE("a derivative that throws leaves nothing on the tape for the next walk to count") {
  constexpr Op known{.name = "scaled", .derivative = derivative_of<scaled_derivative>};
  constexpr Op failing{.name = "failing", .derivative = derivative_of<failing_derivative>};
  const Tensor x = random_tensor({2}, 7).set_requires_grad();
  const Tensor y = scaled(failing, scaled(known, x, SavedFactor{3}), SavedFactor{5});
  const Tensor seed = Tensor::full({2}, 1.0, DType::f64);
  fails_once = true;
  CHECK_THROWS_WITH_AS(backward(y, {.seed = seed}), "once", Error);
  CHECK(!x.grad().defined());
  backward(y, {.seed = seed});
  CHECK(x.grad().to_vector() == std::vector<double>{15, 15});
}

TEST_CASE("a sink receives the gradients of leaves that have a place in it") {
  const Tensor x = random_tensor({3}, 6).set_requires_grad();
  x.set_arena_offset(2);
  const GradientSink sink{Tensor::zeros({8}, DType::f64)};
  backward(reshape(x, {3, 1}), {.seed = Tensor::full({3, 1}, 2.0, DType::f64), .sink = &sink});
  CHECK(!x.grad().defined());
  CHECK(sink.arena.to_vector() == std::vector<double>{0, 0, 2, 2, 2, 0, 0, 0});
}

TEST_CASE("freed storage is used again") {
  release_cached_memory();
  const void* first = nullptr;
  {
    const Tensor x = Tensor::empty({1000});
    first = x.bytes();
  }
  CHECK(memory_stats().cached >= 4000);
  CHECK(Tensor::empty({999}).bytes() == first);
}

// It lies in the caches of the thread's core.
TEST_CASE("a thread takes the storage that it freed, and another's before the system's") {
  release_cached_memory();
  constexpr int64_t size = 1'234'567;
  std::barrier together(2);
  const void *before[2], *after[2];
  const auto work = [&](int thread) {
    Tensor x = Tensor::empty({size});
    before[thread] = x.bytes();
    // In turns: the second's is freed last, and the first asks first.
    const auto in_turns = [&](auto act) {
      for (int turn = 0; turn < 2; ++turn) {
        together.arrive_and_wait();
        if (turn == thread) act();
      }
    };
    in_turns([&] { x = Tensor(); });
    in_turns([&] { x = Tensor::empty({size}); });
    after[thread] = x.bytes();
    together.arrive_and_wait();
  };
  std::thread first(work, 0), second(work, 1);
  first.join(), second.join();
  CHECK(after[0] == before[0]);
  CHECK(after[1] == before[1]);
  const Tensor x = Tensor::empty({size}), y = Tensor::empty({size});
  CHECK((x.bytes() == before[0] || x.bytes() == before[1]));
  CHECK((y.bytes() == before[0] || y.bytes() == before[1]));
}

TEST_CASE("the profiler attributes self time and FLOPs") {
  profiler::start();
  const Tensor x = random_tensor({4, 8}, 1).set_requires_grad();
  backward(softmax(x), {.seed = random_tensor({4, 8}, 2)});
  const auto totals = profiler::totals(profiler::stop());
  bool forward = false, back = false;
  for (const auto& total : totals) {
    forward |= total.name == "softmax" && total.phase == "forward" && total.flops == 5 * 32;
    back |= total.name == "softmax" && total.phase == "backward" && total.calls == 1;
  }
  CHECK(forward);
  CHECK(back);
  softmax(x);
  CHECK(profiler::stop().size() <= 4);
}

TEST_CASE("an ISA that this CPU lacks is an error that names what there is") {
  CHECK_THROWS_AS(set_isa("sse9"), Error);
  for (Isa isa : built_isas())
    if (!cpu_can_run(isa)) CHECK_THROWS_AS(set_isa(isa_name(isa)), Error);
}

}  // namespace espalier::test
