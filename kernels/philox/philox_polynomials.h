// The coefficients by which every row, on every device, makes normals from words: Cephes' logf,
// sinf and cosf (S. Moshier, 1989). Highest power first.
#pragma once

namespace espalier {

// ln(1 + f) = f - f^2 / 2 + f^3 P(f) for sqrt(1/2) <= 1 + f < sqrt(2).
constexpr float log_coefficients[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                      -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                      2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
// ln 2 in two parts, the first short enough that its product with an exponent is exact.
constexpr float log_two_high = 0.693359375f, log_two_low = -2.12194440e-4f;

// sin x = x + x^3 S(x^2), cos x = 1 - x^2 / 2 + x^4 C(x^2) for |x| <= pi/4.
constexpr float sin_coefficients[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
constexpr float cos_coefficients[] = {2.443315711809948e-5f, -1.388731625493765e-3f,
                                      4.166664568298827e-2f};

constexpr float radians_per_count = 1.4629180793e-9f;  // 2 pi / 2^32
constexpr unsigned sqrt_half_bits = 0x3f3504f3u;       // of the float sqrt(1/2)

}  // namespace espalier
