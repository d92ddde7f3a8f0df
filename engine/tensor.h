// Tensor: a cheap handle over shared storage, with strides and a place on the autograd tape.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/dtype.h"
#include "engine/error.h"
#include "engine/shape.h"
#include "engine/storage.h"
#include "kernels/function_ref.h"

namespace espalier {

struct Node;  // one recorded operation: engine/autograd.h

// Copying a Tensor copies the handle: both see the same memory and the same gradient.
class Tensor {
 public:
  Tensor() = default;  // undefined: defined() is false and nothing else may be called

  // ---- making one ----
  // On the device of the innermost DeviceScope (engine/device_scope.h), the CPU outside one.
  static Tensor empty(const Shape& shape, DType dtype = DType::f32);
  static Tensor empty(const Shape& shape, DType dtype, Device device);
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32);
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32);
  // Copies `values` (row-major) to the CPU; throws unless there are shape.numel() of them.
  template <class T>
  static Tensor of(const std::vector<T>& values, const Shape& shape);
  // Over the caller's contiguous memory, without a copy. `release` runs when the last tensor over
  // it is gone; until then the memory must stay valid.
  static Tensor from_blob(void* data, const Shape& shape, DType dtype,
                          std::function<void()> release = nullptr);

  // ---- what it is ----
  bool defined() const noexcept { return impl_ != nullptr; }
  const Shape& shape() const { return impl_->shape; }
  const Shape& strides() const { return impl_->strides; }  // in elements
  int rank() const { return impl_->shape.rank(); }
  int64_t size(int64_t dim) const { return shape()[normalize_dim("size", dim, rank())]; }
  int64_t numel() const { return impl_->shape.numel(); }
  DType dtype() const { return impl_->dtype; }
  Device device() const { return impl_->storage->device(); }
  bool is_contiguous() const;
  std::string describe() const;  // "f32 [3, 4]", for error messages

  // ---- its memory ----
  // The first element. Throws an argument error unless T is the element type.
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(elements(dtype_of<T>()));
  }
  // A device error where this thread's kernels run elsewhere: the operation at hand has none there.
  std::byte* bytes() const;
  const std::shared_ptr<Storage>& storage() const { return impl_->storage; }
  int64_t storage_offset() const { return impl_->offset; }  // in elements
  // The only element, converted to double. Throws unless numel() == 1.
  double item() const;
  // All elements in row-major order, converted. Both wait for what a GPU still has to do.
  std::vector<double> to_vector() const;
  // Copies `source` (same shape and dtype, or broadcastable) into this tensor's memory, off the
  // tape; from one device to another too.
  void copy_(const Tensor& source) const;
  void fill_(double value) const;
  // This tensor where it is on `device`, else a contiguous copy there, off the tape.
  Tensor to(Device device) const;
  // A tensor over the same storage. Off the tape: engine/ops/view.h has the differentiable views.
  Tensor as_strided(const Shape& shape, const Shape& strides, int64_t offset) const;
  // The same memory without history.
  Tensor detach() const;
  // Makes this handle, and every copy of it, stand over `other`'s memory (same shape and dtype).
  // This is how an optimiser gathers parameters into one arena.
  void set_storage_of(const Tensor& other) const;

  // ---- autograd ----
  bool requires_grad() const;
  // Marks a leaf (a tensor no operation made) as wanting a gradient. Floating point only.
  const Tensor& set_requires_grad(bool wanted = true) const;
  // The gradient that backward() left in this leaf; undefined before.
  Tensor grad() const;
  // Undefined, or contiguous and of this tensor's shape, dtype and device: derivatives add into it.
  void set_grad(const Tensor& gradient) const;
  const std::shared_ptr<Node>& grad_fn() const { return impl_->grad_fn; }
  // Where a leaf's gradient starts in a GradientSink's arena, in elements; -1 for nowhere.
  int64_t arena_offset() const { return impl_->arena_offset; }
  void set_arena_offset(int64_t offset) const { impl_->arena_offset = offset; }

  // True when both are handles of one tensor (not merely of one memory).
  bool same(const Tensor& other) const noexcept { return impl_ == other.impl_; }
  const void* id() const noexcept { return impl_.get(); }

 private:
  struct Impl {
    std::shared_ptr<Storage> storage;
    Shape shape, strides;
    int64_t offset = 0;
    DType dtype = DType::f32;
    bool requires_grad = false;
    int64_t arena_offset = -1;
    std::shared_ptr<Node> grad_fn;
    std::shared_ptr<Impl> grad;
  };
  explicit Tensor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  static Tensor make(std::shared_ptr<Storage> storage, const Shape& shape, DType dtype);
  std::byte* elements(DType wanted) const;
  std::byte* address() const {
    return impl_->storage->data() + static_cast<size_t>(impl_->offset) * dtype_size(impl_->dtype);
  }
  friend void set_history(const Tensor& tensor, std::shared_ptr<Node> node);

  std::shared_ptr<Impl> impl_;
};

// Tensors by dotted name, in a meaningful order: "blocks.0.attention.qkv.weight", ...
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// The tape's way to mark `tensor` as the output of `node`.
void set_history(const Tensor& tensor, std::shared_ptr<Node> node);

template <class T>
Tensor Tensor::of(const std::vector<T>& values, const Shape& shape) {
  Tensor out = empty(shape, dtype_of<T>(), Device::cpu());
  const int64_t count = static_cast<int64_t>(values.size());
  if (count != shape.numel()) {
    argument_error("Tensor::of", "values", std::to_string(count) + " long",
                   std::to_string(shape.numel()) + " values for shape " + shape.str(), "");
  }
  T* p = reinterpret_cast<T*>(out.address());
  for (int64_t i = 0; i < count; ++i) p[i] = values[static_cast<size_t>(i)];
  return out;
}

// Calls f(offset_a, offset_b) for each element, in row-major order, of two equally shaped tensors.
// For slow paths and checks; operations use kernels.
void for_each_element(const Shape& shape, const Shape& strides_a, const Shape& strides_b,
                      FunctionRef<void(int64_t, int64_t)> f);

}  // namespace espalier
