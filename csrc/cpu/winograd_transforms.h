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
  FASTNN_MEMBER static void line(double w0, double w1, double w2, double* t) {
    constexpr double kNormA = 1 / (2 * kA * kA * (kA * kA - kB * kB)), kNormB = 1 / (2 * kB * kB * (kB * kB - kA * kA));
    const double even_a = w0 + kA * kA * w2, even_b = w0 + kB * kB * w2, odd_a = kA * w1, odd_b = kB * w1;
    t[0] = 1 / (kA * kA * kB * kB) * w0;
    t[1] = kNormA * (even_a + odd_a);
    t[2] = kNormA * (even_a - odd_a);
    t[3] = kNormB * (even_b + odd_b);
    t[4] = kNormB * (even_b - odd_b);
    t[5] = w2;
  }
  // kColumns kernels w[tap][column] at once; product xi goes to u + xi * plane.
  template <int64_t kColumns>
  static void run(const float (*w)[kColumns], float* u, int64_t plane, int64_t columns) {
    double half[kTileIn][3][kColumns];
    for (int l = 0; l < 3; ++l)
      for (int64_t j = 0; j < kColumns; ++j) {
        double t[kTileIn];
        line(w[l][j], w[3 + l][j], w[6 + l][j], t);
#pragma GCC unroll 6
        for (int i = 0; i < kTileIn; ++i) half[i][l][j] = t[i];
      }
    for (int i = 0; i < kTileIn; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        double t[kTileIn];
        line(half[i][0][j], half[i][1][j], half[i][2][j], t);
#pragma GCC unroll 6
        for (int l = 0; l < kTileIn; ++l) u[(i * kTileIn + l) * plane + j] = static_cast<float>(t[l]);
      }
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
  Vec<float> half[Line::kOut][Line::kIn];
#pragma GCC unroll 6
  for (int j = 0; j < Line::kIn; ++j) {
    Vec<float> in[Line::kIn], out[Line::kOut];
#pragma GCC unroll 6
    for (int i = 0; i < Line::kIn; ++i) in[i] = get(i, j);
    Line::line(in, out);
#pragma GCC unroll 6
    for (int i = 0; i < Line::kOut; ++i) half[i][j] = out[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < Line::kOut; ++i) {
    Vec<float> out[Line::kOut];
    Line::line(half[i], out);
    put(i, out);
  }
}

}  // namespace fastnn::FASTNN_ISA
