// Resources (scripts/checks/cuda_resources):
//   words_kernel    32  0  256  1.00
//   uniform_kernel  32  0  256  1.00
//   normal_kernel   32  0  256  1.00
//   keep_kernel     32  0  256  1.00
//   keep_seed_at_kernel  32  0  256  1.00
#include "kernels/philox/philox_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

// The part of a fill that stands in whole groups of blocks: which threads make what of it.
struct Fill {
  PhiloxKey key;
  uint64_t offset;
  int64_t count;

  // Threads: a block of words each, from the group of `offset` on.
  int64_t threads() const {
    const int64_t first = static_cast<int64_t>(offset % philox_group);
    return (first + count + philox_group - 1) / philox_group * (philox_group / 4);
  }
  __device__ PhiloxBlock words(int64_t thread) const {
    const auto lane = static_cast<uint64_t>(thread % 16),
               group = static_cast<uint64_t>(thread / 16);
    return philox_words(key, (offset - offset % philox_group + group * philox_group) / 4 + lane);
  }
  // Where a thread's word goes; -1 outside of the fill.
  __device__ int64_t place(int64_t thread, int word) const {
    const int64_t i = thread / 16 * philox_group + 16 * word + thread % 16 -
                      static_cast<int64_t>(offset % philox_group);
    return i >= 0 && i < count ? i : -1;
  }
};

// The group's blocks past its end are made and thrown away.
__global__ void words_kernel(Fill fill, uint32_t* out) {
  const PhiloxBlock words = fill.words(element_index());
  for (int w = 0; w < 4; ++w)
    if (const int64_t i = fill.place(element_index(), w); i >= 0) out[i] = words.word[w];
}

__global__ void uniform_kernel(Fill fill, float* out) {
  const PhiloxBlock words = fill.words(element_index());
  for (int w = 0; w < 4; ++w)
    if (const int64_t i = fill.place(element_index(), w); i >= 0)
      out[i] = static_cast<float>(words.word[w] >> 8) * 0x1p-24f;
}

__global__ void normal_kernel(Fill fill, float* out) {
  const PhiloxBlock words = fill.words(element_index());
  for (int w = 0; w < 4; w += 2) {
    float values[2];
    box_muller(words.word[w], words.word[w + 1], &values[0], &values[1]);
    for (int k = 0; k < 2; ++k)
      if (const int64_t i = fill.place(element_index(), w + k); i >= 0) out[i] = values[k];
  }
}

__device__ void keep(const Fill& fill, uint32_t threshold, uint8_t* out) {
  const PhiloxBlock words = fill.words(element_index());
  for (int w = 0; w < 4; ++w)
    if (const int64_t i = fill.place(element_index(), w); i >= 0)
      out[i] = static_cast<uint8_t>(words.word[w] >= threshold);
}

__global__ void keep_kernel(Fill fill, uint32_t threshold, uint8_t* out) {
  keep(fill, threshold, out);
}

__global__ void keep_seed_at_kernel(Fill fill, const uint64_t* seed, uint32_t threshold,
                                    uint8_t* out) {
  fill.key.seed = *seed;
  keep(fill, threshold, out);
}

// Nothing to fill starts nothing.
template <class... P, class... A>
void start(void (*kernel)(Fill, P...), const Fill& fill, A... arguments) noexcept {
  if (fill.count > 0) launch(kernel, elements_grid(fill.threads()), fill, arguments...);
}

}  // namespace

void philox_u32(PhiloxKey key, uint64_t offset, uint32_t* out, int64_t count) noexcept {
  start(words_kernel, {key, offset, count}, out);
}
void philox_uniform(PhiloxKey key, uint64_t offset, float* out, int64_t count) noexcept {
  start(uniform_kernel, {key, offset, count}, out);
}
void philox_normal(PhiloxKey key, uint64_t offset, float* out, int64_t count) noexcept {
  start(normal_kernel, {key, offset, count}, out);
}
void philox_keep(PhiloxKey key, uint64_t offset, uint32_t threshold, uint8_t* out,
                 int64_t count) noexcept {
  start(keep_kernel, {key, offset, count}, threshold, out);
}

void philox_keep_seed_at(const uint64_t* seed, uint64_t stream, uint64_t offset, uint32_t threshold,
                         uint8_t* out, int64_t count) noexcept {
  start(keep_seed_at_kernel, {{0, stream}, offset, count}, seed, threshold, out);
}

}  // namespace espalier::cuda
