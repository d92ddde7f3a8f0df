// Tensors on a GPU: where they lie, how they come and go, and what is refused.
#include "engine/device_memory.h"

#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/ops/binary.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"
#include "engine/staging.h"
#include "kernels/linear_wq/linear_wq.h"
#include "tests/device_test.h"

namespace espalier::test {
namespace {

constexpr Device gpu{Device::Kind::cuda, 0};

ErrorKind kind_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error");
  return ErrorKind::numeric;
}

}  // namespace

TEST_CASE("a GPU's name that is absent or no name is refused") {
  CHECK(kind_of([] { device_from_name("cuda:1000"); }) == ErrorKind::device);
  CHECK(kind_of([] { Tensor::empty({1}, DType::f32, Device::cuda(-1)); }) == ErrorKind::device);
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:0x", "cuda:-1", ""}) {
    INFO("name: ", std::string(name));
    CHECK(kind_of([&] { device_from_name(name); }) == ErrorKind::argument);
  }
  CHECK(device_from_name("cpu") == Device::cpu());
  if (cuda_device_count() == 0) {
    CHECK_THROWS_WITH_AS(device_from_name("cuda"),
                         "device 'cuda:0' is not available: no GPU was found; use cpu", Error);
  }
}

TEST_CASE("values go to a GPU and come back") {
  if (cuda_device_count() == 0) return;
  const Tensor x = random_tensor({5, 7}, 1, DType::f32);
  const Tensor there = x.to(gpu);
  CHECK(there.device() == gpu);
  CHECK(there.to_vector() == x.to_vector());
  const Tensor columns = x.as_strided({7, 5}, {1, 7}, 0).to(gpu);
  CHECK(columns.is_contiguous());
  CHECK(columns.to_vector() == x.as_strided({7, 5}, {1, 7}, 0).to_vector());
  there.copy_(Tensor::full({7}, 3));
  CHECK(there.to_vector() == std::vector<double>(35, 3));
  there.as_strided({7, 5}, {1, 7}, 0).copy_(columns);
  CHECK(there.to_vector() == x.to_vector());
  there.copy_(Tensor::zeros({5, 7}));
  CHECK(there.to_vector() == std::vector<double>(35, 0));
  CHECK(x.to(Device::cpu()).same(x));
}

TEST_CASE("what is sent to a GPU arrives as it was, though its memory is let go at once") {
  if (cuda_device_count() == 0) return;
  std::vector<Tensor> there;
  for (int i = 0; i < 12; ++i) {
    const Tensor staged = staging_tensor({3, 5}, DType::f32, gpu);
    staged.fill_(i);
    there.push_back(sent_to(gpu, staged));
  }
  for (int i = 0; i < 12; ++i) {
    const Tensor& x = there[static_cast<size_t>(i)];
    CHECK(x.device() == gpu);
    CHECK(x.to_vector() == std::vector<double>(15, i));
  }
}

TEST_CASE("memory that a GPU has copied from is used again, and goes back to the system") {
  if (cuda_device_count() == 0) return;
  const auto sent = [](double value) {
    const Tensor staged = staging_tensor({1000}, DType::f32, gpu);
    staged.fill_(value);
    return std::pair(sent_to(gpu, staged), staged.bytes());
  };
  const auto [first, memory] = sent(1);
  synchronize(gpu);
  const auto [second, again] = sent(2);
  CHECK(again == memory);
  release_cached_memory();  // what is under way aside
  CHECK(first.to_vector() == std::vector<double>(1000, 1));
  CHECK(second.to_vector() == std::vector<double>(1000, 2));
}

TEST_CASE("what is staged for the CPU stays where it is") {
  const Tensor staged = staging_tensor({2, 3}, DType::s64, Device::cpu());
  CHECK(staged.describe() == "s64 [2, 3]");
  CHECK(sent_to(Device::cpu(), staged).same(staged));
}

TEST_CASE("new tensors lie where kernels run") {
  if (cuda_device_count() == 0) return;
  {
    const DeviceScope scope(gpu);
    CHECK(Tensor::zeros({3}).device() == gpu);
    CHECK(Tensor::zeros({3}).to_vector() == std::vector<double>(3, 0));
    CHECK(Tensor::of(std::vector<float>{1}, {1}).device() == Device::cpu());
  }
  CHECK(Tensor::zeros({3}).device() == Device::cpu());
}

TEST_CASE("a GPU refuses what is too large, and goes on") {
  if (cuda_device_count() == 0) return;
  constexpr int64_t huge = int64_t{1} << 45;
  CHECK(kind_of([] { Tensor::empty({huge}, DType::f32, gpu); }) == ErrorKind::device);
  CHECK(softmax(Tensor::zeros({1, 4}).to(gpu)).to_vector() == std::vector<double>(4, 0.25));
}

TEST_CASE("operands of one operation lie on one device, which has a kernel for it") {
  if (cuda_device_count() == 0) return;
  const Tensor here = Tensor::zeros({2, 2}), there = here.to(gpu);
  CHECK_THROWS_WITH_AS(
      add(here, there),
      "add: b is f32 [2, 2] on cuda:0; expected device cpu; all operands must be on "
      "one device; move it with to(Device)",
      Error);
  CHECK(kind_of([&] { there.data<float>(); }) == ErrorKind::device);
  CHECK(kind_of([&] {
          const OpScope scope("test", there);
          kernel(linear_wq_kernels());  // panels are the CPU's alone
        }) == ErrorKind::device);
  CHECK(softmax(there, 0).to_vector() == std::vector<double>(4, 0.5));
}

TEST_CASE("memory of a GPU that was given back is used again") {
  if (cuda_device_count() == 0) return;
  const std::byte* first = nullptr;
  {
    const DeviceScope scope(gpu);
    first = Tensor::empty({1000}).bytes();
  }
  const DeviceScope scope(gpu);
  CHECK(Tensor::empty({1000}).bytes() == first);
  release_cached_memory();
}

}  // namespace espalier::test
