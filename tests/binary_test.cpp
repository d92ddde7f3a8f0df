#include "kernels/binary/binary.h"

#include "engine/ops/binary.h"
#include "engine/ops/view.h"
#include "tests/device_test.h"

namespace espalier::test::binary_tests {
namespace {

constexpr BinaryOp ops[] = {BinaryOp::add,     BinaryOp::sub,     BinaryOp::mul,  BinaryOp::div,
                            BinaryOp::maximum, BinaryOp::minimum, BinaryOp::share};
constexpr int64_t row_count = 3;

// How an operand of row_count x width is laid out.
struct Form {
  const char* name;
  bool each_row, along_row;
  int64_t size(int64_t width) const { return (each_row ? row_count : 1) * (along_row ? width : 1); }
  template <class T>
  BinaryOperand<T> operand(const T* data, int64_t width) const {
    return {data, each_row ? (along_row ? width : 1) : 0, along_row ? 1 : 0};
  }
};
constexpr Form forms[] = {{"matrix", true, true},
                          {"row", false, true},
                          {"column", true, false},
                          {"scalar", false, false}};

void check_forms(const KernelRow<Binary<float>>& row, BinaryOp op, const Form& fa, const Form& fb,
                 int64_t width, Guard guard, size_t offset) {
  Guarded<float> a(static_cast<size_t>(fa.size(width)), guard, offset);
  Guarded<float> b(static_cast<size_t>(fb.size(width)), guard, offset);
  Guarded<float> y(static_cast<size_t>(row_count * width), guard, offset);
  fill_normal(a, 1);
  fill_normal(b, 2);
  if (a.size() && b.size()) a[0] = b[0];
  row.run(op, fa.operand<float>(a.data(), width), fb.operand<float>(b.data(), width), y.data(),
          row_count, width);
  const std::vector<double> ad(a.begin(), a.end()), bd(b.begin(), b.end());
  std::vector<double> expected(y.size());
  binary_kernels<double>().back().run(op, fa.operand<double>(ad.data(), width),
                                      fb.operand<double>(bd.data(), width), expected.data(),
                                      row_count, width);
  // One rounding.
  check_close(y, expected, [&](size_t i) { return 0.5 * epsilon * std::abs(expected[i]); });
}

}  // namespace

TEST_CASE("binary rows agree with the double reference in every form") {
  for_each_row(binary_kernels<float>(), [](const auto& row) {
    for (BinaryOp op : ops)
      for (const Form& fa : forms)
        for (const Form& fb : forms) {
          INFO("op ", static_cast<int>(op), ", a ", fa.name, ", b ", fb.name);
          for (int64_t width : {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 67}) {
            INFO("width: ", width);
            check_forms(row, op, fa, fb, width, Guard::back, 0);
            check_forms(row, op, fa, fb, width, Guard::front, 1);
          }
        }
  });
}

TEST_CASE("binary rows agree over all widths and starts") {
  for_each_row(binary_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      check_forms(row, BinaryOp::sub, forms[0], forms[1], width, guard, offset);
    });
  });
}

TEST_CASE("binary rows treat special values as the contract says") {
  std::vector<float> a, b;
  for (float x : special_values())
    for (float y : special_values()) a.push_back(x), b.push_back(y);
  const int64_t count = static_cast<int64_t>(a.size());
  const std::vector<double> ad(a.begin(), a.end()), bd(b.begin(), b.end());
  for_each_row(binary_kernels<float>(), [&](const auto& row) {
    for (BinaryOp op : ops) {
      INFO("op ", static_cast<int>(op));
      std::vector<float> y(a.size());
      std::vector<double> expected(a.size());
      row.run(op, {a.data(), 0, 1}, {b.data(), 0, 1}, y.data(), 1, count);
      binary_kernels<double>().back().run(op, {ad.data(), 0, 1}, {bd.data(), 0, 1}, expected.data(),
                                          1, count);
      // Correctly rounded, so the double result rounded to float is the float result.
      for (size_t i = 0; i < y.size(); ++i) {
        INFO(a[i], " and ", b[i], ": ", y[i], ", reference ", expected[i]);
        CHECK(agrees(y[i], static_cast<float>(expected[i]), 0));
      }
    }
  });
}

TEST_CASE("binary works in place") {
  for_each_row(binary_kernels<float>(), [](const auto& row) {
    std::vector<float> a(67 * 2), b(67), y(a.size());
    fill_normal(a, 1);
    fill_normal(b, 2);
    row.run(BinaryOp::mul, {a.data(), 67, 1}, {b.data(), 0, 1}, y.data(), 2, 67);
    row.run(BinaryOp::mul, {a.data(), 67, 1}, {b.data(), 0, 1}, a.data(), 2, 67);
    CHECK(a == y);
  });
}

TEST_CASE("axpby rows agree with the double reference") {
  for_each_row(axpby_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const size_t count = static_cast<size_t>(width);
      for (float beta : {0.0f, 1.0f, -0.7f}) {
        Guarded<float> x(count, guard, offset), y(count, guard, offset);
        fill_normal(x, 1);
        fill_normal(y, 2);
        const std::vector<double> xd(x.begin(), x.end()), before(y.begin(), y.end());
        std::vector<double> expected = before;
        axpby_kernels<double>().back().run(double{0.3f}, xd.data(), double{beta}, expected.data(),
                                           width);
        row.run(0.3f, x.data(), beta, y.data(), width);
        check_close(y, expected, [&](size_t i) {
          return epsilon * (std::abs(beta * before[i]) + std::abs(expected[i])) / 2;
        });
      }
    });
  });
}

TEST_CASE("axpby does not read y where beta is zero") {
  for_each_row(axpby_kernels<float>(), [](const auto& row) {
    std::vector<float> x(37, 2.0f), y(37, std::numeric_limits<float>::quiet_NaN());
    row.run(3.0f, x.data(), 0.0f, y.data(), 37);
    CHECK(y == std::vector<float>(37, 6.0f));
  });
}

TEST_CASE("binary op gradients match finite differences, broadcast or not") {
  using Op = Tensor (*)(const Tensor&, const Tensor&);
  // A divisor of 2 + b^2: near zero a finite difference says nothing.
  const Op safe_div = [](const Tensor& a, const Tensor& b) { return div(a, add(mul(b, b), 2)); };
  for (Op op : {Op(add), Op(sub), Op(mul), safe_div, Op(maximum), Op(minimum)}) {
    const Function f = [op](const auto& x) { return op(x[0], x[1]); };
    check_gradients(f, {random_tensor({3, 4}, 1), random_tensor({3, 4}, 2)});
    check_gradients(f, {random_tensor({2, 3, 4}, 3), random_tensor({4}, 4)});
    check_gradients(f, {random_tensor({3, 1}, 5), random_tensor({2, 1, 4}, 6)});
    check_gradients(f, {random_tensor({}, 7), random_tensor({5}, 8)});
    check_gradients(f, {random_tensor({2, 3, 1}, 9), random_tensor({2, 1, 4}, 10)});
    check_gradients([op](const auto& x) { return op(transpose(x[0], 0, 1), x[1]); },
                    {random_tensor({3, 4}, 11), random_tensor({4, 3}, 12)});
  }
}

TEST_CASE("binary ops of f32 are those of the rounded operands, and check them") {
  const Tensor a = random_tensor({5, 7}, 1, DType::f32), b = random_tensor({7}, 2, DType::f32);
  const auto x = a.to_vector(), y = b.to_vector(), sum = (a + b).to_vector();
  for (size_t i = 0; i < sum.size(); ++i)
    CHECK(sum[i] == static_cast<double>(static_cast<float>(x[i] + y[i % 7])));
  CHECK(mul(a, 2).to_vector()[3] == 2 * x[3]);
  CHECK_THROWS_AS(add(a, random_tensor({7}, 3)), Error);
  CHECK_THROWS_AS(add(a, random_tensor({6}, 3, DType::f32)), Error);
  CHECK_THROWS_AS(add(a, Tensor()), Error);
  CHECK((a + Tensor::zeros({0, 1, 7})).numel() == 0);
}

TEST_CASE("binary ops take numbers on either side") {
  const Tensor x = Tensor::of<double>({1, 4}, {2});
  CHECK((x + 1).to_vector() == std::vector<double>{2, 5});
  CHECK((1 + x).to_vector() == std::vector<double>{2, 5});
  CHECK((x - 1).to_vector() == std::vector<double>{0, 3});
  CHECK((1 - x).to_vector() == std::vector<double>{0, -3});
  CHECK((x * 3).to_vector() == std::vector<double>{3, 12});
  CHECK((3 * x).to_vector() == std::vector<double>{3, 12});
  CHECK((x / 2).to_vector() == std::vector<double>{0.5, 2});
  CHECK((2 / x).to_vector() == std::vector<double>{2, 0.5});
  CHECK(maximum(x, 2).to_vector() == std::vector<double>{2, 4});
  CHECK(minimum(x, 2).to_vector() == std::vector<double>{1, 2});
  CHECK_THROWS_AS(Tensor::zeros({2}, DType::s32) + 1, Error);
}

TEST_CASE("binary ops cut long rows and walk outer dimensions") {
  const Tensor a = random_tensor({2, 3, 20'000}, 1, DType::f32);
  const Tensor b = random_tensor({3, 1}, 2, DType::f32);
  const auto x = a.to_vector(), y = b.to_vector(), product = (a * b).to_vector();
  for (size_t i = 0; i < x.size(); ++i)
    if (product[i] != static_cast<double>(static_cast<float>(x[i] * y[i / 20'000 % 3])))
      FAIL("at ", i);
}

TEST_CASE("binary ops on a GPU agree with the CPU, broadcast or not") {
  using Op = Tensor (*)(const Tensor&, const Tensor&);
  const Op safe_div = [](const Tensor& a, const Tensor& b) { return div(a, add(mul(b, b), 2)); };
  for (Op op : {Op(add), Op(sub), Op(mul), safe_div, Op(maximum), Op(minimum)}) {
    const Function f = [op](const auto& x) { return op(x[0], x[1]); };
    // At most 40 elements meet in the gradient of one that was broadcast.
    check_device_agrees(f, {random_tensor({3, 41}, 1), random_tensor({3, 41}, 2)}, 4);
    check_device_agrees(f, {random_tensor({2, 20, 5}, 3), random_tensor({5}, 4)}, 40);
    check_device_agrees(f, {random_tensor({3, 1}, 5), random_tensor({2, 1, 4}, 6)}, 40);
    check_device_agrees(f, {random_tensor({}, 7), random_tensor({35}, 8)}, 40);
    check_device_agrees([op](const auto& x) { return op(transpose(x[0], 0, 1), x[1]); },
                        {random_tensor({3, 4}, 11), random_tensor({4, 3}, 12)}, 4);
  }
}

}  // namespace espalier::test::binary_tests
