// A short list of dimensions or strides, held in place.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace espalier {

class Shape {
 public:
  static constexpr int max_rank = 8;

  Shape() = default;
  // Throws an argument error past max_rank dimensions. Negative entries are the user's to check.
  Shape(std::initializer_list<int64_t> dims);
  template <class Iterator>
  Shape(Iterator first, Iterator last) {
    for (; first != last; ++first) push_back(static_cast<int64_t>(*first));
  }
  static Shape of_rank(int rank, int64_t value = 0);

  int rank() const noexcept { return rank_; }
  int64_t operator[](int i) const noexcept { return dims_[static_cast<size_t>(i)]; }
  int64_t& operator[](int i) noexcept { return dims_[static_cast<size_t>(i)]; }
  int64_t back() const noexcept { return (*this)[rank_ - 1]; }
  const int64_t* begin() const noexcept { return dims_.data(); }
  const int64_t* end() const noexcept { return dims_.data() + rank_; }
  void push_back(int64_t dim);

  int64_t numel() const noexcept;  // the product of the dimensions; 1 for rank 0
  // Whether no dimension is negative and the strides, and the bytes of any dtype, fit int64_t.
  bool countable() const noexcept;
  std::string str() const;  // "[3, 4]"

  friend bool operator==(const Shape& a, const Shape& b) noexcept;

 private:
  std::array<int64_t, max_rank> dims_{};
  int rank_ = 0;
};

// Row-major strides, in elements.
Shape contiguous_strides(const Shape& shape);

// `dim` in [-rank, rank) as [0, rank); throws an argument error naming `op` otherwise.
int normalize_dim(const char* op, int64_t dim, int rank);

// The common shape under NumPy's broadcasting rules; throws an argument error naming `op`.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

// Strides that walk a tensor of `shape` and `strides` as if it had the shape `wide`, which it
// broadcasts to: 0 in the dimensions that repeat.
Shape broadcast_strides(const Shape& shape, const Shape& strides, const Shape& wide);

}  // namespace espalier
