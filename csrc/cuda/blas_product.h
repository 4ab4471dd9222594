// Products through cuBLASLt, where it is there and worth its calls on the host: each function says whether it did.
// What it takes depends on shapes and strides alone, and for one layout and alignment so do its bits.
#pragma once

#include "ops/matmul.h"

namespace fastnn::cuda {

template <class T>
bool blas_workspace(const MatmulArgs<T>& a, int64_t* bytes);
template <class T>
bool blas_matmul(const MatmulArgs<T>& a);

}  // namespace fastnn::cuda
