#include "engine/tensor.h"

#include <algorithm>
#include <cstring>

#include "engine/autograd.h"
#include "engine/capture.h"
#include "engine/device_memory.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/recycled.h"
#include "engine/strided.h"
#include "kernels/copy/copy.h"

namespace espalier {
namespace {

// Calls f with a null pointer of the C++ type behind an arithmetic dtype.
template <class F>
void visit_arithmetic(const char* op, DType dtype, F f) {
  switch (dtype) {
    case DType::f32:
      return f(static_cast<float*>(nullptr));
    case DType::f64:
      return f(static_cast<double*>(nullptr));
    case DType::s8:
      return f(static_cast<int8_t*>(nullptr));
    case DType::u8:
      return f(static_cast<uint8_t*>(nullptr));
    case DType::s16:
      return f(static_cast<int16_t*>(nullptr));
    case DType::s32:
      return f(static_cast<int32_t*>(nullptr));
    case DType::s64:
      return f(static_cast<int64_t*>(nullptr));
    case DType::boolean:
      return f(static_cast<bool*>(nullptr));
    case DType::f16:
    case DType::bf16:
      break;
  }
  argument_error(op, "dtype", dtype_name(dtype), "a dtype with arithmetic",
                 "convert it with to(DType::f32)");
}

// How many bytes a tensor takes; throws when that is no number.
size_t bytes_of(const Shape& shape, DType dtype) {
  if (!shape.countable())
    argument_error("Tensor", "shape", shape.str(),
                   "dimensions of 0 or more, their product below 2^60", "");
  return static_cast<size_t>(shape.numel()) * dtype_size(dtype);
}

}  // namespace

Tensor Tensor::make(std::shared_ptr<Storage> storage, const Shape& shape, DType dtype) {
  auto impl = std::allocate_shared<Impl>(Recycled<Impl>());
  impl->storage = std::move(storage);
  impl->shape = shape;
  impl->strides = contiguous_strides(shape);
  impl->dtype = dtype;
  return Tensor(std::move(impl));
}

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  return empty(shape, dtype, current_device());
}

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  return make(Storage::allocate(bytes_of(shape, dtype), device), shape, dtype);
}

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  Tensor out = empty(shape, dtype);
  set_zero(out.device(), out.address(), static_cast<size_t>(out.numel()) * dtype_size(dtype));
  return out;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype) {
  Tensor out = empty(shape, dtype);
  out.fill_(value);
  return out;
}

Tensor Tensor::from_blob(void* data, const Shape& shape, DType dtype,
                         std::function<void()> release) {
  return make(Storage::borrow(data, bytes_of(shape, dtype), std::move(release)), shape, dtype);
}

bool Tensor::is_contiguous() const {
  int64_t expected = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape()[i] != 1 && strides()[i] != expected) return false;
    expected *= shape()[i];
  }
  return true;
}

std::string Tensor::describe() const {
  return defined() ? std::string(dtype_name(dtype())) + " " + shape().str() : "undefined";
}

std::byte* Tensor::elements(DType wanted) const {
  if (dtype() != wanted)
    argument_error("Tensor::data", "dtype", dtype_name(dtype()), dtype_name(wanted),
                   "convert it with to()");
  return bytes();
}

std::byte* Tensor::bytes() const {
  if (device().on_gpu() == cuda::active()) return address();
  throw Error(ErrorKind::device, std::string(current_operation()) + ": " + describe() + " on " +
                                     device().str() + "; kernels run on " + current_device().str() +
                                     " here; move the tensor with to(Device)");
}

double Tensor::item() const {
  refuse_in_capture("item");
  if (numel() != 1)
    argument_error("item", "tensor", describe(), "exactly one element", "index or reduce it first");
  if (device().on_gpu()) return to(Device::cpu()).item();
  const DeviceScope here(Device::cpu());
  double value = 0;
  visit_arithmetic("item", dtype(), [&]<class T>(T*) { value = static_cast<double>(*data<T>()); });
  return value;
}

std::vector<double> Tensor::to_vector() const {
  refuse_in_capture("to_vector");
  if (device().on_gpu()) return to(Device::cpu()).to_vector();
  const DeviceScope here(Device::cpu());
  std::vector<double> values;
  values.reserve(static_cast<size_t>(numel()));
  visit_arithmetic("to_vector", dtype(), [&]<class T>(T*) {
    const T* p = data<T>();
    for_each_element(shape(), strides(), strides(),
                     [&](int64_t i, int64_t) { values.push_back(static_cast<double>(p[i])); });
  });
  return values;
}

void Tensor::fill_(double value) const {
  if (device().on_gpu()) {
    if (value == 0 && is_contiguous())
      return set_zero(device(), address(), static_cast<size_t>(numel()) * dtype_size(dtype()));
    const DeviceScope there(device());
    if (!is_contiguous()) return copy_(full({}, value, dtype()));
    return visit_arithmetic("fill_", dtype(), [&]<class T>(T*) {
      const T element = static_cast<T>(value);
      kernel(fill_kernels<sizeof(T)>()).run(&element, bytes(), numel());
    });
  }
  const DeviceScope here(Device::cpu());
  visit_arithmetic("fill_", dtype(), [&]<class T>(T*) {
    T* p = data<T>();
    if (is_contiguous()) {
      std::fill_n(p, numel(), static_cast<T>(value));
      return;
    }
    for_each_element(shape(), strides(), strides(),
                     [&](int64_t i, int64_t) { p[i] = static_cast<T>(value); });
  });
}

void Tensor::copy_(const Tensor& source) const {
  if (source.dtype() != dtype() || !(broadcast_shapes("copy_", shape(), source.shape()) == shape()))
    argument_error("copy_", "source", source.describe(), describe() + " or broadcastable to it",
                   "");
  capture_copy(*this, source);
  const size_t size = dtype_size(dtype());
  if (source.shape() == shape() && is_contiguous() && source.is_contiguous()) {
    move_bytes(device(), address(), source.device(), source.address(),
               static_cast<size_t>(numel()) * size);
    return;
  }
  const bool gpu = source.device().on_gpu() || device().on_gpu();
  if (gpu && !(source.device() == device())) {
    // Dense on the way, and there laid out as it should be.
    const DeviceScope there(source.device());
    const Tensor dense = empty(source.shape(), source.dtype());
    dense.copy_(source);
    return copy_(dense.to(device()));
  }
  const DeviceScope here(device());
  copy_strided(shape(), bytes(), strides(), source.bytes(),
               broadcast_strides(source.shape(), source.strides(), shape()), size);
}

Tensor Tensor::to(Device device) const {
  if (device == this->device()) return *this;
  const Tensor there = empty(shape(), dtype(), device);
  there.copy_(*this);
  return there;
}

Tensor Tensor::as_strided(const Shape& shape, const Shape& strides, int64_t offset) const {
  Tensor view = make(impl_->storage, shape, dtype());
  view.impl_->strides = strides;
  view.impl_->offset = offset;
  return view;
}

Tensor Tensor::detach() const { return as_strided(shape(), strides(), impl_->offset); }

void Tensor::set_storage_of(const Tensor& other) const {
  if (!(other.shape() == shape()) || other.dtype() != dtype())
    argument_error("set_storage_of", "other", other.describe(), describe(), "");
  impl_->storage = other.impl_->storage;
  impl_->strides = other.impl_->strides;
  impl_->offset = other.impl_->offset;
}

bool Tensor::requires_grad() const { return impl_->requires_grad || impl_->grad_fn; }

const Tensor& Tensor::set_requires_grad(bool wanted) const {
  if (impl_->grad_fn)
    argument_error("set_requires_grad", "tensor", "the output of an operation", "a leaf",
                   "call it on detach()");
  if (wanted && !is_floating_point(dtype()))
    argument_error("set_requires_grad", "tensor", describe(), "a floating-point tensor", "");
  impl_->requires_grad = wanted;
  return *this;
}

Tensor Tensor::grad() const { return Tensor(impl_->grad); }

void Tensor::set_grad(const Tensor& gradient) const {
  if (gradient.defined()) {
    check_shape("set_grad", "gradient", gradient, shape());
    check_same_dtype("set_grad", "gradient", gradient, *this);
    if (!gradient.is_contiguous())
      argument_error("set_grad", "gradient",
                     gradient.describe() + " of strides " + gradient.strides().str(),
                     "contiguous memory", "call contiguous() first");
  }
  impl_->grad = gradient.impl_;
}

void set_history(const Tensor& tensor, std::shared_ptr<Node> node) {
  tensor.impl_->grad_fn = std::move(node);
}

void for_each_element(const Shape& shape, const Shape& strides_a, const Shape& strides_b,
                      FunctionRef<void(int64_t, int64_t)> f) {
  if (shape.numel() == 0) return;
  Shape index = Shape::of_rank(shape.rank());
  for (int64_t a = 0, b = 0;;) {
    f(a, b);
    int dim = shape.rank() - 1;
    for (; dim >= 0; --dim) {
      a += strides_a[dim];
      b += strides_b[dim];
      if (++index[dim] < shape[dim]) break;
      a -= strides_a[dim] * shape[dim];
      b -= strides_b[dim] * shape[dim];
      index[dim] = 0;
    }
    if (dim < 0) return;
  }
}

}  // namespace espalier
