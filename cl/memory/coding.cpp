#include "cl/memory/coding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "engine/dispatch.h"
#include "engine/error.h"
#include "kernels/quantize/quantize.h"

namespace espalier {
namespace {

int64_t bytes_of_steps(SampleCoding coding, int64_t count) noexcept {
  return coding == SampleCoding::latent_s8 ? count : (count + 1) / 2;
}

float largest_magnitude(const float* values, int64_t count) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i]))
      argument_error("encode_latent", "values", "not finite at " + std::to_string(i),
                     "finite values", "has the training diverged?");
    largest = std::max(largest, std::abs(values[i]));
  }
  return largest;
}

uint8_t low_bits(int8_t step) { return static_cast<uint8_t>(step) & 15; }
// Of a number of 4 bits in two's complement.
int8_t from_low_bits(int bits) { return static_cast<int8_t>((bits & 15) - (bits & 8) * 2); }

void pack(const std::vector<int8_t>& steps, uint8_t* bytes) {
  for (size_t i = 0; i < steps.size(); i += 2) {
    const int high = i + 1 < steps.size() ? low_bits(steps[i + 1]) : 0;
    bytes[i / 2] = static_cast<uint8_t>(low_bits(steps[i]) | (high << 4));
  }
}

void unpack(const uint8_t* bytes, std::vector<int8_t>& steps) {
  for (size_t i = 0; i < steps.size(); ++i)
    steps[i] = from_low_bits(i % 2 ? bytes[i / 2] >> 4 : bytes[i / 2]);
}

}  // namespace

int64_t coded_bytes(SampleCoding coding, int64_t count) noexcept {
  switch (coding) {
    case SampleCoding::pixels_u8:
      return count;
    case SampleCoding::pixels_f32:
    case SampleCoding::latent_f32:
      return count * 4;
    default:
      return bytes_of_steps(coding, count) + 4;
  }
}

void encode_pixels(SampleCoding coding, const uint8_t* pixels, int64_t count, uint8_t* bytes) {
  if (coding == SampleCoding::pixels_u8) {
    std::memcpy(bytes, pixels, static_cast<size_t>(count));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const float value = static_cast<float>(pixels[i]) / 255.0f;
    std::memcpy(bytes + i * 4, &value, 4);
  }
}

void decode_pixels(SampleCoding coding, const uint8_t* bytes, int64_t count, uint8_t* pixels) {
  if (coding == SampleCoding::pixels_u8) {
    std::memcpy(pixels, bytes, static_cast<size_t>(count));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, bytes + i * 4, 4);
    pixels[i] = static_cast<uint8_t>(std::lround(value * 255.0f));
  }
}

void encode_latent(SampleCoding coding, const float* values, int64_t count, uint8_t* bytes) {
  const float largest = largest_magnitude(values, count);
  if (coding == SampleCoding::latent_f32) {
    std::memcpy(bytes, values, static_cast<size_t>(count) * 4);
    return;
  }
  float step = largest / (coding == SampleCoding::latent_s8 ? 127.0f : 7.0f);
  if (step < std::numeric_limits<float>::min()) step = 0;
  std::vector<int8_t> steps(static_cast<size_t>(count));
  if (step > 0) kernel(quantize_kernels<int8_t>()).run(values, steps.data(), count, 1 / step, 0);
  if (coding == SampleCoding::latent_s8)
    std::memcpy(bytes, steps.data(), steps.size());
  else
    pack(steps, bytes);
  std::memcpy(bytes + bytes_of_steps(coding, count), &step, 4);
}

void decode_latent(SampleCoding coding, const uint8_t* bytes, int64_t count, float* values) {
  if (coding == SampleCoding::latent_f32) {
    std::memcpy(values, bytes, static_cast<size_t>(count) * 4);
    return;
  }
  float step;
  std::memcpy(&step, bytes + bytes_of_steps(coding, count), 4);
  std::vector<int8_t> steps(static_cast<size_t>(count));
  if (coding == SampleCoding::latent_s8)
    std::memcpy(steps.data(), bytes, steps.size());
  else
    unpack(bytes, steps);
  if (step > 0)
    kernel(dequantize_kernels<int8_t>()).run(steps.data(), values, count, step, 0);
  else
    std::fill_n(values, count, 0.0f);
}

}  // namespace espalier
