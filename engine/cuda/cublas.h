// Matrix products on GPUs by NVIDIA's cuBLAS: a baseline, and what --gemm cublas selects. Its
// results are the same from run to run on one kind of GPU and one version of the library, for one
// stream computes in a workspace of a fixed size; they differ from ours by rounding.
#pragma once

#include <string>

#include "engine/device.h"
#include "engine/dtype.h"
#include "kernels/gemm_f32/gemm_f32.h"

namespace espalier {

// Whose kernels multiply() runs on GPUs, in f32 without TF32 and in bf16; f64 is always ours.
enum class GpuGemm { own, cublas };

// For all threads. A device error, with what to do, where cuBLAS cannot be opened or cannot use
// `device`; ours go on then.
void set_gpu_gemm(GpuGemm which, Device device = Device::cuda());
GpuGemm gpu_gemm() noexcept;

namespace cuda {

// On the calling thread's device, operands rounded to `taken` first: f32, bf16 or f16. False, with
// nothing done, where BLAS has no word for the product: an operand neither of whose strides is 1,
// broadcast rows, K of 0, or a bias added to what is there already. A device error that names the
// operation where cuBLAS fails.
bool cublas_multiply(const GemmBatch<float>& gemm, DType taken);

}  // namespace cuda

}  // namespace espalier
