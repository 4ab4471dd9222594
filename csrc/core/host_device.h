// Marks what both the host and a GPU's threads call.
#pragma once

#if defined(__CUDACC__)
#define FASTNN_HOST_DEVICE __host__ __device__
#else
#define FASTNN_HOST_DEVICE
#endif
