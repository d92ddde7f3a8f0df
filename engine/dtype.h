// Element types. Data may be of any of them; arithmetic exists where kernels do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/half.h"

namespace espalier {

enum class DType : uint8_t { f32, f64, f16, bf16, s8, u8, s16, s32, s64, boolean };

size_t dtype_size(DType dtype) noexcept;       // bytes an element
const char* dtype_name(DType dtype) noexcept;  // "f32", …, "bool"

constexpr bool is_floating_point(DType dtype) noexcept { return dtype <= DType::bf16; }

// The DType of a C++ type.
template <class T>
constexpr DType dtype_of() noexcept {
  if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, Float16>)
    return DType::f16;
  else if constexpr (std::is_same_v<T, BFloat16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<T, int8_t>)
    return DType::s8;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<T, int16_t>)
    return DType::s16;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DType::s32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DType::s64;
  else {
    static_assert(std::is_same_v<T, bool>, "no DType for this type");
    return DType::boolean;
  }
}

}  // namespace espalier
