// The transforms of Winograd's F(4x4, 3x3): a 3x3 correlation of a 6x6 patch is
//   y = A^T ((G w G^T) * (B^T d B)) A,
// with 36 products where the sum has 144 (Winograd 1980; Lavin and Gray, arXiv 1509.09308). The points are
// 0, +-21/32, +-3/2 and infinity: with the usual 0, +-1, +-2 the error is more than twice as large in the mean and
// four times at most. Transforms split into even and odd parts: 8 to 12 operations for six values.
#pragma once

#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

inline constexpr int kTileOut = 4, kTileIn = 6, kProducts = kTileIn * kTileIn;

inline constexpr double kA = 0.65625, kB = 1.5;
inline constexpr float kPointA = kA, kPointB = kB;
inline constexpr float kSquareA = kA * kA, kSquareB = kB * kB;
inline constexpr float kCubeA = kA * kA * kA, kCubeB = kB * kB * kB;
inline constexpr float kSquaresSum = kA * kA + kB * kB, kSquaresProduct = kA * kA * kB * kB;
// 1 over the product of p - q over the other points q, for p = 0, +-a, +-b.
inline constexpr float kScale0 = 1 / (kA * kA * kB * kB);
inline constexpr float kScaleA = 1 / (2 * kA * kA * (kA * kA - kB * kB));
inline constexpr float kScaleB = 1 / (2 * kB * kB * (kB * kB - kA * kA));

// B^T: 6 inputs to 6 values.
struct InputTransform {
  static constexpr int kIn = 6, kOut = 6;
  FASTNN_MEMBER static void line(const Vec<float>* d, Vec<float>* t) {
    const Vec<float> even_a = fma(splat(-kSquareB), d[2], d[4]), odd_a = fma(splat(-kSquareB), d[1], d[3]);
    const Vec<float> even_b = fma(splat(-kSquareA), d[2], d[4]), odd_b = fma(splat(-kSquareA), d[1], d[3]);
    const Vec<float> sum = splat(-kSquaresSum), product = splat(kSquaresProduct);
    t[0] = fma(sum, d[2], fma(product, d[0], d[4]));
    t[1] = fma(splat(kPointA), odd_a, even_a);
    t[2] = fma(splat(-kPointA), odd_a, even_a);
    t[3] = fma(splat(kPointB), odd_b, even_b);
    t[4] = fma(splat(-kPointB), odd_b, even_b);
    t[5] = fma(sum, d[3], fma(product, d[1], d[5]));
  }
};

// A^T: 6 products to 4 outputs.
struct OutputTransform {
  static constexpr int kIn = 6, kOut = 4;
  FASTNN_MEMBER static void line(const Vec<float>* m, Vec<float>* y) {
    const Vec<float> even_a = m[1] + m[2], odd_a = m[1] - m[2];
    const Vec<float> even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + (even_a + even_b);
    y[1] = fma(splat(kPointB), odd_b, splat(kPointA) * odd_a);
    y[2] = fma(splat(kSquareB), even_b, splat(kSquareA) * even_a);
    y[3] = fma(splat(kCubeB), odd_b, fma(splat(kCubeA), odd_a, m[5]));
  }
};

// A: 4 output gradients to 6 values, the transpose of OutputTransform.
struct GradientTransform {
  static constexpr int kIn = 4, kOut = 6;
  FASTNN_MEMBER static void line(const Vec<float>* d, Vec<float>* t) {
    const Vec<float> even_a = fma(splat(kSquareA), d[2], d[0]), odd_a = fma(splat(kSquareA), d[3], d[1]);
    const Vec<float> even_b = fma(splat(kSquareB), d[2], d[0]), odd_b = fma(splat(kSquareB), d[3], d[1]);
    t[0] = d[0];
    t[1] = fma(splat(kPointA), odd_a, even_a);
    t[2] = fma(splat(-kPointA), odd_a, even_a);
    t[3] = fma(splat(kPointB), odd_b, even_b);
    t[4] = fma(splat(-kPointB), odd_b, even_b);
    t[5] = d[3];
  }
};

// G: 3 weights to 6 values, in float64: it costs little beside the products, and each result is rounded once.
struct WeightTransform {
  static constexpr int kIn = 3, kOut = 6;
  FASTNN_MEMBER static void line(const Vec<double>* w, Vec<double>* t) {
    constexpr double kNormA = 1 / (2 * kA * kA * (kA * kA - kB * kB)), kNormB = 1 / (2 * kB * kB * (kB * kB - kA * kA));
    const Vec<double> even_a = fma(splat(kA * kA), w[2], w[0]), even_b = fma(splat(kB * kB), w[2], w[0]);
    t[0] = splat(1 / (kA * kA * kB * kB)) * w[0];
    t[1] = splat(kNormA) * fma(splat(kA), w[1], even_a);
    t[2] = splat(kNormA) * fma(splat(-kA), w[1], even_a);
    t[3] = splat(kNormB) * fma(splat(kB), w[1], even_b);
    t[4] = splat(kNormB) * fma(splat(-kB), w[1], even_b);
    t[5] = w[2];
  }
};

// G^T: 6 sums to 3 weight gradients.
struct WeightGradientTransform {
  static constexpr int kIn = 6, kOut = 3;
  FASTNN_MEMBER static void line(const Vec<float>* u, Vec<float>* w) {
    const Vec<float> even_a = splat(kScaleA) * (u[1] + u[2]), odd_a = splat(kScaleA) * (u[1] - u[2]);
    const Vec<float> even_b = splat(kScaleB) * (u[3] + u[4]), odd_b = splat(kScaleB) * (u[3] - u[4]);
    w[0] = fma(splat(kScale0), u[0], even_a + even_b);
    w[1] = fma(splat(kPointA), odd_a, splat(kPointB) * odd_b);
    w[2] = fma(splat(kSquareA), even_a, fma(splat(kSquareB), even_b, u[5]));
  }
};

// A transform of both axes: get(i, j) is the vector at row i and column j; put(i, row) takes row i of the result.
template <class Line, class Get, class Put>
FASTNN_INLINE void transform(const Get& get, const Put& put) {
  using V = decltype(get(0, 0));
  V half[Line::kOut][Line::kIn];
#pragma GCC unroll 6
  for (int j = 0; j < Line::kIn; ++j) {
    V in[Line::kIn], out[Line::kOut];
#pragma GCC unroll 6
    for (int i = 0; i < Line::kIn; ++i) in[i] = get(i, j);
    Line::line(in, out);
#pragma GCC unroll 6
    for (int i = 0; i < Line::kOut; ++i) half[i][j] = out[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < Line::kOut; ++i) {
    V out[Line::kOut];
    Line::line(half[i], out);
    put(i, out);
  }
}

}  // namespace fastnn::FASTNN_ISA
