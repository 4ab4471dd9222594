// Rows that teams of threads go through together: some lanes of a warp for short rows, several warps for
// long ones.
#pragma once

#include "cuda/loss_sum.cuh"

namespace fastnn::cuda {

// Threads for a row of so many pieces: a power of two. More than a warp where there are too few rows to fill a
// card, or more than 32 pieces a thread.
inline int team_for(int64_t rows, int64_t pieces) {
  int team = 4;
  while (team < kWarp && team < pieces) team *= 2;
  while (team >= kWarp && team < kThreads && team * 4 < pieces && (rows * team < (1 << 17) || team * 32 < pieces))
    team *= 2;
  return team;
}

// The team's threads' states merged, in one order for all; `parts` is shared, one a warp. All threads of the
// block call it.
template <class State>
__device__ State merged(State state, int team, State* parts) {
  for (int lane = (team < kWarp ? team : kWarp) / 2; lane > 0; lane /= 2) state.merge(state.of_lane(lane));
  if (team <= kWarp) return state;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, warps = team / kWarp, first = warp / warps * warps;
  __syncthreads();  // until the last row's parts are read
  if (threadIdx.x % kWarp == 0) parts[warp] = state;
  __syncthreads();
  state = parts[first];
  for (int i = 1; i < warps; ++i) state.merge(parts[first + i]);
  return state;
}

}  // namespace fastnn::cuda
