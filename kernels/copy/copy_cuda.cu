// Resources (scripts/checks/cuda_resources):
//   copy_kernel  16  0  256  1.00
//   fill_kernel  16  0  256  1.00
#include <cstring>

#include "kernels/copy/copy.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

struct Layout {
  MatrixStrides x, y;
  int64_t columns;
};

// A thread an element, in the order of y's rows, so that contiguous rows are written in one piece.
template <class Element>
__global__ void copy_kernel(const Element* x, Element* y, Layout at, int64_t count) {
  const int64_t i = element_index();
  if (i >= count) return;
  const int64_t row = i / at.columns, column = i % at.columns;
  y[row * at.y.row + column * at.y.column] = x[row * at.x.row + column * at.x.column];
}

template <class Element>
__global__ void fill_kernel(Element value, Element* y, int64_t count) {
  const int64_t i = element_index();
  if (i < count) y[i] = value;
}

}  // namespace

template <class Element>
void copy(const void* x, MatrixStrides x_strides, void* y, MatrixStrides y_strides, int64_t rows,
          int64_t columns) noexcept {
  const int64_t count = rows * columns;
  launch(copy_kernel<Element>, elements_grid(count), static_cast<const Element*>(x),
         static_cast<Element*>(y), Layout{x_strides, y_strides, columns}, count);
}

template <class Element>
void fill(const void* value, void* y, int64_t count) noexcept {
  Element element;
  std::memcpy(&element, value, sizeof element);
  launch(fill_kernel<Element>, elements_grid(count), element, static_cast<Element*>(y), count);
}

template Copy copy<uint8_t>;
template Copy copy<uint16_t>;
template Copy copy<uint32_t>;
template Copy copy<uint64_t>;

template Fill fill<uint8_t>;
template Fill fill<uint16_t>;
template Fill fill<uint32_t>;
template Fill fill<uint64_t>;

}  // namespace espalier::cuda
