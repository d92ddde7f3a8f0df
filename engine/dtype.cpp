#include "engine/dtype.h"

namespace espalier {
namespace {

constexpr struct {
  DType dtype;
  const char* name;
  size_t size;
} table[] = {{DType::f32, "f32", 4},     {DType::f64, "f64", 8}, {DType::f16, "f16", 2},
             {DType::bf16, "bf16", 2},   {DType::s8, "s8", 1},   {DType::u8, "u8", 1},
             {DType::s16, "s16", 2},     {DType::s32, "s32", 4}, {DType::s64, "s64", 8},
             {DType::boolean, "bool", 1}};

}  // namespace

size_t dtype_size(DType dtype) noexcept { return table[static_cast<size_t>(dtype)].size; }
const char* dtype_name(DType dtype) noexcept { return table[static_cast<size_t>(dtype)].name; }

}  // namespace espalier
