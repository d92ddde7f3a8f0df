// How the values of one sample are kept in bytes: images as pixels, or latents, which are what the
// network made of an image at some stage.
#pragma once

#include <cstdint>

namespace espalier {

enum class SampleCoding {
  pixels_u8,   // an image as it came
  pixels_f32,  // pixel / 255, four bytes each: what most libraries keep
  latent_f32,  // as they are
  latent_s8,   // whole steps of largest magnitude / 127, and the step as f32
  latent_s4,   // of largest magnitude / 7, two to a byte, the first in the low bits; and the step
};

constexpr bool is_latent(SampleCoding coding) noexcept {
  return coding != SampleCoding::pixels_u8 && coding != SampleCoding::pixels_f32;
}

// What `count` values take.
int64_t coded_bytes(SampleCoding coding, int64_t count) noexcept;

// Pixels to and from one of the codings of pixels, without loss.
void encode_pixels(SampleCoding coding, const uint8_t* pixels, int64_t count, uint8_t* bytes);
void decode_pixels(SampleCoding coding, const uint8_t* bytes, int64_t count, uint8_t* pixels);

// Latents to and from one of their codings. Values in steps come back within half a step, and as
// zeros where the step would be below the smallest normal float. An argument error, with nothing
// written, where a value is not finite.
void encode_latent(SampleCoding coding, const float* values, int64_t count, uint8_t* bytes);
void decode_latent(SampleCoding coding, const uint8_t* bytes, int64_t count, float* values);

}  // namespace espalier
