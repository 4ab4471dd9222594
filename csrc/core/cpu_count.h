// How many threads this process should use.
#pragma once

namespace fastnn {

int available_cpus();   // of the affinity mask
int default_threads();  // environment, else affinity mask and cgroup quota

}  // namespace fastnn
